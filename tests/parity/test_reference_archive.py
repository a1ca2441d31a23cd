"""An archive that the older archiver wrote, taken over as it is: 12 runs, by conftoolp and by bulkloader."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from runarchive.archive import JobKind, JobOptions, RunResult
from runarchive.model import Mark, RunState
from tests.archiver_site import Site
from tests.trees import unpack

GOLDEN = Path(__file__).parents[1] / "golden" / "reference_archive.tar.xz"
RUNS = (1000, 1003, 1015, 1022, 41001, 41002, 41003, 41005, 41006, 41010, 41011, 41012)


@pytest.fixture(scope="session")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unpack(GOLDEN, tmp_path_factory.mktemp("reference_archive"))


@pytest.fixture(params=["", "_tools"])
def taken_over(tmp_path: Path, unpacked: Path, request: pytest.FixtureRequest) -> Site:
    """The archive with its own config file, its UconDB filled with the blobs the older archiver put there."""
    mode = request.param
    site = Site(tmp_path / "site")
    shutil.copytree(unpacked / f"work_dir{mode}", site.work)
    shutil.copytree(unpacked / f"artdaqdb{mode}", site.root / "artdaqdb")
    shutil.copytree(unpacked / "conf", site.root / "conf", dirs_exist_ok=True)
    unpack(unpacked / "records" / "records.tar", site.root)
    old = time.time() - 100 * 3600
    for path in [*site.records.rglob("*"), site.records]:
        os.utime(path, (old, old))
    text = (unpacked / f"config{mode}.yaml").read_text()
    text = text.replace(f"/srv/archiver/golden/work_dir{mode}", str(site.work))
    text = text.replace(f"/srv/archiver/golden/artdaqdb{mode}", f"{site.root}/artdaqdb")
    text = text.replace("/srv/archiver/golden", str(site.root)).replace("use_tools: true", "use_tools: false")
    text = text.replace("http://127.0.0.1:18391/app", f"embedded://{site.root}/ucondb.sqlite")
    site.config_file.write_text(text)
    with site.ucondb() as client:
        for blob in (unpacked / f"ucondb_blobs{mode}").glob("*.txt"):
            client.put(int(blob.stem), blob.read_bytes())
    return site


def judged(site: Site) -> dict[int, tuple[RunState, Mark, Mark, str]]:
    """State, marks and reason of every run once all were compared."""
    with site.archive() as archive:
        archive.refresh(full=True)
        archive.judge(100)
        return {run.run: (run.state, run.marks.artdaqdb, run.marks.ucondb, run.reason) for run in archive.runs()}


def test_a_start_finds_nothing_to_do_and_the_state_files_are_completed(taken_over: Site) -> None:
    before = taken_over.run("--compare-state")
    assert before.code == 0
    assert "All systems are synchronized - no action needed" in before
    assert "Last Attempted Run:  41012" in before
    done = taken_over.run("--incremental")
    assert done.code == 0
    assert "Import Stage: No new runs to import." in done
    assert "Migration Stage: No new runs to migrate." in done
    for name in ("importer_state.json", "migrator_state.json"):
        assert '"last_contiguous_run": 41012' in (taken_over.work / name).read_text()


def test_every_run_is_archived_as_the_older_archiver_left_it_with_what_it_lost(taken_over: Site) -> None:
    found = judged(taken_over)
    assert tuple(found) == RUNS
    for state, artdaqdb, ucondb, reason in found.values():
        assert (state, artdaqdb, ucondb) == (RunState.ARCHIVED, Mark.OTHER_WRITER, Mark.OTHER_WRITER)
        assert "older archiver" in reason
        assert "lost" in reason
    assert "components" in found[1015][3]
    assert "subsystem_settings" in found[1022][3]
    assert "all_events_to_all_dispatchers" in found[41001][3]


def test_records_that_were_not_mounted_at_first_are_judged_when_they_are(taken_over: Site) -> None:
    away = taken_over.records.rename(taken_over.root / "away")
    taken_over.records.mkdir()
    for state, artdaqdb, ucondb, reason in judged(taken_over).values():
        assert (state, artdaqdb, ucondb) == (RunState.ARCHIVED, Mark.OTHER_WRITER, Mark.OTHER_WRITER)
        assert reason == "as another writer left it; its directory is gone"
    taken_over.records.rmdir()
    away.rename(taken_over.records)
    for state, artdaqdb, ucondb, reason in judged(taken_over).values():
        assert (state, artdaqdb, ucondb) == (RunState.ARCHIVED, Mark.OTHER_WRITER, Mark.OTHER_WRITER)
        assert "older archiver" in reason
        assert "lost" in reason


def test_what_was_lost_is_offered_and_can_be_added(taken_over: Site) -> None:
    with taken_over.archive(writable=True) as archive:
        archive.run_job(JobKind.VERIFY, [1022])
        assert [way.command for way in archive.explain(1022).exits if way.action == "add"] == [
            "tui-archiver import 1022 --add"
        ]
        assert archive.plan(JobKind.IMPORT, None, JobOptions(add=True)).steps == ()
        (done,) = archive.run_job(JobKind.IMPORT, [1022], JobOptions(add=True)).runs
        assert (done.state, done.reason) == (RunState.OUTDATED, "UconDB is older than artdaqDB")
        (done,) = archive.run_job(JobKind.MIGRATE, [1022], JobOptions(supersede=True)).runs
        assert done.state is RunState.ARCHIVED
        run = archive.run(1022)
        assert run is not None
        assert run.marks.artdaqdb is run.marks.ucondb is Mark.VERIFIED


def test_retry_verify_and_recover_behave(taken_over: Site) -> None:
    with taken_over.archive(writable=True) as archive:
        assert archive.run_job(JobKind.RETRY).runs == ()
        verified = archive.run_job(JobKind.VERIFY, None, JobOptions(everything=True))
        assert [(run.run, run.result) for run in verified.runs] == [(run, RunResult.DONE) for run in RUNS]
    (taken_over.work / "importer_state.json").unlink()
    assert taken_over.run("--recover-import-state").code == 0
    assert '"last_contiguous_run": 41012' in (taken_over.work / "importer_state.json").read_text()


@pytest.mark.parametrize("taken_over", ["_tools"], indirect=True)
@pytest.mark.parametrize("broken", ["truncated", "empty", "in the ids", "in a table"])
def test_the_index_that_two_workers_broke_is_found_said_and_mended(taken_over: Site, broken: str) -> None:
    index = next((taken_over.root / "artdaqdb").rglob("RunHistory/index.json"))
    whole = index.read_bytes()
    index.write_bytes(
        {
            "truncated": whole[: len(whole) // 2],
            "empty": b"",
            "in the ids": whole[:3000] + b'"' + whole[3000:],
            "in a table": whole.replace(b'"1022/', b"1022/"),
        }[broken]
    )
    for found in (taken_over.run("--report-status"), taken_over.run("--report-status")):
        assert "Total Runs:      12" in found
        assert "WARNING: RunHistory/index.json is damaged" in found
        assert "All systems are synchronized" not in found
    start = taken_over.run("--incremental")
    assert start.code == 0
    assert "WARNING - RunHistory/index.json is damaged" in start
    cli = [str(Path(sys.executable).with_name("tui-archiver")), "-c", str(taken_over.config_file), "artdaqdb"]
    check = subprocess.run([*cli, "check"], capture_output=True, text=True, check=False)
    assert check.returncode == 1
    assert "index.json" in check.stdout
    subprocess.run([*cli, "reindex"], capture_output=True, check=True)
    mended = subprocess.run([*cli, "check"], capture_output=True, text=True, check=False)
    assert "index.json" not in mended.stdout
    assert "All systems are synchronized" in taken_over.run("--report-status")


@pytest.mark.parametrize("taken_over", ["_tools"], indirect=True)
def test_what_stands_behind_a_whole_index_is_no_damage(taken_over: Site) -> None:
    index = next((taken_over.root / "artdaqdb").rglob("RunHistory/index.json"))
    whole = index.read_bytes()
    index.write_bytes(whole + whole[-500:])
    assert "All systems are synchronized" in taken_over.run("--report-status")


@pytest.mark.parametrize("taken_over", ["_tools"], indirect=True)
def test_a_host_without_the_tools_reads_and_mends_what_they_wrote(taken_over: Site) -> None:
    text = taken_over.config_file.read_text()
    taken_over.config_file.write_text(text.replace("use_tools: false", "use_tools: true"))
    found = judged(taken_over)
    assert {row[:3] for row in found.values()} == {(RunState.ARCHIVED, Mark.OTHER_WRITER, Mark.OTHER_WRITER)}
    cli = [str(Path(sys.executable).with_name("tui-archiver")), "-c", str(taken_over.config_file), "artdaqdb"]
    assert subprocess.run([*cli, "reindex"], capture_output=True, check=False).returncode == 0
