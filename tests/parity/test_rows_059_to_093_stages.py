"""Rows 59 to 93: what the import and migration stages do, and the state they leave."""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import stat
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from runarchive.artdaqdb.store import NewDocument, open_store
from runarchive.config import Validation, load_config
from runarchive.ledger.state_files import read_failure_log
from runarchive.model import RunState, Store, Verdict
from runarchive.ucondb.blob import pack, unpack
from runarchive.ucondb.embedded import EmbeddedServer
from runarchive.ucondb.validation import validate_blob
from tests.archiver_site import Site
from tests.http_faults import Fault, FaultyProxy, Message, corrupt_answer, lose_answer, pass_on

ORDER = ["boot", "known_boardreaders_list", "setup", "environment", "metadata", "settings", "ranks"]


def picture(directory: Path) -> dict[str, tuple[int, int, bytes]]:
    """Mode, modification time and content of everything in a directory."""
    found = {}
    for path in sorted([directory, *directory.rglob("*")]):
        status = path.lstat()
        content = path.read_bytes() if stat.S_ISREG(status.st_mode) else b""
        found[str(path.relative_to(directory))] = (status.st_mode, status.st_mtime_ns, content)
    return found


def test_row_059_candidates_are_numbered_directories_that_artdaqdb_lacks_lowest_first(site: Site) -> None:
    site.make(2, first=2000)
    site.run("--import-only")
    site.make(2, first=990)
    for odd in ("²", "0012", "12a", ".record_directory_info"):
        (site.records / odd).mkdir()
    (site.records / "1234").touch()
    done = site.run("--import-only")
    assert done.code == 0
    assert "Run range: 990 to 991" in done
    for odd in ("'²'", "'0012'", "'12a'", "'1234'"):
        assert f"WARNING - {odd} in the records directory: " in done
    assert site.held(Store.ARTDAQDB) == {990, 991, 2000, 2001}


def test_s7_odd_names_stop_nothing(site: Site) -> None:
    site.make(1)
    (site.records / "²").mkdir()
    (site.records / "0012").mkdir()
    assert site.run().code == 0
    assert site.held(Store.UCONDB) == {1000}


def test_s7_a_number_too_large_for_a_run_is_none_in_any_place(each_site: Site) -> None:
    (run,) = each_site.make(1)
    huge = "9" * 20
    (each_site.records / huge).mkdir()
    name = f"{huge}/other"
    with each_site.artdaqdb() as store:
        store.insert([NewDocument("SystemLayout", "schema", name, name, 1, "main: { }\n")])
    with each_site.ucondb() as client:
        client.put(int(huge), b"x")
    each_site.work.mkdir()
    (each_site.work / "import_failures.log").write_text(f"{huge}\n")
    for flag in ("--report-status", "--retry-failed-import", "--recover-import-state"):
        assert each_site.run(flag).code == 0, flag
    assert each_site.run().code == 0
    assert each_site.states() == {run: RunState.ARCHIVED}


def test_row_060_start_and_stop_times_are_in_runhistory2(each_site: Site) -> None:
    each_site.make(1)
    each_site.run("--import-only")
    text = each_site.exported(1000)["RunHistory2"]
    assert re.search(r'^DAQInterface_start_time\s*:\s*".* UTC \d{4}"', text, re.M)
    assert re.search(r"^DAQInterface_stop_time\s*:", text, re.M)


def test_row_061_the_record_itself_is_never_touched(site: Site) -> None:
    site.make(1)
    before = picture(site.records / "1000")
    assert site.run().code == 0
    assert picture(site.records / "1000") == before


def test_row_062_text_files_become_fhicl(site: Site) -> None:
    site.make(1)
    site.run("--import-only")
    names = set(site.exported(1000))
    assert set(ORDER) | {"RunHistory", "RunHistory2"} <= names
    fcl = {path.stem for path in (site.records / "1000").glob("*.fcl")}
    assert fcl
    assert fcl <= names


def test_rows_063_to_069_what_each_converted_file_holds(site: Site) -> None:
    site.make(1)
    site.run("--import-only")
    texts = site.exported(1000)
    found = {name: re.findall(r"^(\w+)\s*:", text, re.M) for name, text in texts.items()}
    assert {"config_name", "components", "boardreader_logfiles"} <= set(found["metadata"])
    assert any(key.endswith("_commit_or_version") for key in found["metadata"])
    assert {"subsystem_settings", "artdaq_process_settings"} <= set(found["boot"])
    assert found["settings"]
    assert found["setup"] == ["setup_script"]
    assert all(
        re.fullmatch(r'"(?:[^"\\]|\\.)*"', line.partition(":")[2].strip())
        for line in texts["environment"].splitlines()
        if line.strip()
    )
    assert "ranks" in found["ranks"]
    assert set(found["RunHistory"]) == {"run_number", "config_name", "components"}
    assert {"DAQInterface_start_time", "DAQInterface_stop_time"} <= set(found["RunHistory2"])


