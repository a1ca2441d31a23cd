"""Every headless command on a demo archive: JSON alone on stdout, talk on stderr, the exit codes of the one table."""

from __future__ import annotations

import contextlib
import io
import json
import os
import pty
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from runarchive.cli.main import NOUNS, main
from runarchive.errors import ExitCode
from runarchive.ledger import Ledger, this_actor
from runarchive.model import Mark, RunState
from tests.archiver_site import wait_until

RUNS = 8
STATES = {state.value for state in RunState}
MARKS = {mark.ascii_glyph for mark in Mark}
PROGRAM = Path(sys.executable).with_name("tui-archiver")


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A demo archive: its last run waits, one more record cannot be imported."""
    place = tmp_path_factory.mktemp("demo")
    answer = called(place, "demo", "--headless", "--runs", str(RUNS), "--dir", str(place), config=False)[1]
    assert answer["runs"] == RUNS
    broken = place / "records" / "1100"
    broken.mkdir()
    (broken / "metadata.txt").symlink_to("/nowhere")
    for path in (broken / "metadata.txt", broken):
        os.utime(path, (1_600_000_000, 1_600_000_000), follow_symlinks=False)
    return place


def called(place: Path, *words: str, config: bool = True) -> tuple[int, Any, str]:
    """Exit code, JSON on stdout, and what was said on stderr."""
    done = started(place, "--json", *words, config=config)
    assert done.stdout.count("\n") <= 1, done.stdout
    return done.returncode, json.loads(done.stdout) if done.stdout else None, done.stderr


def started(place: Path, *words: str, config: bool | str = True) -> subprocess.CompletedProcess[str]:
    """One command in this process, as if started in the demo's directory with its config, or the one named."""
    where = ["-c", config if isinstance(config, str) else "config.yaml"] if config else []
    out, said = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
    with contextlib.chdir(place), contextlib.redirect_stdout(out), contextlib.redirect_stderr(said):
        try:
            code = main([*where, *words])
        except SystemExit as left:
            code = int(left.code or 0)
    texts = (stream.buffer.getvalue().decode() for stream in (out, said))
    return subprocess.CompletedProcess(words, code, *texts)


def is_run(row: dict[str, Any]) -> bool:
    """Whether this is a run as scripts read it."""
    marks = row["marks"]
    return (
        isinstance(row["run"], int)
        and row["state"] in STATES
        and set(marks) == {"filesystem", "artdaqdb", "ucondb"}
        and set(marks.values()) <= MARKS
        and {"reason", "configuration", "start", "stop", "attempts"} <= set(row)
    )


def test_runs(demo: Path) -> None:
    code, answer, _ = called(demo, "runs")
    assert code == 0
    assert len(answer["runs"]) == RUNS + 1
    assert all(map(is_run, answer["runs"]))
    waiting = called(demo, "runs", "--filter", "waiting")[1]["runs"]
    assert {row["state"] for row in waiting} == {"WAITING"}
    assert started(demo, "runs", "--filter", "1000").stdout.split()[0] == "1000"


def test_status(demo: Path) -> None:
    code, answer, _ = called(demo, "status")
    assert code == 0
    assert {"filesystem", "artdaqdb", "ucondb", "recommendations"} <= set(answer)
    for store in ("filesystem", "artdaqdb", "ucondb"):
        runs = sum(last - first + 1 for first, last in answer[store]["ranges"])
        assert answer[store]["runs"] == runs
    assert answer["filesystem"]["runs"] == RUNS + 1


@pytest.mark.parametrize("noun", ["run", "explain"])
def test_run_and_explain(demo: Path, noun: str) -> None:
    code, answer, _ = called(demo, noun, "1000")
    assert code == 0
    assert is_run(answer)
    assert answer["life"] if noun == "run" else answer["why"]
    code, answer, said = called(demo, noun, "7")
    assert (code, answer) == (1, None)
    assert "run 7 is in no store and in no directory" in said


