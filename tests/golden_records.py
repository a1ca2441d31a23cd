"""The golden run records: 36 directories, and what the older archiver made of them, unpacked once a process."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path

from tests.packed import unpack

GOLDEN = Path(__file__).parent / "golden"
RUNS = range(1000, 1036)
REFUSED_BY_THE_OLDER_ARCHIVER = frozenset({1008, 1032, 1033})


@cache
def golden_records() -> Path:
    """The unpacked directory: `in/<run>`, `out/<run>/{archive,update,config_name.txt,has_update.txt}`, `conf/`."""
    place = Path(tempfile.mkdtemp(prefix="golden-records-"))
    atexit.register(_remove, place)
    return unpack(GOLDEN / "run_records.tar.xz", place) / "run_records_golden"


def _remove(place: Path) -> None:
    """Remove what was unpacked, read-only directories too."""
    for directory in (place, *place.rglob("*")):
        if directory.is_dir() and not directory.is_symlink():
            directory.chmod(0o755)
    shutil.rmtree(place, ignore_errors=True)


def golden_input(run: int) -> Path:
    """The record directory of one golden run."""
    return golden_records() / "in" / str(run)


def golden_output(run: int) -> dict[str, bytes]:
    """The `.fcl` files that the older archiver prepared for this run, schema.fcl of its own configuration apart."""
    found: dict[str, bytes] = {}
    for step in ("archive", "update"):
        base = golden_records() / "out" / str(run) / step
        for path in sorted(base.rglob("*.fcl")):
            name = path.relative_to(base).as_posix()
            if name != "schema.fcl":
                found[name] = path.read_bytes()
    return found
