"""The document form of FHiCL: the six members that artdaq_database's converter makes, as pairs and as JSON text."""

from __future__ import annotations

from json.encoder import encode_basestring

from runarchive.errors import ArchiveError, Code
from runarchive.fhicl.grammar import SCALARS, SEQUENCE, TABLE
from runarchive.fhicl.json_text import write_json
from runarchive.fhicl.pairs import Pairs, Value
from runarchive.fhicl.printer import print_fhicl
from runarchive.fhicl.source import INCLUDE_KEY
from runarchive.fhicl.tree import NO_REMARK, PROTECTIONS, UNPROTECTED, FhiclDocument, Node, Tree

NOT_PROVIDED = "notprovided"

_BARE = {kind: f'{{\n"type" : "{kind}",\n"comment" : "",\n"annotation" : ""\n}}' for kind in SCALARS}


def document_form(document: FhiclDocument, name: str, timestamp: str) -> Pairs:
    """The converter's members `document, comments, origin, version, entities, configurations`, in this order.

    `name` is the entity (a file name for `fhicl json`), `timestamp` text in the format of artdaqDB's documents.
    """
    return Pairs(
        [
            ("document", Pairs([("data", document.data), ("metadata", document.metadata)])),
            ("comments", _comments(document)),
            ("origin", _origin(name, timestamp)),
            ("version", NOT_PROVIDED),
            ("entities", []),
            ("configurations", []),
        ]
    )


def _comments(document: FhiclDocument) -> list[Value]:
    return [Pairs([("linenum", line), ("value", comment)]) for line, comment in document.comments]


def _origin(name: str, timestamp: str) -> Pairs:
    return Pairs([("format", "fhicl"), ("name", name), ("source", "fhicl_to_json"), ("timestamp", timestamp)])


def canonical_of_document(record: Pairs) -> str:
    """The canonical FHiCL text of a record or of a document form; raises ArchiveError(CORRUPT) where it has none."""
    document = record.table("document")
    return print_fhicl(document.table("data"), document.table("metadata"))


def members_text(document: FhiclDocument) -> str:
    """The members `document` (with `search`, as it is stored) and `comments` as JSON text, without braces around them.

    The same text as `write_json` of the same pairs, several times faster.
    """
    tree = document.tree
    if not tree.source.is_plain:
        stored = Pairs([("data", document.data), ("metadata", document.metadata), ("search", [])])
        return write_json(Pairs([("document", stored), ("comments", _comments(document))]))[2:-2]
    try:
        data = [f'"{name}" : {_table_text(part)}' for name, part in (("prolog", tree.prolog), ("main", tree.main))]
        metadata = [_part_text(tree, name, part) for name, part in (("prolog", tree.prolog), ("main", tree.main))]
    except RecursionError:
        raise ArchiveError(Code.CORRUPT, "the document is nested too deeply to be written") from None
    comments = [
        f'{{\n"linenum" : {line},\n"value" : {encode_basestring(comment)}\n}}' for line, comment in document.comments
    ]
    return (
        f'"document" : {{\n"data" : {_braced(data)},\n"metadata" : {_braced(metadata)},\n"search" : [\n\n]\n}},\n'
        f'"comments" : {_bracketed(comments)}'
    )


def _braced(members: list[str]) -> str:
    return "{\n" + ",\n".join(members) + "\n}"


def _bracketed(elements: list[str]) -> str:
    return "[\n" + ",\n".join(elements) + "\n]"


def _table_text(members: list[tuple[str, Node]]) -> str:
    return _braced(
        [
            f'"{name}" : {encode_basestring(node[1]) if isinstance(node[1], str) else _content_text(node)}'
            for name, node in members
        ]
    )


def _content_text(node: Node) -> str:
    content = node[1]
    if isinstance(content, str):
        return encode_basestring(content)
    if isinstance(content, dict):
        return _table_text(list(content.items()))
    return _bracketed([_content_text(child) for child in content])


def _part_text(tree: Tree, name: str, part: list[tuple[str, Node]]) -> str:
    children = _braced([_metadata_text(tree, key, node) for key, node in part])
    return f'"{name}" : {{\n"type" : "{TABLE}",\n"comment" : "#{name}",\n"children" : {children}\n}}'


def _metadata_text(tree: Tree, name: str, node: Node) -> str:
    kind, content, place, protection = node
    is_include = INCLUDE_KEY in name
    remark = NO_REMARK if is_include else tree.remark(place)
    if remark is NO_REMARK and protection == UNPROTECTED and kind in _BARE:
        return f'"{name}" : {_BARE[kind]}'
    text = f'"{name}" : {{\n"type" : "{kind}",\n"comment" : {encode_basestring(remark.comment)}'
    if kind != TABLE or is_include:
        text += f',\n"annotation" : {encode_basestring(remark.annotation)}'
    if protection:
        text += f',\n"protection" : "{PROTECTIONS[protection]}"'
    if kind == TABLE and isinstance(content, dict):
        children = _braced([_metadata_text(tree, key, child) for key, child in content.items()])
    elif kind == SEQUENCE and isinstance(content, list):
        children = _braced([_metadata_text(tree, str(number), child) for number, child in enumerate(content)])
    else:
        return text + "\n}"
    return f'{text},\n"children" : {children}\n}}'
