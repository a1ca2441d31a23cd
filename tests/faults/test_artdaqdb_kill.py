"""Imports cut off by kill -9 at random points, and two processes importing at once: nothing lost, nothing doubled.

TUI_ARCHIVER_KILLS says how often each provider's import is killed; by hand, 200.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from runarchive.artdaqdb.check import check_store
from runarchive.artdaqdb.documents import canonical_text
from runarchive.artdaqdb.export import export_configuration
from runarchive.artdaqdb.store import ArtdaqStore, open_store

LIB = str(Path(__file__).parents[2] / "lib")
KILLS = int(os.environ.get("TUI_ARCHIVER_KILLS", "5"))
ENTITIES = 9

PROGRAM = """
import sys
from runarchive.artdaqdb.importing import Wanted, import_run
from runarchive.artdaqdb.store import open_store
from runarchive.fhicl.originals import OriginalFile, pack_originals
NAMES = ("RunHistory", "boot", "metadata", "tpc01", "tpc02", "tpc03", "tpc04", "tpc05")
def wanted(run):
    more = "".join("k%d: [1, 2, {a: b}]\\n" % number for number in range(60))
    texts = [(name, "run: %d\\nname: %s\\n" % (run, name) + more) for name in NAMES]
    files = [OriginalFile(name + ".fcl", 0o444, 5, text.encode()) for name, text in texts if "tpc" in name]
    return Wanted(run, "demo", texts, "run_history: []\\n", pack_originals(files))
def work(uri, runs):
    store = open_store(uri)
    for run in runs:
        import_run(store, wanted(run))
        print(run, flush=True)
        if run % 3 == 0:
            store.fold()
    store.fold()
    store.close()
if __name__ == "__main__":
    print("ready", flush=True)
    sys.stdin.readline()
    work(sys.argv[1], range(int(sys.argv[2]), int(sys.argv[3])))
"""


@pytest.fixture(params=["filesystem", "mongo"])
def uri(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "mongo":
        return str(request.getfixturevalue("mongodb_database"))
    return f"filesystemdb://{tmp_path}/db"


@pytest.fixture
def store(uri: str) -> Iterator[ArtdaqStore]:
    with closing(open_store(uri)) as opened:
        yield opened


@pytest.fixture
def program(tmp_path: Path) -> Path:
    file = tmp_path / "importer.py"
    file.write_text(PROGRAM)
    return file


def started(program: Path, uri: str, first: int, last: int) -> subprocess.Popen[str]:
    """An import of the runs from `first` to before `last`, waiting for a line on stdin."""
    command = [sys.executable, str(program), uri, str(first), str(last)]
    environment = os.environ | {"PYTHONPATH": LIB}
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n", process.communicate()
    return process


def go(process: subprocess.Popen[str]) -> None:
    """Let a waiting import begin."""
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()


def assert_whole(store: ArtdaqStore, runs: range) -> None:
    """Every run there once, with every document, and nothing else."""
    assert {one.run for one in store.list_configurations()} == set(runs)
    for run in runs:
        export = export_configuration(store, f"{run}/demo")
        assert len(export.files) == ENTITIES + 1
        assert export.failures == ()
        boot = next(file for file in export.files if file.entity == "boot")
        assert boot.text.startswith(canonical_text(f"run: {run}\nname: boot\n"))
    assert store.collections() == {"RunHistory": ENTITIES * len(runs), "SystemLayout": len(runs)}
    assert [finding for finding in check_store(store) if not finding.advice] == []


def empty(uri: str) -> None:
    """Take everything out of the database."""
    if uri.startswith("mongodb"):
        from pymongo import MongoClient

        with MongoClient[dict[str, object]](uri) as client:
            client.drop_database(client.get_default_database())
    else:
        shutil.rmtree(uri.removeprefix("filesystemdb://"))


def kill_one(program: Path, uri: str, first: int, chance: random.Random) -> int:
    """Kill an import some milliseconds after it finished some runs; returns the last run it left anything of."""
    process = started(program, uri, first, first + 50)
    go(process)
    assert process.stdout is not None
    for _ in range(chance.randrange(0, 4)):
        process.stdout.readline()
    try:
        process.wait(timeout=chance.random() * 0.02)
    except subprocess.TimeoutExpired:
        process.kill()
    process.communicate()
    with closing(open_store(uri)) as after:
        listed = after.list_configurations()
        short = {one.run for one in listed if len(export_configuration(after, one.name).files) <= ENTITIES}
        findings = [one for one in check_store(after) if not one.advice]
    assert {one.run for one in findings if one.kind == "partial"} == short
    assert len(short) <= 1
    assert {one.kind for one in findings} <= {"partial", "cut off"}
    return max((one.run or 1 for one in listed), default=1)


@pytest.mark.timeout(60 + 6 * KILLS)
def test_killed_imports_are_named_partial_and_completed(uri: str, program: Path) -> None:
    """Each import begins with the run that the one before was killed in, and the last one is let be."""
    seed = random.randrange(2**32)
    print(f"seed {seed}")  # noqa: T201
    chance = random.Random(seed)
    for kills in [10] * (KILLS // 10) + [KILLS % 10] * (KILLS % 10 > 0):
        first = 1
        for _ in range(kills):
            first = kill_one(program, uri, first, chance)
        process = started(program, uri, first, first + 2)
        go(process)
        _, problems = process.communicate()
        assert process.returncode == 0, problems
        with closing(open_store(uri)) as store:
            assert_whole(store, range(1, first + 2))
        empty(uri)


def test_two_processes_at_once_lose_nothing(uri: str, store: ArtdaqStore, program: Path) -> None:
    """The middle third of the runs is imported by both."""
    processes = [started(program, uri, 1, 21), started(program, uri, 11, 31)]
    for process in processes:
        go(process)
    for process in processes:
        _, problems = process.communicate()
        assert process.returncode == 0, problems
    assert_whole(store, range(1, 31))
