"""One run into the store: compare what it should become with what is there, write what is missing, read it back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from runarchive.artdaqdb.store import ArtdaqStore, StoredDocument

ORIGINALS = "originals"
SCHEMA = "schema"


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

    `documents` maps each entity to its canonical text (without schema); `optional` names entities that it may or may not
    have written, whatever their text; `lost` names what this writer leaves out or changes, for a person to read.
    """

    writer: str
    documents: Mapping[str, str]
    optional: frozenset[str] = frozenset()
    lost: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a run should be in the store.

    `entities` are (entity, FHiCL text) for RunHistory; `schema` goes to SystemLayout; `originals` is None where it is not kept.
    """

    run: int
    configuration: str
    entities: Sequence[tuple[str, str]]
    schema: str
    originals: str | None = None


@dataclass(frozen=True, slots=True)
class Assessment:
    """The comparison, document by document, by entity name."""

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
    raise NotImplementedError


def import_run(store: ArtdaqStore, wanted: Wanted, others: Others | None = None, *, add: bool = False) -> ImportOutcome:
    """Bring a run into the store as far as that is safe, read it back and compare.

    ABSENT and PARTIAL runs are completed, GROWN ones get an update version; SAME and OTHER_WRITER ones are left as they are.
    `add` stores our rendering beside another writer's or a conflicting one, as an update version. Raises
    ArchiveError CONFLICT, TWO_CONFIGURATIONS, PARTIAL (another writer's), MISMATCH (read back differently), or what the store raises.
    """
    raise NotImplementedError
