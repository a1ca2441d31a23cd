"""`artdaqdb check`: every document exports, every run is whole, nothing is there twice; each finding with its mend."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from runarchive.artdaqdb.content_cache import content_key
from runarchive.artdaqdb.documents import OLD_ENTITY
from runarchive.artdaqdb.export import document_text
from runarchive.artdaqdb.store import (
    NOT_PROVIDED,
    RUN_HISTORY,
    SCHEMA,
    SYSTEM_LAYOUT,
    WHOLE_RUN,
    ArtdaqStore,
    Finding,
    StoredDocument,
    run_of,
)
from runarchive.errors import ArchiveError
from runarchive.fhicl.convert import convert_record
from runarchive.fhicl.originals import ORIGINALS, unpack_originals


@dataclass
class _Configuration:
    """What is gathered of one configuration: `copies` has ids and contents by (collection, entity, version)."""

    entities: set[str] = field(default_factory=set)
    originals: tuple[str, frozenset[str]] | None = None
    copies: dict[tuple[str, str, str], list[tuple[str, bytes]]] = field(default_factory=lambda: defaultdict(list))


def check_store(
    store: ArtdaqStore, progress: Callable[[int], None] = lambda count: None, wanted: frozenset[str] | None = None
) -> Iterator[Finding]:
    """Every finding about a store, reading each document once; `progress` is told the number of documents read.

    `wanted` are the names that an import converts and generates, None for all: what `originals` give must be there.
    """
    yield from store.inspect()
    gathered: dict[str, _Configuration] = defaultdict(_Configuration)
    for count, document in enumerate(store.all_documents(), 1):
        progress(count)
        yield from _check_document(document)
        _gather(gathered, document, wanted)
    runs: dict[int, list[str]] = defaultdict(list)
    for name in gathered:
        run = run_of(name)
        if run is not None:
            runs[run].append(name)
    for run in sorted(runs):
        yield from _check_run(run, sorted(runs[run]), gathered)
    for name, found in gathered.items():
        yield from _check_copies(name, found)
        yield from _check_order(name, found)


def _gather(gathered: dict[str, _Configuration], document: StoredDocument, wanted: frozenset[str] | None) -> None:
    content = document.content or content_key(repr(document.record.get("document")).encode("utf-8", "surrogatepass"))
    for name in dict.fromkeys(name for name, _ in document.configurations):
        if name == NOT_PROVIDED:
            continue
        found = gathered[name]
        run = run_of(name)
        if ORIGINALS in document.entities and run is not None:
            expected = _expected(document, run, wanted)
            if expected is not None and (found.originals is None or found.originals[0] < document.version):
                found.originals = (document.version, expected)
        for entity in dict.fromkeys(document.entities):
            found.entities.add(entity)
            found.copies[document.collection, entity, document.version].append((document.id, content))


def _expected(document: StoredDocument, run: int, wanted: frozenset[str] | None) -> frozenset[str] | None:
    """What a run of ours must hold by its own `originals`."""
    try:
        files = unpack_originals(document_text(document))
    except ArchiveError:
        return None
    whole = {entity for entity, _ in convert_record(files, run, wanted=wanted).entities}
    return frozenset({SCHEMA, *whole})


def _check_document(document: StoredDocument) -> Iterator[Finding]:
    place = f"{document.collection}/{document.id}"
    run = next((run_of(name) for name, _ in document.configurations), None)
    if document.problem:
        mend = "import the run again; without its directory, restore the document from a backup"
        yield Finding("unreadable", place, document.problem, mend, run)
        return
    if run is None and document.record.table("origin").text("format") != "fhicl":
        return
    try:
        document_text(document)
    except ArchiveError as error:
        entity = ", ".join(document.entities) or "a document without entity"
        mend = "compare the run; `import --add` stores it anew beside it"
        yield Finding("not loadable", place, f"{entity} cannot be exported: {error.message}", mend, run)
    if OLD_ENTITY in document.record:
        message = "it has the format from before version 1.10; the C++ library of today does not find it"
        yield Finding("old format", place, message, "convert the database with the library's migrate_database", run)
        return
    lacking = [what for what, there in _named(document) if not there]
    if lacking:
        message = f"it has no {', no '.join(lacking)}: listings of the C++ library fail or miss it"
        yield Finding("malformed", place, message, "correct or remove it with the tool that wrote it", run)
    if not any(name and name != NOT_PROVIDED for name, _ in document.configurations):
        message = f"{', '.join(document.entities)} belongs to no configuration: no listing and no export shows it"
        mend = "give it one with conftool's addConfiguration, or remove it"
        yield Finding("orphan", place, message, mend, advice=document.collection not in (RUN_HISTORY, SYSTEM_LAYOUT))


def _named(document: StoredDocument) -> tuple[tuple[str, bool], ...]:
    return (
        ("version", bool(document.version)),
        ("entity", bool(document.entities) and all(document.entities)),
        ("configuration", all(name and assigned for name, assigned in document.configurations)),
    )


def _check_run(run: int, names: list[str], gathered: dict[str, _Configuration]) -> Iterator[Finding]:
    if len(names) > 1:
        message = f"the run is there under {len(names)} configurations: {', '.join(names)}"
        yield Finding("two configurations", f"run {run}", message, f"`compare {run}`, then `waive {run}`", run)
    for name in names:
        found = gathered[name]
        expected = WHOLE_RUN if found.originals is None else found.originals[1]
        missing = sorted(expected - found.entities)
        if missing:
            message = f"{name} is partial: no {', no '.join(missing)}"
            yield Finding("partial", f"run {run}", message, f"`import {run}` completes it", run)
        blank = name.partition("/")[2]
        if any(character.isspace() for character in blank):
            message = f"{name!r} has a blank: the site's bulkdownloader silently loses all but schema.fcl"
            yield Finding("blank in name", f"run {run}", message, "export it with `artdaqdb export`", run, advice=True)


def _check_copies(name: str, found: _Configuration) -> Iterator[Finding]:
    run = run_of(name)
    for (collection, entity, version), copies in found.copies.items():
        if len(copies) < 2:
            continue
        ids = ", ".join(oid for oid, _ in sorted(copies))
        if len({content for _, content in copies}) == 1:
            message = f"{entity} {version} is there {len(copies)} times with one content ({ids})"
            mend = "harmless; the smallest id, or the oldest, is read"
            yield Finding("double", f"{collection}", message, mend, run, advice=True)
        elif collection == SYSTEM_LAYOUT:
            message = f"{entity} {version} is there {len(copies)} times with different content ({ids})"
            mend = "the schema is not run data; nothing need be done"
            yield Finding("double", f"{collection}", message, mend, run, advice=True)
        else:
            message = (
                f"{entity} {version} is there {len(copies)} times with different content, one hides the others ({ids})"
            )
            mend = f"`compare {run}`; `import --add` stores a newer version"
            yield Finding("hidden", f"{collection}", message, mend, run)


def _check_order(name: str, found: _Configuration) -> Iterator[Finding]:
    """Updates that are newer by their number, and never read because the library compares versions as text."""
    versions: dict[tuple[str, str], list[str]] = defaultdict(list)
    for collection, entity, version in found.copies:
        if collection != SYSTEM_LAYOUT:
            versions[collection, entity].append(version)

    def number(version: str) -> int:
        tail = version.removeprefix(f"{name}v")
        return int(tail) if tail.isdecimal() else 0

    for (collection, entity), there in versions.items():
        read, newest = max(there), max(there, key=number)
        contents = {found.copies[collection, entity, one][0][1] for one in (read, newest)}
        if number(newest) > number(read) and len(contents) > 1:
            message = f"{entity} {newest} is never read: as text {read!r} is newer, and the library takes that"
            mend = f"`compare {run_of(name)}`; `import --add` stores a newer version"
            yield Finding("hidden", collection, message, mend, run_of(name))
