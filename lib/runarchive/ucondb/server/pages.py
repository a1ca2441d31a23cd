"""The pages for people: folders, their objects, the versions of an object."""

from __future__ import annotations

import html
import itertools
import time
from collections.abc import Iterable
from urllib.parse import urlencode

from runarchive.ucondb.server.http import (
    EXTRA_HEADERS,
    VERSION,
    Request,
    Response,
    bad_request,
    not_found,
    text,
    unknown_path,
)
from runarchive.ucondb.server.storage import DEFAULT_NAMESPACE, FolderName, Storage

_MOST_VERSIONS = 200


def page(storage: Storage, request: Request) -> Response:
    """The page that the second path element names."""
    name = request.elements[1] if len(request.elements) > 1 else "index"
    if name == "index":
        rows = [[_link("folder", folder, folder=folder)] for folder in storage.folders(DEFAULT_NAMESPACE)]
        return _page("Folders", ["Folder"], rows)
    if name not in ("folder", "object"):
        return unknown_path("/" + "/".join(request.elements))
    given = request.one("folder") or ""
    try:
        folder = FolderName.parse(given)
    except ValueError as error:
        raise bad_request(str(error)) from None
    if not storage.has_folder(folder):
        raise not_found(f"Folder {given}")
    if name == "folder":
        rows = [[_link("object", one, folder=given, object=one)] for one in storage.objects(folder)]
        return _page(f"Folder {given}", ["Object"], rows)
    object_name = request.one("object") or ""
    versions = itertools.islice(storage.versions(folder, object_name, time.time(), None, None), _MOST_VERSIONS)
    rows = [
        [
            _link("../data", str(one.id), folder=given, object=object_name, id=str(one.id)),
            html.escape(one.key or ""),
            html.escape(" ".join(one.tags)),
            str(one.data_size),
            time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(one.tr)),
        ]
        for one in versions
    ]
    title = f"Object {object_name} in {given}, the last {_MOST_VERSIONS} versions"
    return _page(title, ["Version", "Key", "Tags", "Bytes", "Recorded"], rows)


def _link(where: str, label: str, **query: str) -> str:
    return f'<a href="{where}?{html.escape(urlencode(query))}">{html.escape(label)}</a>'


def _page(title: str, heads: Iterable[str], rows: Iterable[Iterable[str]]) -> Response:
    head = "".join(f"<th>{name}</th>" for name in heads)
    body = "\n".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return text(
        f"<html>\n<head><title>{html.escape(title)}</title></head>\n<body>\n<h1>{html.escape(title)}</h1>\n"
        f"<table>\n<tr>{head}</tr>\n{body}\n</table>\n<p>UconDB {VERSION}</p>\n</body>\n</html>\n",
        headers=EXTRA_HEADERS,
    )
