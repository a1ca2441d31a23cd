"""Signals to a command: each has the runs in hand finished, three interrupts within two seconds end it at once."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from runarchive.cli import opening
from runarchive.errors import ExitCode
from tests.archiver_site import Site


def test_only_interrupts_count_towards_an_end_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ends: list[int] = []
    monkeypatch.setattr(os, "_exit", ends.append)
    stops: list[bool] = []
    before = signal.getsignal(signal.SIGINT)
    with Site(tmp_path / "site").archive() as archive:
        monkeypatch.setattr(archive, "stop", lambda: stops.append(True))
        with opening.graceful(archive):
            for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGINT):
                os.kill(os.getpid(), number)
            assert (len(stops), ends) == (4, [])
            os.kill(os.getpid(), signal.SIGINT)
            assert ends == [ExitCode.INTERRUPTED]
    assert signal.getsignal(signal.SIGINT) is before


def test_interrupts_far_apart_end_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    ends: list[int] = []
    monkeypatch.setattr(os, "_exit", ends.append)
    monkeypatch.setattr("runarchive.cli.opening.time.monotonic", lambda: now[0])
    with Site(tmp_path / "site").archive() as archive, opening.graceful(archive):
        for _ in range(5):
            os.kill(os.getpid(), signal.SIGINT)
            now[0] += 1.1
    assert ends == []
