"""FHiCL text to the tree that artdaq_database makes of it: the same texts accepted, the others refused, at the same place.

The grammar is that of fhicl-cpp in the mode in which artdaq_database uses it: references with `@` are plain text, those
with `!` are resolved, top-level names stay flat and may repeat. The plain `name: value` is one regular expression;
everything rarer goes through `slow_statement`, which follows the library's alternatives one by one.
"""

from __future__ import annotations

import re
from typing import NoReturn

from runarchive.fhicl import grammar
from runarchive.fhicl.grammar import (
    COMPLEX_GROUP,
    DOUBLE_GROUP,
    EXTRA_SPACE,
    GOOD_ESCAPES,
    INDEX,
    NAME,
    NIL,
    NUMBER_TOKEN,
    SCALAR_OF_GROUP,
    SEQUENCE,
    SEQUENCE_GROUP,
    SINGLE_GROUP,
    SKIP,
    STATEMENT,
    TABLE,
    TABLE_GROUP,
    TABLE_ID,
    TABLE_ID_TOKEN,
    TOP_STATEMENT,
    UNPRINTABLE,
    VALUE,
)
from runarchive.fhicl.json_text import RawText
from runarchive.fhicl.source import FhiclError, Source, position, prepare
from runarchive.fhicl.tree import (
    PROTECT_ERROR,
    PROTECT_IGNORE,
    PROTECTIONS,
    UNPROTECTED,
    Entry,
    FhiclDocument,
    Node,
    Tree,
)
from runarchive.fhicl.tree_cache import TreeCache

__all__ = ["FhiclDocument", "FhiclError", "parse"]

_RAW_END = re.compile(r"[# \n\t]|//")
_LARGEST_INDEX = 100_000
_SCALAR = [SCALAR_OF_GROUP.get(group) for group in range(grammar.OTHER_GROUP + 1)]
_CACHE = TreeCache()


def parse(text: str | bytes) -> FhiclDocument:
    """The document that artdaq_database makes of a FHiCL text.

    Raises FhiclError with line, column and reason where the library refuses the text. A text parsed before costs next
    to nothing.
    """
    tree = _CACHE.get(text)
    if tree is None:
        tree = _parse(text)
        _CACHE.put(text, tree)
    return FhiclDocument(tree)


def _parse(text: str | bytes) -> Tree:
    source = prepare(text)
    parser = _Parser(source)
    try:
        parser.document()
        return Tree(source, parser.entries)
    except RecursionError:
        raise FhiclError("the text is nested too deeply", 1, 1) from None


