"""What the commands tell whoever meets trouble for the first time: what is wrong, and the command that mends it."""

from __future__ import annotations

import hashlib
import re
import subprocess
from pathlib import Path

import pytest

from runarchive.archive import Archive, JobKind, RecoveryKind
from runarchive.cli.main import main
from runarchive.cli.ucondb_command import USERS_HELP
from runarchive.model import CheckResult, RunState, Store, Verdict
from tests.archiver_site import Site, looked_at


@pytest.fixture
def told(site: Site, capsys: pytest.CaptureFixture[str]) -> Told:
    return Told(site, capsys)


class Told:
    """The command line on a site: exit code, and all that was printed."""

    def __init__(self, site: Site, capsys: pytest.CaptureFixture[str]) -> None:
        self._config = str(site.config_file)
        self._capsys = capsys

    def __call__(self, *words: str) -> tuple[int, str]:
        code = main(["-c", self._config, *words])
        captured = self._capsys.readouterr()
        return code, captured.out + captured.err


def check(archive: Archive, name: str) -> CheckResult:
    return next(one for one in archive.doctor() if one.name == name)


def test_a_store_out_of_reach_is_told_with_its_next_step_by_every_command(site: Site, told: Told) -> None:
    site.make(1)
    site.configure(ucon_db={"server_url": "http://127.0.0.1:1/app"})
    hint = "start the server or correct its address"
    assert f"  next: {hint}" in told("explain", "1000")[1]
    code, said = told("status")
    assert code == 75
    assert f"Connection refused; {hint}" in said
    with site.archive() as archive:
        archive.refresh()
        events = [one.message for one in archive.events() if "out of reach" in one.message]
    assert events
    assert all(message.endswith(f"; {hint}") for message in events)


def test_the_doctor_names_the_records_that_cannot_be_read(site: Site) -> None:
    site.make(2)
    with site.archive() as archive:
        archive.refresh()
        assert check(archive, "unreadable records").verdict is Verdict.PASS
        site.break_record(1001)
        archive.glance_at([1001])
        found = check(archive, "unreadable records")
    assert (found.verdict, found.evidence) == (Verdict.FAIL, "run 1001")
    assert "`tui-archiver explain 1001`" in found.hint


def test_a_state_file_of_nonsense_is_found_by_the_doctor_with_the_command_that_mends_it(site: Site, told: Told) -> None:
    site.make(1)
    with site.archive(writable=True) as archive:
        archive.run_job(JobKind.ARCHIVE)
        assert check(archive, "state files").verdict is Verdict.PASS
        (site.work / "migrator_state.json").write_text("nonsense{{")
        found = check(archive, "state files")
    assert found.verdict is Verdict.FAIL
    assert "migrator_state.json cannot be read" in found.evidence
    assert "`tui-archiver recover migrate --apply`" in found.hint
    assert "recover import" not in found.hint
    assert told("recover", "migrate", "--apply")[0] == 0
    with site.archive() as archive:
        assert check(archive, "state files").verdict is Verdict.PASS


def test_a_whole_ledger_does_not_differ_because_a_rebuild_would_forget_verdicts(site: Site) -> None:
    site.make(2)
    with site.archive(writable=True) as archive:
        archive.run_job(JobKind.ARCHIVE)
        found = archive.recovery_preview(RecoveryKind.LEDGER)
    assert not found.differs
    assert found.notes == ("2 runs would lose their verdict; `tui-archiver verify` makes them anew",)


def test_a_run_that_stays_names_the_command_that_tells_its_ways_out(site: Site, told: Told) -> None:
    site.make(3, in_progress=1)
    assert "next: `tui-archiver explain 1002` says what can be done" in told("import", "1002")[1]
    told("import", "1000")
    told("migrate", "1000")
    assert "next:" not in told("import", "1000")[1], "an archived run needs nothing"


