"""Verify: every hop of a run is read again, and the verdict is a check with its evidence."""

from __future__ import annotations

import time
from dataclasses import replace

from runarchive.errors import ArchiveError, Code
from runarchive.model import CheckResult, Verdict
from runarchive.pipeline.context import Context
from runarchive.pipeline.evidence import Evidence, HopEvidence, HopVerdict
from runarchive.pipeline.import_stage import judge_alone, judge_import
from runarchive.pipeline.migrate_stage import judge_migrate

IMPORT_HOP = "filesystem to artdaqDB"
MIGRATE_HOP = "artdaqDB to UconDB"

_VERDICTS = {
    HopVerdict.VERIFIED: Verdict.PASS,
    HopVerdict.OTHER_WRITER: Verdict.PASS,
    HopVerdict.PARTIAL: Verdict.FAIL,
    HopVerdict.OUTDATED: Verdict.FAIL,
    HopVerdict.CONFLICT: Verdict.FAIL,
}


def run_verify(context: Context, evidence: Evidence) -> tuple[Evidence, tuple[CheckResult, ...]]:
    """Read a run's hops again; returns the evidence with the new verdicts, and a check for each hop.

    A run that artdaqDB no longer exports whole keeps its verdict on UconDB, unproved this time. Raises ArchiveError
    where a store or the record cannot be read: then nothing is proved, and no verdict changes.
    """
    began = time.monotonic()
    readable = evidence.on_disk and not (evidence.record is not None and evidence.record.empty)
    if readable and context.stores.record(evidence.run).is_dir():
        evidence = judge_import(context, evidence)
    else:
        evidence = judge_alone(context, replace(evidence, on_disk=evidence.on_disk and readable))
    checks = [_check(IMPORT_HOP, evidence.import_hop, "artdaqDB does not hold it", time.monotonic() - began)]
    if evidence.ucondb and evidence.import_hop is not None:
        began = time.monotonic()
        try:
            evidence = judge_migrate(context, evidence)
        except ArchiveError as error:
            if error.code is not Code.PARTIAL:
                raise
            seconds = time.monotonic() - began
            checks.append(CheckResult(MIGRATE_HOP, Verdict.UNKNOWN, error.message, error.hint, seconds))
        else:
            seconds = time.monotonic() - began
            checks.append(_check(MIGRATE_HOP, evidence.migrate_hop, "UconDB does not hold it", seconds))
    return evidence, tuple(checks)


def _check(name: str, hop: HopEvidence | None, absent: str, seconds: float) -> CheckResult:
    if hop is None:
        return CheckResult(name, Verdict.FAIL, absent, "migrate or import it again", seconds)
    verdict = _VERDICTS[hop.verdict]
    found = f"{hop.verdict.value}, {hop.output[:16]}" if hop.output else hop.verdict.value
    evidence = f"{found}: {hop.reason}" if hop.reason else found
    return CheckResult(name, verdict, evidence, "" if verdict is Verdict.PASS else "compare it", seconds)
