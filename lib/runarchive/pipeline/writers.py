"""What other programs would have left of a record in artdaqDB: the older archiver, and DAQInterface itself."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from runarchive.artdaqdb.documents import canonical_text
from runarchive.artdaqdb.importing import Rendering
from runarchive.errors import ArchiveError
from runarchive.fhicl.convert import Conversion, Dialect, convert_record
from runarchive.fhicl.originals import OriginalFile

OLDER_ARCHIVER = "older archiver"
DAQINTERFACE = "DAQInterface"

_STOP_LINE = re.compile(rb"\n?^DAQInterface stop time[ \t]*:[^\n]*\n?", re.MULTILINE)
_TIME_LINE = re.compile(rb"\n?^DAQInterface (?:start|stop) time[ \t]*:[^\n]*\n?", re.MULTILINE)

_BY_DAQINTERFACE = frozenset({"metadata", "boot", "known_boardreaders_list", "RunHistory", "RunHistory2"})
_CONVERTED_ONLY_BY_US = frozenset({"settings", "setup", "environment", "ranks", "rc_info_start", "rc_info_stop"})


def earlier_stages(files: Sequence[OriginalFile]) -> Iterator[tuple[OriginalFile, ...]]:
    """The record as it is, as it was before its stop line, and as it was before its start line."""
    yield tuple(files)
    metadata = next((file for file in files if file.name == "metadata.txt"), None)
    if metadata is None:
        return
    seen = {metadata.data}
    for lines in (_STOP_LINE, _TIME_LINE):
        data = lines.sub(b"", metadata.data)
        if data not in seen:
            seen.add(data)
            yield tuple(replace(file, data=data) if file is metadata else file for file in files)


def renderings(files: Sequence[OriginalFile], run: int, ours: Conversion) -> tuple[Rendering, ...]:
    """What each known writer makes of this record at each of its stages, where the library takes it."""
    wanted = {entity: canonical_text(text) for entity, text in ours.entities}
    found: list[Rendering] = []
    for stage in earlier_stages(files):
        older = _canonical(convert_record(stage, run, dialect=Dialect.REFERENCE).entities)
        if older is not None:
            found.append(Rendering(OLDER_ARCHIVER, older, frozenset({"hashes"}), lost(wanted, older)))
        own = convert_record(stage, run).entities
        theirs = _canonical((entity, text) for entity, text in own if entity not in _CONVERTED_ONLY_BY_US)
        if theirs is not None:
            optional = frozenset({"DataflowConfiguration"})
            found.append(Rendering(DAQINTERFACE, theirs, optional, lost(wanted, theirs)))
    return tuple(found)


def _canonical(entities: Sequence[tuple[str, str]] | Iterator[tuple[str, str]]) -> dict[str, str] | None:
    """The canonical text of each entity, or None when the library refuses one: then nothing of the record is stored."""
    try:
        return {entity: canonical_text(text) for entity, text in entities}
    except ArchiveError:
        return None


def lost(ours: dict[str, str], theirs: dict[str, str]) -> tuple[str, ...]:
    """What the other writer's documents lack or say differently, in words."""
    missing = sorted(ours.keys() - theirs.keys())
    changed = sorted(name for name in ours.keys() & theirs.keys() if ours[name] != theirs[name])
    words = ["the original files with their comments, modes and times"]
    if missing:
        words.append("no " + ", ".join(missing))
    if changed:
        words.append("other content in " + ", ".join(changed))
    return tuple(words)
