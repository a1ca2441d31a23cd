"""How fast run records are listed, made, read, converted, kept and restored; one line a step.

python bench/bench_records.py [RUNS]
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

from runarchive.fhicl.convert import convert_record
from runarchive.fhicl.originals import pack_originals, unpack_originals
from runarchive.records_dir import read_record, scan_records
from runarchive.records_dir.make import MadeRun, Size, make_records
from runarchive.records_dir.restore import restore_record

ENTRIES = 100_000
T = TypeVar("T")


def timed(what: str, count: int, work: Callable[[], T]) -> T:
    """Do the work and print what one of `count` pieces took."""
    start = time.perf_counter()
    result = work()
    seconds = time.perf_counter() - start
    sys.stdout.write(f"{what:44} {seconds:8.3f} s {1000 * seconds / count:9.4f} ms each {count / seconds:12.1f} /s\n")
    return result


def each(work: Callable[[T], object], things: Iterable[T]) -> Callable[[], list[object]]:
    """The work done on every thing, when called."""
    return lambda: [work(thing) for thing in things]


def each_size(out: Path, runs: int, size: Size) -> Callable[[], tuple[MadeRun, ...]]:
    """The records made, when called."""
    return lambda: make_records(out, runs=runs, size=size)


def main(runs: int) -> None:
    place = Path(tempfile.mkdtemp(prefix="bench-records-"))
    try:
        many = place / "many"
        many.mkdir()
        for number in range(ENTRIES):
            (many / str(number)).mkdir()
        timed(f"scan {ENTRIES} entries", ENTRIES, lambda: scan_records(many))
        for size in Size:
            out = place / size
            made = timed(f"make {runs} {size} records", runs, each_size(out, runs, size))
            records = [read_record(run.path, run.run) for run in made]
            timed(f"read {size}", runs, each(lambda run: read_record(run.path, run.run), made))
            for how in ("cold", "warm"):
                timed(f"convert {size}, {how}", runs, each(lambda one: convert_record(one.files, one.run), records))
            packed = [pack_originals(record.files) for record in records]
            timed(f"pack originals {size}, warm", runs, each(lambda one: pack_originals(one.files), records))
            timed(f"unpack originals {size}", runs, each(unpack_originals, packed))
            places = [(record, place / f"{size}-back" / str(record.run)) for record in records]
            timed(f"restore {size}", runs, each(lambda one: restore_record(one[0].files, one[1]), places))
    finally:
        for directory in place.glob("*/*"):
            directory.chmod(0o755)
        shutil.rmtree(place)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
