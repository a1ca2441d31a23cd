"""Rows 94 to 98: the status report and the notifications."""

from __future__ import annotations

import json
import re
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from aiosmtpd.controller import Controller

from runarchive.archive import JobKind, JobOptions
from runarchive.cli.archiver.report import shown_numbers, shown_ranges
from runarchive.model import Store
from tests.archiver_site import Site
from tests.trees import remove


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


class SlackApi(BaseHTTPRequestHandler):
    """Slack's Web API as far as a message needs it; `received` keeps path, token and message of each call."""

    received: list[tuple[str, str, dict[str, Any]]]
    answer = b'{"ok": true}'

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.received.append((self.path, self.headers["Authorization"], body))
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.answer)))
        self.end_headers()
        self.wfile.write(self.answer)

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


@pytest.mark.parametrize("answer", [b'{"ok": false, "error": "channel_not_found"}', b"<html>", b"[]"])
def test_row_098_slack_that_takes_no_message_changes_nothing(
    site: Site, slack: list[tuple[str, str, dict[str, Any]]], answer: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SlackApi, "answer", answer)
    runs = site.make(2)
    site.break_record(runs[1])
    done = site.run()
    assert done.code == 1
    assert slack
    assert "Slack about failed runs could not be sent" in done
    assert "xoxb" not in done.out
    assert site.held(Store.UCONDB) == {runs[0]}


def _close_all(server: socket.socket) -> None:
    while True:
        try:
            server.accept()[0].close()
        except OSError:
            return


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


def test_row_097_and_054_the_old_keys_of_reporting_send_mail_too(site: Site, mailbox: Mailbox) -> None:
    port = site.data["reporting"]["email"]["smtp_port"]
    old = {key: value for key, value in email(port).items() if key != "enabled"}
    site.configure(reporting={"email": None, "send_email_on_error": "true", "smtp_use_tls": False, **old})
    (run,) = site.make(1)
    site.break_record(run)
    done = site.run("--import-only")
    assert done.code == 1
    assert "DEPRECATED" in done
    (mail,) = mailbox.mails
    assert f"\r\n{run}\r\n" in mail


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
