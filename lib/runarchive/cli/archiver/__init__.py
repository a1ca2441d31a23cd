"""The parts of `run-archiver`: its log, its signals, its stages and its report."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class CurrentStage:
    """What a start is doing, for the summary of an error; empty between the stages."""

    stage: str = ""
