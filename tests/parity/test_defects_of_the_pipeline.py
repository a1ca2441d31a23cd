"""Defects of the older archiver's pipeline that are gone: P2 to P17, as far as no row's test shows them."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from runarchive.artdaqdb.store import ArtdaqStore, NewDocument
from runarchive.cli.main import main
from runarchive.errors import ArchiveError, Code
from runarchive.fhicl.parser import parse
from runarchive.ledger.state_files import read_failure_log
from runarchive.model import RunState, Store
from tests import fake_tools
from tests.archiver_site import Site
from tests.trees import picture

LIBRARY = Path(__file__).parents[2] / "lib" / "runarchive"
STOP = "\nDAQInterface stop time: Sat Nov 21 07:00:00 UTC 2026\n"


@pytest.fixture
def site(each_site: Site) -> Site:
    """Every test here runs on both native artdaqDB providers."""
    return each_site


def rewrite(site: Site, run: int, name: str, change: tuple[str, str]) -> None:
    """Change a text of a record."""
    with site.opened(run) as path:
        text = (path / name).read_text()
        assert change[0] in text
        (path / name).write_text(text.replace(*change))


def put(site: Site, run: int, configuration: str, texts: dict[str, str]) -> None:
    """Documents of another program under this configuration name."""
    name = f"{run}/{configuration}"
    with site.artdaqdb() as store:
        store.insert([NewDocument("RunHistory", entity, name, name, run, text) for entity, text in texts.items()])
        store.fold()


def configurations(site: Site, run: int) -> tuple[str, ...]:
    with site.artdaqdb() as store:
        return store.configurations_of(run)


def test_p2_an_update_that_failed_once_is_made_by_the_next_start(site: Site) -> None:
    site.make(1, in_progress=1)
    site.age(1000)
    assert site.run("--import-only").code == 0
    site.append(1000, "metadata.txt", STOP)
    site.configure(app_fuzz={"random_error_percent": 100})
    assert site.run("--import-only").code == 1
    assert read_failure_log(site.work / "import_failures.log") == (1000,)
    site.configure(app_fuzz={"random_error_percent": 0})
    assert "DAQInterface_stop_time" not in site.exported(1000)["RunHistory2"]
    done = site.run("--retry-failed-import")
    assert done.code == 0
    assert "already archived, removing" not in done
    assert "DAQInterface_stop_time" in site.exported(1000)["RunHistory2"]
    assert read_failure_log(site.work / "import_failures.log") == ()


@pytest.fixture
def tools_site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    """A site that works through bulkloader and bulkdownloader, found over the PATH of archiver.env."""
    fake_tools.install(tmp_path / "bin")
    monkeypatch.setenv("FAKE_SSH_LOG", str(tmp_path / "ssh.log"))
    monkeypatch.delenv("FAKE_TOOLS", raising=False)
    site = Site(tmp_path / "site")
    (site.root / "archiver.env").write_text(f"export PATH={tmp_path / 'bin'}:$PATH\n")
    site.configure(artdaq_db={"use_tools": True}, app={"run_process_retries": 0})
    return site


@pytest.mark.parametrize("host", [None, "far"], ids=["local", "ssh"])
def test_rows_074_and_108_and_p5_the_tools_of_the_path_are_used_and_their_failure_is_seen(
    tools_site: Site, host: str | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    site = tools_site
    site.configure(artdaq_db={"remote_host": host})
    runs = site.make(2)
    assert site.run().code == 0
    assert site.held(Store.UCONDB) == set(runs)
    assert (tmp_path / "ssh.log").exists() is (host is not None)
    site.make(1, first=2000)
    monkeypatch.setenv("FAKE_TOOLS", "crash")
    done = site.run()
    assert done.code == 1
    assert "[Import] [Run 2000] bulkloader, run 2000: it ended with 3" in done
    assert read_failure_log(site.work / "import_failures.log") == (2000,)
    assert site.held(Store.UCONDB) == set(runs)
    monkeypatch.delenv("FAKE_TOOLS")
    assert site.run("--retry-failed-import").code == 0
    assert site.run("--migrate-only").code == 0
    assert site.states()[2000] is RunState.ARCHIVED


SCHEMA_OF_A_SITE = """
artdaq_processes: [ ]
artdaq_includes: [ ]
run_history: [ { collection: RunHistory pattern: "(.*/)(boot|metadata|RunHistory|tpc[0-9]+)(\\\\.fcl$)" } ]
system_layout: [ { collection: SystemLayout pattern: "(.*)(schema)(\\\\.fcl$)" } ]
"""


def test_p4_files_that_no_rule_of_schema_fcl_names_are_archived_like_the_others(site: Site, tmp_path: Path) -> None:
    (site.root / "conf" / "schema.fcl").write_text(SCHEMA_OF_A_SITE)
    (run,) = site.make(1)
    with site.opened(run) as path:
        (path / "newdetector01.fcl").write_text("threshold: 42\n")
        (path / "notes of the shift.md").write_text("laser on\n")
        (path / "dump.dat").write_bytes(bytes(range(256)))
    assert site.run().code == 0
    assert site.states() == {run: RunState.ARCHIVED}
    texts = site.exported(run)
    assert "tpc[0-9]+" in texts["schema"]
    assert "threshold: 42" in texts["newdetector01"]
    assert b"threshold: 42" in dict(site.blob(run).files)["newdetector01.fcl"]
    assert main(["-c", str(site.config_file), "records", "restore", str(run), "--out", str(tmp_path / "back")]) == 0
    assert picture(tmp_path / "back") == picture(site.records / str(run))


def test_p6_what_run_control_said_is_archived(site: Site) -> None:
    site.make(1)
    with site.opened(1000) as path:
        (path / "rc_info_start.txt").write_text("Run type: Physics\nShifter (name): A. N. Other\n")
        (path / "rc_info_stop.txt").write_text("Stop reason: end of fill\n")
    assert site.run().code == 0
    texts = site.exported(1000)
    assert '"Physics"' in texts["rc_info_start"]
    assert '"end of fill"' in texts["rc_info_stop"]
    assert {"rc_info_start.fcl", "rc_info_stop.fcl"} <= {name for name, _ in site.blob(1000).files}


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("Config name: common_00003 pds_00007 tpc_00021", "common_00003_pds_00007_tpc_00021"),
        ("Config name:beam00012", "beam00012"),
        ("\tConfig name: beam00012", "beam00012"),
        ("Config name: a/b c", "a_b_c"),
    ],
)
def test_p13_the_configuration_name_is_that_of_daqinterface_and_of_metadata(site: Site, line: str, name: str) -> None:
    site.make(1)
    with site.opened(1000) as path:
        lines = (path / "metadata.txt").read_text().splitlines(keepends=True)
        changed = [f"{line}\n" if one.startswith("Config name") else one for one in lines]
        assert changed != lines
        (path / "metadata.txt").write_text("".join(changed))
    assert site.run("--import-only").code == 0
    assert configurations(site, 1000) == (f"1000/{name}",)
    texts = site.exported(1000)
    written = line.partition(":")[2].strip()
    for entity in ("metadata", "RunHistory"):
        assert f'config_name: "{written}"' in texts[entity]


def test_p13_a_byte_order_mark_hides_no_configuration_name(site: Site) -> None:
    site.make(1)
    with site.opened(1000) as path:
        lines = (path / "metadata.txt").read_bytes().splitlines(keepends=True)
        (name,) = [line for line in lines if line.startswith(b"Config name")]
        rest = [line for line in lines if line is not name]
        (path / "metadata.txt").write_bytes(b"\xef\xbb\xbf" + name + b"".join(rest))
    assert site.run("--import-only").code == 0
    assert configurations(site, 1000) == (f"1000/{name.decode().partition(':')[2].strip()}",)


def test_p14_another_run_or_configuration_that_begins_alike_is_not_this_one(site: Site) -> None:
    site.make(1, first=5)
    rewrite(site, 5, "metadata.txt", (configuration_line(site, 5), "Config name: demo"))
    put(site, 50, "demo", {"boot": "a: 1\n"})
    assert site.run("--import-only").code == 0
    assert configurations(site, 5) == ("5/demo",)
    site.make(1, first=7)
    rewrite(site, 7, "metadata.txt", (configuration_line(site, 7), "Config name: demo"))
    put(site, 7, "demo2", {"boot": "a: 1\n"})
    done = site.run("--import-only")
    assert done.code == 1
    assert "7/demo2" in done
    assert site.states()[7] is RunState.CONFLICT


def configuration_line(site: Site, run: int) -> str:
    text = (site.records / str(run) / "metadata.txt").read_text()
    return next(line for line in text.splitlines() if line.startswith("Config name"))


def test_p15_of_two_configurations_of_a_run_none_is_exported_as_the_run(site: Site) -> None:
    (run,) = site.make(1)
    assert site.run("--import-only").code == 0
    texts = site.exported(run)
    put(site, run, "another00001", texts)
    done = site.run()
    assert site.held(Store.UCONDB) == set()
    assert "1 conflict runs are left as they are: 1000" in done
    (found,) = site.look().values()
    assert found.state is RunState.CONFLICT
    assert "another00001" in found.reason


def pairs(text: str) -> dict[str, object]:
    """The names and values at the top of a FHiCL text."""
    return dict(parse(text).data.table("main").items)


def test_p16_all_that_dataflowconfiguration_says_is_in_the_archive_and_the_record_comes_back_whole(
    site: Site, tmp_path: Path
) -> None:
    """DAQInterface made it of boot, the process table and metadata; each of these is a document here."""
    (run,) = site.make(1)
    record = site.records / str(run)
    assert site.run().code == 0
    texts = site.exported(run)
    assert "DataflowConfiguration" not in texts
    assert {"DAQ_setup_script", "subsystem_settings", "artdaq_process_settings"} <= set(pairs(texts["boot"]))
    rows = [line.split() for line in (record / "ranks.txt").read_text().splitlines() if line.strip()]
    ranks = parse(texts["ranks"]).data.table("main").table("ranks")
    assert [row for _, row in ranks.items] == rows
    assert rows[0] == ["host", "port", "label", "subsystem", "rank"]
    written = (record / "metadata.txt").read_text()
    commits = dict(re.findall(r"(?m)^(.*) commit/version: \"?([^\" ]*)", written))
    metadata = pairs(texts["metadata"])
    assert commits
    for package, commit in commits.items():
        assert commit in str(metadata[f"{package.replace('-', '_').replace(' ', '_')}_commit_or_version"])
    assert metadata["components"] == re.findall(r"(?m)^Component #\d+: (.*)", written)
    restore = ["-c", str(site.config_file), "records", "restore", str(run), "--out", str(tmp_path / "restored")]
    assert main(restore) == 0
    assert picture(tmp_path / "restored") == picture(record)


def test_p16_a_dataflowconfiguration_that_lies_in_the_record_is_archived_like_every_file(site: Site) -> None:
    (run,) = site.make(1)
    with site.opened(run) as path:
        (path / "DataflowConfiguration.fcl").write_text("request_port: 3001\n")
    assert site.run().code == 0
    assert "request_port: 3001" in site.exported(run)["DataflowConfiguration"]
    assert "DataflowConfiguration.fcl" in [name for name, _ in site.blob(run).files]


def test_p17_nothing_is_evaluated_and_no_shell_is_asked() -> None:
    forbidden = []
    for path in sorted(LIBRARY.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                if isinstance(node.func, ast.Name) and node.func.id in ("eval", "exec"):
                    forbidden.append(f"{path}:{node.lineno}")
                if any(word.arg == "shell" for word in node.keywords):
                    forbidden.append(f"{path}:{node.lineno}")
    assert forbidden == []


def test_p17_a_rule_in_schema_fcl_is_not_run(site: Site, tmp_path: Path) -> None:
    touched = tmp_path / "touched"
    rule = f"__import__('pathlib').Path('{touched}').touch()"
    (site.root / "conf" / "schema.fcl").write_text(f'main: {{ run_history: [ {{ name: "a" pattern: "{rule}" }} ] }}\n')
    site.make(1)
    assert site.run("--import-only").code == 0
    assert not touched.exists()


def test_s15_the_tools_get_at_least_one_thread(tools_site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stand-in for bulkloader aborts when it is told to use none, as the real one does."""
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0}, raising=False)
    tools_site.make(1)
    assert tools_site.run("--import-only").code == 0


