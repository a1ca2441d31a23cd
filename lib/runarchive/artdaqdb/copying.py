"""Copying one artdaqDB into another, of whichever provider, and proving by reading back that nothing was lost."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice

from runarchive.artdaqdb.store import ArtdaqStore, StoredDocument
from runarchive.errors import ArchiveError, Code
from runarchive.fhicl.json_text import read_json, write_json
from runarchive.fhicl.pairs import Pairs, Value

BATCH = 200
_ID = re.compile(r"[0-9a-f]{24}")
_DIRECTORY = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*")

Place = tuple[str, str]
"""Collection and id of a document."""


@dataclass
class CopyResult:
    """What became of a copy: documents now equal in both stores, and those that are not, each with its reason.

    `notes` name what the other provider reads differently though every document is there.
    """

    source: str
    target: str
    copied: int = 0
    failures: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, object]:
        """The same for scripts."""
        failures = [{"document": place, "reason": reason} for place, reason in self.failures]
        head: dict[str, object] = {"source": self.source, "target": self.target, "copied": self.copied}
        return head | {"failures": failures, "notes": self.notes}

    def text(self) -> str:
        """The same for people, one line each."""
        lines = [f"{self.copied} documents of {self.source} are in {self.target}, read back and equal"]
        lines += [f"NOT COPIED {place}: {reason}" for place, reason in self.failures]
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes)])


def copy_store(
    source: ArtdaqStore, target: ArtdaqStore, progress: Callable[[int], None] = lambda done: None
) -> CopyResult:
    """Copy every document of `source`, id included; can be cut off and repeated: what is there already is left alone.

    SystemMetadata is each database's own and is not copied. Raises what a store out of reach raises; a single
    document that the target cannot hold unaltered is named in the result, and the others go on.
    """
    result = CopyResult(source.uri, target.uri)
    sent: dict[Place, bytes] = {}
    versions: dict[tuple[object, ...], Place] = {}
    records = _records(source, target, result, sent, versions)
    while batch := list(islice(records, BATCH)):
        _insert(target, batch, result, sent)
        progress(len(sent))
    target.fold()
    _read_back(target, result, sent)
    return result


def _records(
    source: ArtdaqStore,
    target: ArtdaqStore,
    result: CopyResult,
    sent: dict[Place, bytes],
    versions: dict[tuple[object, ...], Place],
) -> Iterator[tuple[Place, Pairs]]:
    """The records to be written, noted in `sent` by the digest of their content."""
    for document in source.all_documents():
        place = (document.collection, document.id)
        try:
            _check(document, target.provider)
        except ArchiveError as error:
            result.failures.append(("/".join(place), error.message))
            continue
        _note_tie(document, place, versions, source, target, result)
        sent[place] = _digest(document.record)
        yield place, arranged(document.record) if target.provider == "filesystem" else document.record


def _check(document: StoredDocument, provider: str) -> None:
    """Raise ArchiveError for a document that cannot be copied as it is."""
    if document.problem:
        raise ArchiveError(Code.CORRUPT, document.problem)
    if document.record.text("collection") != document.collection:
        message = f"it lies in {document.collection} and names the collection {document.record.text('collection')!r}"
        raise ArchiveError(Code.CORRUPT, message)
    if not _ID.fullmatch(document.record.table("_id").text("$oid")):
        raise ArchiveError(Code.BAD_NAME, "its `_id` is no object id of 24 hexadecimal digits")
    if provider == "filesystem" and not _DIRECTORY.fullmatch(document.collection):
        raise ArchiveError(Code.BAD_NAME, "its collection has a name that no directory may have")
    if provider == "filesystem" and read_json(write_json(document.record)) != document.record:
        raise ArchiveError(Code.CORRUPT, "it holds values that the library's JSON cannot carry unaltered")


def arranged(record: Pairs) -> Pairs:
    """The record as the library lays it out in a file: `_id` behind `bookkeeping`, not in front as in MongoDB."""
    ids = [pair for pair in record.items if pair[0] == "_id"]
    others = [pair for pair in record.items if pair[0] != "_id"]
    place = next((place for place, pair in enumerate(others, 1) if pair[0] == "bookkeeping"), len(others))
    return Pairs([*others[:place], *ids, *others[place:]])


def _note_tie(
    document: StoredDocument,
    place: Place,
    versions: dict[tuple[object, ...], Place],
    source: ArtdaqStore,
    target: ArtdaqStore,
    result: CopyResult,
) -> None:
    """Of two documents of one version MongoDB gives the older one, FilesystemDB the one with the smaller id."""
    for name, _ in document.configurations:
        key = (document.collection, document.entities, document.version, name)
        first = versions.setdefault(key, place)
        if target.provider == "filesystem" and source.provider != "filesystem" and place[1] < first[1]:
            versions[key] = place
            result.notes.append(
                f"{name}: {'/'.join(document.entities)} is there twice as version {document.version}; "
                f"{source.provider} exports {first[1]}, {target.provider} exports {place[1]}"
            )


def _insert(
    target: ArtdaqStore, batch: list[tuple[Place, Pairs]], result: CopyResult, sent: dict[Place, bytes]
) -> None:
    """Write a batch; where one of it is refused, write them one by one and name those that are."""
    try:
        target.insert_records([record for _, record in batch])
    except ArchiveError as error:
        if error.retryable:
            raise
        if len(batch) == 1:
            place = batch[0][0]
            del sent[place]
            result.failures.append(("/".join(place), error.message))
            return
        for one in batch:
            _insert(target, [one], result, sent)


def _read_back(target: ArtdaqStore, result: CopyResult, sent: dict[Place, bytes]) -> None:
    for document in target.all_documents():
        wanted = sent.pop((document.collection, document.id), None)
        if wanted is None:
            continue
        if not document.problem and _digest(document.record) == wanted:
            result.copied += 1
        else:
            place = f"{document.collection}/{document.id}"
            result.failures.append((place, document.problem or "it came back with another content"))
    result.failures.extend(("/".join(place), "it is not there when read back") for place in sent)


def _digest(record: Pairs) -> bytes:
    """Of the content in its order, `_id` apart: the providers keep it at different places."""
    return hashlib.blake2b(repr(_plain(record.items)).encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _plain(items: list[tuple[str, Value]]) -> list[tuple[str, object]]:
    return [(name, str(value) if type(value) is str else repr(value)) for name, value in items if name != "_id"]
