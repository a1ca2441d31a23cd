"""Documents back to FHiCL: the canonical text that artdaq_database exports, byte for byte, its oddities included."""

from __future__ import annotations

import re

from runarchive.errors import ArchiveError, Code
from runarchive.fhicl.grammar import (
    BOOL,
    COMPLEX,
    DOUBLE,
    NIL,
    NUMBER,
    SEQUENCE,
    SINGLE,
    STRING,
    TABLE,
    TABLE_ID,
    UNQUOTED,
)
from runarchive.fhicl.json_text import escape, number_text
from runarchive.fhicl.pairs import Pairs, Value
from runarchive.fhicl.parser import parse
from runarchive.fhicl.source import INCLUDE_KEY
from runarchive.fhicl.tree import PROTECTIONS, Node, Tree

_STRINGS = frozenset({STRING, UNQUOTED, SINGLE, DOUBLE})
_VERBATIM = frozenset({NIL, BOOL, NUMBER, COMPLEX, TABLE_ID})
_NEEDS_QUOTES = re.compile(r"[ .%()/\-\\]")
_INCLUDE_LINE = re.compile(r"#include[ \t\n\v\f\r]*:[^\"]*")
_INCLUDE_NAME = INCLUDE_KEY.removesuffix("_")


class _Missing(Exception):
    """Metadata lacks a name: the library silently ends the enclosing table or sequence here."""


def print_fhicl(data: Pairs, metadata: Pairs) -> str:
    """The canonical text of `document.data` with `document.metadata`.

    Of a name that comes twice the first metadata serves for all. Raises ArchiveError(CORRUPT) where the library cannot
    load the document: no prolog or main, a name without metadata at the top, a value that is not what its type says.
    """
    try:
        parts = [_part(data, metadata, name) for name in ("prolog", "main")]
    except _Missing as missing:
        raise ArchiveError(Code.CORRUPT, f"the document cannot be printed: no metadata for {missing}") from None
    except RecursionError:
        raise ArchiveError(Code.CORRUPT, "the document is nested too deeply to be printed") from None
    return _assembled(*parts)


def canonical(text: str | bytes) -> str:
    """The text that artdaqDB gives back for a FHiCL text; raises what `parse` and `print_fhicl` raise."""
    document = parse(text)
    tree = document.tree
    if tree.canonical is None:
        tree.canonical = print_fhicl(document.data, document.metadata) if tree.repeats else print_tree(tree)
    return tree.canonical


def print_tree(tree: Tree) -> str:
    """The canonical text of a tree in which no name repeats; the same as `print_fhicl`, much faster."""
    try:
        return _assembled(*(_print_table(tree, part) for part in (tree.prolog, tree.main)))
    except RecursionError:
        raise ArchiveError(Code.CORRUPT, "the document is nested too deeply to be printed") from None


def _assembled(prolog: str, main: str) -> str:
    text = f"BEGIN_PROLOG\n{prolog}\nEND_PROLOG\n{main}" if prolog else main
    return _with_include_lines(text) if "#include" in text else text


def _with_include_lines(text: str) -> str:
    """`#include: "file"` becomes `#include "file"`; as in the library, what stands before the next quote goes too."""
    place, parts = 0, []
    while found := _INCLUDE_LINE.search(text, place):
        parts.append(text[place : found.start()] + "#include ")
        # The library goes on searching where the match ended before the text shrank.
        place = found.end()
        skipped = len(found[0]) - len("#include ")
        parts.append(text[place : place + skipped])
        place += skipped
    return "".join(parts) + text[place:]


def _part(data: Pairs, metadata: Pairs, name: str) -> str:
    values, section = data.get(name), metadata.get(name)
    children = section.get("children") if isinstance(section, Pairs) else None
    if not isinstance(values, Pairs) or not isinstance(children, Pairs):
        raise ArchiveError(
            Code.CORRUPT, f"the document cannot be printed: it has no {name} part as FHiCL documents have"
        )
    first = _first(children)
    return "".join([_atom(key, value, _child(first, key)) for key, value in values.items])


def _first(children: Pairs) -> dict[str, Value]:
    return dict(reversed(children.items))


def _child(first: dict[str, Value], key: str) -> Pairs:
    if key not in first:
        raise _Missing(key)
    child = first[key]
    if not isinstance(child, Pairs):
        raise _mismatch(key)
    return child


def _text(metadata: Pairs, field: str, key: str) -> str:
    for name, value in metadata.items:
        if name == field:
            if not isinstance(value, str):
                raise _mismatch(key)
            return value
    raise _Missing(f"{field} of {key}")


def _mismatch(key: str) -> ArchiveError:
    return ArchiveError(Code.CORRUPT, f"the document cannot be printed: {key} is not what its metadata says")


