"""Rows 79 to 87: what the migration stage does."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from runarchive.config import Validation, load_config
from runarchive.model import RunState, Verdict
from runarchive.ucondb.blob import pack, unpack
from runarchive.ucondb.embedded import EmbeddedServer
from runarchive.ucondb.validation import validate_blob
from tests.archiver_site import Site
from tests.http_faults import Fault, FaultyProxy, Message, corrupt_answer, lose_answer, pass_on

ORDER = ["boot", "known_boardreaders_list", "setup", "environment", "metadata", "settings", "ranks"]


@pytest.fixture
def site(each_site: Site) -> Site:
    """Every test here runs on both native artdaqDB providers."""
    return each_site


@contextlib.contextmanager
def proxied(site: Site, fault: Fault) -> Iterator[None]:
    """The site's UconDB behind a proxy, with this fault considered for each request."""
    ucon = load_config(site.config_file).ucon_db
    server = EmbeddedServer(site.root / "ucondb.sqlite", "test01", "configuration", "writer", ucon.writer_password)
    with server, FaultyProxy(server.url) as proxy:
        proxy.faults = [fault] * 1000
        site.configure(ucon_db={"server_url": proxy.url})
        yield
    site.configure(ucon_db={"server_url": f"embedded://{site.root}/ucondb.sqlite"})


def test_row_079_migration_candidates_are_what_ucondb_lacks_lowest_first(site: Site) -> None:
    site.make(1, first=2000)
    site.run()
    site.make(3, first=1000)
    site.run("--import-only")
    done = site.run("--migrate-only")
    assert "Found 4 runs in ArtdaqDB" in done
    assert "Found 1 runs already in UconDB" in done
    assert "Run range: 1000 to 1002" in done


def test_row_080_exactly_the_runs_own_configuration_is_exported(site: Site) -> None:
    site.make(1, first=5, seed=2)
    site.make(1, first=50, seed=3)
    assert site.run().code == 0
    for run in (5, 50):
        names = {name.removesuffix(".fcl") for name, _ in site.blob(run).files}
        assert names == set(site.exported(run))
        text = dict(site.blob(run).files)["RunHistory.fcl"].decode()
        assert re.search(rf"run_number\s*:\s*{run}\b", text)


def test_rows_081_and_082_blob_layout_and_order(site: Site) -> None:
    site.make(1)
    site.run()
    blob = site.blob_bytes(1000)
    head, _, rest = blob.partition(b"\n#####\n")
    assert re.search(rb"Start of Record\s+Run Number: 1000\s+Packed on \w{3} \d\d \d\d:\d\d UTC", head)
    assert rest.split(b"\n", 1)[0].endswith(b":")
    assert b"End of Record" in blob[-200:]
    names = [name.removesuffix(".fcl") for name, _ in unpack(blob).files]
    assert names[-9:] == [*ORDER, "RunHistory", "RunHistory2"]
    others = names[:-9]
    assert others == sorted(others, key=str.lower)


def test_row_083_an_upload_that_is_there_already_is_success_if_it_is_the_same(site: Site) -> None:
    site.make(1)
    site.run("--import-only")
    lost: list[str] = []

    def lose_the_first_upload(proxy: FaultyProxy, connection: socket.socket, request: Message) -> bool:
        if request.line.startswith(("PUT", "POST")) and request.body and not lost:
            lost.append(request.line)
            return lose_answer(proxy, connection, request)
        return pass_on(proxy, connection, request)

    with proxied(site, lose_the_first_upload):
        assert site.run("--migrate-only").code == 0
    assert "key=1000" in lost[0]
    assert "tag" in lost[0]
    assert site.states() == {1000: RunState.ARCHIVED}


def test_row_084_and_l11_the_read_back_keeps_the_time_limit_of_the_config(site: Site) -> None:
    site.make(1)
    site.run("--import-only")
    site.configure(app={"run_process_retries": 0}, ucon_db={"timeout_seconds": 0.5})
    answer = threading.Event()

    def hold_the_read_back(proxy: FaultyProxy, connection: socket.socket, request: Message) -> bool:
        if request.line.startswith("GET") and "/data" in request.line and "meta_only" not in request.line:
            answer.wait(60)
        return pass_on(proxy, connection, request)

    with proxied(site, hold_the_read_back):
        held = site.run("--migrate-only")
        answer.set()
        assert held.code == 1
        assert "no answer in 0.5 s" in held
        assert site.run("--retry-failed-migrate").code == 0
    assert site.states() == {1000: RunState.ARCHIVED}


