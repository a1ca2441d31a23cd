"""The WSGI application: each URL of UconDB 3.9.7 and what it does."""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from runarchive.ucondb.server import pages
from runarchive.ucondb.server.body import BodyError, kept
from runarchive.ucondb.server.http import (
    BYTES,
    EXTRA_HEADERS,
    HTML,
    JSON,
    JSON_SEQUENCE,
    VERSION,
    Headers,
    HttpError,
    Request,
    Response,
    application_error,
    bad_request,
    blob_headers,
    json_list,
    json_text,
    metadata,
    names_text,
    not_found,
    redirect,
    text,
    unknown_path,
)
from runarchive.ucondb.server.storage import (
    DEFAULT_NAMESPACE,
    FolderName,
    KeyTaken,
    NewVersion,
    RoleMissing,
    Storage,
    StorageDown,
    StoredVersion,
)
from runarchive.ucondb.server.users import Guard, Judgement, Users

Start = Callable[[str, list[tuple[str, str]]], Any]
_log = logging.getLogger("runarchive.ucondb.server")
_TOO_MANY_DIGITS = 19
_LARGEST_QUESTION = 16 << 20


class UconApp:
    """One server's answers.

    `read_only` refuses all writing, `open_writing` asks nobody for credentials, `allow_drop` lets `create_folder` empty
    a folder that exists, `log_writing` logs who wrote what and who was refused.
    """

    def __init__(
        self,
        storage: Storage,
        users: Users,
        *,
        prefix: str = "/app",
        read_only: bool = False,
        open_writing: bool = False,
        allow_drop: bool = False,
        log_writing: bool = False,
    ) -> None:
        self.storage = storage
        self.prefix = prefix
        self._guard = Guard(users)
        self._read_only = read_only
        self._open_writing = open_writing
        self._allow_drop = allow_drop
        self._log_writing = log_writing
        self._calls: dict[str, Callable[[Request], Response]] = {
            "version": lambda request: text(VERSION),
            "probe": lambda request: text("OK", headers=EXTRA_HEADERS),
            "hello": self._hello,
            "folders": self._folders,
            "objects": self._objects,
            "tags": self._tags,
            "versions": self._versions,
            "lookup_versions": self._lookup_versions,
            "get_blob": self._get_blob,
            "get": self._get,
            "put": self._put,
            "data": lambda request: self._put(request) if request.method in ("PUT", "POST") else self._get(request),
            "tag": self._tag,
            "create_folder": self._create_folder,
            "UI": lambda request: pages.page(self.storage, request),
            "index": lambda request: redirect("./UI/index"),
            "": lambda request: redirect("./index"),
        }

    def __call__(self, environ: Mapping[str, Any], start: Start) -> Iterable[bytes]:
        """One request, as WSGI has it; `wsgi.input` is a RequestBody."""
        method = str(environ["REQUEST_METHOD"])
        response = self._answer(method, environ)
        headers = [("Content-Type", response.content_type)] if response.content_type else []
        headers += map(_latin, response.headers)
        if response.size is not None:
            headers.append(("Content-Length", str(response.size)))
        start(response.status, headers)
        return () if method == "HEAD" else response.body

    def _answer(self, method: str, environ: Mapping[str, Any]) -> Response:
        path = _utf8(environ.get("PATH_INFO", ""))
        below = path.removeprefix(self.prefix)
        if not path.startswith(self.prefix) or (below and not below.startswith("/")):
            return Response("404 Service not found", "", (), 0)
        query = environ.get("QUERY_STRING", "")
        # The path as it came, not decoded: webpie does not decode path elements either.
        raw = str(environ.get("REQUEST_URI", "")).partition("?")[0]
        raw_below = raw.partition(self.prefix)[2] if raw else below
        try:
            request = Request.parse(
                method, f"{raw_below}?{query}" if query else raw_below, _utf8(raw_below), query,
                environ.get("HTTP_AUTHORIZATION", ""), environ["wsgi.input"],
            )
            call = self._calls.get(request.elements[0])
            return unknown_path(below) if call is None or "//" in below else call(request)
        except HttpError as error:
            return error.response
        except BodyError as error:
            return text(str(error), error.status)
        except KeyTaken as error:
            return application_error(str(error))
        except StorageDown as error:
            _log.error("the database does not answer: %s", error)
            return text("The database does not answer", "503 Service unavailable", headers=(("Retry-After", "5"),))
        except Exception:
            _log.exception("%s %s", method, path)
            return application_error("Internal error; the server's log has it")

    def _hello(self, request: Request) -> Response:
        arguments = "".join(f"{name}={value}" for name, values in request.arguments.items() for value in values)
        return text(f"hello: {arguments}", content_type="text/plain; charset=UTF-8", headers=EXTRA_HEADERS)

    def _folders(self, request: Request) -> Response:
        namespace = request.one("namespace")
        names = self.storage.folders((namespace or DEFAULT_NAMESPACE).lower())
        return names_text(request, [f"{namespace}.{name}" if namespace else name for name in names], EXTRA_HEADERS)

    def _objects(self, request: Request) -> Response:
        return names_text(request, self.storage.objects(self._folder(request)))

    def _tags(self, request: Request) -> Response:
        return names_text(request, self.storage.tags(self._folder(request)))

    def _versions(self, request: Request) -> Response:
        folder = self._folder(request)
        object_name = self._object(request, folder)
        now = time.time()
        tv = request.number("tv")
        found = self.storage.versions(
            folder, object_name, now if tv is None else tv, request.moment("tr", now), request.moment("tr_since", now)
        )
        return Response("200 OK", JSON, json_list(found, folder.qualified))

    def _lookup_versions(self, request: Request) -> Response:
        request = request.with_path_arguments()
        if request.method != "POST":
            raise HttpError(text("Use POST", "405 Method Not Allowed", headers=(("Allow", "POST"),)))
        if request.body.is_chunked:
            raise HttpError(text("Say how long the question is", "411 Length Required"))
        folder = self._folder(request)
        try:
            wanted = json.loads(request.body.whole(_LARGEST_QUESTION))
            if not isinstance(wanted, dict):
                raise ValueError
        except (ValueError, RecursionError):
            raise bad_request("The body is no JSON object") from None
        found = self._look_up(request, folder, wanted)
        values = (None if version is None else metadata(version, folder.qualified) for version in found)
        body = "".join(f"\x1e{json.dumps(value)}\n" for value in values).encode()
        return Response("200 OK", JSON_SEQUENCE, (body,), len(body))

    def _look_up(self, request: Request, folder: FolderName, wanted: dict[str, Any]) -> Iterable[StoredVersion | None]:
        try:
            first, end = wanted.get("key_min"), wanted.get("key_max")
            if wanted.get("ids"):
                return self.storage.by_ids(folder, [int(number) for number in wanted["ids"]])
            object_name = self._object(request, folder)
            if wanted.get("keys"):
                return self.storage.by_keys(folder, object_name, [str(key) for key in wanted["keys"]])
            if first is not None or end is not None:
                first, end = (None if one is None else str(one) for one in (first, end))
                return self.storage.by_key_range(folder, object_name, first, end)
            if wanted.get("tvs"):
                tr = request.moment("tr", time.time())
                return [self.storage.at_time(folder, object_name, float(tv), tr) for tv in wanted["tvs"]]
        except (TypeError, ValueError, OverflowError):
            raise bad_request("The body names versions in no known way") from None
        if any(name in wanted for name in ("ids", "keys", "tvs")):
            return ()
        raise bad_request("One of ids, keys, key_min or key_max, tvs must be given")

    def _get_blob(self, request: Request) -> Response:
        folder = self._folder(request)
        data_key, version_id = request.one("data_key"), request.number("version_id", int)
        if (data_key is None) == (version_id is None):
            raise HttpError(
                text("One and only one of data_key, version_id must be specified", "400 Bad Request")
            )
        if data_key is None:
            return self._blob(folder, self._by_id(folder, int(version_id or 0)))
        return self._data(folder, data_key)

    def _get(self, request: Request) -> Response:
        request = request.with_path_arguments()
        folder, object_name = self._folder_and_object(request)
        number = request.number("id", int)
        if number is not None:
            version = self._by_id(folder, int(number))
        elif (data_key := request.one("data_key")) is not None:
            return self._data(
                folder, data_key, (("X-UConDB-product-version", VERSION), ("X-UConDB-data-key", data_key))
            )
        else:
            version = self._find(request, folder, object_name)
        if request.flag("meta_only"):
            return json_text(metadata(version, folder.qualified))
        if number is not None:
            return self._blob(folder, version, EXTRA_HEADERS, HTML)
        return self._blob(folder, version, blob_headers(version, folder.qualified))

    def _find(self, request: Request, folder: FolderName, object_name: str) -> StoredVersion:
        now = time.time()
        key, tag = request.one("key"), request.one("tag")
        version: StoredVersion | None
        if key is not None:
            version = next(iter(self.storage.by_keys(folder, object_name, [key])), None)
        elif tag is not None:
            version = self.storage.by_tag(folder, object_name, tag, now)
        else:
            tv = request.number("tv")
            version = self.storage.at_time(folder, object_name, now if tv is None else tv, request.moment("tr", now))
        if version is None:
            raise not_found("Version" if self.storage.has_object(folder, object_name) else f"Object {object_name}")
        return version

    def _put(self, request: Request) -> Response:
        self._writable()
        request = request.with_path_arguments()
        folder, object_name = self._folder_and_object(request, missing="Folder")
        self._authorize(request, folder.qualified, request.one("folder") or "")
        key, tv = request.one("key"), request.number("tv") or 0.0
        if math.isinf(tv):
            raise bad_request(f"tv={tv} is no time")
        tags = tuple(request.arguments.get("tag", ()))
        with kept(request.body) as body:
            new = NewVersion(object_name, body, tv, key, tags, request.flag("override"))
            version = self.storage.insert(folder, new)
        self._note(request, f"put {object_name!r} key {key!r}: version {version.id}, {version.data_size} bytes")
        if request.flag("full_meta"):
            return json_text(metadata(version, folder.qualified))
        return text(str(version.id))

    def _tag(self, request: Request) -> Response:
        self._writable()
        folder = self._folder(request)
        self._authorize(request, folder.qualified, request.one("folder") or "")
        tag = request.one("tag")
        if not tag:
            raise bad_request("No tag is given")
        number = request.number("version_id", int)
        if number is not None:
            version = self._by_id(folder, int(number))
        else:
            version = self._find(request, folder, self._object(request, folder))
        self.storage.add_tag(folder, version.id, tag)
        self._note(request, f"tag {tag!r} of version {version.id}")
        return text("OK")

    def _create_folder(self, request: Request) -> Response:
        self._writable()
        given = request.one("folder")
        if not given:
            raise HttpError(text("Empty folder name", "400 Bad Request", headers=EXTRA_HEADERS))
        folder = self._folder_name(given)
        self._authorize(request, given, folder.qualified)
        drop = request.flag("drop")
        if drop and not self._allow_drop and self.storage.has_folder(folder):
            raise HttpError(text("Folders are not dropped here", "405 Method Not Allowed", headers=EXTRA_HEADERS))
        try:
            self.storage.create_folder(
                folder, owner=request.one("owner") or "", read=_list(request.one("read")),
                write=_list(request.one("write")), drop=drop,
            )
        except RoleMissing as error:
            raise bad_request(str(error)) from None
        self._note(request, "create folder, dropping the old one" if drop else "create folder")
        return text("OK", headers=EXTRA_HEADERS)

    def _writable(self) -> None:
        if self._read_only:
            raise HttpError(text("Read-only instance", "405 Method Not Allowed"))

    def _authorize(self, request: Request, *realms: str) -> None:
        if self._open_writing:
            return
        realm = self._guard.realm(*(realm for realm in realms if realm))
        judgement = self._guard.judge(realm, request.credentials)
        if judgement is Judgement.ACCEPTED:
            return
        headers: Headers = EXTRA_HEADERS
        if judgement is Judgement.REFUSED:
            self._note(request, "refused: wrong credentials")
        else:
            stale = judgement is Judgement.STALE
            headers = (*headers, ("WWW-Authenticate", self._guard.challenge(realm, stale=stale)))
        raise HttpError(text("Authorization required", "401 Unauthorized", headers=headers))

    def _note(self, request: Request, what: str) -> None:
        if self._log_writing:
            user = request.credentials.digest.get("username", "")
            _log.info("%r in folder %r: %s", user, request.one("folder"), what)

    def _folder_and_object(self, request: Request, missing: str = "") -> tuple[FolderName, str]:
        name, object_name = request.one("folder"), request.one("object")
        if not name or not object_name:
            raise HttpError(Response("400 Bad Request", HTML, (), 0))
        folder = self._folder_name(name)
        if not self.storage.has_folder(folder):
            raise not_found(missing or f"Folder {name}")
        return folder, object_name

    def _folder(self, request: Request) -> FolderName:
        name = request.one("folder")
        if not name:
            raise bad_request("No folder is given")
        folder = self._folder_name(name)
        if not self.storage.has_folder(folder):
            raise not_found(f"Folder {name}")
        return folder

    @staticmethod
    def _folder_name(name: str) -> FolderName:
        try:
            return FolderName.parse(name)
        except ValueError as error:
            raise bad_request(str(error)) from None

    def _object(self, request: Request, folder: FolderName) -> str:
        name = request.one("object")
        if not name:
            raise bad_request("No object is given")
        if not self.storage.has_object(folder, name):
            raise not_found(f"Object {name}")
        return name

    def _by_id(self, folder: FolderName, number: int) -> StoredVersion:
        version = next(iter(self.storage.by_ids(folder, [number])), None)
        if version is None:
            raise not_found("Version")
        return version

    def _blob(
        self, folder: FolderName, version: StoredVersion, headers: Headers = (), content_type: str = BYTES
    ) -> Response:
        body = self.storage.data(folder, version.data_key, version.data_size)
        return Response("200 OK", content_type, body, version.data_size, headers)

    def _data(self, folder: FolderName, data_key: str, headers: Headers = ()) -> Response:
        if not (data_key.isascii() and data_key.isdigit()):
            raise bad_request(f"data_key={data_key} is no number")
        size = self.storage.data_size(folder, data_key) if len(data_key) < _TOO_MANY_DIGITS else None
        if size is None:
            raise not_found("Data")
        return Response("200 OK", BYTES, self.storage.data(folder, data_key, size), size, headers)


def _list(names: str | None) -> tuple[str, ...]:
    return tuple(name for name in (names or "").split(",") if name)


def _utf8(text_of_wsgi: str) -> str:
    return text_of_wsgi.encode("latin-1", "replace").decode("utf-8", "replace")


def _latin(header: tuple[str, str]) -> tuple[str, str]:
    """A header as WSGI wants it: each byte of its UTF-8 as one character."""
    return header[0], header[1].encode().decode("latin-1")
