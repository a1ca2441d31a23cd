"""Records with names, bytes and kinds of files that nobody asked for, through the whole pipeline on real stores."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path

import pytest

from runarchive.archive import Archive, JobKind, JobOptions
from runarchive.cli.main import main
from runarchive.model import Mark, RunState
from tests.archiver_site import Site
from tests.trees import remove


def test_a_file_name_that_is_no_utf8_stops_nobody(
    site: Site, archive: Archive, capfd: pytest.CaptureFixture[str]
) -> None:
    site.make(2)
    with site.opened(1000) as record:
        Path(os.fsdecode(os.fsencode(record) + b"/bad\xff.fcl")).write_text("a: 1\n")
        Path(os.fsdecode(os.fsencode(record) + b"/bad\xfe.txt")).write_bytes(b"\xff\x00")
        (record / "\x1b[31mred.fcl").write_text("a: 1\n")
    outcome = archive.run_job(JobKind.ARCHIVE)
    assert [(run.run, run.state) for run in outcome.runs] == [(1000, RunState.ARCHIVED), (1001, RunState.ARCHIVED)]
    archive.close()
    for words in (["runs"], ["run", "1000"], ["explain", "1000"], ["compare", "1000"], ["manifest"]):
        for form in ([], ["--json"]):
            assert main(["-c", str(site.config_file), *words, *form]) == 0
            shown = capfd.readouterr().out
            assert "\x1b" not in shown
            if form:
                json.loads(shown)
    out = site.root / "restored"
    assert main(["-c", str(site.config_file), "records", "restore", "1000", "--out", str(out)]) == 0
    assert sorted(os.listdir(os.fsencode(out))) == sorted(os.listdir(os.fsencode(site.records / "1000")))


def test_names_that_are_no_runs_are_told_and_stop_nobody(site: Site, archive: Archive) -> None:
    site.make(1)
    for number in range(23):
        (site.records / f"00{number}").mkdir()
    (site.records / "²").mkdir()
    assert [run.state for run in archive.run_job(JobKind.ARCHIVE).runs] == [RunState.ARCHIVED]
    told = [event.message for event in archive.events() if "records directory" in event.message]
    assert told[0] == "'000' in the records directory: a run number has no leading zero"
    assert told[-1] == "4 more names in the records directory are no runs"
    (records,) = [check for check in archive.doctor() if check.name == "records"]
    assert records.evidence.startswith("1 runs; '000': a run number has no leading zero;")
    assert records.evidence.endswith("; and 19 more")


def test_a_pipe_named_metadata_is_not_waited_for(site: Site, archive: Archive) -> None:
    site.make(1)
    with site.opened(1000) as record:
        (record / "metadata.txt").unlink()
        os.mkfifo(record / "metadata.txt")
    outcome = archive.run_job(JobKind.ARCHIVE, [1000], JobOptions(force=True))
    assert [run.state for run in outcome.runs] == [RunState.FAILED]
    run = archive.run(1000)
    assert run is not None
    assert run.marks.filesystem is Mark.ERROR


def test_what_the_library_never_gives_back_is_archived_in_originals(site: Site, archive: Archive) -> None:
    site.make(1)
    with site.opened(1000) as record:
        (record / "kinds.fcl").write_text("a: 1\na: [1, 2]\n")
    outcome = archive.run_job(JobKind.ARCHIVE)
    assert [(run.state, run.reason) for run in outcome.runs] == [(RunState.ARCHIVED, "kinds.fcl in originals only")]


def test_a_retry_takes_failures_that_would_not_pass_by_themselves(site: Site, archive: Archive) -> None:
    site.make(2)
    with site.opened(1000) as record:
        (record / "link.fcl").symlink_to("gone.fcl")
    archive.run_job(JobKind.ARCHIVE)
    assert [step.run for step in archive.plan(JobKind.ARCHIVE).steps] == []
    plan = archive.plan(JobKind.RETRY)
    assert ([step.run for step in plan.steps], plan.held) == ([1000], ())


def test_a_verification_counts_what_it_does_not_read(
    site: Site, archive: Archive, capsys: pytest.CaptureFixture[str]
) -> None:
    site.make(2)
    remove(site.records / "1001")
    (site.records / "1001").mkdir()
    archive.run_job(JobKind.ARCHIVE)
    archive.close()
    capsys.readouterr()
    assert main(["-c", str(site.config_file), "verify", "--all", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["verified"], said["not_verified"]) == (1, {"EMPTY": 1})


@pytest.mark.parametrize("words", [["compare", "1000"], ["status"], ["runs"], ["import"], ["migrate"], ["verify"]])
def test_a_store_out_of_reach_is_75_everywhere(site: Site, archive: Archive, words: list[str]) -> None:
    site.make(1)
    archive.run_job(JobKind.ARCHIVE)
    archive.close()
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        site.configure(
            app={"run_process_retries": 0},
            ucon_db={"server_url": f"http://127.0.0.1:{closed.getsockname()[1]}/app", "timeout_seconds": 1},
        )
        expected = 0 if words == ["import"] else 75
        assert main(["-c", str(site.config_file), *words]) == expected