class _Parser:
    """One text being parsed; `entries` are the top-level bindings in the order the library keeps them."""

    def __init__(self, source: Source) -> None:
        self.text = source.text
        self.entries: list[Entry] = []
        self.in_prolog = False
        self.prolog_names: set[str] = set()
        self.checked = UNPRINTABLE.search(self.text) is not None or "\\" in self.text

    def fail(self, place: int, reason: str) -> NoReturn:
        """Refuse the text at this place."""
        if place >= len(self.text):
            reason += " (the text ends here)"
        raise FhiclError(reason, *position(self.text, place))

    def skip(self, place: int) -> int:
        """The place after white space and comments."""
        found = SKIP.match(self.text, place)
        return found.end() if found else place

    def document(self) -> None:
        """The whole text."""
        place = self.skip(0)
        while self.text.startswith("BEGIN_PROLOG", place):
            self.in_prolog = True
            place = self.skip(self.statements(place + len("BEGIN_PROLOG")))
            if not self.text.startswith("END_PROLOG", place):
                self.fail(place, "neither `name: value` nor END_PROLOG")
            self.in_prolog = False
            place = self.skip(place + len("END_PROLOG"))
        place = self.skip(self.statements(place))
        if place < len(self.text):
            self.fail(place, self.explain(place))

    def explain(self, place: int) -> str:
        """Why the text cannot go on at this place, in words for a person."""
        if self.text.startswith("BEGIN_PROLOG", place):
            return "prologs must stand together at the beginning, none within another"
        if self.text[place] > "\x7f":
            return "a character that is not ASCII"
        end = self.text.find("\n", place)
        if self.text[place] in "#/" and not self.text[place:end].isascii():
            return "a comment with a character that is not ASCII"
        return "not a `name: value`"

    def statements(self, place: int) -> int:
        """Top-level statements from this place on, and the place after the last."""
        text, match, scalars, checked = self.text, TOP_STATEMENT.match, _SCALAR, self.checked
        while True:
            found = match(text, place)
            if found is None:
                after = self.slow_statement(place, None)
                if after < 0:
                    return place
                place = after
                continue
            group = found.lastindex or 0
            scalar = scalars[group]
            if scalar is None or checked:
                node, place = self.node(found, group)
            else:
                node, place = (scalar, found[group], found.start(group), UNPROTECTED), found.end()
            self.bind(found[1], node)

    def table(self, place: int, start: int) -> tuple[Node, int]:
        """The table whose `{` is at `start`, from the place after it."""
        text, match, scalars, checked = self.text, STATEMENT.match, _SCALAR, self.checked
        table: dict[str, Node] = {}
        while True:
            found = match(text, place)
            if found is None:
                after = self.slow_statement(place, table)
                if after < 0:
                    break
                place = after
                continue
            group = found.lastindex or 0
            scalar = scalars[group]
            if scalar is None or checked:
                node, after = self.node(found, group)
            else:
                node, after = (scalar, found[group], found.start(group), UNPROTECTED), found.end()
            name = found[1]
            if name in table:
                self.rebind(table, name, node, place)
            else:
                table[name] = node
            place = after
        place = self.skip(place)
        if not text.startswith("}", place):
            self.fail(place, "neither `name: value` nor } in a table")
        return (TABLE, table, start, UNPROTECTED), place + 1

    def value(self, place: int) -> tuple[Node, int] | None:
        """The value at this place, or None when there is none."""
        found = VALUE.match(self.text, place)
        return self.node(found, found.lastindex or 0) if found else None

    def node(self, found: re.Match[str], group: int) -> tuple[Node, int]:
        """The value that a match began or holds, and the place after it."""
        start, place = found.start(group), found.end()
        scalar = _SCALAR[group]
        if scalar is not None:
            token = found[group]
            if group in (DOUBLE_GROUP, SINGLE_GROUP):
                self.check_string(token, group, start - 1)
            elif (extra := EXTRA_SPACE.match(self.text, place)) and extra[0]:
                token = token + extra[0] if scalar == grammar.UNQUOTED else RawText(token + extra[0])
            return (scalar, token, start, UNPROTECTED), place
        if group == TABLE_GROUP:
            return self.table(place, start)
        if group == SEQUENCE_GROUP:
            return self.sequence(place, start)
        if group == COMPLEX_GROUP:
            return self.complex(place, start)
        return self.reference(found[group], place, start)

    def check_string(self, content: str, group: int, place: int) -> None:
        """Refuse what the library cannot make canonical."""
        if UNPRINTABLE.search(content):
            self.fail(place, "a control character in a quoted string")
        if group == DOUBLE_GROUP and "\\" in content:
            good = GOOD_ESCAPES.match(content)
            if good is None or good.end() < len(content):
                self.fail(place, "a backslash in a double-quoted string that begins none of \\\" \\' \\\\ \\n \\t")

    def complex(self, place: int, start: int) -> tuple[Node, int]:
        """`(number, number)` from the place after its bracket; only the text up to the first blank is kept."""
        for mark in ",)":
            found = NUMBER_TOKEN.match(self.text, place)
            if found is None:
                self.fail(self.skip(place), "not a number in a complex number")
            place = self.skip(found.end())
            if not self.text.startswith(mark, place):
                self.fail(place, f"no {mark} in a complex number")
            place += 1
        end = self.skip(place)
        cut = _RAW_END.search(self.text, start, end)
        return (grammar.COMPLEX, RawText(self.text[start : cut.start() if cut else end]), start, UNPROTECTED), place

    def sequence(self, place: int, start: int) -> tuple[Node, int]:
        """The sequence whose `[` is at `start`, from the place after it."""
        text = self.text
        items: list[Node] = []
        place = self.elements(place, items) or place
        while True:
            place = self.skip(place)
            if text.startswith("]", place):
                return (SEQUENCE, items, start, UNPROTECTED), place + 1
            if not text.startswith(",", place):
                self.fail(place, "neither , nor ] in a sequence")
            after = self.elements(place + 1, items)
            if after is None:
                self.fail(place + 1, "no value after a comma")
            place = after

    def elements(self, place: int, items: list[Node]) -> int | None:
        """Append the element at this place (of a `!sequence::` all of them); the place after, or None when there is none."""
        if element := self.value(place):
            items.append(element[0])
            return element[1]
        start = self.skip(place)
        if not self.text.startswith("!sequence::", start):
            return None
        name, place = self.reference_name(start + len("!sequence::"))
        kind, content, _, _ = self.look_up(name, start)
        if kind != SEQUENCE or not isinstance(content, list):
            self.fail(start, f"!sequence::{name} is not a sequence")
        items.extend((kind, data, start, UNPROTECTED) for kind, data, _, _ in content)
        return place

    def reference(self, keyword: str, place: int, start: int) -> tuple[Node, int]:
        """`!local::`, `!id::` or `!db::`, from the place after the colons."""
        if keyword == "!id::":
            found = TABLE_ID_TOKEN.match(self.text, place)
            if found is None:
                self.fail(place, "not a table id of 40 hexadecimal digits")
            return (TABLE_ID, self.text[start : found.end()], start, UNPROTECTED), found.end()
        name, place = self.reference_name(place)
        if keyword == "!db::":
            self.fail(start, "references to a database do not work")
        kind, content, _, _ = self.look_up(name, start)
        return (kind, content, start, UNPROTECTED), place

    def look_up(self, name: str, place: int) -> Node:
        """The first top-level value of this name; dots are part of names, `[n]` goes into a sequence."""
        base, *parts = re.split(r"[\[\]]", name)
        node = next((node for known, node, _ in self.entries if known == base), None)
        for part in parts:
            if node is None or not part:
                continue
            _, content, _, _ = node
            if part.isdigit():
                number = int(part) if len(part) < 10 else _LARGEST_INDEX
                node = content[number] if isinstance(content, list) and number < len(content) else None
            else:
                node = content.get(part) if isinstance(content, dict) else None
        if node is None:
            self.fail(place, f"{name} is not known here")
        return node

    def reference_name(self, place: int) -> tuple[str, int]:
        """The name directly after `::`."""
        found = NAME.match(self.text, place)
        if found is None:
            self.fail(place, "no name after ::")
        return self.name_rest(found[0], found.end())

    def name_rest(self, name: str, place: int) -> tuple[str, int]:
        """The parts `.name` and `[number]` that follow a name, blanks allowed around dots and brackets."""
        while True:
            after = self.skip(place)
            if self.text.startswith(".", after):
                after = self.skip(after + 1)
                found = NAME.match(self.text, after)
                if found is None:
                    self.fail(after, "no name after a dot")
                name, place = f"{name}.{found[0]}", found.end()
            elif self.text.startswith("[", after):
                after = self.skip(after + 1)
                found = INDEX.match(self.text, after)
                if found is None:
                    self.fail(after, "no number in a name's brackets")
                after = self.skip(found.end())
                if not self.text.startswith("]", after):
                    self.fail(after, "no ] after a name's number")
                name, place = f"{name}[{found[0].lstrip('0') or '0'}]", after + 1
            else:
                return name, place

    def slow_statement(self, place: int, table: dict[str, Node] | None) -> int:
        """One statement of a table, or of the top level when `table` is None; the place after it, -1 when there is none."""
        start = self.skip(place)
        found = NAME.match(self.text, start)
        if found is None:
            return self.table_reference(start, table)
        name, after = (found[0], found.end()) if table is not None else self.name_rest(found[0], found.end())
        colon = self.skip(after)
        for protection in (UNPROTECTED, PROTECT_IGNORE, PROTECT_ERROR):
            word = PROTECTIONS[protection] + ":"
            if self.text.startswith(word, colon):
                if bound := self.value(colon + len(word)):
                    node = self.protected(name, bound[0], protection, start)
                    if table is None:
                        self.bind(name, node)
                    elif name in table:
                        self.rebind(table, name, node, start)
                    else:
                        table[name] = node
                    return bound[1]
                break
        if not self.text.startswith(":", colon):
            return -1
        erase = self.skip(colon + 1)
        if not self.text.startswith("!erase", erase):
            self.fail(erase, "not a value")
        self.erase(name, table, start)
        return erase + len("!erase")

    def protected(self, name: str, node: Node, protection: int, place: int) -> Node:
        """The value under a protection; refused when something within has a weaker one."""
        kind, content, start, _ = node
        if protection and isinstance(content, list | dict):
            self.check_protection(name, node, protection, place)
        return kind, content, start, protection

    def check_protection(self, name: str, node: Node, least: int, place: int) -> None:
        """Refuse protections below `least` within a value."""
        _, content, _, protection = node
        if protection and protection < least:
            self.fail(place, f"{name} has {PROTECTIONS[protection]} within {PROTECTIONS[least]}")
        inner = (
            content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
        )
        for part, child in inner:
            self.check_protection(f"{name}.{part}", child, max(least, protection), place)

    def bind(self, name: str, node: Node) -> None:
        """Add a top-level binding; a name of the prolog that comes again in the main part leaves the prolog."""
        base, *parts = re.split(r"[\[\]]", name) if "[" in name else (name,)
        if self.in_prolog:
            self.prolog_names.add(base)
        elif base in self.prolog_names:
            self.prolog_names.discard(base)
            self.entries[:] = [entry for entry in self.entries if entry[0] != base]
        for part in reversed([part for part in parts if part]):
            node = self.indexed(part, node)
        self.entries.append((base, node, self.in_prolog))

    def indexed(self, part: str, node: Node) -> Node:
        """What `name[n]` makes around a value: a sequence that has no place, hence is refused unless it is replaced."""
        if not part.isdigit():
            return TABLE, {part: node}, -1, UNPROTECTED
        if len(part) > 6 or int(part) > _LARGEST_INDEX:
            self.fail(node[2], f"the index {part} is too large")
        return SEQUENCE, [(NIL, "", -1, UNPROTECTED)] * int(part) + [node], -1, UNPROTECTED

    def rebind(self, table: dict[str, Node], name: str, node: Node, place: int) -> None:
        """Bind a name of a table again: the value changes, the place of the name stays, protections hold."""
        existing = table[name][3]
        if node[3] > existing:
            self.fail(self.skip(place), f"{name} comes again with more protection")
        if existing == PROTECT_ERROR:
            self.fail(self.skip(place), f"{name} is protected")
        if existing != PROTECT_IGNORE:
            table[name] = node

    def erase(self, name: str, table: dict[str, Node] | None, place: int) -> None:
        """`name: !erase`."""
        if table is not None:
            protection = table[name][3] if name in table else UNPROTECTED
            if protection == PROTECT_ERROR:
                self.fail(place, f"{name} is protected")
            if protection == UNPROTECTED:
                table.pop(name, None)
            return
        base = re.split(r"[\[\]]", name)[0]
        index = next((index for index, entry in enumerate(self.entries) if entry[0] == base), None)
        if index is None or (self.entries[index][2] and not self.in_prolog):
            return
        if base != name:
            self.fail(place, "members of a sequence cannot be erased")
        if self.entries[index][1][3] == PROTECT_ERROR:
            self.fail(place, f"{name} is protected")
        if self.entries[index][1][3] == UNPROTECTED:
            del self.entries[index]

    def table_reference(self, start: int, table: dict[str, Node] | None) -> int:
        """`!table::name`: the members of a table bound here; the place after it, -1 when there is none."""
        if not self.text.startswith("!table::", start):
            return -1
        name, place = self.reference_name(start + len("!table::"))
        kind, content, _, _ = self.look_up(name, start)
        if kind != TABLE or not isinstance(content, dict):
            self.fail(start, f"!table::{name} is not a table")
        for key, (kind, data, _, protection) in list(content.items()):
            node = (kind, data, start, protection)
            if table is None:
                self.bind(key, node)
            elif key in table:
                self.rebind(table, key, node, start)
            else:
                table[key] = node
        return place
