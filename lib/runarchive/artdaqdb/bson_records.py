"""BSON of whole records, without loss: repeated names kept, `_id` first, foreign types as extended JSON.

pymongo's own encoder writes the first of two equal names twice and its decoder keeps the last alone, so records
are encoded here and decoded by its C decoder into `Pairs`. Types beyond those of FHiCL records appear as the
library's JSON shows them (`{"$date": <milliseconds>}`, `{"$numberDecimal": …}`) and become what they were again.
"""

from __future__ import annotations

import base64
import re
import struct
from collections.abc import Callable, Iterator, MutableMapping
from functools import lru_cache
from typing import Any, cast

import bson
from bson.codec_options import CodecOptions, DatetimeConversion, TypeDecoder, TypeRegistry
from bson.datetime_ms import DatetimeMS
from bson.int64 import Int64
from bson.raw_bson import RawBSONDocument

from runarchive.errors import ArchiveError, Code
from runarchive.fhicl.json_text import RawText, unescape
from runarchive.fhicl.pairs import Pairs, Value
from runarchive.model import Phase, Store

MAX_RECORD_BYTES = 16 * 2**20
"""What a MongoDB document may have at most."""

_int32 = struct.Struct("<i").pack
_int64 = struct.Struct("<q").pack
_double = struct.Struct("<d").pack
_STATED_CONTROL = re.compile(r"[\x00-\x07\x0b\x0e-\x1f]")


class _Decoded(Pairs):
    """What the C decoder fills: each element is appended, also one whose name was there before."""

    __slots__ = ()

    def __setitem__(self, name: str, value: Value) -> None:
        self.items.append((name, value))


MutableMapping.register(_Decoded)


def _decoder(bson_type: type, convert: Callable[[Any], Any]) -> TypeDecoder:
    made = type("Decoder", (TypeDecoder,), {"bson_type": bson_type, "transform_bson": staticmethod(convert)})
    decoder: TypeDecoder = made()
    return decoder


def _of_binary(value: bytes) -> Pairs:
    subtype = getattr(value, "subtype", 0)
    return Pairs([("$binary", base64.b64encode(value).decode("ascii")), ("$type", f"{subtype:02x}")])


def _of_code(value: Any) -> Pairs:
    shown = Pairs([("$code", str(value))])
    if value.scope is not None:
        shown.append("$scope", value.scope if isinstance(value.scope, Pairs) else decode(bson.encode(value.scope)))
    return shown


def _of_reference(value: Any) -> Pairs:
    shown = Pairs([("$ref", value.collection), ("$id", value.id)])
    if value.database is not None:
        shown.append("$db", value.database)
    return shown


def _of_regex(value: Any) -> Pairs:
    letters = "".join(letter for letter, flag in _REGEX_FLAGS.items() if value.flags & flag)
    return Pairs([("$regex", value.pattern), ("$options", letters)])


_REGEX_FLAGS = {"i": re.I, "l": re.L, "m": re.M, "s": re.S, "u": re.U, "x": re.X}

_FOREIGN = [
    _decoder(bson.ObjectId, lambda value: Pairs([("$oid", str(value))])),
    _decoder(DatetimeMS, lambda value: Pairs([("$date", Int64(int(value)))])),
    _decoder(bson.Decimal128, lambda value: Pairs([("$numberDecimal", str(value))])),
    _decoder(bson.Timestamp, lambda value: Pairs([("$timestamp", Pairs([("t", value.time), ("i", value.inc)]))])),
    _decoder(bson.MinKey, lambda value: Pairs([("$minKey", 1)])),
    _decoder(bson.MaxKey, lambda value: Pairs([("$maxKey", 1)])),
    _decoder(bson.Regex, _of_regex),
    _decoder(bson.Binary, _of_binary),
    _decoder(bytes, _of_binary),
    _decoder(bson.Code, _of_code),
    _decoder(bson.DBRef, _of_reference),
]


def _as_library_text(text: str) -> str:
    """A string as the C++ library reads it from MongoDB: control characters arrive as six characters, `\\u0001`."""
    if text.isprintable():
        return text
    return _STATED_CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _options(decoders: list[TypeDecoder]) -> CodecOptions[Any]:
    return CodecOptions(
        document_class=_Decoded,
        datetime_conversion=DatetimeConversion.DATETIME_MS,
        type_registry=TypeRegistry(decoders),
    )


