"""The client of a UconDB server: exact about what it holds, gentle to it, and hard to fool."""

from __future__ import annotations

import codecs
import itertools
import json
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NoReturn

from runarchive.errors import ArchiveError, Code
from runarchive.model import Phase, Store
from runarchive.repeating import retried
from runarchive.ucondb.body import Checksums, PutKind, PutOutcome, checked, write_file
from runarchive.ucondb.frame import content_hash
from runarchive.ucondb.listing import (
    OVERLAP_SECONDS,
    Listing,
    ListingCache,
    UconVersion,
    make_listing,
    merge,
    read_json_array,
    version_of,
)
from runarchive.ucondb.putting import Put
from runarchive.ucondb.transport import Query, Transport, message_of
from runarchive.ucondb.wire import Answer

__all__ = ["Checksums", "Listing", "ListingCache", "PutKind", "PutOutcome", "UconClient", "UconVersion"]

_MISSING_OBJECT = ("Object ", "Folder ")
_MOST_NAMED = 5
_URL_HINT = "correct ucon_db.server_url; it usually ends in /app"
_NUMBER = re.compile(r"-?[0-9]{1,20}")
_LISTING_PATIENCE = 6.0
"""Times the usual limit for a whole listing: version 3.9.7 needs 0.25 ms a version, perhaps before its first byte."""
_ANY_TIME = "99999999999999"
"""A `tv` later than every other: without it the server hides versions whose validity begins in the future."""


