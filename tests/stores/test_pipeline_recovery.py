"""Recovery: state files and the ledger rebuilt from the stores, with a preview, the old ones kept beside."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from runarchive.archive import Archive, JobKind, RecoveryKind
from runarchive.cli.main import main
from runarchive.errors import ArchiveError, Code
from runarchive.model import RunState, Stage
from tests.archiver_site import Site


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """Three archived runs, one that failed, one that is waived."""
    made = Site(tmp_path / "site")
    made.make(5)
    with made.opened(1003) as record:
        (record / "dangling.fcl").symlink_to("nowhere.fcl")
    made.configure(app={"run_process_retries": 0})
    with Archive.open(made.config_file, writable=True) as archive:
        archive.run_job(JobKind.ARCHIVE)
        archive.waive(1004, "laser calibration, not data")
    return made


def test_a_lost_state_file_is_rebuilt(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    state, log = site.work / "importer_state.json", site.work / "import_failures.log"
    assert json.loads(state.read_text()) == {"last_contiguous_run": 1002, "last_attempted_run": 1004}
    state.write_text("{broken")
    log.unlink()
    capsys.readouterr()
    assert main(["-c", str(site.config_file), "recover", "import", "--json"]) == 0
    preview: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert preview["differs"]
    assert not preview["applied"]
    assert {"name": "last_contiguous_run", "now": "0", "stores": "1002"} in preview["lines"]
    assert any("cannot be read" in problem for problem in preview["problems"])
    assert any("run 1003 holds" in note for note in preview["notes"])
    assert state.read_text() == "{broken", "a preview writes nothing"
    assert main(["-c", str(site.config_file), "recover", "import", "--apply", "--json"]) == 0
    assert json.loads(state.read_text()) == {"last_contiguous_run": 1002, "last_attempted_run": 1004}
    assert log.read_text() == "1003\n"
    [kept] = site.work.glob("importer_state.json.before-*")
    assert kept.read_text() == "{broken"
    capsys.readouterr()
    assert main(["-c", str(site.config_file), "recover", "import", "--json"]) == 0
    assert not json.loads(capsys.readouterr().out)["differs"], "a run that holds the state is no difference"
    assert main(["-c", str(site.config_file), "recover", "import"]) == 0
    assert "nothing differs from the stores" in capsys.readouterr().err


def test_the_ledger_is_rebuilt_and_keeps_what_people_decided(site: Site) -> None:
    with Archive.open(site.config_file, writable=True) as archive:
        before = {run.run: run.state for run in archive.runs()}
        archive.recovery_apply(RecoveryKind.LEDGER)
        archive.judge(100)
        after = {run.run: run.state for run in archive.runs()}
        assert after[1004] is RunState.WAIVED
        assert {run: state for run, state in after.items() if run != 1003} == {
            run: state for run, state in before.items() if run != 1003
        }
        assert archive.life(1000).attempts, "history stays"
    assert list(site.work.glob("ledger.sqlite.before-*"))


def test_a_damaged_ledger_is_set_aside_said_and_made_anew(site: Site) -> None:
    ledger = site.work / "ledger.sqlite"
    for beside in site.work.glob("ledger.sqlite-*"):
        beside.unlink()
    ledger.write_bytes(b"not a database at all " * 1000)
    with Archive.open(site.config_file, writable=True) as archive:
        assert any("damaged" in notice for notice in archive.notices)
        outcome = archive.run_job(JobKind.ARCHIVE)
        assert [run.run for run in outcome.failed] == [1003]
        archive.judge(100)
        assert sum(run.state is RunState.ARCHIVED for run in archive.runs()) == 4
        told = {entry.run: {one.stage for one in entry.hashes} for entry in archive.manifest()}
        assert told[1000] == {Stage.IMPORT, Stage.MIGRATE}, "what was compared again has its hashes again"
    assert list(site.work.glob("ledger.sqlite.damaged-*"))


def test_a_full_ledger_says_nothing_about_the_stores(site: Site) -> None:
    with Archive.open(site.config_file) as archive:
        archive.refresh()
        for number in range(20):
            (site.records / f"{number:0200}").mkdir()
        with archive._ledger.database.write() as database:
            database.execute("PRAGMA max_page_count = 1")  # no more than it has
        with pytest.raises(ArchiveError) as caught:
            archive.refresh()
        assert caught.value.code is Code.DISK_FULL
        assert archive.silent_stores() == {}
        assert all(health.ok for health in archive.health().values())


def test_the_manifest_tells_hashes_versions_and_waivers(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main(["-c", str(site.config_file), "manifest"]) == 0
    runs = {entry["run"]: entry for entry in json.loads(capsys.readouterr().out)["runs"]}
    assert set(runs) == {1000, 1001, 1002, 1003, 1004}
    assert all(runs[1000][name] for name in ("record_hash", "artdaqdb_hash", "ucondb_hash", "ucondb_version"))
    assert runs[1004]["waived"] == "laser calibration, not data"
    assert runs[1003]["ucondb_hash"] == ""
    assert main(["-c", str(site.config_file), "manifest", "--csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["run"] for row in rows] == ["1000", "1001", "1002", "1003", "1004"]
    assert rows[4]["waived"] == "laser calibration, not data"
