"""Rows 94 to 114: the status report, notifications, the log, and what is said about deployment."""

from __future__ import annotations

import json
import logging
import os
import re
import socket
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller

from runarchive.archive import JobKind, JobOptions
from runarchive.cli.archiver import log as archiver_log
from runarchive.cli.archiver.log import RotatingLog
from runarchive.cli.archiver.report import shown_numbers, shown_ranges
from runarchive.cli.run_archiver import ERROR_NAMES, STORE_ERRORS
from runarchive.model import RunState, Store
from tests.archiver_site import Site
from tests.trees import remove

ROOT = Path(__file__).parents[2]


class Mailbox:
    """Keeps what a mail server receives."""

    def __init__(self) -> None:
        self.mails: list[str] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        self.mails.append(envelope.content.decode())
        return "250 OK"


@pytest.fixture
def mailbox(site: Site) -> Iterator[Mailbox]:
    """A mail server that the site sends its alarms to."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    box = Mailbox()
    controller = Controller(box, hostname="127.0.0.1", port=port)
    controller.start()
    site.configure(reporting={"email": {**email(port)}})
    yield box
    controller.stop()


def email(port: int) -> dict[str, object]:
    return {
        "enabled": True,
        "recipient_email": "a@example.org",
        "sender_email": "b@example.org",
        "smtp_host": "127.0.0.1",
        "smtp_port": port,
    }


def test_row_094_report_sections(site: Site) -> None:
    site.make(3)
    site.run("--import-only")
    site.make(2, first=2000)
    done = site.run("--compare-state")
    titles = [
        "FILESYSTEM (Source)",
        "ARTDAQDB (Intermediate Storage)",
        "UCONDB (Long-term Storage)",
        "STATE COMPARISON",
        "RECOMMENDATIONS",
        "END OF STATUS REPORT",
    ]
    places = [done.out.index(title) for title in titles]
    assert places == sorted(places)
    assert f"  Location:        {site.records}" in done
    assert "  Total Runs:      5" in done
    assert "  Range:           1000 to 2001" in done
    assert "  Contiguous:      1000-1002, 2000-2001" in done
    assert f"  Database URI:    filesystemdb://{site.root}/artdaqdb" in done
    assert "  Folder/Object:   test01/configuration" in done
    assert "  Status:          No runs found" in done
    assert "  Last Contiguous Run: 1002" in done


def test_row_095_at_most_ten_ranges_and_twenty_gaps() -> None:
    assert shown_ranges([]) == "None"
    assert shown_ranges([(1, 1), (3, 4)]) == "1, 3-4"
    many = shown_ranges([(run, run) for run in range(0, 24, 2)])
    assert many == "0, 2, 4, 6, 8 ... 14, 16, 18, 20, 22 (12 ranges total)"
    assert shown_numbers([], 0) == "None"
    assert shown_numbers(range(20), 20).endswith("18, 19")
    assert shown_numbers(range(21), 21) == ", ".join(map(str, range(20))) + " ... (21 gaps total)"


def test_row_096_recommendations(site: Site) -> None:
    assert "1. All systems are synchronized - no action needed" in site.run("--report-status")
    runs = site.make(2)
    assert "Run IMPORTER: 2 run(s) on filesystem not in artdaqDB (range: 1000-1001)" in site.run("--report-status")
    site.run("--import-only")
    assert "Run MIGRATOR: 2 run(s) in artdaqDB not in UconDB (range: 1000-1001)" in site.run("--report-status")
    site.run()
    for run in runs:
        remove(site.records / str(run))
    assert "WARNING: 2 run(s) in artdaqDB but not on filesystem (may have been deleted)" in site.run("--report-status")
    site.configure(artdaq_db={"database_uri": f"filesystemdb://{site.root}/other"})
    assert "INFO: 2 run(s) in UconDB but not in artdaqDB" in site.run("--report-status")


@pytest.mark.parametrize("store", ["filesystem", "artdaqdb", "ucondb"])
def test_s4_and_d21_a_report_that_could_not_ask_a_store_is_exit_1_and_shows_the_others(site: Site, store: str) -> None:
    site.make(1)
    if store == "filesystem":
        site.configure(source_files={"run_records_dir": "/nowhere"})
    elif store == "artdaqdb":
        site.configure(artdaq_db={"database_uri": "mongodb://127.0.0.1:1/db", "timeout_seconds": 0.2})
    else:
        site.configure(ucon_db={"server_url": "http://127.0.0.1:1/app"})
    done = site.run("--report-status")
    assert done.code == 1
    assert done.out.count(" query failed: ") == 1
    assert done.out.count(" query complete") == 2
    assert "END OF STATUS REPORT" in done


def test_row_097_one_mail_a_stage_and_start(site: Site, mailbox: Mailbox) -> None:
    runs = site.make(3)
    for run in runs[:2]:
        site.break_record(run)
    assert site.run().code == 1
    (mail,) = mailbox.mails
    text = mail.replace("\r\n", "\n")
    assert re.search(r"Subject: Run Record Archiver Import Errors on \S+ at \d{4}-", text.replace("\n ", " "))
    assert f"\n{runs[0]}\n{runs[1]}\n" in text
    assert site.run("--migrate-only").code == 0
    assert len(mailbox.mails) == 1


@pytest.mark.parametrize("trouble", ["refused", "silent"])
def test_s3_and_d34_and_l20_mail_trouble_changes_neither_state_nor_exit_code_nor_the_other_stage(
    site: Site, trouble: str
) -> None:
    runs = site.make(3)
    site.break_record(runs[2])
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1] if trouble == "silent" else 1
        if trouble == "silent":
            threading.Thread(target=_close_all, args=(server,), daemon=True).start()
        site.configure(reporting={"email": email(port)})
        done = site.run()
    assert done.code == 1
    assert site.held(Store.UCONDB) == set(runs[:2])
    assert f'"last_contiguous_run": {runs[1]}' in (site.work / "migrator_state.json").read_text()
    assert "e-mail about failed runs could not be sent" in done
    assert "it is tried again at the next start" in done
    assert len(list((site.work / "notifications").iterdir())) == 1


class SlackApi(BaseHTTPRequestHandler):
    """Slack's Web API as far as a message needs it; `received` keeps path, token and message of each call."""

    received: list[tuple[str, str, dict[str, Any]]]

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.received.append((self.path, self.headers["Authorization"], body))
        answer = b'{"ok": true}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Keep standard error clean."""


