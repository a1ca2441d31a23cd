"""The ledger: what happened to each run, the legacy state files and the lock."""

from __future__ import annotations

from runarchive.ledger.history import Attempt, CheckRecord, History, HopHash, Outcome
from runarchive.ledger.jobs import ENDED, STUCK_SECONDS, Jobs, this_actor
from runarchive.ledger.journal import Decision, DecisionKind, Decisions, Journal, Listing, Listings
from runarchive.ledger.ledger import Changes, Ledger
from runarchive.ledger.lock import LockHolder, LockWatch, WriterLock, break_lock, lock_holder, lock_remark
from runarchive.ledger.runs import RunTable

__all__ = [
    "ENDED",
    "STUCK_SECONDS",
    "Attempt",
    "Changes",
    "CheckRecord",
    "Decision",
    "DecisionKind",
    "Decisions",
    "History",
    "HopHash",
    "Jobs",
    "Journal",
    "Ledger",
    "Listing",
    "Listings",
    "LockHolder",
    "LockWatch",
    "Outcome",
    "RunTable",
    "WriterLock",
    "break_lock",
    "lock_holder",
    "lock_remark",
    "this_actor",
]