def test_a_verification_counts_among_what_it_left_out_only_what_was_asked_for(site: Site, told: Told) -> None:
    site.make(4, in_progress=1)
    told("import", "1000")
    assert "not verified, as neither imported nor archived: 1 NEW" in told("verify", "1000-1001")[1]
    assert "2 NEW, 1 WAITING" in told("verify")[1]


def test_a_run_that_changed_after_its_import_stands_at_artdaqdb(site: Site) -> None:
    site.make(1)
    with site.archive(writable=True) as archive:
        archive.run_job(JobKind.ARCHIVE)
        site.append(1000, "settings.txt", "\nlate: 1\n")
        archive.glance_at([1000])
        assert looked_at(archive).state is RunState.OUTDATED
        [failure] = archive.failures()
        assert failure.failure.store is Store.ARTDAQDB
        assert "anything else that changed is a conflict" in archive.explain(1000).by_itself


def test_why_a_run_failed_once_is_told_in_good_words(site: Site, told: Told) -> None:
    site.make(1)
    site.break_record(1000)
    site.configure(app={"run_process_retries": 0})
    told("import")
    said = told("explain", "1000")[1]
    assert "import failed once: " in said
    assert "1 times" not in said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('app:\n  work_dir: "/tmp\nsource_files: [\n', "line 4: found unexpected end of stream"),
        ("app:\n  a: 1\n b: 2\n", "line 3: expected <block end>, but found"),
        ("\x07", "special characters are not allowed"),
    ],
)
def test_bad_yaml_is_told_by_the_line_of_the_file(site: Site, told: Told, text: str, said: str) -> None:
    site.config_file.write_text(text)
    code, output = told("config", "check")
    assert code == 1
    assert said in output
    assert "unicode string" not in output or "special characters" in output
    assert "1 error, 0 warnings" in output


def test_the_reason_of_a_conflict_begins_with_what_is_wrong(site: Site) -> None:
    site.make(1)
    with site.archive(writable=True) as archive:
        archive.run_job(JobKind.ARCHIVE)
        site.append(1000, "DataLogger1.fcl", "\nlate: 1\n")
        archive.glance_at([1000])
        archive.run_job(JobKind.IMPORT, (1000,))
        run = looked_at(archive)
        assert run.state is RunState.CONFLICT
        assert run.reason.startswith(f"other content in artdaqDB under '1000/{run.configuration}': different ")
        [failure] = archive.failures()
        assert failure.failure.message == run.reason


def test_the_line_for_a_writer_that_the_help_gives_is_one() -> None:
    command = USERS_HELP.partition("every folder: ")[2].replace("PASSWORD", "secret").replace("U:", "shift:")
    made = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True).stdout
    assert made == f"shift:ucondb:{hashlib.md5(b'shift:ucondb:secret').hexdigest()}\n"


def test_the_readme_leads_to_every_document() -> None:
    root = Path(__file__).parents[2]
    linked = set(re.findall(r"\]\((docs/[^)#]+)", (root / "README.md").read_text("utf-8")))
    there = {path.relative_to(root).as_posix() for path in (root / "docs").rglob("*") if path.is_file()}
    assert linked >= {name for name in there if name.endswith(".md")}
    assert linked <= there


def test_files_that_are_in_no_directory_say_what_they_are(site: Site) -> None:
    site.make(1)
    with site.archive(writable=True) as archive:
        archive.run_job(JobKind.ARCHIVE)
        found = archive.compare(1000)
    notes = {file.name: file.note for file in found.files if file.note}
    assert notes.pop("schema.fcl") == "goes with every run"
    assert notes.pop("originals.fcl") == "every file of the directory, byte for byte"
    assert set(notes) == {"RunHistory.fcl", "RunHistory2.fcl"}
    assert set(notes.values()) == {"made at the import"}
    entries = len(list((site.records / "1000").iterdir()))
    assert len(found.files) == entries + 4, "each file of the directory, and what was made"
