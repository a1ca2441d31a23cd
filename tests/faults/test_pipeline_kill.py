"""Jobs killed at random instants: nothing lost, nothing doubled, nothing half done passing as done."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from tests.ucondb_serving import UconProcess

KILLS = int(os.environ.get("PIPELINE_KILLS", "40"))
"""How many jobs are killed in all: half of them between embedded stores, half between servers."""

SEED = int(os.environ.get("PIPELINE_SEED", random.randrange(10**6)))

limited = pytest.mark.timeout(60 + KILLS * 6)


def kill_jobs(capsys: pytest.CaptureFixture[str], root: Path, kills: int, *stores: str) -> None:
    with capsys.disabled():
        sys.stderr.write(f" PIPELINE_SEED={SEED} PIPELINE_KILLS={KILLS} ({kills} here) ")
    ended = subprocess.run(
        [sys.executable, "-m", "tests.pipeline_killer", str(root), str(kills), str(SEED), *stores],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(("lib", "."))},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, f"seed {SEED}:\n{ended.stderr}"


@limited
def test_jobs_killed_between_a_filesystemdb_and_an_embedded_ucondb(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kill_jobs(capsys, tmp_path, KILLS - KILLS // 2)


@limited
def test_jobs_killed_between_a_mongodb_and_a_ucondb_server(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], mongodb_database: str, ucon: UconProcess
) -> None:
    kill_jobs(capsys, tmp_path, KILLS // 2, mongodb_database, ucon.url)
