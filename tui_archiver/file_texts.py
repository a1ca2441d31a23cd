"""One file of a run in two stores: which two, its text in each, and how they differ."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from runarchive.archive import Archive, Comparison, FileComparison
from runarchive.errors import ArchiveError, Code
from runarchive.model import Mark, Store
from tui_archiver.diff_model import DiffOptions, Row, compare

PAIRS = (
    (Store.ARTDAQDB, Store.UCONDB),
    (Store.FILESYSTEM, Store.ARTDAQDB),
    (Store.FILESYSTEM, Store.UCONDB),
)
DIFFERENT = frozenset({Mark.DIFFERS, Mark.PARTIAL, Mark.ERROR})
BLOB_FRAME = ""
"""Stands among the file names for the blob's header and footer."""


class Texts(NamedTuple):
    """One file in two stores, as lines, and how they differ; None where a store has no such file."""

    name: str
    left: list[str] | None
    right: list[str] | None
    rows: list[Row]


def is_different(file: FileComparison) -> bool:
    """Whether somebody should look at a file; one that only the directory lacks was cleaned away or made up."""
    marks = [file.marks.of(store) for store in Store]
    return any(mark in DIFFERENT for mark in marks) or Mark.MISSING in marks[1:]


def likely_pair(file: FileComparison | None) -> int:
    """Which of PAIRS to look at first: where the difference is, else where both may have the file, else any."""
    if file is None:
        return 0
    here = {store for store in Store if file.marks.of(store) is not Mark.MISSING}
    full = [at for at, pair in enumerate(PAIRS) if set(pair) <= here]
    differing = [at for at in full if file.marks.of(PAIRS[at][1]) in DIFFERENT]
    some = [at for at, pair in enumerate(PAIRS) if set(pair) & here]
    return next(iter((*differing, *full, *some)), 0)


def read_texts(
    archive: Archive, run: int, name: str, pair: Sequence[Store], *, original: bool, options: DiffOptions
) -> Texts:
    """The file in both stores, compared; raises the failure of a store that cannot be asked."""

    def read(store: Store) -> list[str] | None:
        try:
            return archive.file_text(run, store, name, original=original).split("\n")
        except ArchiveError as error:
            if error.code is Code.NOT_FOUND:
                return None
            raise

    left, right = (read(store) for store in pair)
    return Texts(name, left, right, compare(left or [], right or [], options))


def frame_texts(comparison: Comparison) -> Texts:
    """What the blob's header and footer say; artdaqDB has nothing like it, and no comparison counts it."""
    lines = [f"Run Number: {comparison.blob_run}", f"Packed on {comparison.packed_on}"]
    return Texts(BLOB_FRAME, lines, lines, compare(lines, lines, DiffOptions()))