def _atom(key: str, value: Value, metadata: Pairs) -> str:
    """One `name: value` with its comment before and its annotation behind."""
    kind = _text(metadata, "type", key)
    if key.startswith(_INCLUDE_NAME):
        if not isinstance(value, str):
            raise _mismatch(key)
        return f' \n#include: "{escape(value)}" \n'
    printed, annotated = _value(key, value, kind, metadata)
    comment = _text(metadata, "comment", key)
    protection = ""
    if len(metadata.get_all("protection")) == 1:
        protection = _text(metadata, "protection", key)
        protection = "" if protection == "@none" else f" {protection}"
    tail = f" {_text(metadata, 'annotation', key)}\n" if annotated else ""
    return f"{'' if '#include ' in comment else comment}\n{key}{protection}: {printed}{tail}"


def _value(key: str, value: Value, kind: str, metadata: Pairs) -> tuple[str, bool]:
    """The value's text, and whether an annotation follows."""
    if kind == TABLE:
        if isinstance(value, str):
            return _guessed(value), False
        if not isinstance(value, Pairs):
            raise _mismatch(key)
        return _table(value, metadata), False
    if kind == SEQUENCE:
        if not isinstance(value, list):
            raise _mismatch(key)
        return _sequence(value, metadata), True
    if kind not in _STRINGS and kind not in _VERBATIM:
        raise ArchiveError(Code.CORRUPT, f"the document cannot be printed: {key} has the unknown type {kind!r}")
    if isinstance(value, str):
        return (_quoted(value, kind) if kind in _STRINGS else escape(value)), True
    if (kind == BOOL and isinstance(value, bool)) or (
        kind == NUMBER and isinstance(value, int | float) and not isinstance(value, bool)
    ):
        return number_text(value), True
    raise _mismatch(key)


def _quoted(value: str, kind: str) -> str:
    if kind == DOUBLE:
        return f'"{value}"'
    if kind == SINGLE:
        return f"'{value}'"
    return value if kind == UNQUOTED else _guessed(value)


def _guessed(value: str) -> str:
    return f'"{value}"' if _NEEDS_QUOTES.search(value) else value


def _table(values: Pairs, metadata: Pairs) -> str:
    atoms: list[str] = []
    try:
        first = _children(metadata)
        for key, value in values.items:
            atoms.append(_atom(key, value, _child(first, key)))
    except _Missing:
        pass
    return "{\n" + "".join(atoms) + "\n}"


def _children(metadata: Pairs) -> dict[str, Value]:
    if "children" not in metadata:
        raise _Missing("children")
    children = metadata.get("children")
    if not isinstance(children, Pairs):
        raise _mismatch("children")
    return _first(children)


def _sequence(values: list[Value], metadata: Pairs) -> str:
    elements: list[str] = []
    try:
        first = _children(metadata)
        for number, value in enumerate(values):
            elements.append(_element(str(number), value, _child(first, str(number))))
    except _Missing:
        pass
    return f"[{', '.join(elements)}]"


def _element(key: str, value: Value, metadata: Pairs) -> str:
    """An element of a sequence: scalars have no annotation, nested sequences keep theirs."""
    if isinstance(value, Pairs | list):
        kind = _text(metadata, "type", key)
        printed, annotated = _value(key, value, kind, metadata)
        _text(metadata, "comment", key)
        return printed + (f" {_text(metadata, 'annotation', key)}\n" if annotated else "")
    if isinstance(value, str):
        kind = _text(metadata, "type", key)
        return value if kind == NUMBER else _quoted(value, kind) if kind in _STRINGS else _guessed(value)
    if value is None:
        raise _mismatch(key)
    return number_text(value)


def _print_table(tree: Tree, part: list[tuple[str, Node]]) -> str:
    """The same as `_part` for a tree without repeated names, without the way over data and metadata."""
    return "".join([_print_atom(tree, name, node) for name, node in part])


def _print_atom(tree: Tree, name: str, node: Node) -> str:
    kind, content, place, protection = node
    if name.startswith(_INCLUDE_NAME):
        if not isinstance(content, str):
            raise _mismatch(name)
        return f' \n#include: "{escape(content)}" \n'
    comment, annotation = ("", "") if INCLUDE_KEY in name else tree.remark(place)
    if "#include " in comment:
        comment = ""
    if protection:
        name = f"{name} {PROTECTIONS[protection]}"
    if kind == TABLE:
        return f"{comment}\n{name}: {_print_node(tree, node)}"
    return f"{comment}\n{name}: {_print_node(tree, node)} {annotation}\n"


def _print_node(tree: Tree, node: Node) -> str:
    kind, content, _, _ = node
    if isinstance(content, str):
        return f'"{content}"' if kind == DOUBLE else f"'{content}'" if kind == SINGLE else content
    if isinstance(content, dict):
        return "{\n" + _print_table(tree, list(content.items())) + "\n}"
    return f"[{', '.join([_print_element(tree, child) for child in content])}]"


def _print_element(tree: Tree, node: Node) -> str:
    kind, content, place, _ = node
    if kind == SEQUENCE:
        return f"{_print_node(tree, node)} {tree.remark(place).annotation}\n"
    if isinstance(content, str) and kind not in _STRINGS and kind != NUMBER:
        return _guessed(content)
    return _print_node(tree, node)
