"""Alarms and metrics over a real mail server, HTTP server and socket; trouble with them stays away from the work."""

from __future__ import annotations

import datetime
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from runarchive.config import Config, parse_config
from runarchive.model import Severity
from runarchive.notify import Alarm, CarbonSink, Notifier

BASE = """
source_files: {run_records_dir: /r}
artdaq_db: {database_uri: "filesystemdb:///d", fcl_conf_dir: /c}
ucon_db: {server_url: "https://u/app", folder_name: f, object_name: o, writer_user: w, writer_password: p}
"""


class Mailbox:
    """Keeps what a mail server receives."""

    def __init__(self) -> None:
        self.mails: list[str] = []
        self.recipients: list[str] = []
        self.refuse = ""

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        if self.refuse:
            return self.refuse
        self.mails.append(envelope.content.decode())
        self.recipients.extend(envelope.rcpt_tos)
        return "250 OK"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def mail() -> Iterator[tuple[Mailbox, Callable[..., int]]]:
    """A mailbox and a function that starts a mail server with these options on a free port."""
    box = Mailbox()
    started: list[Controller] = []

    def start(**options: Any) -> int:
        port = free_port()
        controller = Controller(box, hostname="127.0.0.1", port=port, **options)
        controller.start()
        started.append(controller)
        return port

    yield box, start
    for controller in started:
        controller.stop()


class Told:
    """What a notifier told."""

    def __init__(self) -> None:
        self.sentences: list[tuple[str, Severity]] = []

    def __call__(self, sentence: str, severity: Severity) -> None:
        self.sentences.append((sentence, severity))

    @property
    def text(self) -> str:
        return "\n".join(sentence for sentence, _ in self.sentences)


def config(tmp_path: Path, text: str) -> Config:
    return parse_config(f"app: {{work_dir: {tmp_path}}}\n{BASE}{text}", tmp_path / "c.yaml", {})


def email_config(tmp_path: Path, port: int, more: str = "") -> Config:
    return config(
        tmp_path,
        "reporting: {email: {enabled: true, recipient_email: 'a@example.org, b@example.org',"
        f" sender_email: archiver@example.org, smtp_host: 127.0.0.1, smtp_port: {port}{more}}}}}\n",
    )


def spool(tmp_path: Path) -> list[str]:
    return sorted(file.name for file in (tmp_path / "notifications").glob("*"))


def certificate(tmp_path: Path) -> tuple[Path, ssl.SSLContext]:
    """A certificate for 127.0.0.1 that nobody knows, and the server's context with it."""
    import ipaddress

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    cert = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    cert_file, key_file = tmp_path / "cert.pem", tmp_path / "key.pem"
    cert_file.write_bytes(cert.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert_file, key_file)
    return cert_file, context


def test_a_mail_for_each_stage_with_all_run_numbers(tmp_path: Path, mail: tuple[Mailbox, Callable[..., int]]) -> None:
    box, start = mail
    told = Told()
    notifier = Notifier(email_config(tmp_path, start()), told)
    notifier.failures("import", {12: "timeout", 7: "é in boot.txt"})
    notifier.failures("migration", {9: ""})
    notifier.failures("import", {})
    assert notifier.close()
    assert len(box.mails) == 2
    first = box.mails[0].replace("\r\n", "\n")
    assert f"Subject: Run Record Archiver Import Errors on {socket.gethostname()} at " in first.replace("\n ", " ")
    assert "The following runs failed during the import stage:" in first
    assert "\n7\n12\n" in first
    assert box.recipients[:2] == ["a@example.org", "b@example.org"]
    assert "sent" in told.text
    assert spool(tmp_path) == []


