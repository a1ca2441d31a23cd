"""Events that must never stand in the way of the work they tell of."""

from __future__ import annotations

from runarchive.errors import ArchiveError
from runarchive.ledger.ledger import Ledger
from runarchive.model import Severity, Stage


def tell(
    ledger: Ledger,
    message: str,
    *,
    severity: Severity = Severity.INFO,
    run: int | None = None,
    stage: Stage | None = None,
    job: int | None = None,
) -> bool:
    """Record an event; returns False where the ledger cannot be written now, and the event alone is lost."""
    try:
        ledger.events.record(message, severity=severity, run=run, stage=stage, job=job)
    except ArchiveError:
        return False
    return True
