"""One run into the store: compare what it should become with what is there, write what is missing, read it back."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from runarchive.artdaqdb.documents import canonical_text, document_id
from runarchive.artdaqdb.export import export_documents
from runarchive.artdaqdb.growth import compare_originals, entity_grew, next_version
from runarchive.artdaqdb.store import (
    RUN_HISTORY,
    SCHEMA,
    SYSTEM_LAYOUT,
    WHOLE_RUN,
    ArtdaqStore,
    NewDocument,
    StoredDocument,
)
from runarchive.errors import ArchiveError, Code
from runarchive.fhicl.originals import ORIGINALS
from runarchive.model import Phase, Store

GROWING = frozenset({"metadata", "RunHistory", "RunHistory2"})
"""The entities that take up what is written when a run starts and stops."""


class ImportState(StrEnum):
    """What the store holds of a run, against what the run's directory makes of it."""

    ABSENT = "absent"
    """Nothing is there; after an import: cannot come out."""
    SAME = "same"
    """Everything is there with the same content (several versions may be)."""
    PARTIAL = "partial"
    """What is there is ours, and documents are missing; an import completes it."""
    GROWN = "grown"
    """Only start and stop times were added to the metadata since; an import stores them as an update."""
    OTHER_WRITER = "other_writer"
    """What is there is what another known writer makes of this record; it is left as it is."""
    OTHER_PARTIAL = "other_partial"
    """As OTHER_WRITER, but schema, RunHistory, metadata or boot is missing; a person decides."""
    CONFLICT = "conflict"
    """What is there is none of these."""
    TWO_CONFIGURATIONS = "two_configurations"
    """The run is there under several configuration names."""


@dataclass(frozen=True, slots=True)
class Rendering:
    """What another writer would have left of this record.

    `documents` maps each entity to its canonical text (without schema); `optional` names entities that it may or
    may not
    have written, whatever their text; `lost` names what this writer leaves out or changes, for a person to read.
    """

    writer: str
    documents: Mapping[str, str]
    optional: frozenset[str] = frozenset()
    lost: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a run should be in the store; `configuration` is its name without the run.

    `entities` are (entity, FHiCL text) for RunHistory; `schema` goes to SystemLayout; `originals` is None where it
    is not kept.
    """

    run: int
    configuration: str
    entities: Sequence[tuple[str, str]]
    schema: str
    originals: str | None = None

    @property
    def full_name(self) -> str:
        """The configuration as the store names it: `<run>/<configuration>`."""
        return f"{self.run}/{self.configuration}"


@dataclass(frozen=True, slots=True)
class Assessment:
    """The comparison, document by document, by entity name; `configuration` is the store's name, `<run>/<name>`."""

    state: ImportState
    configuration: str
    same: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    grown: tuple[str, ...] = ()
    different: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()
    writer: str = ""
    lost: tuple[str, ...] = ()
    configurations: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ImportOutcome:
    """What an import did: how it found the run (`before`), the documents it wrote, and under which version."""

    before: Assessment
    written: tuple[str, ...] = ()
    version: str = ""
    stored: tuple[StoredDocument, ...] = field(default=(), repr=False)

    @property
    def imported(self) -> bool:
        """Whether the store now holds the run as this program keeps it, read back and compared."""
        return bool(self.written) or self.before.state is ImportState.SAME


Others = Callable[[], Sequence[Rendering]]


def assess(store: ArtdaqStore, wanted: Wanted, others: Others | None = None) -> Assessment:
    """Compare what the store holds of a run with what it should be; writes nothing.

    `others` is called only where the run is neither ours nor an earlier stage of it.
    """
    return _look(store, wanted, others)[0]


