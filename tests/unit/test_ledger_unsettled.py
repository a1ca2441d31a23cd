"""The runs that a look must see again are found without reading all the others."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from runarchive.ledger import Ledger
from runarchive.ledger.schema import MIGRATIONS
from runarchive.model import Run, RunState


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    found = Ledger.open(tmp_path / "ledger.sqlite")
    yield found
    found.close()


def test_a_ledger_of_the_first_version_is_brought_up_to_date(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    with sqlite3.connect(path) as db:
        db.executescript(MIGRATIONS[0])
        db.execute("PRAGMA user_version = 1")
        db.execute("INSERT INTO runs (run, state, rev) VALUES (5, 'FAILED', 1)")
        db.execute("INSERT INTO evidence VALUES (5, 1, '', '', '{}')")
    ledger = Ledger.open(path)
    assert ledger.evidence.unsettled() == (5,)
    assert ledger.runs.in_states([RunState.FAILED]) == (Run(5, RunState.FAILED),)
    ledger.close()


def test_the_unsettled_runs_are_found_among_all_kinds(ledger: Ledger) -> None:
    dice = random.Random(7)
    moving = {"WAITING", "FAILED", "IMPORTING", "MIGRATING", "OUTDATED", "PARTIAL"}
    at = datetime(2026, 1, 2, tzinfo=UTC)
    runs, rows, wanted, endless, empty = [], [], set(), [], []
    for number in range(14_000):
        state = dice.choice([*RunState, *[RunState.ARCHIVED] * 8])
        disk, data = dice.random() < 0.7, dice.choice(["{}", "{}", '{"r":1}'])
        run = Run(number, state, stop=dice.choice([None, at]), size=dice.choice([None, 0, 5]))
        artdaqdb, ucondb = dice.choice(["", "a"]), dice.choice(["", "u"])
        runs.append(run)
        rows.append((number, disk, artdaqdb, ucondb, data))
        if disk and (state in moving or (state in {"NEW", "IMPORTED"} and run.stop is None)):
            wanted.add(number)
        if disk and data == "{}" and not (artdaqdb and ucondb):
            wanted.add(number)
        if disk and state == "ARCHIVED" and run.stop is None and run.size:
            endless.append(number)
        if state == "EMPTY":
            empty.append(number)
    ledger.runs.put(runs)
    ledger.evidence.put(rows)
    assert min(len(endless), len(empty)) > 500
    assert ledger.evidence.unsettled() == tuple(sorted(wanted.union(endless[-500:], empty[-500:])))


def test_no_question_of_an_idle_start_reads_every_run(ledger: Ledger) -> None:
    asked: list[str] = []
    connection = ledger.database.read()
    connection.set_trace_callback(asked.append)
    ledger.evidence.unsettled()
    ledger.runs.in_states([RunState.NEW, RunState.FAILED])
    ledger.runs.count(RunState.WAITING)
    ledger.runs.ignored_otherwise([(1, 5)])
    connection.set_trace_callback(None)
    assert len(asked) == 5
    plans: list[str] = []
    for sql in asked:
        steps = [str(row[-1]) for row in connection.execute("EXPLAIN QUERY PLAN " + sql)]
        assert [step for step in steps if step.startswith("SCAN") and "INDEX" not in step and "(" not in step] == []
        plans += steps
    for index in ("runs_state", "runs_endless", "evidence_unseen"):
        assert any(index in step for step in plans)
