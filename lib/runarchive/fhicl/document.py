"""The document form of FHiCL: the six members that artdaq_database's converter makes, as pairs and as JSON text."""

from __future__ import annotations

from runarchive.fhicl.pairs import Pairs, Value
from runarchive.fhicl.printer import print_fhicl
from runarchive.fhicl.tree import FhiclDocument

NOT_PROVIDED = "notprovided"


def document_form(document: FhiclDocument, name: str, timestamp: str) -> Pairs:
    """The converter's members `document, comments, origin, version, entities, configurations`, in this order.

    `name` is the entity (a file name for `fhicl json`), `timestamp` text in the format of artdaqDB's documents.
    """
    comments: list[Value] = [Pairs([("linenum", line), ("value", comment)]) for line, comment in document.comments]
    return Pairs(
        [
            ("document", Pairs([("data", document.data), ("metadata", document.metadata)])),
            ("comments", comments),
            ("origin", _origin(name, timestamp)),
            ("version", NOT_PROVIDED),
            ("entities", []),
            ("configurations", []),
        ]
    )


def _origin(name: str, timestamp: str) -> Pairs:
    return Pairs([("format", "fhicl"), ("name", name), ("source", "fhicl_to_json"), ("timestamp", timestamp)])


def canonical_of_document(record: Pairs) -> str:
    """The canonical FHiCL text of a record or of a document form; raises ArchiveError(CORRUPT) where it has none."""
    document = record.table("document")
    return print_fhicl(document.table("data"), document.table("metadata"))
