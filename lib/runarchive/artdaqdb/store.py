"""The intermediate store behind one protocol: its documents, its providers, and which URI means which."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from runarchive.errors import ArchiveError, Code
from runarchive.fhicl.pairs import Pairs
from runarchive.model import Phase, Store, run_number

RUN_HISTORY = "RunHistory"
SYSTEM_LAYOUT = "SystemLayout"
SYSTEM_METADATA = "SystemMetadata"
SCHEMA = "schema"
"""The entity of the site's `schema.fcl`, alone in SystemLayout."""
WHOLE_RUN = frozenset({SCHEMA, "RunHistory", "metadata", "boot"})
"""What a run holds at least, where its own `originals` do not tell."""
NOT_PROVIDED = "notprovided"
"""The library's literal for a name nobody gave; stored as a real name, hidden in lists."""

_RUN_PREFIX = re.compile(r"\s*([0-9]+)/")
_BAD_IN_NAME = re.compile(r'["\\\x00-\x1f\x7f]')
_OID = re.compile(r"[0-9a-f]{24}")
_COLLECTION = re.compile(r"[A-Za-z0-9_.-]+")


@dataclass(frozen=True, slots=True)
class NewDocument:
    """One FHiCL text to be stored: `configuration` reads `<run>/<name>`, `version` the same or with `v<N>`."""

    collection: str
    entity: str
    version: str
    configuration: str
    run: int
    text: str


@dataclass(frozen=True, slots=True)
class StoredDocument:
    """One document as the store holds it.

    `configurations` and `entities` hold names with the time they were assigned; `problem` says why the document
    cannot be read (then `record` is empty), or is "", and `gone` that nothing of it is left. Equal `content` means
    equal `document`; b"" says nothing.
    `record` may be shared with other documents and must not be changed.
    """

    id: str
    collection: str
    entities: tuple[str, ...]
    version: str
    configurations: tuple[tuple[str, str], ...]
    runs: tuple[str, ...]
    record: Pairs
    problem: str = ""
    content: bytes = b""
    gone: bool = False


@dataclass(frozen=True, slots=True)
class StoredConfiguration:
    """One configuration name in the store, with the newest time it was assigned (the library's text, or "").

    `documents` (how many) and `versions` (sorted as text) are filled by a listing with details.
    """

    name: str
    assigned: str = ""
    documents: int | None = None
    versions: tuple[str, ...] = ()

    @property
    def run(self) -> int | None:
        """The run number before the first `/`, or None for a configuration that is no archived run."""
        return run_of(self.name)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing `artdaqdb check` found: a kind (a word or two), the place, what is wrong, and the step that mends it.

    `advice` marks what is no fault: the store is right, but could be quicker, or is still being written.
    """

    kind: str
    place: str
    message: str
    mend: str
    run: int | None = None
    advice: bool = False


Written = Callable[[int], None]


def nobody_counts(documents: int) -> None:
    """Takes the number of documents written, and does nothing with it."""


class ArtdaqStore(Protocol):
    """One artdaqDB database; methods raise ArchiveError with store=ARTDAQDB and may be called from threads."""

    @property
    def uri(self) -> str:
        """The URI, with any password replaced."""

    @property
    def provider(self) -> str:
        """`filesystem`, `mongo` or `tools`."""

    def ping(self) -> str:
        """What answers, in one line for the doctor."""

    def list_configurations(self, details: bool = False) -> tuple[StoredConfiguration, ...]:
        """All configurations in the library's order: newest `assigned` first by whole seconds, then by name."""

    def configurations_of(self, run: int) -> tuple[str, ...]:
        """The names of this run's configurations, sorted; the cost does not grow with the store."""

    def change_token(self) -> str | None:
        """A text that stays equal while nothing changed; None where the provider cannot tell cheaply."""

    def documents(self, configuration: str) -> tuple[StoredDocument, ...]:
        """Every document of one configuration, all versions, whole, in the order in which ties are decided (first
        wins)."""

    def run_documents(self, run: int) -> dict[str, tuple[StoredDocument, ...]]:
        """By each name that `configurations_of` gives, in its order, what `documents` gives."""

    def all_documents(self) -> Iterator[StoredDocument]:
        """Every document of every collection but SystemMetadata, one at a time."""

    def collections(self) -> dict[str, int]:
        """Each collection but SystemMetadata, with its number of documents."""

    def insert(self, documents: Sequence[NewDocument], written: Written = nobody_counts) -> None:
        """Store documents; on return they survive loss of power. A document stored before with the same content is
        left alone.

        The id is made from the content (`documents.document_id`), so that two writers of one document leave one.
        `written` is told, as it grows, how many of them the store has taken.
        """

    def insert_records(self, records: Sequence[Pairs]) -> None:
        """Store whole records as they are, `_id` included; an equal one that is there is left alone, a different
        one raises CONFLICT."""

    def damage(self) -> tuple[str, ...]:
        """What the last listing stumbled over, a sentence each with the step that mends it; nothing is read for it."""

    def advice(self) -> tuple[str, ...]:
        """What makes this store slow, as far as the last `change_token` saw it, a sentence each with the step."""

    def unplaced(self) -> tuple[str, ...]:
        """Of the last listing, a sentence for each document that cannot be read and may belong to any configuration."""

    def inspect(self) -> Iterator[Finding]:
        """What is wrong with the store itself (index, stray files, site indexes), apart from its documents' content."""

    def fold(self) -> None:
        """Make everything written so far visible to the C++ library, where that takes an extra step."""

    def close(self) -> None:
        """Release connections; the store is not used afterwards."""


