"""Names bound to values: how often, with which protection, in which part; the library's rules for each."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NoReturn

from runarchive.fhicl.grammar import NIL, SEQUENCE, TABLE
from runarchive.fhicl.tree import (
    PROTECT_ERROR,
    PROTECT_IGNORE,
    PROTECTIONS,
    UNPROTECTED,
    Entry,
    Node,
    Table,
)

_BRACKETS = re.compile(r"[\[\]]")
_LARGEST_INDEX = 100_000

Refuse = Callable[[int, str], NoReturn]
"""Raises FhiclError for a place, with a reason."""


class Bindings:
    """The top-level bindings of a text, in the library's order, equal names kept; and the rules for those of tables."""

    def __init__(self, refuse: Refuse) -> None:
        self._entries: list[Entry] = []
        self.in_prolog = False
        self._prolog_names: set[str] = set()
        self._replaced: set[str] = set()
        """Names of the prolog that came again in the main part."""
        self._refuse = refuse

    @property
    def entries(self) -> list[Entry]:
        """The bindings that hold, in order."""
        return [entry for entry in self._entries if self._holds(entry)]

    def _holds(self, entry: Entry) -> bool:
        return not entry[2] or entry[0] not in self._replaced

    def bind(self, name: str, node: Node) -> None:
        """Add a top-level binding; a name of the prolog that comes again in the main part leaves the prolog."""
        base, *parts = _BRACKETS.split(name) if "[" in name else (name,)
        if self.in_prolog:
            self._prolog_names.add(base)
        elif base in self._prolog_names:
            self._prolog_names.discard(base)
            self._replaced.add(base)
        for part in reversed([part for part in parts if part]):
            node = self._indexed(part, node)
        self._entries.append((base, node, self.in_prolog))

    def _indexed(self, part: str, node: Node) -> Node:
        """What `name[n]` makes around a value: a sequence that has no place, hence is refused unless it is replaced."""
        if not part.isdigit():
            return TABLE, {part: node}, -1, UNPROTECTED
        if len(part) > 6 or int(part) > _LARGEST_INDEX:
            self._refuse(node[2], f"the index {part} is too large")
        return SEQUENCE, [(NIL, "", -1, UNPROTECTED)] * int(part) + [node], -1, UNPROTECTED

    def find(self, name: str, place: int) -> Node:
        """The first top-level value of this name; dots are part of names, `[n]` goes into a sequence."""
        base, *parts = _BRACKETS.split(name)
        node = next((entry[1] for entry in self._entries if entry[0] == base and self._holds(entry)), None)
        for part in parts:
            if node is None or not part:
                continue
            content = node[1]
            if part.isdigit():
                number = int(part) if len(part) < 10 else _LARGEST_INDEX
                node = content[number] if isinstance(content, list) and number < len(content) else None
            else:
                node = content.get(part) if isinstance(content, dict) else None
        if node is None:
            self._refuse(place, f"{name} is not known here")
        return node

    def bind_in(self, table: Table | None, name: str, node: Node, place: int) -> None:
        """Bind in a table, or at the top level when it is None.

        A name that comes again in a table changes its value and keeps its place, as far as protections let it.
        """
        if table is None:
            self.bind(name, node)
            return
        existing = table[name][3] if name in table else None
        if existing is not None and node[3] > existing:
            self._refuse(place, f"{name} comes again with more protection")
        if existing == PROTECT_ERROR:
            self._refuse(place, f"{name} is protected")
        if existing != PROTECT_IGNORE:
            table[name] = node

    def bind_all(self, table: Table | None, members: Table, place: int) -> None:
        """Bind the members of a table in another one, or at the top level; their place is that of the reference."""
        for name, (kind, content, _, protection) in list(members.items()):
            self.bind_in(table, name, (kind, content, place, protection), place)

    def protected(self, name: str, node: Node, protection: int, place: int) -> Node:
        """The value under a protection; refused when something within has a weaker one."""
        kind, content, start, _ = node
        if protection and not isinstance(content, str):
            self._check_protection(name, node, protection, place)
        return kind, content, start, protection

    def _check_protection(self, name: str, node: Node, least: int, place: int) -> None:
        _, content, _, protection = node
        if protection and protection < least:
            self._refuse(place, f"{name} has {PROTECTIONS[protection]} within {PROTECTIONS[least]}")
        inner = (
            content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
        )
        for part, child in inner:
            self._check_protection(f"{name}.{part}", child, max(least, protection), place)

    def erase(self, name: str, table: Table | None, place: int) -> None:
        """Take a binding away, unless it is protected or, seen from the main part, in the prolog."""
        if table is not None:
            if name in table and self._may_erase(name, table[name], place):
                del table[name]
            return
        base = _BRACKETS.split(name)[0]
        found = (place for place, entry in enumerate(self._entries) if entry[0] == base and self._holds(entry))
        index = next(found, None)
        if index is None or (self._entries[index][2] and not self.in_prolog):
            return
        if base != name:
            self._refuse(place, "members of a sequence cannot be erased")
        if self._may_erase(name, self._entries[index][1], place):
            del self._entries[index]

    def _may_erase(self, name: str, node: Node, place: int) -> bool:
        if node[3] == PROTECT_ERROR:
            self._refuse(place, f"{name} is protected")
        return node[3] == UNPROTECTED
