"""The demonstration on a real MongoDB and a real PostgreSQL of its own."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from runarchive import server_programs
from tests import servers


def test_the_chain_runs_on_real_stores_and_finds_them_again() -> None:
    for program in (server_programs.find_mongod(), server_programs.find_postgres()):
        if program.path is None:
            pytest.skip(f"{servers.NOT_RUN} {program.reason}")
    root = servers.temporary_directory("demo-") / "demo"
    command = [sys.executable, "-m", "tui_archiver", "demo", "--headless", "--runs", "5", "--stores", "real"]
    answers = []
    for _ in range(2):
        done = subprocess.run(
            [*command, "--dir", str(root), "--json"], capture_output=True, text=True, timeout=100, check=False
        )
        assert done.returncode == 0, done.stderr
        answers.append(json.loads(done.stdout))
    assert answers[0]["imported"] == answers[0]["migrated"] == answers[0]["verified"] >= 1
    assert answers[0]["verified"] + answers[0]["waiting"] == 5
    assert (answers[1]["imported"], answers[1]["migrated"]) == (0, 0)
    assert answers[1]["verified"] == answers[0]["verified"]
    config = (root / "config.yaml").read_text()
    assert 'database_uri: "mongodb://127.0.0.1:' in config
    assert 'server_url: "http://127.0.0.1:' in config