def test_compare(demo: Path) -> None:
    code, answer, said = called(demo, "compare", "1000")
    assert code == 0
    assert {"run", "marks", "files"} <= set(answer)
    assert all(set(file["marks"].values()) <= MARKS for file in answer["files"])
    assert "1 run compared: 1 the same" in said
    assert [one["run"] for one in called(demo, "compare", "1000-1001")[1]["runs"]] == [1000, 1001]


@pytest.mark.parametrize("noun", ["import", "migrate", "retry"])
def test_jobs_and_their_plans(demo: Path, noun: str) -> None:
    code, plan, _ = called(demo, noun, "--dry-run")
    assert code == 0
    assert {"kind", "runs", "held", "remaining"} <= set(plan)
    code, done, _ = called(demo, noun, "1000")
    assert code == 0
    assert (done["imported"], done["migrated"], done["failed"]) == (0, 0, 0)
    assert [row["run"] for row in done["held"]] == [1000]


def test_a_failed_run_is_exit_1_with_its_failure(demo: Path) -> None:
    code, done, _ = called(demo, "import", "1100")
    assert code == 1
    assert [row["run"] for row in done["runs"]] == [1100]
    failure = done["runs"][0]["failure"]
    assert {"store", "phase", "code", "retryable", "message", "hint"} == set(failure)
    assert "link" in failure["message"]
    assert called(demo, "retry", "1100")[0] == 1


def test_verify_scrub_and_manifest(demo: Path) -> None:
    code, done, _ = called(demo, "verify", "--all")
    assert (code, done["failed"]) == (0, 0)
    archived = done["verified"]
    assert sum(done["not_verified"].values()) == RUNS + 1 - archived
    assert called(demo, "verify", "--sample", "20%")[1]["verified"] == max(1, round(archived * 0.2))
    assert called(demo, "scrub", "--once", "--rate", "0")[1]["verified"] == archived
    rows = called(demo, "manifest")[1]["runs"]
    assert len(rows) == RUNS + 1
    table = started(demo, "manifest", "--csv").stdout.splitlines()
    assert len(table) == RUNS + 2
    assert table[0].startswith("run,state,")


def test_a_decision(demo: Path) -> None:
    code, answer, _ = called(demo, "waive", "1001", "--reason", "a test run")
    assert (code, answer["state"], answer["reason"]) == (0, "WAIVED", "a test run")
    assert called(demo, "waive", "1001", "--undo")[1]["state"] == "ARCHIVED"
    noted = called(demo, "run", "1001", "--note", "the laser was on")[1]["decisions"]
    assert [(one["kind"], one["text"], one["who"]) for one in noted] == [
        ("waive", "a test run", this_actor()),
        ("unwaive", "taken back", this_actor()),
        ("note", "the laser was on", this_actor()),
    ]
    assert called(demo, "--read-only", "run", "1001", "--note", "x")[0] == ExitCode.REFUSED
    assert called(demo, "run", "1001", "--note", " ")[0] == ExitCode.USAGE


@pytest.mark.parametrize("what", ["import", "migrate", "ledger"])
def test_recover(demo: Path, what: str) -> None:
    code, answer, _ = called(demo, "recover", what)
    assert (code, answer["kind"], answer["applied"]) == (0, what, False)
    assert all({"name", "now", "stores"} == set(row) for row in answer["lines"])


def test_jobs_and_locks(demo: Path) -> None:
    code, answer, _ = called(demo, "jobs")
    assert code == 0
    assert {"job", "kind", "state", "done", "total", "owner"} <= set(answer["jobs"][0])
    assert called(demo, "jobs", "cancel", "1")[0] == 1
    assert called(demo, "locks")[1]["held"] is False
    assert called(demo, "locks", "break", "--yes")[1]["broken"] is False


