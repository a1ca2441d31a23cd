"""A quick look at a record's directory, for plans: every entry's status, and metadata.txt alone is read."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

from runarchive.pipeline.evidence import RecordFacts
from runarchive.records_dir import run_times

_CONFIG_NAME = re.compile(rb"^[ \t]*Config[ \t]+name[ \t]*:[ \t]*(\S.*?)[ \t]*$", re.MULTILINE)
_LARGEST_METADATA = 4 << 20


def glance(path: Path) -> RecordFacts | None:
    """What a record's directory looks like now, or None where it is not there; never raises.

    The configuration name is the one in metadata.txt, to be shown until the record is read whole.
    """
    try:
        newest = os.stat(path).st_mtime_ns
    except FileNotFoundError:
        return None
    except OSError as error:
        return RecordFacts(0, 0, 0, problems=(f"cannot be looked at: {error.strerror}",))
    problems: list[str] = []
    files, size, newest = _walk(os.fspath(path), newest, problems)
    metadata = _metadata(path)
    times = run_times(metadata)
    named = _CONFIG_NAME.search(metadata)
    return RecordFacts(
        files=files,
        size=size,
        newest_mtime_ns=newest,
        start=times.start,
        stop=times.stop,
        ended=bool(times.stops),
        configuration=named[1].decode("utf-8", "replace") if named else "",
        problems=tuple(problems),
    )


def _walk(root: str, newest: int, problems: list[str]) -> tuple[int, int, int]:
    """Count entries, add sizes and find the newest time below `root`; what cannot be reached goes to `problems`."""
    files = size = 0
    pending = [root]
    while pending:
        place = pending.pop()
        try:
            entries = list(os.scandir(place))
        except OSError as error:
            name = "its directory" if place == root else os.path.relpath(place, root)
            problems.append(f"{name}: {error.strerror}")
            continue
        for entry in entries:
            files += 1
            try:
                status = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue
            except OSError as error:
                problems.append(f"{os.path.relpath(entry.path, root)}: {error.strerror}")
                continue
            newest = max(newest, status.st_mtime_ns)
            if stat.S_ISDIR(status.st_mode):
                pending.append(entry.path)
            elif stat.S_ISREG(status.st_mode) or stat.S_ISLNK(status.st_mode):
                size += status.st_size
                _note_access(entry, root, problems)
            else:
                problems.append(f"{os.path.relpath(entry.path, root)}: no file but a pipe, socket or device")
    return files, size, newest


def _note_access(entry: os.DirEntry[str], root: str, problems: list[str]) -> None:
    if entry.is_symlink() and not os.path.exists(entry.path):
        problems.append(f"{os.path.relpath(entry.path, root)}: a link that leads nowhere")
    elif not os.access(entry.path, os.R_OK):
        problems.append(f"{os.path.relpath(entry.path, root)}: this account may not read it")


def _metadata(path: Path) -> bytes:
    """The text of metadata.txt, empty where there is none; a pipe of that name is not waited for."""
    try:
        with open(path / "metadata.txt", "rb", opener=_open_at_once) as file:
            return file.read(_LARGEST_METADATA) or b""
    except OSError:
        return b""


def _open_at_once(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)
