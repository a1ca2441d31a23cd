"""Listing a records directory: one `scandir`, no call per entry."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from runarchive.errors import ArchiveError, Code
from runarchive.model import Phase, Store, run_number


class RunPaths(Mapping[int, Path]):
    """The runs of a records directory, lowest number first, each with its path, which is made when asked for."""

    __slots__ = ("_directory", "_runs")

    def __init__(self, directory: Path, runs: Iterable[int]) -> None:
        self._directory = directory
        self._runs = dict.fromkeys(sorted(runs))

    def __getitem__(self, run: int) -> Path:
        if run not in self._runs:
            raise KeyError(run)
        return self._directory / str(run)

    def __iter__(self) -> Iterator[int]:
        return iter(self._runs)

    def __len__(self) -> int:
        return len(self._runs)

    def __contains__(self, run: object) -> bool:
        return run in self._runs


@dataclass(frozen=True, slots=True)
class Scan:
    """What a records directory holds: its runs, and every other name with the reason why it is none."""

    runs: RunPaths
    oddities: tuple[tuple[str, str], ...]


def scan_records(directory: Path) -> Scan:
    """The runs of a records directory, lowest number first, and everything in it that is no run.

    A run is a directory (or a link to one) named by a plain decimal number. The kind of an entry comes with the
    listing itself, so that 100 000 entries cost one scan.
    Raises ArchiveError(NOT_FOUND, PERMISSION or UNREADABLE_FILE, store=FILESYSTEM) when it cannot be listed.
    """
    runs: list[int] = []
    oddities: list[tuple[str, str]] = []
    try:
        with os.scandir(directory) as entries:
            for entry in entries:
                run = run_number(entry.name)
                reason = _name_oddity(entry.name) if run is None else _kind_oddity(entry)
                if run is None or reason:
                    oddities.append((entry.name, reason))
                else:
                    runs.append(run)
    except OSError as error:
        raise _cannot_list(directory, error) from error
    return Scan(RunPaths(directory, runs), tuple(sorted(oddities)))


def run_of_directory(directory: Path) -> int | None:
    """The run number that a record's directory is named by, or the link that leads to it; None when it is none."""
    return run_number(os.path.basename(os.path.abspath(directory)))


def _name_oddity(name: str) -> str:
    """Why this name is no run's."""
    if name == ".record_directory_info":
        return "DAQInterface's own note on this directory"
    if not (name.isascii() and name.isdigit()):
        return "not a plain decimal run number"
    return "a run number has no leading zero" if name[0] == "0" else "the number is too large for a run"


def _kind_oddity(entry: os.DirEntry[str]) -> str:
    """Why this entry is no directory, or ""."""
    try:
        if entry.is_dir():
            return ""
        return "a link that leads to no directory" if entry.is_symlink() else "a file, not a directory"
    except OSError as error:
        return f"cannot be looked at: {error.strerror}"


def _cannot_list(directory: Path, error: OSError) -> ArchiveError:
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        code, what = Code.NOT_FOUND, "is no directory"
        hint = "correct source_files.run_records_dir, or mount the disk"
    else:
        code = Code.PERMISSION if isinstance(error, PermissionError) else Code.UNREADABLE_FILE
        what, hint = f"cannot be listed: {error.strerror}", None
    return ArchiveError(
        code, f"the records directory {directory} {what}", store=Store.FILESYSTEM, phase=Phase.LIST, hint=hint
    )