def test_row_084_and_d6_the_blob_is_read_back_and_a_mismatch_is_tried_again(site: Site) -> None:
    site.make(1)
    site.run("--import-only")
    flipped: list[str] = []

    def flip_the_first_answer(proxy: FaultyProxy, connection: socket.socket, request: Message) -> bool:
        if (
            request.line.startswith("GET")
            and "/data" in request.line
            and "meta_only" not in request.line
            and not flipped
        ):
            flipped.append(request.line)
            return corrupt_answer(proxy, connection, request)
        return pass_on(proxy, connection, request)

    with proxied(site, flip_the_first_answer):
        done = site.run("--migrate-only")
    assert done.code == 0
    assert flipped
    assert site.states() == {1000: RunState.ARCHIVED}


@pytest.mark.parametrize(
    ("metadata", "found"),
    [
        ("components: [a]\nconfig_name: b\nsbndaq_commit_or_version: c\n", ""),
        ("sub_components: [a]\nconfig_name: b\nsbndaq_commit_or_version: c\n", "components is not in metadata.fcl"),
        ("components: [a]\ncomponents: [a]\nconfig_name: b\nsbndaq_commit_or_version: c\n", "components is 2 times in"),
    ],
)
def test_row_085_each_pattern_exactly_once_at_the_beginning_of_a_line(metadata: str, found: str) -> None:
    blob = pack([("metadata.fcl", metadata.encode())], 1000, datetime.now(UTC))
    result = validate_blob(blob, 1000, Validation().patterns)
    assert result.verdict is (Verdict.FAIL if found else Verdict.PASS)
    assert found in result.evidence


def test_row_086_and_d5_a_blob_is_unpacked_to_files(site: Site, tmp_path: Path) -> None:
    import subprocess
    import sys

    site.make(1)
    site.run()
    (tmp_path / "blob").write_bytes(site.blob_bytes(1000))
    cli = Path(sys.executable).with_name("tui-archiver")
    out = tmp_path / "out"
    subprocess.run([cli, "blob", "unpack", tmp_path / "blob", "--out", out], check=True, capture_output=True)
    assert {path.stem: path.read_text() for path in out.iterdir()} == site.exported(1000)


def test_row_087_and_d27_and_d28_metrics_of_both_stages(site: Site) -> None:
    received: list[bytes] = []

    def listen(server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = server.accept()
                with connection, connection.makefile("rb") as file:
                    received.append(file.read())

    with socket.create_server(("127.0.0.1", 0)) as server:
        listener = threading.Thread(target=listen, args=(server,), daemon=True)
        listener.start()
        port = server.getsockname()[1]
        site.configure(carbon={"enabled": True, "host": "127.0.0.1", "port": port, "metric_prefix": "x"})
        runs = site.make(2)
        assert site.run().code == 0
        server.shutdown(socket.SHUT_RDWR)
        listener.join()
    lines = [line.split() for line in b"".join(received).decode().splitlines()]
    values = {line[0]: line[1] for line in lines}
    assert values["x.migrate.runs_processed"] == "2"
    assert values["x.migrate.runs_successful"] == "2"
    assert values["x.migrate.runs_failed"] == "0"
    assert values["x.migrate.last_successful_run"] == str(runs[-1])
    assert values["x.import.runs_processed"] == "2"
    for call in ("ArtdaqDBClient.get_archived_runs", "UconDBClient.get_existing_runs"):
        assert float(values[f"x.{call}.duration_ms"]) > 0
    names = [line[0] for line in lines]
    for call in (
        "ArtdaqDBClient.archive_run",
        "ArtdaqDBClient.export_run_configuration",
        "UconDBClient.upload_blob",
        "UconDBClient.get_data",
    ):
        assert names.count(f"x.{call}.duration_ms") == len(runs), call
