"""Giving a run record back: names, bytes, modes and times, and never a byte outside the directory."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from runarchive.errors import ArchiveError, Code, cannot_write
from runarchive.fhicl.originals import FileKind, OriginalFile, file_name_bytes
from runarchive.model import Phase, Store
from runarchive.records_dir.read import LINKED, clean_name


def restore_record(files: Sequence[OriginalFile], out: Path) -> None:
    """Write a record's entries to the directory `out`, which is made and must be new or empty.

    Modes and times are those of the record, of directories too. Links are made as they were, and last: nothing is
    ever written through one. Files kept from behind a directory link are left out.
    Raises ArchiveError(CORRUPT) for a name that leaves the directory or appears twice, CONFLICT when `out` holds
    something, NOT_FOUND, PERMISSION or DISK_FULL when it cannot be written.
    """
    entries = _checked(files)
    try:
        _restore(entries, out)
    except OSError as error:
        raise cannot_write(out, error, Store.FILESYSTEM) from error


def _checked(files: Sequence[OriginalFile]) -> dict[str, OriginalFile]:
    """The entries to write, by name; parents exist, and only directories hold others."""
    entries: dict[str, OriginalFile] = {}
    links = {file.name for file in files if file.kind is FileKind.LINK}
    for file in files:
        name = file.name
        if _link_before(name) in links:
            continue
        parts = name.split("/")
        if name != "." and any(part in ("", ".", "..") or "\0" in part for part in parts):
            raise _refuse(f"the name {clean_name(name)!r} leaves the record directory")
        if name in entries:
            raise _refuse(f"the name {clean_name(name)!r} appears twice")
        entries[name] = file
    for name in entries:
        parent = name.rpartition("/")[0]
        if parent and (parent not in entries or entries[parent].kind is not FileKind.DIRECTORY):
            raise _refuse(f"{clean_name(name)!r} stands in no directory of the record")
    return entries


def _link_before(name: str) -> str | None:
    """The link behind which this entry was found, if it is such an entry."""
    before, separator, _ = f"{name}/".partition("/" + LINKED)
    return before if separator else None


def _refuse(message: str) -> ArchiveError:
    return ArchiveError(Code.CORRUPT, message, store=Store.FILESYSTEM, phase=Phase.WRITE)


def _restore(entries: dict[str, OriginalFile], out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    if any(out.iterdir()):
        raise ArchiveError(
            Code.CONFLICT,
            f"{out} is not empty",
            store=Store.FILESYSTEM,
            phase=Phase.WRITE,
            hint="name a new directory",
        )
    root = os.fsencode(out)
    names = sorted(entries, key=file_name_bytes)
    directories = [name for name in names if entries[name].kind is FileKind.DIRECTORY]
    for name in directories:
        if name != ".":
            os.mkdir(_place(root, name), 0o700)
    for name in names:
        entry, place = entries[name], _place(root, name)
        if entry.kind is FileKind.FILE:
            _write_file(place, entry)
        elif entry.kind is FileKind.LINK:
            os.symlink(file_name_bytes(entry.target), place)
            os.utime(place, ns=(entry.mtime_ns, entry.mtime_ns), follow_symlinks=False)
    for name in reversed(directories):
        entry, place = entries[name], _place(root, name)
        os.utime(place, ns=(entry.mtime_ns, entry.mtime_ns))
        os.chmod(place, entry.mode)


def _place(root: bytes, name: str) -> bytes:
    return os.path.join(root, file_name_bytes(name)) if name != "." else root


def _write_file(place: bytes, entry: OriginalFile) -> None:
    descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(entry.data)
        file.flush()
        os.fchmod(descriptor, entry.mode)
        os.utime(descriptor, ns=(entry.mtime_ns, entry.mtime_ns))


def differences(left: Sequence[OriginalFile], right: Sequence[OriginalFile]) -> Iterator[str]:
    """Every difference between two records, one sentence each; none when they are the same in all that is kept."""
    ours, theirs = ({file.name: file for file in files} for files in (left, right))
    for name in sorted(ours.keys() | theirs.keys(), key=file_name_bytes):
        mine, other = ours.get(name), theirs.get(name)
        shown = clean_name(name)
        if mine is None or other is None:
            yield f"{shown}: only in the {'second' if mine is None else 'first'}"
            continue
        for what in ("kind", "mode", "mtime_ns", "target", "data"):
            if getattr(mine, what) != getattr(other, what):
                yield f"{shown}: {what.removesuffix('_ns')} differs"