def test_row_070_and_d39_schema_of_fcl_conf_dir_else_the_built_in_one(site: Site) -> None:
    site.make(1)
    assert site.run("--import-only").code == 0
    built_in = site.exported(1000)["schema"]
    (site.root / "conf" / "schema.fcl").write_text("main: { }\nours: true\n")
    site.make(1, first=1001)
    assert site.run("--import-only").code == 0
    assert "ours" in site.exported(1001)["schema"]
    assert "ours" not in built_in


def test_rows_071_and_072_configuration_name_and_update_version(site: Site) -> None:
    site.make(1, in_progress=1)
    site.age(1000)
    with site.opened(1000) as path:
        text = (path / "metadata.txt").read_text()
        (path / "metadata.txt").write_text(re.sub(r"Config name: .*", "Config name: beam/noSN-00012", text))
    assert site.run("--import-only").code == 0
    store = open_store(load_config(site.config_file).artdaq_db.database_uri)
    assert store.configurations_of(1000) == ("1000/beam_noSN-00012",)
    site.append(1000, "metadata.txt", "\nDAQInterface stop time: Sat Nov 21 07:00:00 UTC 2026\n")
    assert site.run("--import-only").code == 0
    versions = {document.version for document in store.documents("1000/beam_noSN-00012")}
    store.close()
    assert versions == {"1000/beam_noSN-00012", "1000/beam_noSN-00012v1"}
    assert "DAQInterface_stop_time" in site.exported(1000)["RunHistory2"]


def test_p1_and_l4_a_run_imported_in_progress_gets_its_stop_time(site: Site) -> None:
    site.make(1, in_progress=1)
    site.age(1000)
    assert site.run().code == 0
    assert "DAQInterface_stop_time" not in site.exported(1000)["RunHistory2"]
    site.append(1000, "metadata.txt", "\nDAQInterface stop time: Sat Nov 21 07:00:00 UTC 2026\n")
    site.run()
    assert "DAQInterface_stop_time" in site.exported(1000)["RunHistory2"]


def test_row_073_and_p4_every_file_is_a_document_whatever_the_schema_says(site: Site) -> None:
    site.make(1)
    with site.opened(1000) as path:
        (path / "newdetector01.fcl").write_text("a: 1\n")
    assert site.run().code == 0
    assert "a : 1" in re.sub(r"\s*:\s*", " : ", site.exported(1000)["newdetector01"])
    assert "newdetector01.fcl" in [name for name, _ in site.blob(1000).files]


def test_row_075_importing_again_finds_the_run_archived_and_adds_nothing(each_site: Site) -> None:
    each_site.make(1)
    each_site.run("--import-only")
    store = open_store(load_config(each_site.config_file).artdaq_db.database_uri)
    before = sum(store.collections().values())
    for path in each_site.work.glob("ledger.sqlite*"):
        path.unlink()
    assert each_site.run("--import-only").code == 0
    assert sum(store.collections().values()) == before
    store.close()
    assert each_site.states()[1000] is RunState.IMPORTED


def test_row_077_progress_every_ten_runs(site: Site) -> None:
    site.make(12)
    done = site.run("--import-only")
    progress = [line for line in done.messages if line.startswith("Progress:")]
    assert progress == [
        "Progress: 10/12 runs processed (10 successful, 0 failed)",
        "Progress: 12/12 runs processed (12 successful, 0 failed)",
    ]


def test_row_078_and_d24_what_the_library_refuses_is_kept_in_originals_and_named(site: Site) -> None:
    site.make(1)
    with site.opened(1000) as path:
        (path / "bad.fcl").write_text("a: [ 1, \n")
    done = site.run()
    assert done.code == 0
    assert "bad" in " ".join(line for line in done.messages if line.startswith("Run 1000:"))
    assert "bad" not in site.exported(1000)
    assert "originals" in site.exported(1000)


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


def test_rows_088_and_089_state_files(site: Site) -> None:
    runs = site.make(4)
    site.break_record(runs[2])
    assert site.run().code == 1
    text = (site.work / "importer_state.json").read_text()
    assert text == json.dumps(json.loads(text), indent=2)
    assert json.loads(text) == {"last_contiguous_run": runs[1], "last_attempted_run": runs[3]}


def test_s2_and_l2_the_contiguous_run_advances_from_any_first_run_over_numbers_that_never_were(site: Site) -> None:
    site.make(2, first=1000)
    site.make(2, first=1010)
    site.run()
    for name in ("importer_state.json", "migrator_state.json"):
        assert json.loads((site.work / name).read_text())["last_contiguous_run"] == 1011


def test_row_090_and_s5_and_d19_and_d38_and_l5_each_failed_run_once_with_its_reason_in_the_ledger(site: Site) -> None:
    runs = site.make(3)
    for run in runs[:2]:
        site.break_record(run)
    for _ in range(3):
        site.run("--import-only")
    assert (site.work / "import_failures.log").read_text() == f"{runs[0]}\n{runs[1]}\n"
    with site.archive() as archive:
        failures = archive.failures()
        assert [item.run for item in failures] == list(runs[:2])
        assert all("link" in item.failure.message for item in failures)