@pytest.fixture
def slack(site: Site) -> Iterator[list[tuple[str, str, dict[str, Any]]]]:
    """A Slack that the site posts to."""
    SlackApi.received = []
    with ThreadingHTTPServer(("127.0.0.1", 0), SlackApi) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}/api"
        options = {"bot_token": "xoxb-the-token", "channel": "#run-archiver", "mention_users": "U1, U2"}
        site.configure(reporting={"slack": {"enabled": True, "api_url": url, **options}})
        yield SlackApi.received
        server.shutdown()


def test_row_098_and_d30_slack_hears_of_the_first_ten_runs_through_its_web_api(
    site: Site, slack: list[tuple[str, str, dict[str, Any]]]
) -> None:
    runs = site.make(12)
    for run in runs:
        site.break_record(run)
    done = site.run("--import-only")
    assert done.code == 1
    ((path, token, message),) = slack
    assert (path, token) == ("/api/chat.postMessage", "Bearer xoxb-the-token")
    assert message["channel"] == "#run-archiver"
    header, facts, numbers = message["blocks"]
    assert header["text"]["text"].endswith("Run Record Archiver Import Failures")
    assert [field["text"].split(":*")[0] for field in facts["fields"]] == ["*Host", "*Time", "*Stage", "*Failed Runs"]
    assert facts["fields"][3]["text"] == "*Failed Runs:*\n12"
    shown = ", ".join(map(str, runs[:10]))
    assert f"{shown}, ... (2 more)" in numbers["text"]["text"]
    assert "<@U1> <@U2>" in message["text"]
    assert "xoxb" not in done.out
    assert "Slack about 12 failed runs was sent" in done


