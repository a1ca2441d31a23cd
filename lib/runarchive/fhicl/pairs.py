"""An ordered JSON object that may hold a name more than once, as artdaqDB's documents do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeAlias, Union


class Pairs:
    """An ordered list of (name, value) pairs; a name that comes twice is kept twice, and the first one is found.

    `items` is the content itself: a list of tuples, free to be read and changed.
    """

    __slots__ = ("items",)

    def __init__(self, items: Iterable[tuple[str, Value]] = ()) -> None:
        self.items: list[tuple[str, Value]] = list(items)

    def get(self, name: str, default: Value = None) -> Value:
        """The first value under this name, else `default`."""
        for key, value in self.items:
            if key == name:
                return value
        return default

    def get_all(self, name: str) -> list[Value]:
        """Every value under this name, in order."""
        return [value for key, value in self.items if key == name]

    def table(self, name: str) -> Pairs:
        """The first value under this name if it is an object, else an empty one that belongs to nothing."""
        value = self.get(name)
        return value if isinstance(value, Pairs) else Pairs()

    def text(self, name: str, default: str = "") -> str:
        """The first value under this name if it is a string, else `default`."""
        value = self.get(name)
        return value if isinstance(value, str) else default

    def set(self, name: str, value: Value) -> None:
        """Give the first pair of this name the value, or append the pair when there is none."""
        for place, (key, _) in enumerate(self.items):
            if key == name:
                self.items[place] = (name, value)
                return
        self.items.append((name, value))

    def append(self, name: str, value: Value) -> None:
        """Add a pair at the end, whether or not the name is there already."""
        self.items.append((name, value))

    def remove(self, name: str) -> None:
        """Take away every pair of this name."""
        self.items = [pair for pair in self.items if pair[0] != name]

    def __contains__(self, name: object) -> bool:
        return any(key == name for key, _ in self.items)

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[str]:
        return (key for key, _ in self.items)

    def __eq__(self, other: object) -> bool:
        return self.items == other.items if isinstance(other, Pairs) else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Pairs({self.items!r})"


Value: TypeAlias = Union[str, bool, int, float, list["Value"], Pairs, None]  # noqa: UP007
"""What a document holds: FHiCL documents hold strings, lists and Pairs alone in `document.data`."""
