"""FilesystemDB in tests: small documents, a database opened anew, the kinds of what `check` finds."""

from __future__ import annotations

from pathlib import Path

from runarchive.artdaqdb.check import check_store
from runarchive.artdaqdb.filesystemdb import FilesystemDB
from runarchive.artdaqdb.store import NewDocument


def opened(path: Path) -> FilesystemDB:
    return FilesystemDB(f"filesystemdb://{path}")


def document(run: int, entity: str, text: str = "a: 1\n") -> NewDocument:
    collection = "SystemLayout" if entity == "schema" else "RunHistory"
    return NewDocument(collection, entity, f"{run}/demo", f"{run}/demo", run, text)


def kinds(store: FilesystemDB) -> list[str]:
    return [finding.kind for finding in check_store(store)]
