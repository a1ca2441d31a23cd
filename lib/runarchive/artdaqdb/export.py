"""Reading a configuration back as the library does: of each entity the newest version, as canonical FHiCL text."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from runarchive.artdaqdb.documents import know, known_text
from runarchive.artdaqdb.files import os_errors
from runarchive.artdaqdb.store import NOT_PROVIDED, SYSTEM_LAYOUT, ArtdaqStore, StoredDocument
from runarchive.errors import ArchiveError, Code
from runarchive.fhicl.pairs import Pairs
from runarchive.fhicl.printer import print_fhicl
from runarchive.model import Phase, Store


@dataclass(frozen=True, slots=True)
class ExportedFile:
    """One entity's text: `version` and `document` (id) tell which stored document it comes from."""

    entity: str
    collection: str
    version: str
    text: str
    document: str = ""


@dataclass(frozen=True, slots=True)
class Export:
    """The files of one configuration, sorted by entity, and what could not be written: (entity or place, reason)."""

    files: tuple[ExportedFile, ...]
    failures: tuple[tuple[str, str], ...]


def document_text(document: StoredDocument) -> str:
    """The canonical FHiCL text of one document; raises ArchiveError(CORRUPT) where the library's load fails."""
    known = known_text(document.content) if document.content else None
    if known is not None:
        return known
    text = _print(document)
    if document.content:
        know(document.content, text)
    return text


def _print(document: StoredDocument) -> str:
    if document.problem:
        raise ArchiveError(Code.CORRUPT, document.problem, store=Store.ARTDAQDB, phase=Phase.READ)
    content = document.record.table("document")
    data, metadata = content.get("data"), content.get("metadata")
    if not isinstance(data, Pairs) or not isinstance(metadata, Pairs):
        kind = document.record.table("origin").text("format", "fhicl")
        message = f"{document.collection}/{document.id} has no FHiCL data or metadata; its origin says {kind}"
        raise ArchiveError(Code.CORRUPT, message, store=Store.ARTDAQDB, phase=Phase.READ)
    return print_fhicl(data, metadata)


def newest(documents: Iterable[StoredDocument]) -> dict[tuple[str, str], StoredDocument]:
    """By (collection, entity) the document whose version is greatest as text; of equal ones the first given."""
    chosen: dict[tuple[str, str], StoredDocument] = {}
    for document in documents:
        for entity in document.entities:
            place = (document.collection, entity)
            if entity != NOT_PROVIDED and (place not in chosen or document.version > chosen[place].version):
                chosen[place] = document
    return chosen


def export_documents(documents: Iterable[StoredDocument]) -> Export:
    """What these documents of one configuration export as."""
    listed = list(documents)
    files: list[ExportedFile] = []
    failures = [(document.id, document.problem) for document in listed if document.problem]
    for (collection, entity), document in sorted(newest(listed).items(), key=lambda item: (item[0][1], item[0][0])):
        try:
            files.append(ExportedFile(entity, collection, document.version, document_text(document), document.id))
        except ArchiveError as error:
            failures.append((entity, error.message))
    return Export(tuple(files), tuple(failures))


def export_configuration(store: ArtdaqStore, configuration: str) -> Export:
    """The newest text of each entity of a configuration; raises ArchiveError(NOT_FOUND) if there is none."""
    documents = store.documents(configuration)
    if not documents:
        message = f"artdaqDB holds no configuration {configuration!r}"
        raise ArchiveError(Code.NOT_FOUND, message, store=Store.ARTDAQDB, phase=Phase.READ)
    return export_documents(documents)


def file_paths(
    export: Export, configuration: str, layout: str
) -> tuple[list[tuple[str, ExportedFile]], list[tuple[str, str]]]:
    """Where each file goes below the output directory, and the ones that have no place there: (entity, reason).

    `flat` puts `<entity>.fcl` side by side; `bulkdownloader` puts all but SystemLayout into a directory named like the
    configuration without the digits at its end.
    """
    folder = configuration.partition("/")[2].rstrip("0123456789") if layout == "bulkdownloader" else ""
    placed: dict[str, ExportedFile] = {}
    refused: list[tuple[str, str]] = []
    for one in export.files:
        inside = folder and one.collection != SYSTEM_LAYOUT
        path = f"{folder}/{one.entity}.fcl" if inside else f"{one.entity}.fcl"
        if "/" in one.entity or "\0" in one.entity or folder in {".", ".."} or "/" in folder:
            refused.append((one.entity, f"{path!r} would leave the output directory"))
        elif path in placed:
            refused.append((one.entity, f"{path} is already taken by the one of collection {placed[path].collection}"))
        else:
            placed[path] = one
    return list(placed.items()), refused


def write_export(
    export: Export, configuration: str, out: Path, layout: str = "flat"
) -> tuple[int, tuple[tuple[str, str], ...]]:
    """Write the files below `out`, made if needed; returns how many, and every failure, the export's included."""
    placed, refused = file_paths(export, configuration, layout)
    with os_errors(Phase.WRITE, f"cannot write to {out}"):
        out.mkdir(parents=True, exist_ok=True)
        for path, one in placed:
            target = out / path
            target.parent.mkdir(exist_ok=True)
            with open(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o666), "wb") as file:
                file.write(one.text.encode("utf-8", "surrogateescape"))
    return len(placed), (*export.failures, *refused)
