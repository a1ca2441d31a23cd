"""The golden records through the whole pipeline, and the older archiver's archive given as config."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from runarchive.archive import Archive, JobKind
from runarchive.cli.main import main
from runarchive.fhicl.originals import unpack_originals
from runarchive.model import Mark, RunState, Store
from runarchive.records_dir import read_record
from runarchive.records_dir.restore import differences
from tests.archiver_site import Site
from tests.golden_archive import RUNS, older_archive
from tests.golden_records import PACKED, golden_input
from tests.trees import unpack

ARCHIVED = [run for run in range(1000, 1036) if run not in (1028, 1032)]


@pytest.fixture(scope="module")
def golden_site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A site with the 36 golden records, all old enough, through one archive job."""
    site = Site(tmp_path_factory.mktemp("golden"))
    site.records.rmdir()
    (unpack(PACKED, site.root) / "run_records_golden" / "in").rename(site.records)
    for place, folders, files in os.walk(site.records, topdown=False):
        for name in (*folders, *files):
            os.utime(Path(place, name), (1_700_000_000, 1_700_000_000), follow_symlinks=False)
    site.configure(app={"run_process_retries": 0})
    with Archive.open(site.config_file, writable=True) as archive:
        archive.run_job(JobKind.ARCHIVE)
    return site


def test_each_golden_run_ends_archived_or_says_why_not(golden_site: Site) -> None:
    with Archive.open(golden_site.config_file) as archive:
        states = {run.run: run for run in archive.runs()}
        messages = [event.message for event in archive.events()]
    archived = [run.run for run in states.values() if run.state is RunState.ARCHIVED]
    unreadable = [] if os.geteuid() == 0 else [1019]
    assert archived == [run for run in ARCHIVED if run not in unreadable]
    assert (states[1028].state, states[1028].reason) == (RunState.EMPTY, "empty directory")
    assert states[1032].state is RunState.FAILED
    assert "dangling.fcl is a link to gone.fcl, which is not there" in states[1032].reason
    for run in unreadable:
        assert states[run].state is RunState.FAILED
        assert "permission denied" in states[run].reason
    assert not any("Traceback" in message for message in messages)


@pytest.mark.parametrize("run", [1000, 1006, 1009, 1010, 1018, 1025, 1030, 1031])
def test_nothing_of_a_golden_run_is_dropped(golden_site: Site, run: int) -> None:
    """Every byte of the directory is in the originals of artdaqDB and of UconDB's blob."""
    with Archive.open(golden_site.config_file) as archive:
        stored = [archive.file_text(run, store, "originals.fcl") for store in (Store.ARTDAQDB, Store.UCONDB)]
    record = read_record(golden_site.records / str(run), run)
    for text in stored:
        assert list(differences(record.files, unpack_originals(text))) == []


@pytest.mark.parametrize("run", [1000, 1012, 1022, 1035])
def test_what_is_converted_is_what_is_exported_and_what_is_in_the_blob(
    golden_site: Site, run: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = ["-c", str(golden_site.config_file)]
    assert main(["fhicl", "convert", str(golden_site.records / str(run)), "--out", str(tmp_path / "made")]) == 0
    assert main([*config, "artdaqdb", "export", str(run), "--out", str(tmp_path / "exported")]) == 0
    assert main([*config, "ucondb", "get", str(run), "--out", str(tmp_path / "blob")]) == 0
    assert main(["blob", "unpack", str(tmp_path / "blob"), "--out", str(tmp_path / "unpacked")]) == 0
    made = sorted((tmp_path / "made").iterdir())
    assert made
    for file in made:
        capsys.readouterr()
        assert main(["fhicl", "print", str(file)]) == 0
        printed = capsys.readouterr().out
        assert printed == (tmp_path / "exported" / file.name).read_text()
        assert printed == (tmp_path / "unpacked" / file.name).read_text()


def test_an_archived_record_is_restored_as_it_was(golden_site: Site, tmp_path: Path) -> None:
    out = tmp_path / "restored"
    assert main(["-c", str(golden_site.config_file), "records", "restore", "1018", "--out", str(out)]) == 0
    before, after = (read_record(place, 1018) for place in (golden_site.records / "1018", out))
    assert list(differences(before.files, after.files)) == []


def test_a_mended_link_lets_its_run_go_on(tmp_path: Path) -> None:
    site = Site(tmp_path / "site")
    shutil.rmtree(site.records)
    site.records.mkdir()
    shutil.copytree(golden_input(1032), site.records / "1032", symlinks=True)
    site.age(1032)
    site.configure(app={"run_process_retries": 0})
    with Archive.open(site.config_file, writable=True) as archive:
        assert archive.run_job(JobKind.ARCHIVE).failed
        assert not archive.plan(JobKind.ARCHIVE).steps, "a dangling link does not heal by waiting"
        (site.records / "1032").chmod(0o755)
        (site.records / "1032" / "gone.fcl").write_text("mended: true\n")
        site.age(1032)
        outcome = archive.run_job(JobKind.ARCHIVE)
    assert [(run.run, run.state) for run in outcome.runs] == [(1032, RunState.ARCHIVED)]


@pytest.mark.parametrize("mode", ["", "_tools"])
def test_the_older_archivers_archive_is_taken_as_it_is(tmp_path: Path, mode: str) -> None:
    site = older_archive(tmp_path, mode)
    assert main(["-c", str(site.config_file), "runs", "--json"]) == 0
    with Archive.open(site.config_file, writable=True) as archive:
        runs = archive.runs()
        assert tuple(run.run for run in runs) == RUNS
        for run in runs:
            assert run.state is RunState.ARCHIVED
            assert (run.marks.artdaqdb, run.marks.ucondb) == (Mark.OTHER_WRITER, Mark.OTHER_WRITER)
            assert run.reason.startswith("older archiver; lost: "), run.reason
        for kind in (JobKind.IMPORT, JobKind.MIGRATE, JobKind.RETRY):
            assert archive.run_job(kind).runs == ()
        verified = archive.run_job(JobKind.VERIFY)
        assert len(verified.runs) == len(RUNS)
        assert not verified.failed
        preview = archive.recovery_preview("import")
        assert ("last_contiguous_run", "41012", "41012") in preview.lines
    assert json.loads((site.work / "importer_state.json").read_text())["last_contiguous_run"] == 41012


def test_the_two_worker_accident_is_found_said_and_mended(tmp_path: Path) -> None:
    """Two processes of the older archiver wrote one index.json, which is no JSON any more."""
    site = older_archive(tmp_path)
    index = next((tmp_path / "site" / "artdaqdb").rglob("RunHistory/index.json"))
    text = index.read_text()
    index.write_text(text[: len(text) // 2] + text[len(text) // 3 :])
    with Archive.open(site.config_file) as archive:
        archive.refresh()
        assert tuple(run.run for run in archive.runs()) == RUNS, "the documents tell what the index cannot"
        found = {check.name: check for check in archive.doctor()}
    assert found["artdaqDB index"].verdict == "fail"
    assert "reindex" in found["artdaqDB index"].hint
    assert main(["-c", str(site.config_file), "artdaqdb", "reindex"]) == 0
    with Archive.open(site.config_file) as archive:
        assert {check.name: check for check in archive.doctor()}["artdaqDB index"].verdict == "pass"