def test_row_091_recovery_writes_what_the_stores_show(site: Site) -> None:
    runs = site.make(4)
    site.break_record(runs[1])
    site.run()
    for name in ("importer_state.json", "migrator_state.json", "import_failures.log"):
        (site.work / name).unlink()
    assert site.run("--recover-import-state").code == 0
    state = json.loads((site.work / "importer_state.json").read_text())
    assert state == {"last_contiguous_run": runs[0], "last_attempted_run": runs[3]}
    assert read_failure_log(site.work / "import_failures.log") == (runs[1],)


def test_row_091_recovery_of_an_empty_archive_is_zero(site: Site) -> None:
    assert site.run("--recover-import-state").code == 0
    assert site.run("--recover-migrate-state").code == 0
    for name in ("importer_state.json", "migrator_state.json"):
        assert json.loads((site.work / name).read_text()) == {"last_contiguous_run": 0, "last_attempted_run": 0}


@pytest.mark.parametrize("content", ["{", "[]", '{"last_contiguous_run": "many"}'])
def test_row_092_and_s8_a_bad_state_file_loses_no_run_and_is_written_anew(site: Site, content: str) -> None:
    site.make(2)
    site.run()
    (site.work / "importer_state.json").write_text(content)
    site.make(1, first=2000)
    done = site.run("--incremental")
    assert done.code == 0
    assert "Import Stage: Found 1 runs to import." in done
    assert json.loads((site.work / "importer_state.json").read_text())["last_contiguous_run"] == 2000


def test_s8_and_l20_a_state_file_that_cannot_be_written_is_said_and_the_other_one_is_written(site: Site) -> None:
    (site.root / "file").touch()
    site.configure(app={"import_state_file": str(site.root / "file" / "state.json")})
    site.make(1)
    done = site.run()
    assert done.code == 0
    assert re.search(r"WARNING - the older archiver's state files: .*state\.json cannot be written", done.out)
    assert json.loads((site.work / "migrator_state.json").read_text())["last_contiguous_run"] == 1000


def test_a_damaged_ledger_is_said_and_loses_no_run(site: Site) -> None:
    runs = site.make(2)
    site.run()
    (site.work / "ledger.sqlite").write_bytes(b"no ledger at all" * 999)
    done = site.run()
    assert done.code == 0
    assert "is set aside as ledger.sqlite.damaged-" in done
    assert site.states() == {run: RunState.ARCHIVED for run in runs}
    assert f'"last_contiguous_run": {runs[-1]}' in (site.work / "migrator_state.json").read_text()


def test_row_093_and_p8_failed_runs_and_late_runs_are_taken_by_incremental(site: Site) -> None:
    runs = site.make(2, first=2000)
    site.break_record(runs[0])
    assert site.run("--incremental").code == 1
    site.mend_record(runs[0])
    site.make(1, first=1000)
    assert site.run("--incremental").code == 0
    assert site.held(Store.UCONDB) == {1000, *runs}


def test_p3_and_l17_a_half_written_run_is_completed(tmp_path: Path, mongodb_database: str) -> None:
    from pymongo import MongoClient

    site = Site(tmp_path / "site", mongodb_database)
    site.make(1)
    site.run("--import-only")
    whole = site.exported(1000)
    with MongoClient[dict[str, object]](mongodb_database) as client:
        gone = client.get_default_database()["RunHistory"].delete_one({"entities.name": "RunHistory2"})
    assert gone.deleted_count == 1
    for path in site.work.glob("ledger.sqlite*"):
        path.unlink()
    assert site.run().code == 0
    assert site.exported(1000) == whole
    assert site.states() == {1000: RunState.ARCHIVED}


def test_p7_one_bad_byte_does_not_lose_the_run(site: Site) -> None:
    site.make(1)
    with site.opened(1000) as path, (path / "boot.txt").open("ab") as file:
        file.write(b"# \xe9\n")
    assert site.run().code == 0
    assert site.states() == {1000: RunState.ARCHIVED}


def test_p9_and_p10_sub_directories_keep_both_files_and_read_only_ones_work(site: Site) -> None:
    site.make(1)
    with site.opened(1000) as path:
        (path / "sub").mkdir()
        (path / "sub" / next(path.glob("*.fcl")).name).write_text("other: 1\n")
        os.chmod(path / "sub", 0o555)
    assert site.run().code == 0
    assert site.states() == {1000: RunState.ARCHIVED}


def test_p11_a_dangling_link_is_named_and_stops_no_other_run(site: Site) -> None:
    runs = site.make(2)
    site.break_record(runs[0])
    done = site.run()
    assert done.code == 1
    (line,) = [line for line in done.messages if line.startswith(f"✗ Run {runs[0]} failed")]
    assert "link" in line
    assert "tpc99.fcl" in line
    assert site.held(Store.UCONDB) == {runs[1]}


def test_p12_an_empty_directory_is_archived_as_nothing(site: Site) -> None:
    (site.records / "1000").mkdir()
    assert site.run().code == 0
    assert site.states() == {1000: RunState.EMPTY}
    assert site.held(Store.ARTDAQDB) == set()
