"""The blob: all files of one run as one text, the form in which UconDB keeps a run record.

```
Start of Record
Run Number: 12000
Packed on Nov 21 07:23 UTC

#####
tpc01.fcl:
#####
<content of tpc01.fcl>
#####
…
End of Record
Run Number: 12000
Packed on Nov 21 07:23 UTC
```

Contents stand as they are, byte for byte; a line feed before each marker and before the footer belongs to the frame.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from runarchive.errors import ArchiveError, Code
from runarchive.model import Store
from runarchive.ucondb.frame import Frame, find_frame
from runarchive.ucondb.markers import MARKER_LINE, Marker, doubts, find_markers, is_safe_name

LAST_FILES = (
    "boot.fcl",
    "known_boardreaders_list.fcl",
    "setup.fcl",
    "environment.fcl",
    "metadata.fcl",
    "settings.fcl",
    "ranks.fcl",
    "RunHistory.fcl",
    "RunHistory2.fcl",
)
"""The files that close every blob, in this order; all others come before them by lower-case name."""

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

File = tuple[str, bytes]


@dataclass(frozen=True, slots=True)
class Blob:
    """What a blob holds: `packed_on` as written (it has no year); `ambiguities` is empty when its parts are certain."""

    run: int
    packed_on: str
    files: tuple[File, ...]
    ambiguities: tuple[str, ...] = ()

    def file(self, name: str) -> bytes | None:
        """The content of one file, or None."""
        return dict(self.files).get(name)


def pack(files: Sequence[File], run: int, packed_on: datetime) -> bytes:
    """The blob of a run; `files` are (name, content) in any order, names as `member_names` makes them.

    Raises ArchiveError(BAD_NAME) for a name twice, or one that would leave the directory it is unpacked into.
    """
    refuse_bad_names([name for name, _ in files], run)
    stamp = packed_on_text(packed_on)
    parts = [f"Start of Record\nRun Number: {run}\nPacked on {stamp}\n".encode()]
    for name, content in sorted(files, key=lambda file: blob_order(file[0])):
        parts.append(f"\n#####\n{name}:\n#####\n".encode())
        parts.append(content)
    parts.append(f"\nEnd of Record\nRun Number: {run}\nPacked on {stamp}\n".encode())
    return b"".join(parts)


def unpack(blob: bytes, expected: Sequence[File] | None = None) -> Blob:
    """The files of a blob in their order.

    Text inside a file can look like a marker. Where that leaves a doubt, `ambiguities` says where; `expected`, the
    files as another store has them, settles it: content they account for is content. Raises ArchiveError(CORRUPT) when
    the frame is not that of a blob.
    """
    frame = find_frame(blob)
    if expected is not None:
        refuse_bad_names([name for name, _ in expected], frame.run)
        if _matches(blob, frame, expected):
            ordered = sorted(expected, key=lambda file: blob_order(file[0]))
            return Blob(frame.run, frame.packed_on, tuple(ordered))
    markers = find_markers(blob, frame.start, frame.end)
    if expected is not None:
        markers, problems = _choose(blob, frame, markers, expected)
    else:
        problems = doubts(blob, frame.start, frame.end, markers, blob_order)
    return Blob(frame.run, frame.packed_on, _cut(blob, frame, markers), tuple(problems))


def packed_on_text(moment: datetime) -> str:
    """`Nov 21 07:23 UTC` of a moment, whatever the locale."""
    utc = moment.astimezone(UTC)
    return f"{_MONTHS[utc.month - 1]} {utc.day:02d} {utc.hour:02d}:{utc.minute:02d} UTC"


def blob_order(name: str) -> tuple[int, str, str]:
    """The sort key of a file in a blob; names that differ only in case or folder stand side by side."""
    base = name.rsplit("/", 1)[-1]
    for place, last in enumerate(LAST_FILES):
        if base.lower() == last.lower():
            return place + 1, "" if name == last else "~", name
    return 0, base.lower(), name


def member_names(paths: Sequence[str]) -> list[str]:
    """The blob names of relative paths, in their order.

    A file goes by its base name. Where several have the same, the one that lies at the top keeps it, and each other
    goes by its whole path; names that differ in case are different names.
    """
    bases = Counter(path.rsplit("/", 1)[-1] for path in paths)
    return [path.rsplit("/", 1)[-1] if bases[path.rsplit("/", 1)[-1]] == 1 else path for path in paths]


def read_directory(directory: Path) -> list[File]:
    """All files below a directory as blob members, linked ones too; raises ArchiveError for one that cannot be read."""
    try:
        paths = sorted(_files_below(directory))
        names = member_names([path.relative_to(directory).as_posix() for path in paths])
        return [(name, path.read_bytes()) for name, path in zip(names, paths, strict=True)]
    except OSError as error:
        raise ArchiveError(Code.UNREADABLE_FILE, f"cannot read {error.filename}: {error.strerror}") from error


def _files_below(directory: Path) -> Iterator[Path]:
    for entry in os.scandir(directory):
        if entry.is_dir(follow_symlinks=False):
            yield from _files_below(Path(entry.path))
        elif entry.is_dir():
            raise ArchiveError(Code.UNREADABLE_FILE, f"{entry.path} is a link to a directory: not followed")
        elif entry.is_file():
            yield Path(entry.path)
        else:
            what = "a link that leads nowhere" if entry.is_symlink() else "no file but a pipe, socket or device"
            raise ArchiveError(Code.UNREADABLE_FILE, f"{entry.path} is {what}")


def write_directory(files: Iterable[File], out: Path) -> list[Path]:
    """Write the files of a blob below `out`, which may exist; nothing is overwritten, nothing lands elsewhere.

    Raises ArchiveError: BAD_NAME for a name that leads out of `out` or meets what is there already, PERMISSION.
    """
    files = list(files)
    refuse_bad_names([name for name, _ in files], None)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ArchiveError(Code.PERMISSION, f"cannot write into {out}: {error.strerror}") from error
    root = out.resolve()
    targets = [(root / name, content) for name, content in files]
    for target, _ in targets:
        if not target.parent.resolve().is_relative_to(root):
            raise ArchiveError(Code.BAD_NAME, f"{target} leads out of {out}: nothing was written")
        if os.path.lexists(target):
            raise _already_there(target)
    for target, content in targets:
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("xb") as file:
                file.write(content)
        except (FileExistsError, NotADirectoryError) as error:
            raise _already_there(target) from error
        except OSError as error:
            raise ArchiveError(Code.PERMISSION, f"cannot write {target}: {error.strerror}") from error
    return [target for target, _ in targets]


def _already_there(target: Path) -> ArchiveError:
    return ArchiveError(
        Code.BAD_NAME, f"{target} is there already: not overwritten", hint="unpack into a directory of its own"
    )


def refuse_bad_names(names: Sequence[str], run: int | None) -> None:
    """Raise ArchiveError(BAD_NAME) for a name that is there twice or is no plain relative path."""
    for name, times in Counter(names).items():
        if times > 1:
            raise ArchiveError(Code.BAD_NAME, f"{times} files are named {name!r}", store=Store.UCONDB, run=run)
        if not is_safe_name(name):
            raise ArchiveError(Code.BAD_NAME, f"no blob can carry a file named {name!r}", store=Store.UCONDB, run=run)


def _matches(blob: bytes, frame: Frame, expected: Sequence[File]) -> bool:
    position = frame.start
    for name, content in sorted(expected, key=lambda file: blob_order(file[0])):
        marker = f"\n#####\n{name}:\n#####\n".encode()
        if not blob.startswith(marker, position) or not blob.startswith(content, position + len(marker)):
            return False
        position += len(marker) + len(content)
    return position == frame.end


def _choose(
    blob: bytes, frame: Frame, markers: Sequence[Marker], expected: Sequence[File]
) -> tuple[list[Marker], list[str]]:
    """The markers that are meant when not every content is the expected one: what agrees is skipped as a whole."""
    known = dict(expected)
    boundaries = {marker.start for marker in markers if marker.name in known} | {frame.end}
    chosen: list[Marker] = []
    problems: list[str] = []
    position = frame.start
    for marker in markers:
        if marker.start < position:
            continue
        content = known.get(marker.name)
        if content is None:
            problems.append(f"the other store has no {marker.name!r}: its marker is taken for content")
        elif chosen and blob_order(marker.name) <= blob_order(chosen[-1].name):
            problems.append(f"a marker for {marker.name!r} stands after {chosen[-1].name!r}: taken for content")
        else:
            chosen.append(marker)
            end = marker.end + len(content)
            agrees = end in boundaries and blob.startswith(content, marker.end)
            position = end if agrees else marker.end - len(MARKER_LINE)
    if not chosen or chosen[0].start != frame.start:
        problems.append("the text after the header is no marker of a file that the other store has")
    return chosen, problems


def _cut(blob: bytes, frame: Frame, markers: Sequence[Marker]) -> tuple[File, ...]:
    ends = [*(marker.start for marker in markers), frame.end][1:]
    return tuple((marker.name, blob[marker.end : end]) for marker, end in zip(markers, ends, strict=True))
