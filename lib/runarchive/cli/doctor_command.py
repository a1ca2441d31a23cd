"""`tui-archiver doctor`: whether everything the archive leans on works."""

from __future__ import annotations

import argparse

from runarchive.clean import clean
from runarchive.cli.opening import open_archive
from runarchive.cli.output import emit, emit_json
from runarchive.errors import ExitCode
from runarchive.model import CheckResult, Verdict

_GLYPH = {Verdict.PASS: "✓", Verdict.FAIL: "!", Verdict.SKIP: "–", Verdict.UNKNOWN: "?"}


def configure(parser: argparse.ArgumentParser) -> None:
    """No options of its own."""


def run(args: argparse.Namespace) -> int:
    """Print every check; 1 where one failed."""
    with open_archive(args) as archive:
        checks = archive.doctor()
    if args.json:
        emit_json({"checks": [as_data(check) for check in checks]})
    else:
        for check in checks:
            emit(f"{_GLYPH[check.verdict]} {check.name}: {clean(check.evidence)} ({check.seconds * 1000:.0f} ms)")
            if check.verdict is not Verdict.PASS and check.hint:
                emit(f"    next: {clean(check.hint)}")
    return ExitCode.FAILED if any(check.verdict is Verdict.FAIL for check in checks) else ExitCode.DONE


def as_data(check: CheckResult) -> dict[str, object]:
    """One check as scripts read it."""
    return {
        "name": check.name,
        "verdict": check.verdict.value,
        "evidence": check.evidence,
        "hint": check.hint,
        "seconds": round(check.seconds, 4),
    }
