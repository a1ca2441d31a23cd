"""Which entity a file becomes, so that no two files of a record share one."""

from __future__ import annotations

import re
from collections.abc import Iterable

from runarchive.fhicl.originals import file_name_bytes

RESERVED = frozenset({"schema", "originals", "hashes", "flags", "RunHistory", "RunHistory2"})
"""Names with a meaning of their own in artdaqDB; a record's file of this name gives way."""


def safe_name(name: str) -> str:
    """A name that every store and every blob can carry: quotes, backslashes, control characters, '%', a last '*' and
    what is no printable ASCII become %XX of their bytes, and so does a leading dot when nothing else is left."""
    escaped = re.sub(
        rb'[^ -~]|["\\%/]|\*\Z',
        lambda match: b"%%%02X" % match.group()[0],
        file_name_bytes(name),
    ).decode("ascii")
    return re.sub(r"\A\.*\Z", lambda match: match.group().replace(".", "%2E") or "%", escaped)


def entity_names(names: Iterable[str], taken: Iterable[str]) -> dict[str, str]:
    """The entity of each `.fcl` file, by its relative name; `taken` are entities already given away.

    A file's entity is its base name without `.fcl`. Of files that would share one, the first keeps it: the one with
    fewest directories above it, then the first by name. Each other one is called by its whole path, '/' as '__', and
    a name that is taken even so, or reserved, gets '__2', '__3', … behind it.
    """
    used = {*taken, *RESERVED}
    found: dict[str, str] = {}
    for name in sorted(names, key=lambda name: (name.count("/"), file_name_bytes(name))):
        path = name.removesuffix(".fcl")
        base = safe_name(path.rpartition("/")[2])
        entity = base if base not in used else safe_name(re.sub("/+", "__", path))
        number = 1
        stem = entity
        while entity in used:
            number += 1
            entity = f"{stem}__{number}"
        used.add(entity)
        found[name] = entity
    return found
