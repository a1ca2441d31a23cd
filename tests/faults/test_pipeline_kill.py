"""Jobs killed at random instants: nothing lost, nothing doubled, nothing half done passing as done."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

KILLS = int(os.environ.get("PIPELINE_KILLS", "40"))
SEED = int(os.environ.get("PIPELINE_SEED", random.randrange(10**6)))


@pytest.mark.timeout(60 + KILLS * 6)
def test_jobs_killed_at_random_instants(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """PIPELINE_KILLS and PIPELINE_SEED choose how many and which instants."""
    with capsys.disabled():
        sys.stderr.write(f" PIPELINE_SEED={SEED} PIPELINE_KILLS={KILLS} ")
    ended = subprocess.run(
        [sys.executable, "-m", "tests.pipeline_killer", str(tmp_path), str(KILLS), str(SEED)],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(("lib", "."))},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, f"seed {SEED}:\n{ended.stderr}"
