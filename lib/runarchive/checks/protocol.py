"""What a check is: a name and a question with a verdict. What cannot be asked is UNKNOWN, never PASS."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Protocol

from runarchive.errors import ArchiveError
from runarchive.model import CheckResult, Verdict


class Check(Protocol):
    """One question about a store, a host or a run."""

    @property
    def name(self) -> str:
        """A few words that say what is asked."""

    def run(self) -> CheckResult:
        """The answer with its evidence; may raise ArchiveError, which is a failed check."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A check made of a function that returns the verdict, the evidence and the next step."""

    name: str
    ask: Callable[[], tuple[Verdict, str, str]]

    def run(self) -> CheckResult:
        """Ask."""
        verdict, evidence, hint = self.ask()
        return CheckResult(self.name, verdict, evidence, hint)


def passed(evidence: str) -> tuple[Verdict, str, str]:
    """The answer of a check that found everything as it should be."""
    return Verdict.PASS, evidence, ""


def run_check(check: Check) -> CheckResult:
    """The result of one check with the seconds it took; a failure on the way is its verdict."""
    began = time.monotonic()
    try:
        result = check.run()
    except ArchiveError as error:
        result = CheckResult(check.name, Verdict.FAIL, error.message, error.hint)
    except OSError as error:
        result = CheckResult(check.name, Verdict.UNKNOWN, f"could not be asked: {error}")
    return replace(result, seconds=time.monotonic() - began)


def run_checks(checks: Iterable[Check]) -> tuple[CheckResult, ...]:
    """The results of these checks, in their order."""
    return tuple(run_check(check) for check in checks)
