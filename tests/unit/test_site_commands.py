"""The commands config, paths, locks and jobs, and `archiver.env`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from runarchive.cli.main import main
from runarchive.ledger import Ledger, WriterLock
from runarchive.model import JobState

CONFIG = """
app: {{work_dir: {work}, log_file: "${{work_dir}}/archiver.log"}}
source_files: {{run_records_dir: {work}/records}}
artdaq_db: {{database_uri: "mongodb://u:hunter2@h/db", fcl_conf_dir: {work}/conf}}
ucon_db: {{server_url: "https://u/app", folder_name: f, object_name: o, writer_user: w, writer_password: tr0ub4dor}}
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG.format(work=tmp_path / "work"))
    return path


def call(config: Path, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = main(["-c", str(config), *words])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_config_check(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(config, capsys, "config", "check")[0] == 0
    config.write_text(config.read_text().replace("folder_name: f,", "fold_name: f,"))
    code, out, _ = call(config, capsys, "config", "check")
    assert code == 1
    assert "error    ucon_db.folder_name: is required" in out
    code, out, _ = call(config, capsys, "--json", "config", "check")
    found = json.loads(out)
    assert (code, found["ok"], len(found["problems"]), len(found["warnings"])) == (1, False, 1, 1)


def test_config_show_tells_origins_and_no_secret(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(config, capsys, "config", "show")
    assert code == 0
    assert "hunter2" not in out
    assert "tr0ub4dor" not in out
    assert "mongodb://u:***@h/db" in out
    values = json.loads(call(config, capsys, "config", "show", "--json")[1])["values"]
    assert values["app.batch_size"] == {"value": "5", "origin": "default"}
    assert values["ucon_db.folder_name"]["origin"] == "line 5"


def test_config_schema_names_every_key(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keys = {entry["key"]: entry for entry in json.loads(call(config, capsys, "config", "schema", "--json")[1])["keys"]}
    shown = json.loads(call(config, capsys, "config", "show", "--json")[1])["values"]
    assert set(shown) <= set(keys)
    assert keys["ucon_db.writer_password"]["secret"]
    assert keys["artdaq_db.database_uri"]["required"]
    assert "app.settle_hours" in call(config, capsys, "config", "schema")[1]


def test_config_without_a_verb_is_usage(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(config, capsys, "config")[0] == 64


def test_paths_with_and_without_a_config(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    code, out, _ = call(config, capsys, "paths")
    assert code == 0
    assert str(tmp_path / "work" / "ledger.sqlite") in out
    monkeypatch.chdir(tmp_path / "..")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
    monkeypatch.delenv("TUI_ARCHIVER_CONFIG", raising=False)
    assert main(["paths", "--json"]) == 0
    names = [entry["name"] for entry in json.loads(capsys.readouterr().out)["paths"]]
    assert names == ["config here", "user config", "state directory"]


def test_locks_shows_and_breaks(config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "free" in call(config, capsys, "locks")[1]
    assert call(config, capsys, "locks", "break", "--yes")[0] == 0
    path = tmp_path / "work" / ".archiver.lock"
    lock = WriterLock(path)
    lock.acquire()
    ledger = Ledger.open(tmp_path / "work" / "ledger.sqlite")
    job = ledger.jobs.start("import", 3)
    found = json.loads(call(config, capsys, "locks", "--json")[1])
    assert (found["held"], found["stuck"]) == (True, False)
    assert f"(job {job}, import 0/3)" in found["holder"]
    code, _, said = call(config, capsys, "locks", "break")
    assert code == 77
    assert "--yes" in said
    assert call(config, capsys, "--read-only", "locks", "break", "--yes")[0] == 77
    assert not lock.removed()
    config.write_text(config.read_text().replace("app: {", "app: {read_only: true, "))
    assert call(config, capsys, "locks", "break", "--yes")[0] == 77
    assert call(config, capsys, "jobs", "cancel", str(job))[0] == 77
    config.write_text(config.read_text().replace("read_only: true, ", ""))
    code, out, _ = call(config, capsys, "locks", "break", "--yes", "--json")
    broken = json.loads(out)
    assert (code, broken["broken"]) == (0, True)
    assert f"(job {job}, import 0/3)" in broken["holder"]
    assert json.loads(call(config, capsys, "locks", "break", "--yes", "--json")[1])["broken"] is False
    assert lock.removed()
    assert ledger.jobs.progress(job) == 1
    lock.release()
    ledger.close()


def test_jobs_lists_cancels_and_says_what_it_cannot(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ledger = Ledger.open(tmp_path / "work" / "ledger.sqlite")
    job = ledger.jobs.start("migrate", 3)
    ledger.jobs.progress(job, done=1, failed=1, message="bad\x1b[31m name")
    code, out, _ = call(config, capsys, "jobs")
    assert code == 0
    assert "migrate  running    1/3  1 failed" in out
    assert "\x1b" not in out
    (listed,) = json.loads(call(config, capsys, "jobs", "--json")[1])["jobs"]
    assert (listed["job"], listed["state"], listed["done"]) == (job, "running", 1)
    assert call(config, capsys, "--read-only", "jobs", "cancel", str(job))[0] == 77
    code, out, _ = call(config, capsys, "jobs", "cancel", str(job), "--json")
    assert code == 0
    assert (json.loads(out)["job"], json.loads(out)["asked_to_stop"]) == (job, True)
    assert ledger.jobs.progress(job) == 1
    ledger.jobs.end(job, JobState.CANCELLED)
    code, _, said = call(config, capsys, "jobs", "cancel", str(job))
    assert code == 1
    assert "does not run any more" in said
    assert call(config, capsys, "jobs", "cancel", "99")[0] == 1
    ledger.close()


@pytest.mark.parametrize(
    "words",
    [
        *(f"{noun} {'9' * 30}" for noun in ("run", "explain", "waive --reason x", "import", "retry", "verify")),
        *(f"{noun} 9999999999999999999" for noun in ("run", "compare", "jobs cancel", "records restore --out z")),
        *(f"import {runs}" for runs in ("x", "1-", "-1", "2-1", ",", "1:2", "1..2", "²", "01", "1-2-3")),
        *("import --limit -1", "import --workers -1", "import --workers 1000", "import --wait -1", "import --wait nan"),
        *("jobs --limit -1", "scrub --rate nan", "scrub --rate -1", "scrub --limit x", "demo --headless --runs -1"),
        *("verify --sample 0", "verify --sample 101%", "verify --sample nan", "verify --sample 5% 1000"),
        *("recover", "recover all", "artdaqdb", "ucondb", "blob", "records", "fhicl", "nonsense"),
        *("run", "explain", "waive 5", "runs --filter run:x", "runs --filter attempts:x"),
    ],
)
def test_wrong_usage_is_64(words: str, config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    try:
        code = call(config, capsys, *words.split())[0]
    except SystemExit as left:
        code = int(left.code or 0)
    assert code == 64


@pytest.mark.parametrize("word", ["", " ", ",", " , "])
def test_an_empty_run_number_is_not_every_run(word: str, config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, said = call(config, capsys, "import", word)
    assert code == 64
    assert "no run is named" in said


def test_jobs_follow_tells_what_happens_until_nothing_runs(config: Path, tmp_path: Path) -> None:
    ledger = Ledger.open(tmp_path / "work" / "ledger.sqlite")
    job = ledger.jobs.start("import", 2)
    process = subprocess.Popen(
        [sys.executable, "-c", "from runarchive.cli.main import main; main()", "-c", str(config), "jobs", "--follow"],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert "0/2" in process.stdout.readline()
    ledger.events.record("1000 imported", run=1000, job=job)
    assert "1000 imported" in process.stdout.readline()
    ledger.jobs.end(job, JobState.DONE)
    rest, _ = process.communicate(timeout=30)
    assert "done" in rest
    ledger.close()
