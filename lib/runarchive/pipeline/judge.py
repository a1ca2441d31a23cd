"""Comparing what a store lists and nobody compared yet, so that a table's marks say more than `listed`."""

from __future__ import annotations

from functools import partial

from runarchive.errors import ArchiveError
from runarchive.ledger.ledger import Ledger
from runarchive.pipeline.context import Context
from runarchive.pipeline.evidence import Evidence
from runarchive.pipeline.verify_stage import run_verify
from runarchive.pipeline.work import hop_hashes


def judge(context: Context, ledger: Ledger, limit: int) -> int:
    """Compare at most so many of these runs, newest first, and note the verdicts; returns how many.

    What cannot be read, and what a job has in hand, stays as it is.
    """
    judged = 0
    for run in ledger.evidence.doubtful(limit):
        before = context.memory.evidence(run)
        if before.in_hand is not None and ledger.jobs.running():
            continue
        try:
            after, _ = run_verify(context, before)
        except ArchiveError:
            continue
        context.memory.update([run], partial(_unless_changed, before, after))
        ledger.history.record_hashes(hop_hashes(after))
        judged += 1
    return judged


def _unless_changed(before: Evidence, after: Evidence, now: Evidence) -> Evidence | None:
    """The new evidence, unless a job changed the run meanwhile."""
    return after if now == before else None
