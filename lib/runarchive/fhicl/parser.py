"""FHiCL text to the tree that artdaq_database makes of it: the same accepted, the others refused, at the same place.

The grammar is that of fhicl-cpp in the mode in which artdaq_database uses it: references with `@` are plain text, those
with `!` are resolved, top-level names stay flat and may repeat. The plain `name: value` is one regular expression;
everything rarer goes through `slow_statement`, which follows the library's alternatives one by one.
"""

from __future__ import annotations

import re
from typing import NoReturn

from runarchive.fhicl import explain, grammar
from runarchive.fhicl.bindings import Bindings
from runarchive.fhicl.grammar import (
    COMPLEX_GROUP,
    DOUBLE_GROUP,
    EXTRA_SPACE,
    GOOD_ESCAPES,
    INDEX,
    NAME,
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
    FhiclDocument,
    Node,
    Table,
    Tree,
)
from runarchive.fhicl.tree_cache import TreeCache

__all__ = ["FhiclDocument", "FhiclError", "parse", "parse_anew"]

_RAW_END = re.compile(r"[# \n\t]|//")
_SCALAR = [SCALAR_OF_GROUP.get(group) for group in range(grammar.OTHER_GROUP + 1)]
_CACHE = TreeCache()


def parse(text: str | bytes) -> FhiclDocument:
    """The document that artdaq_database makes of a FHiCL text.

    Raises FhiclError with line, column and reason where the library refuses the text. A text parsed before costs next
    to nothing.
    """
    tree = _CACHE.get(text)
    if tree is None:
        tree = parse_anew(text)
        _CACHE.put(text, tree)
    return FhiclDocument(tree)


def parse_anew(text: str | bytes) -> Tree:
    """The tree of a text, parsed whether or not it is known; raises FhiclError."""
    source = prepare(text)
    parser = _Parser(source)
    try:
        parser.document()
        return Tree(source, parser.bindings.entries)
    except RecursionError:
        raise FhiclError("the text is nested too deeply", 1, 1) from None


class _Parser:
    """One text being parsed; `bindings` holds what was read so far."""

    def __init__(self, source: Source) -> None:
        self.text = source.text
        self.bindings = Bindings(self.fail)
        self.checked = not source.is_plain or "\\" in self.text

    def fail(self, place: int, reason: str) -> NoReturn:
        """Refuse the text at this place."""
        raise FhiclError(reason, *position(self.text, place))

    def skip(self, place: int) -> int:
        """The place after white space and comments."""
        found = SKIP.match(self.text, place)
        return found.end() if found else place

    def document(self) -> None:
        """The whole text."""
        place = self.skip(0)
        while self.text.startswith("BEGIN_PROLOG", place):
            self.bindings.in_prolog = True
            place = self.skip(self.statements(place + len("BEGIN_PROLOG")))
            if not self.text.startswith("END_PROLOG", place):
                self.fail(place, explain.no_statement(self.text, place, "neither `name: value` nor END_PROLOG"))
            self.bindings.in_prolog = False
            place = self.skip(place + len("END_PROLOG"))
        place = self.skip(self.statements(place))
        if place < len(self.text):
            self.fail(place, explain.no_statement(self.text, place, "not a `name: value`"))

    def statements(self, place: int) -> int:
        """Top-level statements from this place on, and the place after the last."""
        text, match, scalars, checked = self.text, TOP_STATEMENT.match, _SCALAR, self.checked
        bind = self.bindings.bind
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
            bind(found[1], node)

    def table(self, place: int, start: int) -> tuple[Node, int]:
        """The table whose `{` is at `start`, from the place after it."""
        text, match, scalars, checked = self.text, STATEMENT.match, _SCALAR, self.checked
        table: Table = {}
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
                self.bindings.bind_in(table, name, node, self.skip(place))
            else:
                table[name] = node
            place = after
        place = self.skip(place)
        if not text.startswith("}", place):
            self.fail(place, explain.no_statement(text, place, "neither `name: value` nor } in a table"))
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
            if not self.checked:
                return (scalar, token, start, UNPROTECTED), place
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
                self.fail(place + 1, explain.no_value(self.text, self.skip(place + 1)))
            place = after

    def elements(self, place: int, items: list[Node]) -> int | None:
        """Append the element, or the elements of a `!sequence::`; the place after, or None when there is none."""
        if element := self.value(place):
            items.append(element[0])
            return element[1]
        start = self.skip(place)
        if not self.text.startswith("!sequence::", start):
            return None
        name, place = self.reference_name(start + len("!sequence::"))
        kind, content, _, _ = self.bindings.find(name, start)
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
        kind, content, _, _ = self.bindings.find(name, start)
        return (kind, content, start, UNPROTECTED), place

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

    def slow_statement(self, place: int, table: Table | None) -> int:
        """One statement of a table, of the top level when it is None; the place after, -1 when there is none."""
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
                    node = self.bindings.protected(name, bound[0], protection, start)
                    self.bindings.bind_in(table, name, node, start)
                    return bound[1]
                break
        if not self.text.startswith(":", colon):
            return -1
        erase = self.skip(colon + 1)
        if not self.text.startswith("!erase", erase):
            self.fail(erase, explain.no_value(self.text, erase))
        self.bindings.erase(name, table, start)
        return erase + len("!erase")

    def table_reference(self, start: int, table: Table | None) -> int:
        """`!table::name`: the members of a table bound here; the place after it, -1 when there is none."""
        if not self.text.startswith("!table::", start):
            return -1
        name, place = self.reference_name(start + len("!table::"))
        kind, content, _, _ = self.bindings.find(name, start)
        if kind != TABLE or not isinstance(content, dict):
            self.fail(start, f"!table::{name} is not a table")
        self.bindings.bind_all(table, content, start)
        return place