def test_the_stores_own_commands(demo: Path, tmp_path: Path) -> None:
    runs = {row["run"] for row in called(demo, "artdaqdb", "list")[1]["runs"]}
    assert runs == {row["run"] for row in called(demo, "ucondb", "list")[1]["runs"]}
    assert called(demo, "artdaqdb", "export", "1000", "--out", str(tmp_path / "a"))[1]["exports"][0]["files"] > 20
    assert called(demo, "artdaqdb", "check")[1]["findings"] == []
    assert called(demo, "artdaqdb", "reindex")[1]["unreadable"] == []
    assert called(demo, "artdaqdb", "copy", "--to", f"filesystemdb://{tmp_path}/copy")[1]["failures"] == []
    assert called(demo, "artdaqdb", "import", str(demo / "records" / "1000"))[1]["runs"][0]["state"] == "IMPORTED"
    blob = tmp_path / "blob"
    assert called(demo, "ucondb", "get", "1000", "--out", str(blob))[1]["size"] == blob.stat().st_size
    assert called(demo, "ucondb", "put", "1000", str(blob))[1]["outcome"] == "same"
    assert called(demo, "blob", "check", str(blob))[1]["verdict"] == "pass"
    assert len(called(demo, "blob", "unpack", str(blob), "--out", str(tmp_path / "b"))[1]["files"]) > 20
    assert called(demo, "blob", "pack", str(tmp_path / "b"), "--run", "1", "--out", str(tmp_path / "c"))[1]["run"] == 1


def test_records_and_fhicl(demo: Path, tmp_path: Path) -> None:
    made = called(demo, "records", "make", "--runs", "1", "--first", "5", "--out", str(tmp_path / "r"))[1]
    assert [row["run"] for row in made["runs"]] == [5]
    assert called(demo, "records", "check", str(tmp_path / "r"))[1] == {"runs": 1, "findings": []}
    assert called(demo, "records", "restore", "1000", "--out", str(tmp_path / "s"))[1]["from"] == "artdaqdb"
    out = tmp_path / "fcl"
    assert called(demo, "fhicl", "convert", str(tmp_path / "r" / "5"), "--out", str(out))[1]["refused"] == []
    file = str(out / "boot.fcl")
    assert called(demo, "fhicl", "check", file)[1]["files"][0]["ok"] is True
    assert called(demo, "fhicl", "print", file)[1]["text"] == started(demo, "fhicl", "print", file).stdout
    assert json.loads(started(demo, "fhicl", "json", file).stdout)["document"]


def test_about_the_program_itself(demo: Path) -> None:
    assert called(demo, "config", "check")[1]["ok"] is True
    assert called(demo, "config", "show")[1]["values"]["app.batch_size"]["value"] == "5"
    assert called(demo, "config", "schema")[1]["keys"]
    assert called(demo, "doctor")[1]["checks"]
    assert {"name", "path", "exists", "remark"} == set(called(demo, "paths")[1]["paths"][0])
    assert called(demo, "keys")[1]["keys"]
    for shell in ("bash", "zsh", "fish"):
        answer = called(demo, "completions", shell)[1]
        assert (answer["shell"], answer["script"]) == (shell, started(demo, "completions", shell).stdout.rstrip("\n"))
        assert all(noun in answer["script"] for noun in NOUNS)


@pytest.mark.parametrize(
    "words",
    [
        "import", "import 1000", "migrate", "retry", "waive 1000 --reason x", "recover import --apply",
        "jobs cancel 1", "artdaqdb import records/1000", "artdaqdb reindex", "artdaqdb copy --to filesystemdb:///no",
        "ucondb put 1000 config.yaml", "records make --out no", "records restore 1000 --out no",
        "demo --headless --runs 1 --dir no", "fhicl convert records/1000 --out no",
    ],
)  # fmt: skip
def test_read_only_refuses_what_writes(demo: Path, words: str) -> None:
    for place in (["--read-only", *words.split()], [*words.split(), "--read-only"]):
        done = started(demo, *place)
        assert done.returncode == 77, done.stderr
        assert done.stdout == ""
        assert "refused: " in done.stderr
        assert "--read-only is given" in done.stderr
    assert not (demo / "no").exists()


@pytest.mark.parametrize(
    ("words", "code"),
    [("runs", 0), ("import", 77), ("waive 1000 --reason x", 77), ("ucondb put 1000 config.yaml", 77), ("verify", 0)],
)
def test_the_config_may_forbid_all_writing(demo: Path, words: str, code: int) -> None:
    text = (demo / "config.yaml").read_text().replace("app:\n", "app:\n  read_only: true\n")
    (demo / "read_only.yaml").write_text(text)
    done = started(demo, *words.split(), config="read_only.yaml")
    assert done.returncode == code, done.stderr
    assert ("the config says read_only: true" in done.stderr) is (code == 77)


