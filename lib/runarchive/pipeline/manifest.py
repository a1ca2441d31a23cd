"""What is archived where, with which hashes, and what people decided: what no store could give back."""

from __future__ import annotations

from runarchive.ledger.ledger import Ledger
from runarchive.model import Mark
from runarchive.pipeline.life import decisions_of, hashes_of
from runarchive.pipeline.memory import Memory
from runarchive.pipeline.views import ManifestEntry


def make_manifest(ledger: Ledger, memory: Memory) -> tuple[ManifestEntry, ...]:
    """One entry a known run, lowest first."""
    hashes, decisions = hashes_of(ledger), decisions_of(ledger)
    evidence = memory.load(run.run for run in ledger.runs.all())
    entries = []
    for run in ledger.runs.all():
        known = evidence.get(run.run)
        hop = known.migrate_hop if known else None
        waived = memory.decided(run.run).waived or ""
        entries.append(
            ManifestEntry(
                run=run.run,
                state=run.state,
                reason=run.reason,
                configuration=run.configuration,
                marks=run.marks,
                hashes=hashes.get(run.run, ()),
                ucondb_version=known.ucondb.partition(":")[0] if known else "",
                verified_at=hop.at if hop and run.marks.ucondb is not Mark.LISTED else None,
                waived=waived,
                decisions=decisions.get(run.run, ()),
            )
        )
    return tuple(entries)