def _close_all(server: socket.socket) -> None:
    while True:
        try:
            server.accept()[0].close()
        except OSError:
            return


def test_row_099_and_d10_log_line_format(site: Site) -> None:
    site.make(1)
    site.run()
    pattern = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} - [\w.]+ - (DEBUG|INFO|WARNING|ERROR|CRITICAL) - .*")
    lines = (site.work / "archiver.log").read_text(encoding="utf-8").splitlines()
    assert lines
    assert [line for line in lines if not pattern.fullmatch(line)] == []
    loggers = {line.split(" - ")[1] for line in lines}
    assert {"__main__", "run_record_archiver.importer", "run_record_archiver.migrator"} <= loggers


def write(handler: RotatingLog, count: int) -> None:
    handler.setFormatter(logging.Formatter("%(asctime)s - %(message)s"))
    for number in range(count):
        handler.emit(logging.LogRecord("x", logging.INFO, "", 0, f"line {number}", None, None))


def test_row_100_and_d11_rotation_at_500_mb_or_14_days_with_5_backups(tmp_path: Path) -> None:
    assert (archiver_log.MAX_BYTES, archiver_log.MAX_AGE_SECONDS, archiver_log.BACKUPS) == (
        500 * 1024 * 1024,
        14 * 86400,
        5,
    )
    path = tmp_path / "archiver.log"
    handler = RotatingLog(path, max_bytes=200)
    write(handler, 100)
    handler.close()
    assert sorted(item.name for item in tmp_path.iterdir()) == [
        "archiver.log",
        *(f"archiver.log.{number}" for number in range(1, 6)),
    ]
    assert all(item.stat().st_size <= 200 for item in tmp_path.iterdir())
    assert path.read_text().splitlines()[-1].endswith("line 99")


def test_row_100_the_age_of_a_log_is_that_of_its_first_line(tmp_path: Path) -> None:
    path = tmp_path / "archiver.log"
    path.write_text("2020-01-01 00:00:00,000 - old\n")
    handler = RotatingLog(path)
    write(handler, 2)
    handler.close()
    assert (tmp_path / "archiver.log.1").read_text() == "2020-01-01 00:00:00,000 - old\n"
    assert len(path.read_text().splitlines()) == 2


def test_row_100_two_processes_rotate_one_log_without_losing_a_line(tmp_path: Path) -> None:
    path = tmp_path / "archiver.log"
    first, second = (RotatingLog(path, max_bytes=500, backups=50) for _ in range(2))
    for _ in range(20):
        write(first, 3)
        write(second, 3)
    first.close()
    second.close()
    lines = [line for item in tmp_path.iterdir() for line in item.read_text().splitlines()]
    assert len(lines) == 120


def test_row_100_a_log_that_cannot_be_written_does_not_stop_the_work(site: Site) -> None:
    (site.root / "file").touch()
    site.configure(app={"log_file": str(site.root / "file" / "archiver.log")})
    site.make(1)
    done = site.run()
    assert done.code == 0
    assert "Failed to configure file logging" in done


@pytest.mark.parametrize("output", ["/dev/full", "closed pipe"])
def test_row_099_output_that_cannot_be_written_does_not_stop_the_work(site: Site, output: str) -> None:
    site.make(1)
    command = [sys.executable, "-m", "runarchive.cli.run_archiver", str(site.config_file)]
    if output == "closed pipe":
        reading, writing = os.pipe()
        os.close(reading)
    else:
        writing = os.open(output, os.O_WRONLY)
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writing)
    assert done.returncode == 0
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("standard output cannot be written: ")
    assert site.held(Store.UCONDB) == {1000}
    assert "✓ EXECUTION COMPLETED SUCCESSFULLY" in (site.work / "archiver.log").read_text()


