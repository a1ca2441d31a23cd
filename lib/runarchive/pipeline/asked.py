"""Which stores were ever asked: what a store that never answered holds is unknown, not missing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from runarchive.ledger.ledger import Ledger
from runarchive.model import Mark, Marks, Run, Store


class Asked:
    """Remembers in the ledger, for every process, that a store answered once."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._never = frozenset(Store)
        self._told = self.never()

    def remember(self, store: Store) -> None:
        """This store answered."""
        if store in self._never:
            self._never -= {store}
            if not self._ledger.read_only:
                self._ledger.listings.put(_name(store), "", b"")

    def never(self) -> frozenset[Store]:
        """The stores that never answered, in any process."""
        self._never = frozenset(one for one in self._never if self._ledger.listings.get(_name(one)) is None)
        return self._never

    def grew(self) -> bool:
        """Whether a store answered for the first time since the last call: every run may have other marks now."""
        before, self._told = self._told, self.never()
        return before != self._told

    def honest(self, runs: Iterable[Run]) -> tuple[Run, ...]:
        """The runs, with `unknown` for `missing` in the stores that never answered."""
        never = self.never()
        return tuple(_unknown_in(run, never) for run in runs) if never else tuple(runs)


def _name(store: Store) -> str:
    return f"asked {store}"


def _unknown_in(run: Run, never: frozenset[Store]) -> Run:
    marks = (run.marks.of(store) for store in Store)
    pairs = zip(Store, marks, strict=True)
    return replace(run, marks=Marks(*(Mark.UNKNOWN if m is Mark.MISSING and s in never else m for s, m in pairs)))
