"""A whole artdaqDB record out of a FHiCL text: its 14 members in the library's order, with ids, times and bookkeeping.

The converter's part (`document`, `comments`) depends on the text alone and is cached by content; the rest, the
envelope, is a few names and one time, and is spliced around it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from runarchive.artdaqdb.content_cache import ContentCache, JustWritten, content_key
from runarchive.artdaqdb.store import NOT_PROVIDED, NewDocument, StoredDocument
from runarchive.errors import ArchiveError
from runarchive.fhicl.document import document_form, members_text
from runarchive.fhicl.json_text import check_json, read_json, write_json
from runarchive.fhicl.pairs import Pairs, Value
from runarchive.fhicl.parser import parse
from runarchive.fhicl.printer import canonical


def timestamp(at: datetime) -> str:
    """The library's time text: local wall clock, milliseconds, offset without a colon
    (`2017-07-18T12:48:10.123-0500`)."""
    local = at.astimezone()
    return local.strftime("%Y-%m-%dT%H:%M:%S.") + f"{local.microsecond // 1000:03d}" + local.strftime("%z")


def now() -> str:
    """The present as the library writes it."""
    return timestamp(datetime.now().astimezone())


def document_id(new: NewDocument) -> str:
    """The 24 hex digits a document is stored under, made from its names and its text.

    The same document stored twice, by whichever process or host, has one id, so it is there once. Position 12 is
    `4`, as in the library's ids.
    """
    names = (new.collection, new.configuration, new.version, new.entity, str(new.run), new.text)
    digest = hashlib.sha256("\0".join(names).encode("utf-8", "surrogatepass")).hexdigest()
    return f"{digest[:12]}4{digest[13:24]}"


def body(text: str) -> Pairs:
    """Members `document` and `comments` of a FHiCL text; raises FhiclError where the library refuses it."""
    form = document_form(parse(text), NOT_PROVIDED, "")
    document = form.table("document")
    if "search" not in document:
        document.append("search", [])
    return Pairs([("document", document), ("comments", form.get("comments"))])


def _named(name: str, at: str) -> Pairs:
    return Pairs([("name", name), ("assigned", at)])


def _event(event: str, name: str, at: str) -> Pairs:
    return Pairs([("event", event), ("timestamp", at), ("value", _named(name, at))])


def envelope(new: NewDocument, oid: str, at: str) -> Pairs:
    """The members from `origin` to `configtype` of a document stored at `at`, with the five events of a store."""
    run = str(new.run)
    origin: list[tuple[str, Value]] = [
        ("format", "fhicl"),
        ("name", new.entity),
        ("source", "fhicl_to_json"),
        ("timestamp", at),
        ("created", at),
        ("rawdata", []),
    ]
    updates: list[Value] = [
        _event("addConfiguration", new.configuration, at),
        _event("setVersion", new.version, at),
        _event("setCollection", new.collection, at),
        _event("addEntity", new.entity, at),
        _event("addRun", run, at),
    ]
    bookkeeping: list[tuple[str, Value]] = [
        ("isdeleted", False),
        ("isreadonly", False),
        ("updates", updates),
        ("created", at),
    ]
    return Pairs(
        [
            ("origin", Pairs(origin)),
            ("version", new.version),
            ("entities", [_named(new.entity, at)]),
            ("configurations", [_named(new.configuration, at)]),
            ("changelog", NOT_PROVIDED),
            ("bookkeeping", Pairs(bookkeeping)),
            ("_id", Pairs([("$oid", oid)])),
            ("collection", new.collection),
            ("aliases", Pairs([("active", []), ("history", [])])),
            ("runs", [_named(run, at)]),
            ("attachments", []),
            ("configtype", NOT_PROVIDED),
        ]
    )


def record(new: NewDocument, at: str) -> Pairs:
    """The whole record of a new document stored at `at`."""
    return Pairs([*body(new.text).items, *envelope(new, document_id(new), at).items])


def _members_text(members: Pairs) -> str:
    """The members as the JSON writer lays them out, without the braces of the object around them."""
    return write_json(members)[2:-2]


def know(content: bytes, canonical: str) -> None:
    """Remember the canonical text of a body by the digest of its stored form."""
    _known.put(content, canonical)


_known: ContentCache[str] = ContentCache(len)
"""By the digest of a body's stored form its canonical text."""


def known_text(content: bytes) -> str | None:
    """The canonical text of a body with this digest if this process encoded or printed it lately, else None."""
    return _known.peek(content)


_canonical: ContentCache[str] = ContentCache(len)


def canonical_text(text: str) -> str:
    """The text as the library exports it after storing it; raises FhiclError where the library's parser refuses it."""
    return _canonical.get(text, lambda: canonical(text))


_heads: ContentCache[bytes] = ContentCache(len)
"""By a FHiCL text how its record begins: the members `document` and `comments`."""


def _head(text: str) -> bytes:
    head = ("{\n" + members_text(parse(text))).encode("utf-8", "surrogateescape")
    know(content_key(head), canonical_text(text))
    return head


_ENVELOPE_MARKS = NewDocument("\x01c", "\x01e", "\x01v", "\x01n", 0, "")


def _envelope_template() -> str:
    marked = envelope(_ENVELOPE_MARKS, "\x01i", "\x01t")
    marked.set("runs", [_named("\x01r", "\x01t")])
    updates = marked.table("bookkeeping").get("updates")
    assert isinstance(updates, list)
    updates[-1] = _event("addRun", "\x01r", "\x01t")
    text = _members_text(marked).replace("%", "%%")
    names = {"c": "collection", "e": "entity", "v": "version", "n": "configuration", "i": "oid", "t": "at", "r": "run"}
    for mark, name in names.items():
        for spelt in (f"\x01{mark}", f"\\u0001{mark}"):
            text = text.replace(spelt, f"%({name})s")
    return text