def test_p1_and_l4_a_run_imported_in_progress_gets_its_stop_time(site: Site) -> None:
    site.make(1, in_progress=1)
    site.age(1000)
    assert site.run().code == 0
    assert "DAQInterface_stop_time" not in site.exported(1000)["RunHistory2"]
    site.append(1000, "metadata.txt", "\nDAQInterface stop time: Sat Nov 21 07:00:00 UTC 2026\n")
    site.run()
    assert "DAQInterface_stop_time" in site.exported(1000)["RunHistory2"]


@pytest.mark.parametrize("lost", ["RunHistory2", "schema", "boot"])
def test_p3_and_l17_a_half_written_run_is_completed(
    site: Site, lost: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store refuses one document for a while; what was written before it is no whole run, and is known as none."""
    site.make(1)
    site.configure(app={"run_process_retries": 0})
    with site.artdaqdb() as store:
        kind = type(store)
    whole = kind.insert

    def insert(store: ArtdaqStore, documents: Sequence[NewDocument], *more: object) -> None:
        kept = [document for document in documents if document.entity != lost]
        whole(store, kept)
        raise ArchiveError(Code.TOOL_FAILED, "the last document was lost", store=Store.ARTDAQDB, retryable=True)

    with monkeypatch.context() as patched:
        patched.setattr(kind, "insert", insert)
        assert site.run("--import-only").code == 1
    assert read_failure_log(site.work / "import_failures.log") == (1000,)
    assert lost not in site.exported(1000)
    assert site.run("--migrate-only").code in (0, 1)
    assert site.held(Store.UCONDB) == set()
    done = site.run("--retry-failed-import")
    assert done.code == 0
    assert "already archived, removing" not in done
    assert lost in site.exported(1000)
    assert site.run("--migrate-only").code == 0
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
        twin = next(path.glob("*.fcl")).name
        (path / "sub" / twin).write_text("other: 1\n")
        (path / "sub").chmod(0o555)
    (site.records / "1000").chmod(0o555)
    done = site.run_as_anybody()
    assert done.code == 0, done.out
    assert site.states() == {1000: RunState.ARCHIVED}
    texts = site.exported(1000)
    name = twin.removesuffix(".fcl")
    both = [texts[name], *(text for entity, text in texts.items() if name in entity and entity != name)]
    assert ["other: 1" in text for text in both] == [False, True]


def test_p11_a_file_that_may_not_be_read_is_named_and_stops_no_other_run(site: Site) -> None:
    runs = site.make(2)
    with site.opened(runs[0]) as path:
        (path / "tpc99.fcl").write_text("a: 1\n")
        (path / "tpc99.fcl").chmod(0)
    done = site.run_as_anybody()
    assert done.code == 1
    line = next(line for line in done.messages if line.startswith(f"✗ Run {runs[0]} failed"))
    assert "tpc99.fcl" in line
    assert "permission denied" in line
    assert site.held(Store.UCONDB) == {runs[1]}


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


@pytest.mark.parametrize("content", [None, "", "# no pair\n"])
def test_p12_a_run_without_a_configuration_name_is_no_standard_and_says_so(site: Site, content: str | None) -> None:
    (run,) = site.make(1)
    with site.opened(run) as path:
        (path / "metadata.txt").unlink()
        if content is not None:
            (path / "metadata.txt").write_text(content)
    done = site.run()
    assert configurations(site, run) == (f"{run}/unknown",)
    (said,) = {line for line in done.messages if line.startswith(f"Run {run}: no stop time")}
    assert re.search("metadata.txt (is missing: the configuration is not known|names no configuration)", said)
    assert site.look()[run].reason in said