_EXACT = _options(_FOREIGN)
_LIBRARY = _options([*_FOREIGN, _decoder(str, _as_library_text)])


def decode(raw: bytes, *, as_library: bool = False) -> Pairs:
    """The record of these BSON bytes, every pair kept in order; `as_library`: strings as the C++ library reads them.

    Raises ArchiveError(CORRUPT) for bytes that are no BSON document.
    """
    try:
        found: Pairs = bson.decode(raw, _LIBRARY if as_library else _EXACT)
    except (bson.errors.BSONError, ValueError, RecursionError) as error:
        raise _failure(Code.CORRUPT, f"the document cannot be decoded: {error}", Phase.READ) from error
    return found


def encode(record: Pairs) -> bytes:
    """The BSON document of a record, `_id` in front as the server stores it.

    Raises ArchiveError: BAD_NAME for a name the C++ driver refuses (empty, or starting with `$` without being
    extended JSON), CORRUPT for a value BSON cannot hold, TOO_LARGE beyond 16 MiB.
    """
    ids = [pair for pair in record.items if pair[0] == "_id"]
    others = [pair for pair in record.items if pair[0] != "_id"]
    try:
        return framed([_document([*ids, *others])[4:-1]])
    except RecursionError as error:
        raise _failure(Code.TOO_LARGE, "a document is nested too deeply to be stored in MongoDB") from error


def framed(members: list[bytes]) -> bytes:
    """A BSON document of these encoded members; raises ArchiveError(TOO_LARGE) beyond 16 MiB."""
    content = b"".join(members)
    size = len(content) + 5
    if size > MAX_RECORD_BYTES:
        message = f"a document of {size} bytes cannot be stored: MongoDB takes {MAX_RECORD_BYTES} bytes at most"
        raise _failure(Code.TOO_LARGE, message)
    return b"%b%b\x00" % (_int32(size), content)


def member(name: str, value: Value) -> bytes:
    """One encoded member, to be put between others by `framed`."""
    return _element(name, value)


def object_id(oid: str) -> bytes:
    """The encoded member `_id`."""
    return b"\x07_id\x00" + bytes.fromhex(oid)


def id_of(raw: bytes) -> str:
    """The object id in front of a record, whatever state the rest is in; "?" where there is none."""
    return raw[9:21].hex() if raw[4:9] == b"\x07_id\x00" else "?"


_DOCUMENT_PLACE = 21
_DOCUMENT_HEAD = b"\x03document\x00"


def take_document(raw: bytes) -> tuple[bytes, bytes]:
    """The bytes of the member `document` where the library puts it, right behind `_id`, and the record without it.

    The first is b"" for a record that is laid out otherwise; then the second is the whole record.
    """
    start = _DOCUMENT_PLACE + len(_DOCUMENT_HEAD)
    if raw[4:9] != b"\x07_id\x00" or raw[_DOCUMENT_PLACE:start] != _DOCUMENT_HEAD:
        return b"", raw
    end = start + int.from_bytes(raw[start : start + 4], "little")
    if not start + 5 <= end < len(raw):
        return b"", raw
    return raw[start:end], framed([raw[4:_DOCUMENT_PLACE], raw[end:-1]])


def split(data: bytes) -> Iterator[bytes]:
    """The documents of a concatenation of BSON documents, as a dump file holds them."""
    place = 0
    while place < len(data):
        size = int.from_bytes(data[place : place + 4], "little")
        if size < 5 or place + size > len(data):
            raise _failure(Code.CORRUPT, f"the BSON dump is damaged at byte {place}", Phase.READ)
        yield data[place : place + size]
        place += size


def _failure(code: Code, message: str, phase: Phase = Phase.WRITE) -> ArchiveError:
    return ArchiveError(code, message, store=Store.ARTDAQDB, phase=phase)


@lru_cache(maxsize=8192)
def _key(name: str) -> bytes:
    if not name or name.startswith("$") or "\0" in name:
        raise _failure(Code.BAD_NAME, f"a document with a member named {name!r} cannot be stored in MongoDB")
    try:
        return name.encode("utf-8") + b"\x00"
    except UnicodeEncodeError as error:
        raise _failure(Code.CORRUPT, f"the member name {name!r} is no valid text") from error


def _text(value: str) -> bytes:
    try:
        data = value.encode("utf-8")
    except UnicodeEncodeError as error:
        raise _failure(Code.CORRUPT, f"the value {value[:60]!r} is no valid text") from error
    return _int32(len(data) + 1) + data + b"\x00"