def test_row_101_banner_lines(site: Site) -> None:
    runs = site.make(2)
    done = site.run()
    expected = [
        "Run Record Archiver Starting",
        f"Config: {site.config_file}",
        "=== Execution Mode: Full Pipeline (Full) ===",
        "STAGE: Import - Importing runs from filesystem to ArtdaqDB",
        "✓ Import Stage completed successfully (exit code: 0)",
        "STAGE: Migration - Migrating runs from ArtdaqDB to UconDB",
        "✓ Migration Stage completed successfully (exit code: 0)",
        "✓ EXECUTION COMPLETED SUCCESSFULLY",
        "Archiver execution complete.",
    ]
    messages = done.messages
    places = [messages.index(line) for line in expected]
    assert places == sorted(places)
    site.make(1, first=3000)
    site.break_record(3000)
    failed = site.run()
    assert "✗ Import Stage completed with failures (exit code: 1)" in failed
    assert "✗ EXECUTION COMPLETED WITH FAILURES (exit code: 1)" in failed
    assert runs[0] < 3000


def test_rows_102_and_105_run_lines_carry_stage_and_run(site: Site) -> None:
    site.make(1)
    site.configure(app={"run_process_retries": 1}, app_fuzz={"random_error_percent": 100})
    failed = site.run("--import-only").messages
    assert "→ Processing run 1000 (attempt 1/2)" in failed
    assert any(line.startswith("✗ Run 1000 failed (attempt 1/2): [Import] [Run 1000] ") for line in failed)
    assert "Retrying run 1000 in 0 seconds..." in failed
    site.configure(app_fuzz={"random_error_percent": 0})
    done = site.run().messages
    assert "✓ Run 1000 imported successfully" in done
    assert "✓ Run 1000 migrated and verified successfully" in done
    assert "Progress: 1/1 runs processed (1 successful, 0 failed)" in done


def test_row_103_stage_lines(site: Site) -> None:
    site.configure(app={"batch_size": 2})
    site.make(3)
    done = site.run("--incremental").messages
    for line in (
        "Import Stage: Fetching runs (mode: incremental).",
        "Found 3 run directories in filesystem",
        "Found 0 runs already in ArtdaqDB",
        "Import Stage: Found 3 runs to import.",
        "Run range: 1000 to 1001",
        "Import Stage: Limited to 2 runs (batch_size). 1 runs remaining.",
        "Migration Stage: Fetching runs (mode: incremental).",
        "Migration Stage: Found 2 runs to migrate.",
    ):
        assert line in done
    site.run()
    assert "Import Stage: No new runs to import." in site.run("--import-only").messages
    assert "Migration Stage: No new runs to migrate." in site.run("--migrate-only").messages


def test_row_104_fuzz_warnings_and_perf_lines(site: Site) -> None:
    site.make(1)
    site.configure(app_fuzz={"random_error_percent": 100})
    done = site.run("-v")
    assert any(" - WARNING - [FUZZ] " in line for line in done.lines)
    assert any(re.search(r"DEBUG - PERF: [\w.]+ executed in [\d.]+ ms\.", line) for line in done.lines)


def test_row_106_error_classes(site: Site) -> None:
    names = {*ERROR_NAMES.values(), *STORE_ERRORS.values()}
    assert {
        "ConfigurationError",
        "ArtdaqDBError",
        "UconDBError",
        "FclPreperationError",
        "BlobCreationError",
        "LockExistsError",
        "VerificationError",
    } <= names
    site.configure(artdaq_db={"database_uri": "nosuch://x"})
    assert "Error Type: ConfigurationError" in site.run()


def test_row_109_and_d29_docs_show_crontab_and_systemd() -> None:
    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    assert "run-archiver" in text
    assert "--incremental" in text
    assert "[Service]" in text
    assert "[Timer]" in text