_TEMPLATE: list[str] = []


def record_data(new: NewDocument, oid: str, at: str) -> bytes:
    """The whole record as the library's JSON, without a final newline: what FilesystemDB keeps in a file.

    The names must have passed `store.check_new`. Raises FhiclError for a text that the library's parser refuses.
    """
    if not _TEMPLATE:
        _TEMPLATE.append(_envelope_template())
    spliced = _TEMPLATE[0] % {
        "collection": new.collection,
        "entity": new.entity,
        "version": new.version,
        "configuration": new.configuration,
        "oid": oid,
        "at": at,
        "run": new.run,
    }
    envelope_data = b"\n%b\n}" % spliced.encode("utf-8", "surrogateescape")
    names = ((new.entity,), new.version, ((new.configuration, at),), (str(new.run),))
    _written.put(content_key(envelope_data), StoredDocument(oid, new.collection, *names, Pairs()), 1 << 10)
    return b"%b,%b" % (_heads.get(new.text, lambda: _head(new.text)), envelope_data)


_written: JustWritten[StoredDocument] = JustWritten(4 << 20)
"""By the digest of an envelope that this process wrote what it says; the record is left out."""

OLD_ENTITY = "configurable_entity"
"""The one entity of a document, in databases from before version 1.10."""


def _names_of(value: Value) -> tuple[tuple[str, str], ...]:
    if not isinstance(value, list):
        return ()
    entries = (one for one in value if isinstance(one, Pairs))
    return tuple((entry.text("name"), entry.text("assigned")) for entry in entries)


def record_id(found: Pairs) -> str:
    """The `_id` of a record as text, or ""."""
    return found.table("_id").text("$oid")


def stored(found: Pairs, *, oid: str = "", collection: str = "", content: bytes = b"") -> StoredDocument:
    """A record as read from a store; what a foreign record lacks is empty, never an error."""
    return StoredDocument(
        id=oid or record_id(found),
        collection=collection or found.text("collection"),
        entities=tuple(name for name, _ in _names_of(found.get("entities", [found.get(OLD_ENTITY)]))),
        version=found.text("version"),
        configurations=_names_of(found.get("configurations")),
        runs=tuple(name for name, _ in _names_of(found.get("runs"))),
        record=found,
        content=content,
    )


KEPT_BYTES = 16 << 20
"""How much of one configuration is kept as what it was parsed to, which takes seven times the room of its JSON."""


class UnreadPairs(Pairs):
    """A record whose JSON is parsed when somebody asks for its content, once, or without `keep` each time."""

    __slots__ = ("_content", "_keep", "_read")

    def __init__(self, read: Callable[[], list[tuple[str, Value]]], *, keep: bool = True) -> None:
        self._read = read
        self._keep = keep
        self._content: list[tuple[str, Value]] | None = None

    @property
    def items(self) -> list[tuple[str, Value]]:
        """The content."""
        if self._content is not None:
            return self._content
        content = self._read()
        if self._keep:
            self._content = content
        return content

    @items.setter
    def items(self, content: list[tuple[str, Value]]) -> None:
        self._content = content


_bodies: ContentCache[tuple[int, Pairs]] = ContentCache(lambda one: 8 * one[0])
_BODY_START = b'{\n"document" : {\n'
_ENVELOPE_START = b',\n"origin" : {\n'


def stored_from_data(
    data: bytes, oid: str, collection: str, *, whole: bool = True, keep: bool = True
) -> StoredDocument:
    """A record out of its JSON; bodies seen before are not parsed again.

    Without `whole`, the record may lack `document` and `comments`; without `keep`, its content is read again by
    whoever asks for it, since it takes seven times the room of the JSON. Raises ArchiveError(CORRUPT) for what the
    library could not read.
    """
    place = data.rfind(_ENVELOPE_START)
    if place > 0 and data.startswith(_BODY_START):
        body_data = data[:place]
        try:
            found = _envelope_from_data(data[place + 1 :], oid, collection)
            if not whole:
                return found
            key = content_key(body_data)
            if known_text(key) is not None:
                unread = UnreadPairs(lambda: [*_read_body(body_data).items, *found.record.items])
                return replace(found, record=unread, content=key)
            if not keep:
                check_json(_text("", body_data + b"\n}"))
                again = UnreadPairs(lambda: [*_body(key, body_data).items, *found.record.items], keep=False)
                return replace(found, record=again, content=key)
            body_read = _body(key, body_data)
            return replace(found, record=Pairs([*body_read.items, *found.record.items]), content=key)
        except ArchiveError:
            """The text is laid out otherwise than the library's writer does: it is read as a whole."""
    return stored(_read("", data), oid=oid, collection=collection)


def _envelope_from_data(data: bytes, oid: str, collection: str) -> StoredDocument:
    known = _written.take(content_key(data))
    if known is None:
        return stored(_read("{", data), oid=oid, collection=collection)
    unread = UnreadPairs(lambda: _read("{", data).items)
    return replace(known, id=oid or known.id, collection=collection or known.collection, record=unread)


def _text(before: str, data: bytes) -> str:
    return before + data.decode("utf-8", "surrogateescape")


def _read(before: str, data: bytes) -> Pairs:
    return read_json(_text(before, data))


def _body(key: bytes, data: bytes) -> Pairs:
    return _bodies.get(key, lambda: (len(data), _read_body(data)))[1]


def _read_body(data: bytes) -> Pairs:
    return _read("", data + b"\n}")