def test_login_over_starttls(tmp_path: Path, mail: tuple[Mailbox, Callable[..., int]]) -> None:
    box, start = mail
    cert_file, context = certificate(tmp_path)

    def check(server: SMTP, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        good = isinstance(data, LoginPassword) and (data.login, data.password) == (b"user", b"pw")
        return AuthResult(success=good, handled=good)

    port = start(tls_context=context, require_starttls=True, auth_required=True, authenticator=check)
    tls = f", smtp_use_tls: true, smtp_ca_file: {cert_file}, smtp_user: user"
    told = Told()
    notifier = Notifier(email_config(tmp_path, port, f"{tls}, smtp_password: pw"), told)
    notifier.failures("import", {1: ""})
    notifier.close()
    assert len(box.mails) == 1
    refused = Notifier(email_config(tmp_path, port, f"{tls}, smtp_password: wrong"), told)
    refused.failures("import", {1: ""})
    refused.close()
    assert "refuses user and password" in told.text
    assert "wrong" not in told.text


def test_an_unknown_certificate_is_refused_and_the_key_named(
    tmp_path: Path, mail: tuple[Mailbox, Callable[..., int]]
) -> None:
    box, start = mail
    _, context = certificate(tmp_path)
    port = start(tls_context=context)
    told = Told()
    notifier = Notifier(email_config(tmp_path, port, ", smtp_use_tls: true"), told)
    notifier.failures("import", {1: ""})
    notifier.close()
    assert box.mails == []
    assert "reporting.email.smtp_ca_file" in told.text
    notifier = Notifier(email_config(tmp_path, port, ", smtp_use_tls: true, smtp_verify: false"), told)
    notifier.send_kept()
    notifier.close()
    assert len(box.mails) == 1


@pytest.mark.parametrize("trouble", ["refused", "no such host", "server says no"])
def test_mail_trouble_is_told_kept_and_tried_again(
    tmp_path: Path, mail: tuple[Mailbox, Callable[..., int]], trouble: str
) -> None:
    box, start = mail
    port = free_port() if trouble == "refused" else start()
    found = email_config(tmp_path, port)
    if trouble == "no such host":
        email = replace(found.reporting.email, smtp_host="mail.invalid")
        found = replace(found, reporting=replace(found.reporting, email=email))
    box.refuse = "451 try later" if trouble == "server says no" else ""
    told = Told()
    notifier = Notifier(found, told)
    notifier.failures("import", {5: "x"})
    assert notifier.close()
    assert told.sentences[-1][1] is Severity.WARNING
    assert "tried again at the next start" in told.text
    assert [name.rpartition(".")[2] for name in spool(tmp_path)] == ["json"]
    box.refuse = ""
    again = Notifier(email_config(tmp_path, port if trouble != "refused" else start()), told)
    again.send_kept()
    again.close()
    assert len(box.mails) == 1
    assert spool(tmp_path) == []


@pytest.mark.parametrize("address", ["a@b\nBcc: c@d", "\t: .?]", ".:=)b", " .a?[", "a@[\t"])
@pytest.mark.parametrize("key", ["sender_email", "recipient_email"])
def test_what_is_no_address_is_told_with_its_key_and_the_mail_goes_once_it_is_corrected(
    tmp_path: Path, mail: tuple[Mailbox, Callable[..., int]], key: str, address: str
) -> None:
    box, start = mail
    good = email_config(tmp_path, start())
    changed: dict[str, Any] = {key: address}
    email = replace(good.reporting.email, **changed)
    told = Told()
    notifier = Notifier(replace(good, reporting=replace(good.reporting, email=email)), told)
    notifier.failures("import", {7: "x"})
    notifier.failures("migration", {8: "y"})
    assert notifier.close()
    assert told.text.count(f"reporting.email.{key} is no address: ") == 2
    assert box.mails == []
    corrected = Notifier(good, told)
    corrected.send_kept()
    assert corrected.close()
    assert len(box.mails) == 2


def test_a_silent_mail_server_costs_only_the_time_limit(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        told = Told()
        notifier = Notifier(email_config(tmp_path, silent.getsockname()[1]), told)
        notifier.failures("import", {5: ""})
        assert not notifier.close(timeout=0.2)
        (name,) = spool(tmp_path)
        assert ".sending-" in name


def test_an_alarm_of_a_killed_process_is_sent_by_the_next(
    tmp_path: Path, mail: tuple[Mailbox, Callable[..., int]]
) -> None:
    box, start = mail
    directory = tmp_path / "notifications"
    directory.mkdir()
    (directory / "1.e-mail.sending-4194305").write_text(Alarm.now("import", {3: "why"}).to_json())
    (directory / "2.e-mail.json").write_text("{broken")
    told = Told()
    notifier = Notifier(email_config(tmp_path, start()), told)
    notifier.send_kept()
    notifier.close()
    assert len(box.mails) == 1
    assert "cannot be read" in told.text
    assert spool(tmp_path) == []


@pytest.fixture
def slack() -> Iterator[tuple[list[dict[str, Any]], dict[str, Any], str]]:
    """What was posted, the answer to give, and the address of a server that stands for Slack's."""
    posted: list[dict[str, Any]] = []
    answer: dict[str, Any] = {"ok": True}

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            posted.append({"path": self.path, "authorization": self.headers["Authorization"], **body})
            data = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *args: object) -> None:
            """Silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield posted, answer, f"http://127.0.0.1:{server.server_port}/api"
    server.shutdown()
    server.server_close()
    thread.join()


def slack_config(tmp_path: Path, url: str) -> Config:
    return config(
        tmp_path,
        "reporting: {slack: {enabled: true, bot_token: xoxb-1, channel: '#alerts',"
        f" mention_users: 'U1, U2', api_url: '{url}'}}}}\n",
    )


def test_slack_gets_the_first_ten_runs_and_mentions(
    tmp_path: Path, slack: tuple[list[dict[str, Any]], dict[str, Any], str]
) -> None:
    posted, _, url = slack
    notifier = Notifier(slack_config(tmp_path, url), Told())
    notifier.failures("migration", {run: "" for run in range(1, 13)})
    notifier.close()
    (message,) = posted
    assert message["path"] == "/api/chat.postMessage"
    assert message["authorization"] == "Bearer xoxb-1"
    assert message["channel"] == "#alerts"
    text = json.dumps(message)
    assert "<@U1> <@U2>" in text
    assert "1, 2, 3, 4, 5, 6, 7, 8, 9, 10, ... (2 more)" in text
    assert "Migration Failures: 12 runs failed" in text


def test_slack_saying_no_is_told_and_not_repeated(
    tmp_path: Path, slack: tuple[list[dict[str, Any]], dict[str, Any], str]
) -> None:
    _, answer, url = slack
    answer.update(ok=False, error="channel_not_found")
    told = Told()
    notifier = Notifier(slack_config(tmp_path, url), told)
    notifier.failures("import", {1: ""})
    notifier.close()
    assert "channel_not_found" in told.text
    assert spool(tmp_path) == []


def test_metrics_are_lines_of_name_value_time(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        text = f"carbon: {{enabled: true, host: 127.0.0.1, port: {port}, metric_prefix: sbnd.archiver}}\n"
        found = config(tmp_path, text)
        told = Told()
        notifier = Notifier(found, told)
        notifier.metrics({"migrate.runs_processed": 3, "migrate.runs_failed": 0.5})
        connection, _ = server.accept()
        with connection:
            received = b"".join(iter(lambda: connection.recv(4096), b""))
        notifier.close()
    lines = [line.split(" ") for line in received.decode().splitlines()]
    assert [line[:2] for line in lines] == [
        ["sbnd.archiver.migrate.runs_processed", "3"],
        ["sbnd.archiver.migrate.runs_failed", "0.5"],
    ]
    assert all(line[2].isdecimal() for line in lines)
    assert told.sentences == []
    assert CarbonSink(found.carbon).lines({"a b": 1}, 7.9) == "sbnd.archiver.a_b 1 7\n"


def test_carbon_trouble_is_told_once(tmp_path: Path) -> None:
    told = Told()
    text = f"carbon: {{enabled: true, host: 127.0.0.1, port: {free_port()}, metric_prefix: p}}\n"
    notifier = Notifier(config(tmp_path, text), told)
    notifier.metrics({"a": 1})
    notifier.metrics({"b": 1})
    notifier.close()
    assert len(told.sentences) == 1


def test_without_sinks_nothing_happens(tmp_path: Path) -> None:
    notifier = Notifier(config(tmp_path, ""), Told())
    notifier.failures("import", {1: ""})
    notifier.metrics({"a": 1})
    notifier.send_kept()
    assert notifier.close()
    assert spool(tmp_path) == []


def test_a_spool_that_cannot_be_written_does_not_stop_the_mail(
    tmp_path: Path, mail: tuple[Mailbox, Callable[..., int]]
) -> None:
    box, start = mail
    (tmp_path / "notifications").touch()
    told = Told()
    notifier = Notifier(email_config(tmp_path, start()), told)
    notifier.failures("import", {1: ""})
    notifier.close()
    assert len(box.mails) == 1
    assert "could not be kept" in told.text
