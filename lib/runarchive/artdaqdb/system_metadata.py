"""The one record of `SystemMetadata`, which the library writes when it first meets a database."""

from __future__ import annotations

import json
import os
import platform
import uuid

from runarchive.artdaqdb.documents import now

DATABASE_FORMAT = 3


def new_id() -> str:
    """A random id as the library makes them: the first 24 hex digits of a version 4 UUID."""
    return uuid.uuid4().hex[:24]


def _locale() -> str:
    return os.environ.get("LC_ALL") or os.environ.get("LC_CTYPE") or os.environ.get("LANG") or "C"


def metadata_document(uri: str) -> dict[str, object]:
    """The record's `document` member; `uri` must hold no password."""
    system = platform.uname()
    return {
        "name": "artdaq",
        "uri": uri,
        "locale": _locale(),
        "create_time": now(),
        "create_user": os.environ.get("USER", ""),
        "uname": {
            "sysname": system.system,
            "nodename": system.node,
            "release": system.release,
            "version": system.version,
            "machine": system.machine,
        },
        "database_format": DATABASE_FORMAT,
    }


def system_metadata(uri: str) -> tuple[str, str]:
    """A new id and the record's one-line text, in the library's layout."""
    oid = new_id()
    document = json.dumps(metadata_document(uri), ensure_ascii=False, separators=(",", ":"))
    return oid, f'{{"document":{document},"_id": {{ "$oid":"{oid}"}}}}'
