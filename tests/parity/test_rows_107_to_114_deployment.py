"""Rows 107 to 114: what the older archiver's documents say about deployment."""

from __future__ import annotations

import ast
import configparser
import os
import re
import sys
import tomllib
from collections import Counter
from pathlib import Path

import pytest

from runarchive.cli import run_archiver
from runarchive.cli.main import parse
from runarchive.model import RunState, Store
from tests.archiver_site import Site

ROOT = Path(__file__).parents[2]


ASKED_BY_PROGRAMS_THAT_BUILD_ON_THE_ENGINE = {"assess"}


def test_row_107_no_helper_of_the_engine_is_without_a_caller() -> None:
    programs = [*(ROOT / "lib").rglob("*.py"), *(ROOT / "tui_archiver").rglob("*.py")]
    texts = [path.read_text(encoding="utf-8") for path in programs]
    named = Counter(word for text in texts for word in re.findall(r"\w+", text))
    made = {
        node.name
        for text in texts
        for node in ast.parse(text).body
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
    }
    assert len(made) > 500
    assert {name for name in made if named[name] == 1} <= ASKED_BY_PROGRAMS_THAT_BUILD_ON_THE_ENGINE


MEGABYTES_OF_A_WORKER = 200 + 225
"""What the older archiver's manual counts for the program and one worker."""


def test_row_112_and_l12_a_run_larger_than_documented_needs_neither_temporary_files_nor_more_memory(
    each_site: Site, tmp_path: Path
) -> None:
    """A blob of 1 to 5 MB is documented: FHiCL of 4.5 MB in 40 files is 60 MB of JSON in artdaqDB."""
    site = each_site
    site.configure(app={"parallel_workers": 1})
    (run,) = site.make(1)
    with site.opened(run) as path:
        for number in range(40):
            lines = (f"k{key}: [{key}, {number}, 3, {key}]\n" for key in range(3500))
            (path / f"big{number:02}.fcl").write_text("".join(lines))
    nowhere = tmp_path / "no temporary files"
    nowhere.mkdir(mode=0o555)
    for stage in ("--import-only", "--migrate-only"):
        process = site.start(stage, env={**os.environ, "TMPDIR": str(nowhere), "TEMP": "/proc", "TMP": "/proc"})
        assert process.stdout is not None
        said = process.stdout.read()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0, said
        assert used.ru_maxrss / 1024 < MEGABYTES_OF_A_WORKER, stage
        assert list(nowhere.iterdir()) == []
    assert len(site.blob_bytes(run)) > 5_000_000
    assert site.states() == {run: RunState.ARCHIVED}


def documented_commands() -> list[tuple[str, list[str]]]:
    """Program and arguments of each whole command line in README.md and docs/, RUN and ID being numbers."""
    found = []
    for document in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        text = document.read_text(encoding="utf-8")
        for program, words in re.findall(r"(?m)(?:^|`|\$ |bin/)(tui-archiver|run-archiver) ([^`\n#]*)", text):
            if not re.search(r"[\[\]|…<>]", words):
                found.append((program, re.sub(r"\b(RUN|ID|N)\b", "1000", words).split()))
    return found


def test_row_109_and_d25_every_documented_command_line_is_understood(capsys: pytest.CaptureFixture[str]) -> None:
    commands = documented_commands()
    assert len(commands) > 20
    refused = []
    for program, arguments in commands:
        try:
            (run_archiver.parse if program == "run-archiver" else parse)(arguments)
        except SystemExit:
            said = capsys.readouterr().err
            if said and "arguments are required" not in said:  # a command may be named without its arguments
                refused.append((program, *arguments, said))
    assert refused == []


def test_row_109_and_d29_crontab_and_units_as_documented() -> None:
    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    (line,) = re.findall(r"(?m)^(\S+ \S+ \S+ \S+ \S+) \S*/run-archiver .*--incremental", text)
    fields = line.split()
    for field, most in zip(fields, (59, 23, 31, 12, 7), strict=True):
        assert re.fullmatch(r"\*(/[0-9]+)?|[0-9]+", field), field
        assert all(int(number) <= most for number in re.findall(r"[0-9]+", field))
    units = {name: body for name, body in re.findall(r"# /etc/systemd/system/(\S+)\n(.*?)```", text, re.S)}
    service = "".join(units.values())
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read_string("".join(line for line in service.splitlines(keepends=True) if not line.startswith("#")))
    assert unit["Service"]["Type"] == "oneshot"
    assert "run-archiver" in unit["Service"]["ExecStart"]
    assert "KillSignal" not in unit["Service"], "SIGTERM, which systemd sends, is a graceful stop"
    assert {"OnCalendar", "OnUnitActiveSec", "OnUnitInactiveSec"} & set(unit["Timer"])
    assert unit["Install"]["WantedBy"] == "timers.target"


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


def test_l19_an_outage_of_ucondb_does_not_stop_imports(site: Site) -> None:
    site.configure(ucon_db={"server_url": "http://127.0.0.1:1/app"})
    site.make(1)
    assert site.run("--import-only").code == 0
    assert site.run("--recover-import-state").code == 0
    assert site.held(Store.ARTDAQDB) == {1000}
