"""What the other known writers would have left of a run record in artdaqDB, and what they lose of it.

A run in the store that equals one of these is not ours and not wrong: it is as its writer left it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from runarchive.errors import ArchiveError
from runarchive.fhicl import daqinterface_text
from runarchive.fhicl.convert import Conversion, Dialect, convert_record
from runarchive.fhicl.convert_metadata import configuration_name
from runarchive.fhicl.originals import OriginalFile
from runarchive.fhicl.pairs import Pairs, Value
from runarchive.fhicl.parser import parse
from runarchive.fhicl.printer import canonical
from runarchive.fhicl.reference_dialect import copied_files

OLDER_ARCHIVER = "older archiver"
DAQINTERFACE = "DAQInterface"
_NAMED_AT_MOST = 6


@dataclass(frozen=True, slots=True)
class Leftover:
    """A run as one writer leaves it.

    `documents` are the canonical texts by entity in the version `<run>/<configuration>`, schema apart; `updates` those
    of the update, whose version has `update_suffix` behind it. `refused` are entities that the library does not take:
    the writer's import broke off there, and the store holds any part of `documents`. `doubtful` entities may be there
    with any text. `lost` tells a person what this writer leaves out or changes.
    """

    writer: str
    configuration: str
    documents: Mapping[str, str]
    updates: Mapping[str, str]
    update_suffix: str
    refused: tuple[str, ...]
    doubtful: frozenset[str]
    lost: tuple[str, ...]


def older_archiver(
    files: Sequence[OriginalFile], run: int, *, tools: bool = False, wanted: frozenset[str] | None = None
) -> Leftover | None:
    """What the older archiver leaves of this record, or None when it does not take it.

    With `tools` it works through bulkloader: no `hashes`, and the update has the version of the first import. Without,
    `hashes` is one of the documents and the update is `v1`. `wanted` is its fhiclize_generate.
    """
    try:
        conversion = convert_record(files, run, wanted=wanted, dialect=Dialect.REFERENCE)
        texts, twins = _by_base_name(conversion.entities)
    except (ArchiveError, UnicodeError):
        return None
    updates = {entity: text for entity, text in texts.items() if entity == "RunHistory2"}
    imported = {entity: text for entity, text in texts.items() if entity not in updates}
    if not tools and imported:
        imported["hashes"] = hashes_text(imported)
    documents, refused = _canonical(imported)
    later, refused_later = _canonical(updates)
    return Leftover(
        OLDER_ARCHIVER,
        conversion.configuration,
        documents,
        later,
        "" if tools else "v1",
        (*refused, *refused_later),
        frozenset(twins),
        losses(convert_record(files, run), {**imported, **updates}, refused),
    )


def _by_base_name(entities: Sequence[tuple[str, str]]) -> tuple[dict[str, str], set[str]]:
    """Texts by base name, which is the entity, as its text mode reads them; and the names that stand for several.

    Raises UnicodeError for a text that is no UTF-8.
    """
    texts: dict[str, str] = {}
    twins: set[str] = set()
    for path, text in entities:
        text.encode("utf-8")
        entity = path.rpartition("/")[2]
        if entity in texts:
            twins.add(entity)
        texts[entity] = text.replace("\r\n", "\n").replace("\r", "\n")
    return texts, twins


def hashes_text(texts: Mapping[str, str]) -> str:
    """The source of the entity `hashes`: the md5 of each text as imported, then the md5 of these lines."""
    lines = [f"{entity}:{_md5(text)}" for entity, text in sorted(texts.items()) if entity != "schema"]
    return "\n".join([*lines, f"configuration:{_md5(','.join(lines))}"])


def _md5(text: str) -> str:
    return hashlib.md5(text.encode("utf-8"), usedforsecurity=False).hexdigest()


def _canonical(texts: Mapping[str, str]) -> tuple[dict[str, str], tuple[str, ...]]:
    """The canonical texts, and the entities that the library refuses."""
    documents: dict[str, str] = {}
    refused: list[str] = []
    for entity, text in texts.items():
        try:
            documents[entity] = canonical(text)
        except ArchiveError:
            refused.append(entity)
    return documents, tuple(refused)


def daqinterface(files: Sequence[OriginalFile], run: int) -> Leftover | None:
    """What DAQInterface itself leaves at START, and with RunHistory2 at STOP; None when its text files are no UTF-8.

    `boot` and `DataflowConfiguration` come out in an order that cannot be told; `hashes` is there with FilesystemDB.
    """
    try:
        copied = copied_files(files, run)
        names = ("metadata", "known_boardreaders_list", "rc_info_start", "rc_info_stop")
        content, listed, rc_start, rc_stop = (copied.get(f"{name}.txt", b"").decode("utf-8") for name in names)
    except (ArchiveError, UnicodeDecodeError):
        return None
    started = daqinterface_text.metadata(daqinterface_text.at_start(content))
    texts = {
        name.rpartition("/")[2].removesuffix(".fcl"): data.decode("utf-8", "surrogateescape")
        for name, data in copied.items()
        if name.endswith(".fcl")
    }
    texts["metadata"] = started
    texts["known_boardreaders_list"] = daqinterface_text.known_boardreaders_list(listed)
    texts["RunHistory"] = daqinterface_text.run_history(started, run, rc_start)
    update = daqinterface_text.run_history2(content, rc_stop)
    documents, refused = _canonical(texts)
    updates, refused_later = _canonical({"RunHistory2": update} if update else {})
    ours = convert_record(files, run)
    name = next((value for key, value in _pairs(started) if key == "config_name"), "")
    return Leftover(
        DAQINTERFACE,
        configuration_name(name if isinstance(name, str) else ""),
        documents,
        updates,
        "v1",
        (*refused, *refused_later),
        frozenset({"boot", "DataflowConfiguration", "hashes"}),
        losses(ours, {**texts, "RunHistory2": update, "boot": dict(ours.entities).get("boot", "")}, refused),
    )


def _pairs(text: str) -> list[tuple[str, object]]:
    """The top-level names and values of a FHiCL text; none when it is no FHiCL."""
    try:
        main = parse(text).data.get("main")
    except ArchiveError:
        return []
    return [(name, _plain(value)) for name, value in main.items] if isinstance(main, Pairs) else []


def _plain(value: Value) -> object:
    if isinstance(value, Pairs):
        return [(name, _plain(child)) for name, child in value.items]
    return [_plain(child) for child in value] if isinstance(value, list) else value


def losses(ours: Conversion, theirs: Mapping[str, str], refused: Sequence[str] = ()) -> tuple[str, ...]:
    """What another writer's texts lack or say otherwise than the record does, one sentence each."""
    mine = dict(ours.entities)
    found = ["the original files, with their modes, times and comments, are not kept"]
    if refused:
        found.append(f"artdaqDB refuses {_listed(refused)}: the import broke off there")
    missing = sorted(mine.keys() - theirs.keys())
    if missing:
        found.append(f"not stored: {_listed(missing)}")
    for entity in sorted(mine.keys() & theirs.keys() - set(refused)):
        if mine[entity] != theirs[entity]:
            found.extend(f"{entity}: {sentence}" for sentence in _differences(mine[entity], theirs[entity]))
    return tuple(found)


def _differences(ours: str, theirs: str) -> list[str]:
    right, other = _pairs(ours), _pairs(theirs)
    names = [name for name, _ in right]
    held = dict(reversed(other))
    without = [name for name in names if name not in held]
    otherwise = [name for name, value in right if name in held and held[name] != value]
    added = [name for name, _ in other if name not in names]
    words = (("without ", without), ("other values of ", otherwise), ("keys of its own: ", added))
    return [prefix + _listed(found) for prefix, found in words if found]


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_NAMED_AT_MOST])
    return shown if len(names) <= _NAMED_AT_MOST else f"{shown} and {len(names) - _NAMED_AT_MOST} more"
