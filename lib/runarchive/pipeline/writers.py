"""What other programs would have left of a record in artdaqDB: the older archiver, and DAQInterface itself."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from runarchive.artdaqdb.importing import Rendering
from runarchive.fhicl.originals import OriginalFile
from runarchive.fhicl.other_writers import Leftover, daqinterface, older_archiver

_STOP_LINE = re.compile(rb"\n?^DAQInterface stop time[ \t]*:[^\n]*\n?", re.MULTILINE)
_TIME_LINE = re.compile(rb"\n?^DAQInterface (?:start|stop) time[ \t]*:[^\n]*\n?", re.MULTILINE)


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


def renderings(files: Sequence[OriginalFile], run: int) -> tuple[Rendering, ...]:
    """What each known writer makes of this record at each of its stages, latest first."""
    found: list[Rendering] = []
    for stage in earlier_stages(files):
        for left in (older_archiver(stage, run), older_archiver(stage, run, tools=True), daqinterface(stage, run)):
            if left is not None:
                found.append(_rendering(left))
    return tuple(found)


def _rendering(left: Leftover) -> Rendering:
    """As the importer compares it. `hashes` tell of the texts as they were given, and are not compared where the
    writer need not have left them."""
    documents = {**left.documents, **left.updates}
    optional = left.doubtful if "hashes" in documents else left.doubtful | {"hashes"}
    return Rendering(left.writer, documents, optional, left.lost)
