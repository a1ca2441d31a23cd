"""The golden run records: 36 directories, and what the older archiver made of them, unpacked once a process."""

from __future__ import annotations

import atexit
import tempfile
from functools import cache
from pathlib import Path

from tests.trees import remove, unpack

GOLDEN = Path(__file__).parent / "golden"
PACKED = GOLDEN / "run_records.tar.xz"
UNREADABLE = "EventBuilder1.fcl"
"""The file of run 1019 that its mode lets nobody but root read."""
RUNS = range(1000, 1036)
REFUSED_BY_THE_OLDER_ARCHIVER = frozenset({1008, 1032, 1033})


@cache
def golden_records() -> Path:
    """The unpacked directory: `in/<run>`, `out/<run>/{archive,update,config_name.txt,has_update.txt}`, `conf/`.

    The unreadable file of run 1019 can be read in it, whoever runs the tests.
    """
    place = Path(tempfile.mkdtemp(prefix="golden-records-"))
    atexit.register(remove, place)
    golden = unpack(PACKED, place) / "run_records_golden"
    (golden / "in" / "1019" / UNREADABLE).chmod(0o400)
    return golden


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
