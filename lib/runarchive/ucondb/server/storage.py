"""What a UconDB server keeps, in SQL that SQLite and PostgreSQL share; each adds how it stores bytes and times.

A folder is a set of tables: versions, tags, data. Queries are written with `?` for a value and `{versions}`, `{tags}`,
`{data}` for the folder's tables.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import IO, Any, NamedTuple

DEFAULT_NAMESPACE = "public"
PIECE = 1 << 18
"""Bytes handled at a time where a body is too large to be held."""
WHOLE = 1 << 20
"""Bodies up to this many bytes are read and written in one go."""

_GREATEST_ID = (1 << 31) - 1
_FOLDER = re.compile(r"(?:(\w+)\.)?(\w+)", re.ASCII)


class FolderName(NamedTuple):
    """A folder in its namespace; PostgreSQL folds names to lower case, so every name is lower case."""

    namespace: str
    name: str

    @property
    def qualified(self) -> str:
        """`namespace.name`, as metadata and the digest realm have it."""
        return f"{self.namespace}.{self.name}"

    @classmethod
    def parse(cls, text: str) -> FolderName:
        """The folder that `name` or `namespace.name` means; raises ValueError for anything else."""
        match = _FOLDER.fullmatch(text)
        if match is None:
            raise ValueError(f"Illegal folder name {text!r}")
        return cls((match[1] or DEFAULT_NAMESPACE).lower(), match[2].lower())


class StoredVersion(NamedTuple):
    """One version as it is stored; `tv` and `tr` are Unix seconds, `data_size` is in bytes."""

    id: int
    object: str
    tv: float
    tr: float
    key: str | None
    tags: tuple[str, ...]
    data_key: str
    data_size: int
    adler32: int


class KeyTaken(Exception):
    """The object has a version with this key already."""

    def __init__(self, object_name: str, key: str) -> None:
        super().__init__(f"Version of object {object_name} with key {key} already exists")


class RoleMissing(Exception):
    """A database role that a folder was to be given to does not exist, or may not be used."""


class StorageDown(Exception):
    """The database does not answer."""


@dataclass(frozen=True)
class NewBody:
    """A body to store: a file positioned anywhere, its size in bytes, its adler32 and its SHA-256."""

    file: IO[bytes]
    size: int
    adler32: int
    sha256: bytes

    def whole(self) -> bytes:
        """All bytes at once."""
        self.file.seek(0)
        return self.file.read()

    def pieces(self) -> Iterator[bytes]:
        """The bytes a piece at a time."""
        self.file.seek(0)
        while piece := self.file.read(PIECE):
            yield piece


@dataclass(frozen=True)
class NewVersion:
    """A version to store; `override` takes the key from the version that has it."""

    object: str
    body: NewBody
    tv: float
    key: str | None
    tags: tuple[str, ...]
    override: bool


class Storage(ABC):
    """Folders of versions and their bytes; safe for use from several threads and processes."""

    read_only = False
    """Whether this account may only read."""
    largest_body: int
    """The most bytes that one data row takes."""

    _tr: str
    _moment: str
    _tag_list: str
    _true = "true"

    def __init__(self) -> None:
        self._known: set[FolderName] = set()

    @abstractmethod
    def folders(self, namespace: str) -> list[str]:
        """The names of the folders of a namespace, sorted."""

    @abstractmethod
    def _holds_folder(self, folder: FolderName) -> bool:
        """Whether the database says that a folder exists."""

    @abstractmethod
    def create_folder(
        self, folder: FolderName, *, owner: str = "", read: Sequence[str] = (), write: Sequence[str] = (),
        drop: bool = False,
    ) -> None:
        """Make a folder where there is none; `drop` first removes its versions and tags. Raises RoleMissing."""

    @abstractmethod
    def insert(self, folder: FolderName, new: NewVersion) -> StoredVersion:
        """Store a version with its bytes and tags, all or nothing, on disk when it returns; raises KeyTaken."""

    @abstractmethod
    def add_tag(self, folder: FolderName, version: int, tag: str) -> None:
        """Give a version one more tag."""

    @abstractmethod
    def data_size(self, folder: FolderName, data_key: str) -> int | None:
        """The size in bytes of a data row, or None when there is none."""

    @abstractmethod
    def data(self, folder: FolderName, data_key: str, size: int) -> Iterator[bytes]:
        """The bytes of a data row of this size, a piece at a time."""

    @abstractmethod
    def close(self) -> None:
        """Close all connections."""

    @abstractmethod
    def _query(
        self, folder: FolderName, query: str, values: Sequence[Any], *, many: bool = False
    ) -> Iterable[Sequence[Any]]:
        """The rows of a query; `many` of them are not held all at once."""

    def has_folder(self, folder: FolderName) -> bool:
        """Whether a folder exists; one that was seen once goes on existing."""
        if folder not in self._known and self._holds_folder(folder):
            self._known.add(folder)
        return folder in self._known

    def objects(self, folder: FolderName) -> list[str]:
        """The objects that have a version which is not deleted, sorted."""
        query = f"select distinct object from {{versions}} where deleted is not {self._true}"
        return sorted(row[0] for row in self._query(folder, query, ()))

    def has_object(self, folder: FolderName, object_name: str) -> bool:
        """Whether any version that is not deleted names this object."""
        query = f"select 1 from {{versions}} where object = ? and deleted is not {self._true} limit 1"
        return any(True for _ in self._query(folder, query, (object_name,)))

    def tags(self, folder: FolderName) -> list[str]:
        """The tags of all versions, sorted, as often as they are given."""
        return sorted(row[0] for row in self._query(folder, "select tag_name from {tags}", ()))

    def versions(
        self, folder: FolderName, object_name: str, tv: float, tr: float | None, tr_since: float | None
    ) -> Iterator[StoredVersion]:
        """Versions with tv <= `tv`, tr <= `tr` and tr > `tr_since`, the last recorded first."""
        query = f"where v.object = ? and v.tv <= ? and v.deleted is not {self._true}"
        values: list[Any] = [object_name, tv]
        for limit, sign in ((tr, "<="), (tr_since, ">")):
            if limit is not None:
                query += f" and v.tr {sign} {self._moment}"
                values.append(limit)
        return self._select(folder, query + " order by v.tr desc, v.tv", values, many=True)

    def by_ids(self, folder: FolderName, ids: Sequence[int]) -> list[StoredVersion]:
        """The versions with these ids, in the order of ids; absent ones are left out."""
        possible = [number for number in ids if 0 < number <= _GREATEST_ID]
        return self._select_many(folder, "where v.id in ({marks}) order by v.id", (), possible)

    def by_keys(self, folder: FolderName, object_name: str, keys: Sequence[str]) -> list[StoredVersion]:
        """The versions of an object with these keys; absent ones are left out."""
        where = "where v.object = ? and v.key in ({marks}) order by v.id"
        return self._select_many(folder, where, (object_name,), keys)

    def by_key_range(
        self, folder: FolderName, object_name: str, first: str | None, end: str | None
    ) -> list[StoredVersion]:
        """The versions with first <= key < end, as the database orders text; None is no limit."""
        limits = [(sign, limit) for sign, limit in ((">=", first), ("<", end)) if limit is not None]
        where = "where v.object = ?" + "".join(f" and v.key {sign} ?" for sign, _ in limits) + " order by v.key"
        return list(self._select(folder, where, (object_name, *(limit for _, limit in limits))))

    def by_tag(self, folder: FolderName, object_name: str, tag: str, now: float) -> StoredVersion | None:
        """The last recorded version with this tag whose validity has begun."""
        where = (
            "where v.object = ? and v.tv <= ? and exists (select 1 from {tags} t where t.version_id = v.id"
            " and t.tag_name = ?) order by v.tr desc, v.tv desc limit 1"
        )
        return next(self._select(folder, where, (object_name, now, tag)), None)

    def at_time(self, folder: FolderName, object_name: str, tv: float, tr: float | None) -> StoredVersion | None:
        """The last recorded version with tv <= `tv` and, where given, tr < `tr`."""
        where = "where v.object = ? and v.tv <= ?"
        values: list[Any] = [object_name, tv]
        if tr is not None:
            where += f" and v.tr < {self._moment}"
            values.append(tr)
        return next(self._select(folder, where + " order by v.tr desc, v.tv desc limit 1", values), None)

    def _select_many(
        self, folder: FolderName, where: str, values: Sequence[Any], listed: Sequence[Any]
    ) -> list[StoredVersion]:
        found: list[StoredVersion] = []
        for start in range(0, len(listed), 500):
            part = listed[start : start + 500]
            found += self._select(folder, where.replace("{marks}", ", ".join("?" * len(part))), (*values, *part))
        return found

    def _select(
        self, folder: FolderName, where: str, values: Sequence[Any], *, many: bool = False
    ) -> Iterator[StoredVersion]:
        query = (
            f"select v.id, v.object, v.tv, {self._tr}, v.key, {self._tag_list}, v.data_key, v.data_size, v.adler32"
            " from {versions} v " + where
        )
        for row in self._query(folder, query, values, many=many):
            yield self._version(row)

    @staticmethod
    @abstractmethod
    def _split_tags(value: Any) -> Sequence[str]:
        """The tags of the tag list column."""

    def _version(self, row: Sequence[Any]) -> StoredVersion:
        number, object_name, tv, tr, key, tags, data_key, size, adler32 = row
        return StoredVersion(
            number, object_name, tv or 0.0, tr, key, tuple(sorted(self._split_tags(tags))) if tags else (),
            str(data_key), size, adler32 & 0xFFFFFFFF,
        )