def test_row_110_and_d31_two_instances_with_their_own_work_dirs_and_two_stages_on_one(
    site: Site, tmp_path: Path
) -> None:
    runs = site.make(2)
    other = Site(tmp_path / "other")
    other.make(1, first=7000)
    both = [site.start("--import-only", "--wait", "30"), site.start("--migrate-only", "--wait", "30"), other.start()]
    assert [site.end(process).code for process in both] == [0, 0, 0]
    assert site.held(Store.ARTDAQDB) == set(runs)
    assert other.held(Store.UCONDB) == {7000}


def test_row_111_state_restored_from_a_backup_loses_nothing(site: Site) -> None:
    site.make(2)
    site.run()
    backup = {path.name: path.read_bytes() for path in site.work.iterdir() if path.is_file()}
    site.make(2, first=2000)
    site.run()
    for path in site.work.iterdir():
        path.unlink()
    for name, content in backup.items():
        (site.work / name).write_bytes(content)
    texts = {run: site.exported(run) for run in (1000, 1001, 2000, 2001)}
    assert site.run().code == 0
    assert {run: site.exported(run) for run in texts} == texts
    assert set(site.states().values()) == {RunState.ARCHIVED}
    assert '"last_contiguous_run": 2001' in (site.work / "importer_state.json").read_text()


def test_row_113_and_l6_a_start_with_nothing_to_do_is_quick_and_asks_no_store_twice(site: Site) -> None:
    site.make(3)
    site.run()
    done = site.run("--incremental")
    assert done.messages.count("Import Stage: No new runs to import.") == 1
    assert "→ Processing" not in done
    with site.archive() as archive:
        archive.refresh()
        health = archive.health()
        assert health[Store.ARTDAQDB].message == "nothing changed"
        assert health[Store.UCONDB].message == "nothing changed"


def test_row_114_python_versions() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["requires-python"] == ">=3.11"
    assert sys.version_info >= (3, 11)


def test_s10_sigterm_is_in_the_help_and_handled() -> None:
    from runarchive.cli.run_archiver import EPILOG

    assert "SIGTERM" in EPILOG


def test_s11_compare_state_with_another_mode_is_a_usage_error(site: Site) -> None:
    done = site.run("--compare-state", "--import-only")
    assert done.code == 2
    assert "--compare-state: not allowed with argument --import-only" in done
    assert site.run("--compare-state", "--report-status").code == 0


def test_s12_batch_size_0_has_no_limit(site: Site) -> None:
    site.configure(app={"batch_size": 0})
    site.make(8)
    site.run("--incremental")
    assert len(site.held(Store.UCONDB)) == 8


def test_s16_the_environment_is_not_changed_by_a_start(site: Site) -> None:
    site.make(1)
    before = dict(os.environ)
    site.run()
    with site.archive(writable=True) as archive:
        archive.refresh()
    assert {key: value for key, value in os.environ.items() if not key.startswith("PYTEST")} == {
        key: value for key, value in before.items() if not key.startswith("PYTEST")
    }


def test_l19_an_outage_of_ucondb_does_not_stop_imports(site: Site) -> None:
    site.configure(ucon_db={"server_url": "http://127.0.0.1:1/app"})
    site.make(1)
    assert site.run("--import-only").code == 0
    assert site.run("--recover-import-state").code == 0
    assert site.held(Store.ARTDAQDB) == {1000}


def test_a_mismatch_found_by_verification_raises_an_alarm(site: Site, mailbox: Mailbox) -> None:
    runs = site.make(2)
    assert site.run().code == 0
    with site.ucondb() as client:
        client.put(runs[0], client.get(runs[0]).replace(b"run_number", b"run_numbre"), override=True)
    with site.archive(writable=True) as archive:
        outcome = archive.run_job(JobKind.VERIFY, None, JobOptions(everything=True))
        assert [run.run for run in outcome.failed] == [runs[0]]
    (mail,) = mailbox.mails
    assert "Verification Errors" in mail
    assert f"\r\n{runs[0]}\r\n" in mail