@lru_cache(maxsize=16384)
def _leaf(items: tuple[tuple[str, str], ...]) -> bytes:
    """An object of short strings: nearly all metadata of a document are the same few of them."""
    return frame([b"\x02" + _key(name) + _text(value) for name, value in items])


def frame(elements: list[bytes]) -> bytes:
    """An embedded document or array of these encoded members."""
    content = b"".join(elements)
    return b"%b%b\x00" % (_int32(len(content) + 5), content)


def _document(items: list[tuple[str, Value]]) -> bytes:
    if 0 < len(items) <= 4 and all(type(value) is str and len(value) < 64 for _, value in items):
        return _leaf(tuple(cast(list[tuple[str, str]], items)))
    return frame([_element(name, value) for name, value in items])


def _element(name: str, value: Value) -> bytes:
    kind = type(value)
    if kind is str:
        return b"\x02" + _key(name) + _text(cast(str, value))
    if isinstance(value, Pairs):
        if value.items and value.items[0][0].startswith("$"):
            return _foreign(name, value)
        return b"\x03" + _key(name) + _document(value.items)
    if isinstance(value, list):
        return b"\x04" + _key(name) + frame([_element(str(place), one) for place, one in enumerate(value)])
    if value is None:
        return b"\x0a" + _key(name)
    if isinstance(value, bool):
        return b"\x08" + _key(name) + (b"\x01" if value else b"\x00")
    if isinstance(value, int):
        return _number(_key(name), value)
    if isinstance(value, float):
        return b"\x01" + _key(name) + _double(value)
    return b"\x02" + _key(name) + _text(unescape(value) if isinstance(value, RawText) else value)


def _number(key: bytes, value: int) -> bytes:
    if -(2**31) <= value < 2**31 and not isinstance(value, Int64):
        return b"\x10" + key + _int32(value)
    if -(2**63) <= value < 2**63:
        return b"\x12" + key + _int64(value)
    raise _failure(Code.CORRUPT, f"the number {value} is too large for MongoDB")


def _foreign(name: str, value: Pairs) -> bytes:
    """A value of a type FHiCL does not have, written as extended JSON."""
    shape = tuple(value)
    make = _FROM_EXTENDED.get(shape)
    try:
        if make is not None:
            alone = bytes(bson.encode({"v": make([one for _, one in value.items])}))
            return alone[4:5] + _key(name) + alone[7:-1]
    except (ValueError, TypeError, bson.errors.BSONError) as error:
        raise _failure(Code.CORRUPT, f"the extended value {value!r:.80} of {name!r} cannot be stored") from error
    if shape[0] == "$ref":
        return b"\x03" + _key(name) + frame([_reference_element(*pair) for pair in value.items])
    raise _failure(Code.BAD_NAME, f"a document with a member named {shape[0]!r} cannot be stored in MongoDB")


def _reference_element(name: str, value: Value) -> bytes:
    """A member of a database reference, whose names alone may start with `$`."""
    return _element("_" + name[1:], value).replace(b"_", b"$", 1) if name.startswith("$") else _element(name, value)


def _scope(value: Any) -> RawBSONDocument | None:
    return RawBSONDocument(_document(value.items)) if isinstance(value, Pairs) else None


_FROM_EXTENDED: dict[tuple[str, ...], Callable[[list[Any]], Any]] = {
    ("$oid",): lambda v: bson.ObjectId(v[0]),
    ("$date",): lambda v: DatetimeMS(int(v[0])),
    ("$numberLong",): lambda v: Int64(int(v[0])),
    ("$numberInt",): lambda v: int(v[0]),
    ("$numberDouble",): lambda v: float(v[0]),
    ("$numberDecimal",): lambda v: bson.Decimal128(v[0]),
    ("$timestamp",): lambda v: bson.Timestamp(v[0].get("t"), v[0].get("i")),
    ("$minKey",): lambda v: bson.MinKey(),
    ("$maxKey",): lambda v: bson.MaxKey(),
    ("$undefined",): lambda v: None,
    ("$regex", "$options"): lambda v: bson.Regex(v[0], v[1]),
    ("$binary", "$type"): lambda v: bson.Binary(base64.b64decode(v[0]), int(v[1], 16)),
    ("$code",): lambda v: bson.Code(v[0]),
    ("$code", "$scope"): lambda v: bson.Code(v[0], _scope(v[1])),
}
