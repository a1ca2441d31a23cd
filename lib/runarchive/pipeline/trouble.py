"""How failures steer a job: which are tried again and when, which mean that a store is out, which end a stage."""

from __future__ import annotations

import math
import random
import shutil
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from runarchive.errors import Code
from runarchive.model import Failure, Stage, Store

OUTAGE = frozenset({Code.CONNECTION_REFUSED, Code.CONNECTION_CUT, Code.TIMEOUT, Code.UNAVAILABLE})
"""Failures that say nothing about the run: the store, or the way to it, is out."""

STAGE_ENDING = frozenset({Code.WRONG_PASSWORD, Code.FOLDER_MISSING, Code.BAD_CERTIFICATE})
"""Failures that every further run would meet in the same way."""

LEDGER_STANDS = (Code.DISK_FULL, Code.TIMEOUT)
"""Failures of the ledger that pass: the work stands until it can be written down."""

RUNS_IN_A_ROW = 3
LONGEST_DELAY = 60.0
FIRST_PROBE = 1.0
LONGEST_PROBE = 10.0
MOST_SUSPENSIONS = 2
"""How often one run alone may make a stage stand."""

STORE_OF_STAGE = {Stage.IMPORT: Store.ARTDAQDB, Stage.MIGRATE: Store.UCONDB, Stage.VERIFY: Store.UCONDB}


def is_outage(failure: Failure) -> bool:
    """Whether this failure is about a database being out of reach, not about the run."""
    return Code(failure.code) in OUTAGE and failure.store in (Store.ARTDAQDB, Store.UCONDB)


def backoff(tries: int, first: float) -> float:
    """Seconds to wait after this many tries: doubling from `first`, capped, with jitter between half and whole."""
    return float(min(first * 2 ** max(tries - 1, 0), LONGEST_DELAY) * random.uniform(0.5, 1.0))


@dataclass(slots=True)
class Streak:
    """Which runs in a row met an outage of a stage's store; times are clock readings. Not safe for threads by itself.

    A run that waited in vain while another was served met no outage of the store, but trouble of its own.
    """

    runs: set[int] = field(default_factory=set)
    answered: float = -math.inf

    def meets(self, run: int, began: float) -> bool:
        """Note that an attempt at a run, begun then, met an outage; returns whether that makes it the store's."""
        if not self.alone(began):
            return False
        self.runs.add(run)
        return len(self.runs) >= RUNS_IN_A_ROW

    def alone(self, began: float) -> bool:
        """Whether no other run was served since then."""
        return self.answered < began

    def ends(self, now: float) -> None:
        """Note that the store served a run, or answered when it was asked."""
        self.runs.clear()
        self.answered = now


def stands(stage: Stage, why: str) -> str:
    """What is said of a stage that stands."""
    return f"{stage} stands: {why}; it goes on by itself"


def short_of_room(places: Iterable[Path], reserve_mb: float) -> str:
    """Which disk has less room than the reserve, in words, or "".

    A place that does not exist yet counts as its parent.
    """
    for place in places:
        there = place
        while not there.exists() and there != there.parent:
            there = there.parent
        try:
            free = shutil.disk_usage(there).free / 1e6
        except OSError:
            continue
        if free < reserve_mb:
            return f"{free:.0f} MB free at {there}, less than app.disk_reserve_mb {reserve_mb:.0f}: make room"
    return ""
