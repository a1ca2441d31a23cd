"""The check behind `--validate`: whether a blob says what every run of this experiment must say."""

from __future__ import annotations

import re
from collections.abc import Sequence

from runarchive.errors import ArchiveError
from runarchive.model import CheckResult, Verdict
from runarchive.ucondb.blob import Blob, unpack

METADATA = "metadata.fcl"
Patterns = Sequence[tuple[str, re.Pattern[str]]]


def validate_blob(blob: bytes, run: int | None, patterns: Patterns) -> CheckResult:
    """The verdict on a stored blob: it is one, it is this run's (None: any), and each pattern is in metadata.fcl once.

    A blob that can be read in two ways is UNKNOWN.
    """
    try:
        unpacked = unpack(blob)
    except ArchiveError as error:
        return CheckResult("validate", Verdict.FAIL, error.message, "put the run again: this is no blob")
    if unpacked.ambiguities:
        return CheckResult("validate", Verdict.UNKNOWN, "; ".join(unpacked.ambiguities), "compare the run")
    return validate_files(unpacked, run, patterns)


def validate_files(blob: Blob, run: int | None, patterns: Patterns) -> CheckResult:
    """The same verdict on a blob that has been unpacked."""
    faults = []
    if run is not None and blob.run != run:
        faults.append(f"it is the blob of run {blob.run}")
    content = blob.file(METADATA)
    if content is None:
        faults.append(f"it has no {METADATA}")
    else:
        text = content.decode("utf-8", "surrogateescape")
        for name, pattern in patterns:
            times = sum(1 for _ in pattern.finditer(text))
            if times != 1:
                faults.append(f"{name} is {f'{times} times' if times else 'not'} in {METADATA}")
    if faults:
        return CheckResult(
            "validate", Verdict.FAIL, "; ".join(faults),
            "look at the run's metadata; keys of other experiments are set in validation.patterns",
        )
    found = ", ".join(name for name, _ in patterns)
    return CheckResult("validate", Verdict.PASS, f"{len(blob.files)} files; in {METADATA} once each: {found}")
