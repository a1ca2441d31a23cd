"""The config file as a tree of text with line numbers: what a person typed, before YAML guesses its type."""

from __future__ import annotations

from dataclasses import dataclass

import yaml


@dataclass(frozen=True, slots=True)
class Scalar:
    """One value as typed; `text` is None for null."""

    text: str | None
    line: int


@dataclass(frozen=True, slots=True)
class Mapping:
    """One section or table, in the order of the file."""

    items: dict[str, Node]
    line: int


@dataclass(frozen=True, slots=True)
class Sequence:
    """One list."""

    items: tuple[Node, ...]
    line: int


Node = Scalar | Mapping | Sequence

_NULL = "tag:yaml.org,2002:null"


def read_tree(text: str) -> tuple[Mapping | None, tuple[str, ...]]:
    """Parse YAML into a tree; the second part names keys that are written twice (the later one holds).

    Returns None for a file that is no table. Raises `yaml.YAMLError`.
    """
    loader = yaml.SafeLoader(text)
    try:
        node = loader.get_single_node()
        twice: list[str] = []
        if not isinstance(node, yaml.MappingNode):
            return None, ()
        tree = _convert(loader, node, "", twice, ())
        assert isinstance(tree, Mapping)
        return tree, tuple(twice)
    finally:
        loader.dispose()


def _convert(
    loader: yaml.SafeLoader, node: yaml.Node, name: str, twice: list[str], above: tuple[yaml.Node, ...]
) -> Node:
    line = node.start_mark.line + 1
    if any(node is outer for outer in above):
        raise yaml.YAMLError(f"line {line}: an alias contains itself")
    if isinstance(node, yaml.MappingNode):
        twice.extend(_written_twice(node, name))
        loader.flatten_mapping(node)
        items = {
            str(key.value): _convert(loader, value, _full(name, str(key.value)), twice, (*above, node))
            for key, value in node.value
        }
        return Mapping(items, line)
    if isinstance(node, yaml.SequenceNode):
        return Sequence(tuple(_convert(loader, item, name, twice, (*above, node)) for item in node.value), line)
    return Scalar(None if node.tag == _NULL else str(node.value), line)


def _full(section: str, word: str) -> str:
    return f"{section}.{word}" if section else word


def _written_twice(node: yaml.MappingNode, section: str) -> list[str]:
    seen: set[str] = set()
    found = []
    for key, _ in node.value:
        word = str(key.value)
        if word in seen:
            found.append(f"line {key.start_mark.line + 1}: {_full(section, word)} is written twice; this one holds")
        seen.add(word)
    return found
