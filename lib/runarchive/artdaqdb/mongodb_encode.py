"""A new document straight into BSON: the body once for each content, from its FHiCL tree, with the envelope around it.

The bytes are those that `bson_records` makes of `documents.body` and `documents.envelope`, many times faster.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from hashlib import blake2b
from typing import NamedTuple

from runarchive.artdaqdb import bson_records
from runarchive.artdaqdb.bson_records import frame
from runarchive.artdaqdb.content_cache import ContentCache, JustWritten
from runarchive.artdaqdb.documents import UnreadPairs, body, canonical_text, document_id, know
from runarchive.artdaqdb.store import NOT_PROVIDED, NewDocument, StoredDocument
from runarchive.errors import ArchiveError
from runarchive.fhicl.grammar import SCALARS, SEQUENCE, TABLE
from runarchive.fhicl.parser import parse
from runarchive.fhicl.source import INCLUDE_KEY
from runarchive.fhicl.tree import NO_REMARK, PROTECTIONS, UNPROTECTED, FhiclDocument, Node, Tree

_int32 = struct.Struct("<i").pack
_EMPTY = frame([])


class Body(NamedTuple):
    """What depends on a text alone: the encoded members `document` and `comments`, and what the first is known by.

    `content` is b"" and `canonical` "" where it is not known what the library would read back.
    """

    members: bytes
    content: bytes = b""
    canonical: str = ""


_bodies: ContentCache[Body] = ContentCache(lambda one: len(one.members) + len(one.canonical))
_written: JustWritten[tuple[bytes, StoredDocument]] = JustWritten(16 << 20)
"""By its id what this process encoded, whole, and what it says."""


def encode_new(new: NewDocument, at: str) -> bytes:
    """The BSON of a new document stored at `at`.

    Raises ArchiveError: BAD_FHICL where the library's parser refuses its text, TOO_LARGE beyond 16 MiB.
    """
    encoded = _bodies.get(new.text, lambda: encode_body(new.text))
    oid = document_id(new)
    raw = bson_records.framed([bson_records.object_id(oid), encoded.members, *_envelope(new, at)])
    if encoded.content:
        know(encoded.content, encoded.canonical)
        _written.put(oid, (raw, _as_read(new, oid, at, raw, encoded.content)), len(raw))
    return raw


def _as_read(new: NewDocument, oid: str, at: str, raw: bytes, content: bytes) -> StoredDocument:
    names = ((new.entity,), new.version, ((new.configuration, at),), (str(new.run),))
    unread = UnreadPairs(lambda: bson_records.decode(raw, as_library=True).items)
    return StoredDocument(oid, new.collection, *names, unread, content=content)


def known_record(raw: bytes, collection: str) -> StoredDocument | None:
    """What these bytes say, read as the library reads them, if this process just encoded them; it is told once."""
    written = _written.take(bson_records.id_of(raw))
    if written is None:
        return None
    encoded, document = written
    return document if encoded == raw and document.collection == collection else None


def encode_body(text: str) -> Body:
    """The encoded body of a FHiCL text; raises FhiclError where the parser refuses it.

    What the library could not load again is stored all the same, and not known when it comes back.
    """
    document = parse(text)
    if not document.tree.source.is_plain:
        return _plain_body(text)
    try:
        stored, comments = _document(document)
    except RecursionError:
        return _plain_body(text)
    members = b"\x03document\x00" + stored + comments
    try:
        return Body(members, content_digest(stored, as_library=True), canonical_text(text))
    except ArchiveError:
        return Body(members)


def _plain_body(text: str) -> Body:
    return Body(b"".join(bson_records.member(name, value) for name, value in body(text).items))


def content_digest(document: bytes, *, as_library: bool) -> bytes:
    """What the member `document` is known by; read exactly or as the library reads it, it may differ."""
    return blake2b(document, digest_size=20, person=b"library" if as_library else b"exact").digest()


def _string(name: str, text: str) -> bytes:
    return b"\x02%b\x00%b%b\x00" % (name.encode("ascii"), _int32(len(text) + 1), text.encode("ascii"))


def _table(name: str, members: list[bytes]) -> bytes:
    return b"\x03%b\x00%b" % (name.encode("ascii"), frame(members))


def _array(name: str, elements: list[bytes]) -> bytes:
    return b"\x04%b\x00%b" % (name.encode("ascii"), frame(elements))


_BARE = {kind: frame([_string("type", kind), _string("comment", ""), _string("annotation", "")]) for kind in SCALARS}


def _document(document: FhiclDocument) -> tuple[bytes, bytes]:
    """The content of the member `document`, and the member `comments`."""
    tree = document.tree
    parts = (("prolog", tree.prolog), ("main", tree.main))
    data = [_table(name, [_data(key, node) for key, node in part]) for name, part in parts]
    metadata = [_part(tree, name, part) for name, part in parts]
    stored = frame([_table("data", data), _table("metadata", metadata), _array("search", [])])
    comments = [
        _table(str(place), [b"\x10linenum\x00" + _int32(line), _string("value", comment)])
        for place, (line, comment) in enumerate(document.comments)
    ]
    return stored, _array("comments", comments)


def _data(name: str, node: Node) -> bytes:
    content = node[1]
    if isinstance(content, str):
        return _string(name, content)
    if isinstance(content, list):
        return _array(name, [_data(str(place), child) for place, child in enumerate(content)])
    return _table(name, [_data(key, child) for key, child in content.items()])


def _part(tree: Tree, name: str, part: list[tuple[str, Node]]) -> bytes:
    children = _table("children", [_metadata(tree, key, node) for key, node in part])
    return _table(name, [_string("type", TABLE), _string("comment", f"#{name}"), children])


def _metadata(tree: Tree, name: str, node: Node) -> bytes:
    kind, content, place, protection = node
    is_include = INCLUDE_KEY in name
    remark = NO_REMARK if is_include else tree.remark(place)
    if remark is NO_REMARK and protection == UNPROTECTED and kind in _BARE:
        return b"\x03%b\x00%b" % (name.encode("ascii"), _BARE[kind])
    members = [_string("type", kind), _string("comment", remark.comment)]
    if kind != TABLE or is_include:
        members.append(_string("annotation", remark.annotation))
    if protection:
        members.append(_string("protection", PROTECTIONS[protection]))
    if kind == TABLE and isinstance(content, dict):
        members.append(_table("children", [_metadata(tree, key, child) for key, child in content.items()]))
    elif kind == SEQUENCE and isinstance(content, list):
        numbered = [_metadata(tree, str(number), child) for number, child in enumerate(content)]
        members.append(_table("children", numbered))
    return _table(name, members)


@lru_cache(maxsize=4096)
def _text(name: str, text: str) -> bytes:
    return bson_records.member(name, text)


@lru_cache(maxsize=4096)
def _named(name: str, at: str) -> bytes:
    return frame([_text("name", name), _text("assigned", at)])


@lru_cache(maxsize=4096)
def _event(place: int, event: str, name: str, at: str) -> bytes:
    return _table(str(place), [_text("event", event), _text("timestamp", at), b"\x03value\x00" + _named(name, at)])


def _one(name: str, value: str, at: str) -> bytes:
    """An array of one name with its time."""
    return _array(name, [b"\x030\x00" + _named(value, at)])


def _envelope(new: NewDocument, at: str) -> list[bytes]:
    """The members from `origin` to `configtype`, as `documents.envelope` has them."""
    run, created = str(new.run), _text("created", at)
    origin = [_text("format", "fhicl"), _text("name", new.entity), _text("source", "fhicl_to_json")]
    events = [
        _event(0, "addConfiguration", new.configuration, at),
        _event(1, "setVersion", new.version, at),
        _event(2, "setCollection", new.collection, at),
        _event(3, "addEntity", new.entity, at),
        _event(4, "addRun", run, at),
    ]
    flags = b"\x08isdeleted\x00\x00\x08isreadonly\x00\x00"
    return [
        _table("origin", [*origin, _text("timestamp", at), created, b"\x04rawdata\x00" + _EMPTY]),
        _text("version", new.version),
        _one("entities", new.entity, at),
        _one("configurations", new.configuration, at),
        _text("changelog", NOT_PROVIDED),
        _table("bookkeeping", [flags, _array("updates", events), created]),
        _text("collection", new.collection),
        b"\x03aliases\x00" + _ALIASES,
        _one("runs", run, at),
        b"\x04attachments\x00" + _EMPTY,
        _text("configtype", NOT_PROVIDED),
    ]


_ALIASES = frame([b"\x04active\x00" + _EMPTY, b"\x04history\x00" + _EMPTY])