def run_of(configuration: str) -> int | None:
    """The run number of a configuration name `<run>/<name>`, or None."""
    found = _RUN_PREFIX.match(configuration)
    return run_number(found[1].lstrip("0") or "0") if found else None


def listing_order(configurations: Sequence[StoredConfiguration]) -> tuple[StoredConfiguration, ...]:
    """Sorted as the library lists: first 19 characters of `assigned` descending, then name."""
    by_name = sorted(configurations, key=lambda one: one.name)
    return tuple(sorted(by_name, key=lambda one: one.assigned[:19], reverse=True))


def check_name(what: str, name: str, run: int | None = None) -> None:
    """Raise ArchiveError(BAD_NAME) for a name the library would put unescaped into its JSON, or read as a wildcard."""
    if not name or _BAD_IN_NAME.search(name) or name.endswith("*"):
        message = f"{what} {name!r} cannot be stored: no quotes, backslashes, control characters or final *"
        raise ArchiveError(Code.BAD_NAME, message, store=Store.ARTDAQDB, phase=Phase.WRITE, run=run)


def check_new(new: NewDocument) -> None:
    """Raise ArchiveError(BAD_NAME) if any name of the document could not be read back by the library."""
    check_name("configuration", new.configuration, new.run)
    check_name("version", new.version, new.run)
    check_name("entity", new.entity, new.run)
    if not _COLLECTION.fullmatch(new.collection) or new.collection.strip(".") == "":
        message = f"collection {new.collection!r} cannot be stored: only letters, digits, _ . - are carried"
        raise ArchiveError(Code.BAD_NAME, message, store=Store.ARTDAQDB, phase=Phase.WRITE, run=new.run)


def check_record(record: Pairs) -> None:
    """Raise ArchiveError(BAD_NAME) for a whole record whose id or collection could not name a file or a table."""
    oid, collection = record.table("_id").text("$oid"), record.text("collection")
    if not _OID.fullmatch(oid) or not _COLLECTION.fullmatch(collection) or collection.strip(".") == "":
        message = (
            f"a record {oid!r} of collection {collection!r} cannot be stored: its id or collection is no plain name"
        )
        raise ArchiveError(Code.BAD_NAME, message, store=Store.ARTDAQDB, phase=Phase.WRITE)


def open_store(
    uri: str,
    *,
    timeout: float = 30.0,
    use_tools: bool = False,
    remote_host: str | None = None,
    tools_dir: str | None = None,
) -> ArtdaqStore:
    """The provider for a URI: `filesystemdb://…`, `mongodb://…` (also `mongodb+srv://`), or the site's tools over
    either.

    Opening touches neither disk nor network. Raises ArchiveError(BAD_CONFIG) for any other URI.
    """
    if use_tools:
        from runarchive.artdaqdb.tools import ToolsStore

        return ToolsStore(uri, timeout=timeout, remote_host=remote_host, tools_dir=tools_dir)
    if uri.startswith("filesystemdb://"):
        from runarchive.artdaqdb.filesystemdb import FilesystemDB

        return FilesystemDB(uri)
    if uri.startswith(("mongodb://", "mongodb+srv://")):
        from runarchive.artdaqdb.mongodb import MongoDB

        return MongoDB(uri, timeout=timeout)
    scheme = uri.split("://", 1)[0] if "://" in uri else uri
    message = f"the artdaqDB URI starts with {scheme!r}; known are filesystemdb:// and mongodb://"
    raise ArchiveError(Code.BAD_CONFIG, message, store=Store.ARTDAQDB, phase=Phase.CONNECT)
