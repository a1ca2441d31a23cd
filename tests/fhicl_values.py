"""The values and types that a FHiCL text holds, for tests to compare."""

from __future__ import annotations

from runarchive.fhicl.pairs import Pairs, Value
from runarchive.fhicl.parser import parse


def plain(value: Value) -> object:
    if isinstance(value, Pairs):
        return {name: plain(child) for name, child in value.items}
    return [plain(child) for child in value] if isinstance(value, list) else value


def data_of(text: str) -> dict[str, object]:
    """The values of a FHiCL text as the library holds them: strings between their quotes, numbers as written."""
    main = plain(parse(text).data)
    assert isinstance(main, dict)
    found = main["main"]
    assert isinstance(found, dict)
    return found


def kinds_of(text: str) -> dict[str, str]:
    """The FHiCL type of each key."""
    children = parse(text).metadata.table("main").table("children")
    return {name: str(child.get("type")) for name, child in children.items if isinstance(child, Pairs)}
