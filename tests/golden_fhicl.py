"""FHiCL that the real artdaq_database read and wrote: pairs, single constructs, upstream fixtures, stored documents."""

from __future__ import annotations

import json
import lzma
import tarfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from runarchive.fhicl.pairs import Pairs, Value

GOLDEN = Path(__file__).parent / "golden"


@cache
def files(archive: str) -> dict[str, bytes]:
    """Name to content of every file of a golden archive."""
    with tarfile.open(GOLDEN / archive) as packed:
        found = {member.name: packed.extractfile(member) for member in packed if member.isfile()}
        return {name: stream.read() for name, stream in found.items() if stream is not None}


def names(folder: str, suffix: str, archive: str = "fhicl.tar.xz") -> list[str]:
    """The stems of a folder's files with this suffix."""
    return sorted(Path(name).stem for name in files(archive) if name.startswith(folder) and name.endswith(suffix))


def pair(folder: str, stem: str, suffix: str) -> bytes:
    """A file of `fhicl_pairs`; empty means that the library refused."""
    return files("fhicl.tar.xz").get(f"fhicl_pairs/{folder}/{stem}{suffix}", b"")


def fixture(name: str) -> bytes:
    """A file of the library's own test data."""
    return files("fhicl.tar.xz")[f"fixtures/fcl2dbjson/{name}"]


@cache
def constructs() -> list[Pairs]:
    """The recorded single constructs: fhicl, f2j_rc, data, metadata, comments, fhicl_back."""
    found = json.loads(files("fhicl.tar.xz")["one_construct.json"], object_pairs_hook=Pairs)
    return [one for one in found if isinstance(one, Pairs)]


@dataclass(frozen=True, slots=True)
class Stored:
    """A FHiCL source, the JSON of its members `document` and `comments` as the library stored them, and its export."""

    run: str
    entity: str
    source: str
    members: str
    export: str


@cache
def stored() -> list[Stored]:
    """198 different FHiCL files of real configurations that went through the real library and back."""
    text = lzma.decompress((GOLDEN / "fhicl_documents.jsonl.xz").read_bytes()).decode("ascii")
    return [Stored(**json.loads(line)) for line in text.splitlines()]


def as_tables(value: Value) -> object:
    """Pairs as dicts, for recordings that did not keep the order of names."""
    if isinstance(value, Pairs):
        return {name: as_tables(item) for name, item in value.items}
    if isinstance(value, list):
        return [as_tables(item) for item in value]
    return value