def test_a_store_out_of_reach_is_75(demo: Path) -> None:
    text = (demo / "config.yaml").read_text()
    (demo / "down.yaml").write_text(text.replace(f"embedded://{demo}/ucondb.sqlite", "http://127.0.0.1:1/app"))
    for words in ("status", "runs", "migrate", "ucondb list", "compare 1000"):
        done = started(demo, *words.split(), config="down.yaml")
        assert done.returncode == 75, (words, done.stderr)
        assert "Traceback" not in done.stderr


def test_the_order_in_which_a_config_is_found(demo: Path, tmp_path: Path) -> None:
    user = tmp_path / "xdg" / "tui-archiver"
    user.mkdir(parents=True)
    (tmp_path / "here").mkdir()
    environment = {key: value for key, value in os.environ.items() if key != "TUI_ARCHIVER_CONFIG"}
    environment["XDG_CONFIG_HOME"] = str(tmp_path / "xdg")

    def found(*words: str) -> str:
        done = subprocess.run(
            [PROGRAM, *words, "config", "show", "--json"],
            capture_output=True, text=True, check=False, cwd=tmp_path / "here", env=environment,
        )  # fmt: skip
        return str(json.loads(done.stdout)["config"]) if done.returncode == 0 else f"{done.returncode}"

    text = (demo / "config.yaml").read_text()
    assert found() == "1"
    for place in (user / "config.yaml", tmp_path / "here" / "config.yaml", tmp_path / "variable.yaml"):
        place.write_text(text)
        if place.name == "variable.yaml":
            environment["TUI_ARCHIVER_CONFIG"] = str(place)
        assert found() == str(place)
    assert found("-c", str(demo / "config.yaml")) == str(demo / "config.yaml")


def test_a_terminal_sees_how_far_a_job_is(demo: Path) -> None:
    ours, terminal = pty.openpty()
    job = subprocess.Popen(
        [PROGRAM, "-c", demo / "config.yaml", "scrub", "--limit", "5", "--rate", "3"],
        stdout=subprocess.PIPE,
        stderr=terminal,
        text=True,
    )
    os.close(terminal)
    out, _ = job.communicate(timeout=60)
    seen = b""
    with contextlib.suppress(OSError):
        while piece := os.read(ours, 4096):
            seen += piece
    os.close(ours)
    assert out.count("ARCHIVED") == 5
    assert re.search(rb"\r\x1b\[Kscrub [1-4]/5  ", seen)
    assert re.search(rb"\r\x1b\[Kscrub: 5 done, 0 failed", seen)


def test_an_interrupt_while_a_command_is_still_loaded_leaves_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(name: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("importlib.import_module", interrupted)
    assert main(["status"]) == ExitCode.INTERRUPTED
    assert capsys.readouterr().err == "interrupted\n"


def test_an_interrupted_job_is_130_and_the_next_goes_on(tmp_path: Path) -> None:
    subprocess.run(
        [PROGRAM, "demo", "--headless", "--runs", "1", "--dir", tmp_path], capture_output=True, check=True
    )
    made = ["records", "make", "--runs", "120", "--first", "5000", "--in-progress", "0", "--out", "records"]
    subprocess.run([PROGRAM, *made], capture_output=True, check=True, cwd=tmp_path)
    for path in (tmp_path / "records").rglob("*"):
        os.utime(path, (1_600_000_000, 1_600_000_000))
    config = str(tmp_path / "config.yaml")
    command = [str(PROGRAM), "-c", config, "import", "--json", "--workers", "1"]
    job = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    ledger = Ledger.open(tmp_path / "work" / "ledger.sqlite", read_only=True)
    wait_until(lambda: any(one.done for one in ledger.jobs.running()), "the first run of the job")
    ledger.close()
    job.send_signal(signal.SIGINT)
    out, said = job.communicate(timeout=60)
    assert job.returncode == 130, said
    first = json.loads(out)
    assert first["stopped"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["imported"] == 120 - first["imported"]
