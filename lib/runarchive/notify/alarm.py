"""An alarm: which runs failed in which stage, and how that is worded for people."""

from __future__ import annotations

import json
import socket
from dataclasses import asdict, dataclass
from datetime import datetime

RUNS_IN_SHORT = 10


@dataclass(frozen=True, slots=True)
class Alarm:
    """Runs that failed in one stage of one start; `reasons` stands beside `runs`, `at` is this host's local time."""

    stage: str
    runs: tuple[int, ...]
    reasons: tuple[str, ...]
    host: str
    at: str

    @classmethod
    def now(cls, stage: str, failures: dict[int, str]) -> Alarm:
        """The alarm for these runs and their reasons, from this host, now."""
        runs = tuple(sorted(failures))
        at = datetime.now().astimezone().strftime("%Y-%m-%d %H:%M:%S")
        return cls(stage, runs, tuple(failures[run] for run in runs), socket.gethostname(), at)

    @property
    def title(self) -> str:
        """The stage with a capital letter."""
        return self.stage.capitalize()

    @property
    def subject(self) -> str:
        """One line, as mail filters of the older archiver know it."""
        return f"Run Record Archiver {self.title} Errors on {self.host} at {self.at}"

    @property
    def body(self) -> str:
        """The run numbers, one a line, then why each failed."""
        numbers = "\n".join(map(str, self.runs))
        reasons = "\n".join(f"{run}: {reason}" for run, reason in zip(self.runs, self.reasons, strict=True) if reason)
        text = f"The following runs failed during the {self.stage} stage:\n\n{numbers}\n"
        return f"{text}\nWhy:\n{reasons}\n" if reasons else text

    @property
    def short_runs(self) -> str:
        """The first ten run numbers, and how many more there are."""
        text = ", ".join(map(str, self.runs[:RUNS_IN_SHORT]))
        more = len(self.runs) - RUNS_IN_SHORT
        return f"{text}, ... ({more} more)" if more > 0 else text

    def to_json(self) -> str:
        """The alarm as JSON, for the spool; it holds no secret."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Alarm:
        """The alarm of this JSON; raises ValueError, KeyError or TypeError where it is none."""
        data = json.loads(text)
        runs = tuple(int(run) for run in data["runs"])
        reasons = tuple(str(reason) for reason in data["reasons"])
        return cls(str(data["stage"]), runs, reasons, str(data["host"]), str(data["at"]))
