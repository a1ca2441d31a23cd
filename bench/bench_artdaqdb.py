"""How fast documents go into an artdaqDB store and come out of it.

    python bench/bench_artdaqdb.py [--uri URI] [--runs N] [--fill N] [--size small|medium|large] [--workers W]

Cold: the .fcl files of one run in a fresh process; parsing, encoding and writing are timed. Warm: the content of
the run before. Series: runs as they come, one document in three new. An import compares, writes and reads back.
`--fill` puts so many documents into the store first, to see whether the cost grows with what is there.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from runarchive.artdaqdb.export import export_configuration
from runarchive.artdaqdb.importing import Wanted, import_run
from runarchive.artdaqdb.schema import DEFAULT_SCHEMA
from runarchive.artdaqdb.store import NewDocument, open_store
from runarchive.fhicl.convert import convert_record
from runarchive.fhicl.originals import pack_originals
from runarchive.records_dir import read_record
from runarchive.records_dir.make import Size, make_records


def prepare(records: Path, runs: Sequence[int]) -> list[Wanted]:
    """What each record should be in the store."""
    wanted = []
    for run in runs:
        record = read_record(records / str(run), run)
        conversion = convert_record(record.files, run)
        originals = pack_originals(record.files)
        wanted.append(Wanted(run, conversion.configuration, conversion.entities, DEFAULT_SCHEMA, originals))
    return wanted


def documents_of(wanted: Wanted) -> list[NewDocument]:
    """A run as plain documents, without comparison and read-back."""
    name = wanted.full_name
    pairs = [*wanted.entities, ("schema", wanted.schema)]
    place = {"schema": "SystemLayout"}
    return [NewDocument(place.get(one, "RunHistory"), one, name, name, wanted.run, text) for one, text in pairs]


class Watch:
    """Wall clock and processor time since it was made."""

    def __init__(self) -> None:
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def report(self, what: str, documents: int, runs: int) -> None:
        """One line of result: what went by in a second, and in a second of one processor."""
        report(what, documents, runs, time.perf_counter() - self._wall, time.process_time() - self._cpu)


def report(what: str, documents: int, runs: int, wall: float, cpu: float) -> None:
    """One line of result."""
    line = (
        f"{what:<34}{documents / wall:>7.0f} documents/s {runs / wall:>7.1f} runs/s {documents / cpu:>9.0f} /s of CPU\n"
    )
    sys.stdout.write(line)
    sys.stdout.flush()


def fcl_documents(records: Path, run: int) -> list[NewDocument]:
    """The .fcl files of a record as they are, nothing parsed yet."""
    name = f"{run}/cold"
    files = sorted((records / str(run)).glob("*.fcl"))
    return [NewDocument("RunHistory", file.stem, name, name, run, file.read_text()) for file in files]


def cold(uri: str, records: Path, runs: Sequence[int]) -> None:
    """Insert the .fcl files of one run in each of several fresh processes."""
    program = (
        "import sys, time; sys.path[:0] = [sys.argv[4]]; import bench_artdaqdb as b; from pathlib import Path\n"
        "d = b.fcl_documents(Path(sys.argv[2]), int(sys.argv[3])); s = b.open_store(sys.argv[1])\n"
        "s.list_configurations(); t, c = time.perf_counter(), time.process_time(); s.insert(d)\n"
        "print(len(d), sum(len(x.text) for x in d), time.perf_counter() - t, time.process_time() - c)\n"
    )
    count, length, wall, cpu = 0, 0, 0.0, 0.0
    for run in runs:
        command = [sys.executable, "-c", program, uri, str(records), str(run), str(Path(__file__).parent)]
        answer = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
        count, length = count + int(answer[0]), length + int(answer[1])
        wall, cpu = wall + float(answer[2]), cpu + float(answer[3])
    report(f"cold: insert of .fcl, {length / cpu / 1e6:.1f} MB/s of CPU", count, len(runs), wall, cpu)


def fill(uri: str, count: int) -> None:
    """Put tiny documents of runs from 10 000 000 on into the store."""
    with closing(open_store(uri)) as store:
        for first in range(0, count, 1000):
            documents = [
                NewDocument("RunHistory", f"e{n % 25}", f"{run}/fill", f"{run}/fill", run, "a: 1\n")
                for n in range(first, min(first + 1000, count))
                for run in [10_000_000 + n // 25]
            ]
            store.insert(documents)
        store.fold()


def main() -> None:
    """Run the benchmark and print one line a figure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--uri", help="a store to write to; else a FilesystemDB in a temporary directory here")
    parser.add_argument("--runs", type=int, default=40)
    parser.add_argument("--fill", type=int, default=0)
    parser.add_argument("--size", choices=[size.value for size in Size], default="medium")
    parser.add_argument("--workers", type=int, default=1)
    args = parser.parse_args()
    work = Path(tempfile.mkdtemp(prefix=".bench-", dir=Path.cwd()))
    try:
        measure(args, work)
    finally:
        shutil.rmtree(work)


def measure(args: argparse.Namespace, work: Path) -> None:
    """Each figure in turn: cold, warm insert, whole imports, imports of what is there, exports, listing."""
    uri = args.uri or f"filesystemdb://{work}/db"
    records = work / "records"
    make_records(records, runs=args.runs + 4, first=1000, size=Size(args.size), seed=1, in_progress=0)
    if args.fill:
        fill(uri, args.fill)
    cold(uri, records, range(1000, 1003))
    wanted = prepare(records, range(1003, 1004 + args.runs))
    with closing(open_store(uri)) as store, ThreadPoolExecutor(args.workers) as pool:
        same = [replace(wanted[0], run=2000 + number) for number in range(1 + 2 * args.runs)]
        import_run(store, same[0])
        batches = [documents_of(one) for one in same[1 : 1 + args.runs]]
        watch = Watch()
        list(pool.map(store.insert, batches))
        watch.report("warm: insert", sum(map(len, batches)), len(batches))
        for what, runs in (("warm: import", same[1 + args.runs :]), ("series: import", wanted[1:])):
            watch = Watch()
            outcomes = list(pool.map(lambda one: import_run(store, one), runs))
            watch.report(what, sum(len(one.written) for one in outcomes), len(outcomes))
        start = time.perf_counter()
        store.fold()
        sys.stdout.write(f"{'fold':<44}{time.perf_counter() - start:>9.2f} s\n")
        watch = Watch()
        list(pool.map(lambda one: import_run(store, one), wanted[1:]))
        watch.report("nothing to do: compare", sum(len(one.stored) for one in outcomes), len(outcomes))
        watch = Watch()
        exports = [export_configuration(store, outcome.before.configuration) for outcome in outcomes]
        watch.report("export, warm", sum(len(one.files) for one in exports), len(exports))
    with closing(open_store(uri)) as store:
        for what in ("listing in a fresh provider", "listing again"):
            start = time.perf_counter()
            count = len(store.list_configurations())
            sys.stdout.write(f"{what + f', {count} configurations':<44}{time.perf_counter() - start:>9.3f} s\n")


if __name__ == "__main__":
    main()
