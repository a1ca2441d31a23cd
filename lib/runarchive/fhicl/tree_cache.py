"""What was parsed lately, by text: configurations repeat from run to run."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock

from runarchive.fhicl.tree import Tree

# A tree takes about ten times the room of its text.
_LARGEST_TOTAL = 6 << 20


class TreeCache:
    """Parsed texts, the least lately used dropped first; bounded by the length of the texts; safe between threads."""

    def __init__(self, largest_total: int = _LARGEST_TOTAL) -> None:
        self._trees: OrderedDict[str | bytes, Tree] = OrderedDict()
        self._largest_total = largest_total
        self._total = 0
        self._lock = Lock()

    def get(self, text: str | bytes) -> Tree | None:
        """The tree of a text, if it is still known."""
        with self._lock:
            tree = self._trees.get(text)
            if tree is not None:
                self._trees.move_to_end(text)
            return tree

    def put(self, text: str | bytes, tree: Tree) -> None:
        """Remember the tree of a text; one far larger than the rest is not worth it."""
        if len(text) * 4 > self._largest_total:
            return
        with self._lock:
            if text not in self._trees:
                self._total += len(text)
            self._trees[text] = tree
            while self._total > self._largest_total:
                oldest, _ = self._trees.popitem(last=False)
                self._total -= len(oldest)
