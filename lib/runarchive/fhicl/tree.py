"""A parsed FHiCL text: its bindings as a tree, and the data, metadata and comments that artdaqDB stores of it."""

from __future__ import annotations

from bisect import bisect_right
from functools import cached_property
from typing import NamedTuple, TypeAlias, Union

from runarchive.fhicl.grammar import SCALARS, TABLE
from runarchive.fhicl.pairs import Pairs, Value
from runarchive.fhicl.source import INCLUDE_KEY, NO_COMMENTS, FhiclError, Source, line_ends

UNPROTECTED, PROTECT_IGNORE, PROTECT_ERROR = range(3)
PROTECTIONS = ("", "@protect_ignore", "@protect_error")

Node: TypeAlias = tuple[str, Union[str, list["Node"], dict[str, "Node"]], int, int]  # noqa: UP007
"""A value: its metadata type, its content, the place where it begins (-1: nowhere), its protection."""

Table: TypeAlias = dict[str, Node]
"""The content of a table, in order; names do not repeat there."""

Entry: TypeAlias = tuple[str, Node, bool]
"""A top-level binding: name, value, whether it belongs to the prolog."""


class Remark(NamedTuple):
    """The comment above a value and the annotation beside it."""

    comment: str
    annotation: str


NO_REMARK = Remark("", "")
_BARE = {kind: (("type", kind), ("comment", ""), ("annotation", "")) for kind in SCALARS}


class Tree:
    """The bindings of one text and where its comments go.

    Threads share it: nothing changes once it is made, but for `canonical`, which the printer fills in.
    """

    def __init__(self, source: Source, entries: list[Entry]) -> None:
        """Sorts the bindings into prolog and main; raises FhiclError for those that cannot be stored."""
        self.source = source
        self.prolog = [(name, node) for name, node, in_prolog in entries if in_prolog]
        self.main = [(name, node) for name, node, in_prolog in entries if not in_prolog]
        self._line_ends = line_ends(source.text) if source.comments else []
        last = min(max(source.comments, default=0), len(self._line_ends) - 1)
        self._remarks_end = self._line_ends[last] if source.comments else -1
        for name, node in self.prolog + self.main:
            if node[2] < 0:
                raise FhiclError(f"{name} is indexed: names like a[0] cannot be stored", 1, 1)
        self.comments = tuple(sorted(source.comments.items())) or NO_COMMENTS
        self.canonical: str | None = None

    @cached_property
    def repeats(self) -> bool:
        """Whether a top-level name comes more than once in its part."""
        return any(len({name for name, _ in part}) < len(part) for part in (self.prolog, self.main))

    def remark(self, place: int) -> Remark:
        """Comment and annotation of a value that begins at this place."""
        if place > self._remarks_end:
            return NO_REMARK
        comments = self.source.comments
        line = bisect_right(self._line_ends, place - 1) + 1
        comment = comments.get(line - 1, "")
        annotation = comments.get(line, "")
        if comment and (comment[0] == "/" or "#include " in comment):
            comment = ""
        return Remark(comment, annotation) if comment or annotation else NO_REMARK

    def data(self, part: list[tuple[str, Node]]) -> Pairs:
        """The values of a part, as in `document.data`."""
        return Pairs([(name, _data(node)) for name, node in part])

    def metadata(self, part: list[tuple[str, Node]], name: str) -> Pairs:
        """The parallel tree of types, comments and annotations, as in `document.metadata`; `name` is prolog or main."""
        children = Pairs([(key, self._metadata(key, node)) for key, node in part])
        return Pairs([("type", TABLE), ("comment", f"#{name}"), ("children", children)])

    def _metadata(self, name: str, node: Node) -> Pairs:
        kind, content, place, protection = node
        is_include = INCLUDE_KEY in name
        remark = NO_REMARK if is_include else self.remark(place)
        if remark is NO_REMARK and protection == UNPROTECTED and kind in _BARE:
            return Pairs(_BARE[kind])
        comment, annotation = remark
        items: list[tuple[str, Value]] = [("type", kind), ("comment", comment)]
        if kind != TABLE or is_include:
            items.append(("annotation", annotation))
        if protection:
            items.append(("protection", PROTECTIONS[protection]))
        if isinstance(content, dict):
            items.append(("children", Pairs([(key, self._metadata(key, child)) for key, child in content.items()])))
        elif isinstance(content, list):
            numbered = ((str(number), child) for number, child in enumerate(content))
            items.append(("children", Pairs([(key, self._metadata(key, child)) for key, child in numbered])))
        return Pairs(items)


def _data(node: Node) -> Value:
    content = node[1]
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return [_data(child) for child in content]
    return Pairs([(name, _data(child)) for name, child in content.items()])


class FhiclDocument:
    """What artdaqDB stores of a FHiCL text.

    `data` and `metadata` are made on first use and belong to this object alone; `tree` is shared with every document
    of the text.
    """

    def __init__(self, tree: Tree) -> None:
        self.tree = tree

    @cached_property
    def data(self) -> Pairs:
        """`document.data`: the members `prolog` and `main`; every scalar is a string."""
        tree = self.tree
        return Pairs([("prolog", tree.data(tree.prolog)), ("main", tree.data(tree.main))])

    @cached_property
    def metadata(self) -> Pairs:
        """`document.metadata`: for each name its type, comment, annotation, protection and children."""
        tree = self.tree
        return Pairs([("prolog", tree.metadata(tree.prolog, "prolog")), ("main", tree.metadata(tree.main, "main"))])

    @property
    def comments(self) -> tuple[tuple[int, str], ...]:
        """Every comment with its line, in order; the library's single line 0 when there are none."""
        return self.tree.comments

    @property
    def swallowed(self) -> tuple[str, ...]:
        """Texts that the library loses because an `#include` within a comment takes everything up to the next quote."""
        return self.tree.source.swallowed