class UconClient:
    """One object of one folder on a UconDB server; all methods may be called from several threads.

    `timeout` is in seconds, `verify` True, False or a CA file, `client_cert` a PEM file or a (certificate, key) pair,
    `postgres_dsn` an optional direct way to list. Failures are ArchiveErrors with store UCONDB.
    """

    def __init__(
        self,
        server_url: str,
        folder: str,
        object_name: str,
        *,
        user: str = "",
        password: str = "",
        timeout: float = 30.0,
        verify: bool | str = True,
        client_cert: str | tuple[str, str] | None = None,
        postgres_dsn: str | None = None,
    ) -> None:
        self.folder = folder
        self.object_name = object_name
        self.verified_tls = bool(verify) or not server_url.startswith("https:")
        self.postgres_dsn = postgres_dsn
        self._transport = Transport(
            server_url, user=user, password=password, timeout=timeout, verify=verify, client_cert=client_cert
        )
        if "." in folder:
            self._transport.realm = folder

    @property
    def uri(self) -> str:
        """Where this client looks, without credentials: `URL folder/object`."""
        return f"{self._transport.base} {self.folder}/{self.object_name}"

    def close(self) -> None:
        """Close all connections."""
        self._transport.close()

    def ping(self) -> str:
        """What answers, e.g. `UconDB 3.9.7`; raises when nothing does, or something else."""
        status, text = retried(lambda: self._transport.fetch("GET", "version", phase=Phase.CONNECT))
        if status != 200 or not text[:1].isdigit() or len(text) > 64:
            raise self._failure(
                Code.BAD_ANSWER,
                f"{self._transport.base} is no UconDB server: /version answers {status}",
                Phase.CONNECT,
                hint=_URL_HINT,
            )
        return f"UconDB {text.strip()}"

    def folders(self) -> tuple[str, ...]:
        """The names of the server's folders."""
        return self._names("folders", ()) or ()

    def objects(self) -> tuple[str, ...]:
        """The names of the objects in the folder; empty when the folder does not exist."""
        return self._objects() or ()

    def doubt(self) -> str:
        """What makes the configured folder or object look mistyped, in a sentence; "" where it holds something.

        Also "" on a server with nothing else on it: everything there is new.
        """
        objects = self._objects()
        if objects and self.object_name in objects:
            return ""
        if objects:
            return f"folder {self.folder} has no object {self.object_name} yet, only {', '.join(objects[:_MOST_NAMED])}"
        others = [name for name in self.folders() if name.lower() != self.folder.lower().removeprefix("public.")]
        beside = f" (the server has {', '.join(others[:_MOST_NAMED])})" if others else ""
        if objects is None:
            return f"there is no folder {self.folder} yet{beside}"
        return f"folder {self.folder} is empty{beside}" if others else ""

    def list_runs(self, cache: ListingCache | None = None) -> Listing:
        """What the object holds; with the cache of an earlier listing only what is new is asked for.

        A folder or an object that was never written to is an empty listing. Without a cache, a `postgres_dsn` is the
        way taken; the server may take six times `timeout` for each part of a whole listing.
        """
        source = self.uri
        if cache is not None and cache.source == source and cache.versions:
            news = retried(lambda: self._versions((("tr_since", f"{max(0.0, cache.newest - OVERLAP_SECONDS):.6f}"),)))
            if news is not None and cache.is_followed_by(news):
                return make_listing(source, merge(cache, news), exists=True, incremental=True)
        rows = None
        if self.postgres_dsn:
            from runarchive.ucondb.postgres_listing import read_versions

            rows = read_versions(self.postgres_dsn, self.folder, self.object_name, timeout=self._transport.timeout)
        if rows is None:
            # A database without these tables may be another one: the server has the last word on what is not there.
            rows = retried(lambda: self._versions(()))
        versions = {} if rows is None else {row.id: row for row in rows}
        return make_listing(source, versions, exists=rows is not None, incremental=False)

    def lookup(self, keys: Iterable[str]) -> dict[str, UconVersion]:
        """The versions with these keys, found at one go; keys that the object does not hold are left out."""
        wanted = list(keys)
        if not wanted:
            return {}
        return {str(version.key): version for version in self._lookup({"keys": wanted})}

    def lookup_range(self, first: str | None, end: str | None) -> list[UconVersion]:
        """The versions with first <= key < end, in *text* order, which is not that of numbers; None is no limit."""
        limits = {"key_min": first, "key_max": end}
        return self._lookup({name: limit for name, limit in limits.items() if limit is not None})

    def version(self, run: int) -> UconVersion | None:
        """What the server says of a run, or None when it holds none."""
        return self.lookup([str(run)]).get(str(run))

    def get(self, run: int) -> bytes:
        """The stored bytes of a run, checked against the server's size and adler32; raises NOT_FOUND, MISMATCH."""
        return self.get_by("key", str(run), run=run)

    def get_by(self, selector: str, value: str, run: int | None = None) -> bytes:
        """The stored bytes found by `key`, `id`, `tag` or `tv`, checked as in `get`; by `data_key`, unchecked."""

        def read() -> bytes:
            with self._open_blob(selector, value, run) as chunks:
                return b"".join(chunks)

        return retried(read)

    def get_to(self, run: int, out: IO[bytes]) -> Checksums:
        """Write the stored bytes of a run to a seekable file, in bounded memory, checked as `get` does."""

        def read() -> Checksums:
            with self._open_blob("key", str(run), run) as chunks:
                return Checksums.of(write_file(chunks, out))

        return retried(read)

    def content_hash(self, run: int) -> str:
        """What the stored bytes of a run hold, "Packed on" lines apart, in bounded memory, checked as `get` does."""

        def read() -> str:
            with self._open_blob("key", str(run), run) as chunks:
                return content_hash(chunks)

        return retried(read)

    def put(
        self,
        run: int,
        data: bytes | Path,
        *,
        tags: Iterable[str] | None = None,
        override: bool = False,
        sent: Callable[[int], None] | None = None,
    ) -> PutOutcome:
        """Store the bytes, or the file, of a run under its number, which is its tag too unless `tags` says otherwise.

        A run that is there already is compared and never overwritten, unless `override`: then the old version gives its
        key away, and keeps its id and tags. Returns once the server has said that it is stored, with our size and
        adler32. `sent` is told, as it grows, how many bytes of a large blob are on their way.
        """
        named = (str(run),) if tags is None else tuple(tags)
        return Put(self, self._transport, run, data, named, override, sent).outcome()

    def tag(self, run: int, name: str) -> None:
        """Add a tag to the version of a run."""
        query: Query = (
            ("folder", self.folder), ("object", self.object_name), ("key", str(run)), ("tag", name),
        )
        status, text = self._transport.write("tag", query, b"", size=0)
        self._expect(status, text, Phase.WRITE, run)

    def create_folder(self) -> None:
        """Make the folder, if it does not exist; nothing that exists is changed."""
        try:
            status, text = self._transport.write(
                "create_folder", (("folder", self.folder), ("drop", "no")), b"", size=0, realm=self.folder
            )
            reason = "" if status == 200 else f"the server answers {status}: {message_of(text)}"
        except ArchiveError as error:
            if error.code is not Code.WRONG_PASSWORD:
                raise
            # Folders may be made by others than those who may write to them.
            reason = error.message
        if reason:
            message = f"folder {self.folder} does not exist and cannot be made: {reason}"
            raise self._failure(Code.FOLDER_MISSING, message, Phase.WRITE)

    def _versions(self, more: Query) -> list[UconVersion] | None:
        query: Query = (("object", self.object_name), ("folder", self.folder), ("tv", _ANY_TIME), *more)
        patience = 1.0 if more else _LISTING_PATIENCE
        with self._transport.open("GET", "versions", query, phase=Phase.LIST, patience=patience) as answer:
            if answer.status != 200:
                text = answer.text()
                if self._is_missing(answer.status, text):
                    return None
                self._expect(answer.status, text, Phase.LIST)
            records = read_json_array(self._texts(answer))
            first = next(records, None)
            self._learn_realm(first)
            return [version_of(record) for record in itertools.chain([] if first is None else [first], records)]

    def _lookup(self, wanted: dict[str, Any]) -> list[UconVersion]:
        query: Query = (("folder", self.folder), ("object", self.object_name))
        body = json.dumps(wanted).encode()

        def ask() -> list[UconVersion]:
            status, text = self._transport.fetch("POST", "lookup_versions", query, body)
            if self._is_missing(status, text):
                return []
            self._expect(status, text, Phase.READ)
            return self._parse_sequence(text)

        return retried(ask)

    def _parse_sequence(self, text: str) -> list[UconVersion]:
        try:
            records = [json.loads(record) for record in text.split("\x1e") if record.strip()]
        except ValueError as error:
            raise self._failure(Code.CONNECTION_CUT, "the server's answer was cut off", Phase.READ) from error
        if records:
            self._learn_realm(records[0])
        return [version_of(record) for record in records if record is not None]

    def _objects(self) -> tuple[str, ...] | None:
        return self._names("objects", (("folder", self.folder),))

    def _names(self, method: str, query: Query) -> tuple[str, ...] | None:
        status, text = retried(lambda: self._transport.fetch("GET", method, query, phase=Phase.LIST))
        if self._is_missing(status, text) or (query and self._is_the_old_500(status, text)):
            return None
        self._expect(status, text, Phase.LIST)
        try:
            return tuple(str(name) for name in json.loads(text))
        except (ValueError, TypeError) as error:
            raise self._failure(Code.BAD_ANSWER, f"/{method} answers no list", Phase.LIST) from error

    @contextmanager
    def _open_blob(self, selector: str, value: str, run: int | None) -> Iterator[Iterator[bytes]]:
        """The pieces of a blob; reading them to the end checks them."""
        query: Query = (("folder", self.folder), ("object", self.object_name), (selector, value))
        what = f"{self.folder}/{self.object_name} {selector} {value}"
        # Found by id, a blob comes without its size and adler32.
        size, adler32 = self._announced(query, what, run) if selector == "id" else (None, None)
        with self._transport.open("GET", "data", query) as answer:
            if answer.status != 200:
                text = answer.text()
                if answer.status == 404 or self._is_the_old_500(answer.status, text):
                    raise self._failure(Code.NOT_FOUND, f"UconDB holds no {what}", Phase.READ, run)
                self._expect(answer.status, text, Phase.READ, run)
            size = answer.headers.get("X-UConDB-data-size", size)
            adler32 = answer.headers.get("X-UConDB-adler32", adler32)
            if selector == "data_key":
                size = adler32 = None
            elif not all(_NUMBER.fullmatch(value or "") for value in (size, adler32)):
                raise self._failure(Code.BAD_ANSWER, f"{what} comes without its size and adler32", Phase.READ, run)
            yield checked(answer.pieces, size, adler32, what, run)

    def _announced(self, query: Query, what: str, run: int | None) -> tuple[str | None, str | None]:
        """Size and adler32 from the metadata."""
        status, text = self._transport.fetch("GET", "data", (*query, ("meta_only", "yes")))
        self._expect(status, text, Phase.READ, run)
        if text.strip() in ("", "{}"):
            raise self._failure(Code.NOT_FOUND, f"UconDB holds no {what}", Phase.READ, run)
        try:
            version = version_of(json.loads(text))
        except ValueError as error:
            raise self._failure(Code.BAD_ANSWER, f"the metadata of {what} is none", Phase.READ, run) from error
        return str(version.data_size), str(version.adler32)

    @staticmethod
    def _texts(answer: Answer) -> Iterator[str]:
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        return (decoder.decode(piece) for piece in answer.pieces)

    def _learn_realm(self, record: Any) -> None:
        if isinstance(record, dict) and isinstance(record.get("folder"), str) and "." in record["folder"]:
            self._transport.realm = record["folder"]

    @staticmethod
    def _is_missing(status: int, text: str) -> bool:
        return status == 404 and text.startswith(_MISSING_OBJECT) and text.rstrip().endswith("not found")

    @staticmethod
    def _is_the_old_500(status: int, text: str) -> bool:
        """A folder or an object that does not exist makes version 3.9.7 stumble instead of saying so."""
        return status == 500 and "'NoneType' object has no attribute" in text

    def _expect(self, status: int, text: str, phase: Phase, run: int | None = None) -> None:
        if status != 200:
            self._refuse(status, text, phase, run)

    def _refuse(self, status: int, text: str, phase: Phase, run: int | None) -> NoReturn:
        code = {401: Code.WRONG_PASSWORD, 403: Code.PERMISSION, 405: Code.PERMISSION}.get(status, Code.BAD_ANSWER)
        hint = None
        if status == 404 and phase is Phase.LIST:
            hint = _URL_HINT
        elif status == 404:
            code = Code.NOT_FOUND
        raise self._failure(code, f"the server answers {status} {message_of(text)}".rstrip(), phase, run, hint)

    @staticmethod
    def _failure(
        code: Code, message: str, phase: Phase, run: int | None = None, hint: str | None = None
    ) -> ArchiveError:
        return ArchiveError(code, message, store=Store.UCONDB, phase=phase, run=run, hint=hint)
