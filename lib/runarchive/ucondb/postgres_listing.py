"""Listing straight from the PostgreSQL database behind a UconDB server, read-only and in one query.

Tables as the server makes them for folder F in schema S: `S.F_versions` (id, key, object, tv, tr, deleted, data_size,
data_key, adler32) and `S.F_tags`.
"""

from __future__ import annotations

import re

from runarchive.errors import ArchiveError, Code
from runarchive.model import Phase, Store
from runarchive.ucondb.listing import UconVersion

_UNDEFINED_TABLE = "42P01"
_UNDEFINED_SCHEMA = "3F000"
_PASSWORD = re.compile(r"//[^:@/]*:(.*)@|password\s*=\s*(\S+)", re.IGNORECASE)
_QUERY = """
    select v.id, v.key, coalesce(v.tv, 0), extract(epoch from v.tr)::float8,
           coalesce((select array_agg(t.tag_name order by t.tag_name) from {tags} t where t.version_id = v.id), '{{}}'),
           v.data_size, v.data_key, v.adler32 & 4294967295
    from {versions} v where v.object = %s and not v.deleted order by v.id
"""


def read_versions(dsn: str, folder: str, object_name: str, *, timeout: float) -> list[UconVersion] | None:
    """All versions of an object, or None when the folder or the object does not exist; `timeout` is in seconds.

    Raises ArchiveError: CONNECTION_REFUSED, WRONG_PASSWORD, PERMISSION, TIMEOUT, BAD_ANSWER.
    """
    import psycopg2
    from psycopg2 import sql

    namespace, _, name = folder.rpartition(".")
    versions, tags = (
        sql.Identifier(*([namespace] if namespace else []), f"{name}_{suffix}") for suffix in ("versions", "tags")
    )
    query = sql.SQL(_QUERY).format(versions=versions, tags=tags)
    milliseconds = max(1, int(timeout * 1000))
    try:
        connection = psycopg2.connect(
            dsn, connect_timeout=max(2, int(timeout)), options=f"-c statement_timeout={milliseconds}"
        )
        try:
            connection.set_session(readonly=True, autocommit=True)
            with connection.cursor() as cursor:
                cursor.execute(query, (object_name,))
                rows = [UconVersion._make((*row[:4], tuple(row[4]), *row[5:])) for row in cursor]
        finally:
            connection.close()
    except psycopg2.Error as error:
        if error.pgcode in (_UNDEFINED_TABLE, _UNDEFINED_SCHEMA):
            return None
        raise _failure(error, dsn) from None
    return rows or None


def without_password(text: str, dsn: str) -> str:
    """What a database driver says, in one line, without the password of the address or any part of it."""
    found = _PASSWORD.search(dsn)
    parts = re.split(r"[@:/?]", (found[1] or found[2] or "") if found else "")
    for part in sorted(filter(None, parts), key=len, reverse=True):
        text = text.replace(part, "***")
    return " ".join(text.split())[:300]


def _failure(error: Exception, dsn: str) -> ArchiveError:
    state = getattr(error, "pgcode", None)
    text = without_password(str(error), dsn) or type(error).__name__
    code = {"57014": Code.TIMEOUT, "42501": Code.PERMISSION}.get(state or "", Code.BAD_ANSWER)
    if state is None:
        refused = "password authentication failed" in text or "no password supplied" in text
        code = Code.WRONG_PASSWORD if refused else Code.CONNECTION_REFUSED
    return ArchiveError(
        code, f"the database behind UconDB: {text}", store=Store.UCONDB, phase=Phase.LIST,
        hint="correct ucon_db.postgres_dsn, or leave it out: listing then goes through the server",
    )