def import_run(
    store: ArtdaqStore,
    wanted: Wanted,
    others: Others | None = None,
    *,
    add: bool = False,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> ImportOutcome:
    """Bring a run into the store as far as that is safe, read it back and compare.

    ABSENT and PARTIAL runs are completed, GROWN ones get an update version; SAME and OTHER_WRITER ones stay as they
    are. `add` stores our rendering beside another writer's or a conflicting one, as an update version. `progress` is
    told how many documents are written of how many to write. Raises
    ArchiveError CONFLICT, TWO_CONFIGURATIONS, PARTIAL (another writer's), MISMATCH (read back differently), or what
    the store raises.
    """
    before, documents = _look(store, wanted, others)
    addable = before.state in {ImportState.OTHER_WRITER, ImportState.OTHER_PARTIAL, ImportState.CONFLICT}
    if not (add and addable):
        if before.state in _REFUSALS:
            code, why = _REFUSALS[before.state]
            hint = None if code is not Code.PARTIAL else "compare it, then `import --add`, or waive the run"
            facts = {"name": before.configuration, "writer": before.writer, "documents": _listed(before)}
            words = why.format(**facts, names=", ".join(before.configurations))
            message = f"run {wanted.run}: {words}"
            raise ArchiveError(code, message, store=Store.ARTDAQDB, phase=Phase.WRITE, run=wanted.run, hint=hint)
        if before.state in {ImportState.SAME, ImportState.OTHER_WRITER}:
            return ImportOutcome(before, stored=documents)
    new = _documents_to_write(wanted, before, documents)
    store.insert(new, lambda done: progress(done, len(new)))
    after, documents = _look(store, wanted, None)
    if after.state is not ImportState.SAME:
        message = f"run {wanted.run} was written, but reads back as {after.state}: {_listed(after)}"
        raise ArchiveError(Code.MISMATCH, message, store=Store.ARTDAQDB, phase=Phase.VERIFY, run=wanted.run)
    return ImportOutcome(before, tuple(one.entity for one in new), new[0].version, documents)


_REFUSALS: dict[ImportState, tuple[Code, str]] = {
    ImportState.CONFLICT: (Code.CONFLICT, "other content in artdaqDB under {name!r}: {documents}"),
    ImportState.TWO_CONFIGURATIONS: (Code.TWO_CONFIGURATIONS, "several configurations in artdaqDB: {names}"),
    ImportState.OTHER_PARTIAL: (Code.PARTIAL, "left incomplete in artdaqDB by {writer}: {documents}"),
}


def _listed(found: Assessment) -> str:
    kinds = {"different": found.different, "grown": found.grown, "missing": found.missing, "unknown": found.extra}
    texts = []
    for word, names in kinds.items():
        if names:
            more = f" and {len(names) - 5} more" if len(names) > 5 else ""
            texts.append(f"{word} {', '.join(names[:5])}{more}")
    return "; ".join(texts) or "nothing"


def _texts(wanted: Wanted) -> dict[str, str]:
    """Canonical text by entity of what goes to RunHistory."""
    texts = {} if wanted.originals is None else {ORIGINALS: canonical_text(wanted.originals)}
    return texts | {entity: canonical_text(text) for entity, text in wanted.entities}


def _look(store: ArtdaqStore, wanted: Wanted, others: Others | None) -> tuple[Assessment, tuple[StoredDocument, ...]]:
    held = store.run_documents(wanted.run)
    if not held:
        everything = (*_texts(wanted), SCHEMA)
        return Assessment(ImportState.ABSENT, wanted.full_name, missing=everything), ()
    (name, documents), *more = held.items()
    if more:
        return Assessment(ImportState.TWO_CONFIGURATIONS, name, configurations=tuple(held)), ()
    return compare(wanted, name, documents, others), documents


def compare(
    wanted: Wanted, configuration: str, documents: Sequence[StoredDocument], others: Others | None = None
) -> Assessment:
    """Compare the documents of the run's one configuration with what the run should be."""
    ours = _texts(wanted)
    export = export_documents(_without_lost_ones(wanted, configuration, documents))
    held = {one.entity: one for one in export.files if one.collection == RUN_HISTORY}
    has_schema = any(one.entity == SCHEMA and one.collection == SYSTEM_LAYOUT for one in export.files)
    same: list[str] = []
    missing: list[str] = []
    grown: list[str] = []
    different = [place for place, _ in export.failures]
    for entity, text in ours.items():
        if entity in different:
            continue
        if entity not in held:
            missing.append(entity)
            continue
        verdict = _verdict(entity, held[entity].text, text)
        (same if verdict is True else grown if verdict is False else different).append(entity)
    (same if has_schema else missing).append(SCHEMA)
    ours_there = (one for entity, one in held.items() if entity in (*ours, ORIGINALS) and entity != "RunHistory2")
    added = any(one.version != configuration for one in ours_there)
    extra = [] if added else [entity for entity in held if entity not in ours and entity not in (ORIGINALS, SCHEMA)]
    found = Assessment(
        ImportState.CONFLICT, configuration, tuple(same), tuple(missing), tuple(grown), tuple(different), tuple(extra)
    )
    state = _own_state(found)
    ours_for_sure = wanted.originals is None or ORIGINALS in held
    completable = state is ImportState.PARTIAL
    if others is None or (ours_for_sure and state is not ImportState.CONFLICT):
        return replace(found, state=state)
    texts = {entity: one.text for entity, one in held.items() if entity not in (ORIGINALS, SCHEMA)}
    taken = None if export.failures else _as_other(texts, has_schema, others())
    if taken is None or (completable and taken[1]):
        return replace(found, state=state)
    rendering, lacking, state = taken
    return replace(found, state=state, writer=rendering.writer, lost=rendering.lost, missing=lacking)


def _without_lost_ones(
    wanted: Wanted, configuration: str, documents: Sequence[StoredDocument]
) -> Iterator[StoredDocument]:
    """All documents but those that are gone, or damaged though their id tells that they were ours: they are missing."""
    lost = {document.id for document in documents if document.problem}
    if lost:
        versions = {configuration, *(document.version for document in documents if document.version)}
        for version in versions:
            everything = {*_texts(wanted), SCHEMA}
            lost -= {document_id(new) for new in _new_documents(wanted, configuration, version, everything)}
    for document in documents:
        if not document.gone and (not document.problem or document.id in lost):
            yield document


def _verdict(entity: str, held: str, wanted: str) -> bool | None:
    """True: the same; False: the held one is an earlier stage; None: another content."""
    if held == wanted:
        return True
    try:
        if entity == ORIGINALS:
            return compare_originals(held, wanted)
    except ArchiveError:
        return None
    return False if entity in GROWING and entity_grew(entity, held, wanted) else None


def _own_state(found: Assessment) -> ImportState:
    if found.different or found.extra:
        return ImportState.CONFLICT
    if found.grown:
        return ImportState.GROWN
    return ImportState.PARTIAL if found.missing else ImportState.SAME


def _as_other(
    held: Mapping[str, str], has_schema: bool, renderings: Sequence[Rendering]
) -> tuple[Rendering, tuple[str, ...], ImportState] | None:
    """The first known writer whose rendering this is, with what is missing of it; whole ones before partial ones."""
    matches = []
    for rendering in renderings:
        plain = {entity: text for entity, text in held.items() if entity not in rendering.optional}
        if plain and all(rendering.documents.get(entity) == text for entity, text in plain.items()):
            lacking = tuple(one for one in rendering.documents if one not in held and one not in rendering.optional)
            matches.append((len(lacking), rendering, lacking))
    if not matches:
        return None
    _, rendering, lacking = min(matches, key=lambda match: match[0])
    whole = has_schema and held.keys() >= WHOLE_RUN - {SCHEMA}
    return rendering, lacking, ImportState.OTHER_WRITER if whole else ImportState.OTHER_PARTIAL


def _documents_to_write(wanted: Wanted, before: Assessment, documents: Sequence[StoredDocument]) -> list[NewDocument]:
    """What an import writes: what is missing, under the run's own version, or what is superseded, as an update."""
    configuration = before.configuration
    if before.state in {ImportState.ABSENT, ImportState.PARTIAL}:
        version, entities = configuration, set(before.missing)
    else:
        entities = {*before.missing, *before.grown, *before.different, SCHEMA}
        if wanted.originals is not None and ORIGINALS not in before.same:
            entities.add(ORIGINALS)
        if before.state is not ImportState.GROWN:
            entities |= {entity for entity, _ in wanted.entities if entity not in before.same}
        version = _update_version(configuration, before, documents, entities)
        _refuse_hidden(wanted.run, version, documents, entities)
    return _new_documents(wanted, configuration, version, entities)


def _refuse_hidden(run: int, version: str, documents: Sequence[StoredDocument], entities: Collection[str]) -> None:
    """Raise ArchiveError(CONFLICT) where a version of somebody else's would be read in place of ours."""
    hiding = sorted(
        f"{entity} {document.version!r}"
        for document in documents
        for entity in document.entities
        if entity in entities and document.version > version
    )
    if hiding:
        message = f"an update of run {run} would never be seen in artdaqDB behind {', '.join(hiding[:5])}"
        hint = "give those documents their version back with the tool that changed it, then import again"
        raise ArchiveError(Code.CONFLICT, message, store=Store.ARTDAQDB, phase=Phase.WRITE, run=run, hint=hint)


def _new_documents(wanted: Wanted, configuration: str, version: str, entities: Collection[str]) -> list[NewDocument]:
    """The wanted documents of these entities under one version, in the order of writing.

    `originals` comes first, so that a cut-off import shows whose it is; schema last, so that it shows that it was.
    """
    sources = ([] if wanted.originals is None else [(ORIGINALS, wanted.originals)]) + list(wanted.entities)
    new = [
        NewDocument(RUN_HISTORY, entity, version, configuration, wanted.run, text)
        for entity, text in sources
        if entity in entities
    ]
    if SCHEMA in entities:
        new.append(NewDocument(SYSTEM_LAYOUT, SCHEMA, version, configuration, wanted.run, wanted.schema))
    return new


def _update_version(
    configuration: str, before: Assessment, documents: Sequence[StoredDocument], entities: set[str]
) -> str:
    """A new update version; or the last one, if it was ours and was cut off before it held all that belonged to it."""
    versions = {document.version for document in documents}
    last = max(versions, default=configuration)
    held = {entity for document in documents if document.version == last for entity in document.entities}
    if before.state is ImportState.GROWN and last != configuration and ORIGINALS in held and not held & entities:
        return last
    return next_version(configuration, versions)
