"""Where the older archiver's documents and its code disagree (D), and the limits that operators met (L)."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from runarchive.cli.main import main
from runarchive.config import load_config
from runarchive.ledger.lock import lock_remark
from runarchive.model import RunState, Store
from runarchive.ucondb.blob import pack
from tests.archiver_site import Site
from tests.certificates import make_certificates

ROOT = Path(__file__).parents[2]


def command(site: Site, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, Any]:
    """The exit code and the JSON of one headless command."""
    capsys.readouterr()
    code = main(["-c", str(site.config_file), "--json", *words])
    return code, json.loads(capsys.readouterr().out)


def converted(site: Site, name: str, text: str) -> str:
    """What the import of a record with this text file stores of it, without blanks."""
    site.make(1)
    with site.opened(1000) as path:
        (path / f"{name}.txt").write_text(text)
    assert site.run("--import-only").code == 0
    return re.sub(r"[ \n]+", "", site.exported(1000)[name])


def test_d1_environment_is_flat_ranks_a_table_and_setup_one_text(site: Site) -> None:
    site.make(1)
    assert site.run("--import-only").code == 0
    texts = site.exported(1000)
    assert not re.search(r"^environment\s*:", texts["environment"], re.M)
    assert re.search(r"^ranks\s*:\s*\{", texts["ranks"], re.M)
    assert re.fullmatch(r'\s*setup_script\s*:\s*"(?:[^"\\]|\\.)*"\s*', texts["setup"])


def test_d2_the_times_keep_the_names_of_the_code(site: Site) -> None:
    site.make(1)
    assert site.run("--import-only").code == 0
    texts = site.exported(1000)
    assert re.search(r"^daqinterface_start_time\s*:", texts["metadata"], re.M)
    assert not re.search(r"^(start_time|run_number)\s*:", texts["metadata"], re.M)
    assert set(re.findall(r"^(\w+)\s*:", texts["RunHistory2"], re.M)) == {
        "DAQInterface_start_time",
        "DAQInterface_stop_time",
    }


def test_d3_a_number_stays_a_number(site: Site) -> None:
    assert "total_events:12345" in converted(site, "metadata", "Config name: a\nTotal events: 12345\n")


def test_d4_daqinterfaces_own_boot_keys_and_exact_words_of_known_boardreaders(site: Site) -> None:
    site.make(1)
    with site.opened(1000) as path:
        (path / "known_boardreaders_list.txt").write_text('crt01 host -1 1 0-15 "/usr/bin/cmd arg1 arg2"\n')
        (path / "boot.txt").write_text("EventBuilder host: evb01\nEventBuilder label: EventBuilder1\n\nport: 5600\n")
    assert site.run("--import-only").code == 0
    texts = site.exported(1000)
    words = re.findall(r'"([^"]*)"', texts["known_boardreaders_list"])
    assert words == ["host", "-1", "1", "0-15", "/usr/bin/cmd arg1 arg2"]
    assert '"evb01"' in texts["boot"]
    assert "not set" not in texts["boot"]


def test_d12_and_d13_and_d40_defaults_are_those_of_the_code(site: Site) -> None:
    for key in ("retry_delay_seconds", "parallel_workers", "quiet_seconds"):
        site.configure(app={key: None})
    config = load_config(site.config_file)
    app = config.app
    assert (app.batch_size, app.parallel_workers, app.run_process_retries, app.retry_delay_seconds) == (5, 2, 2, 3)
    assert config.ucon_db.timeout_seconds == 10
    assert config.artdaq_db.use_tools is False


def test_d25_and_d26_and_d36_what_the_documents_name_is_there() -> None:
    for document in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        text = document.read_text(encoding="utf-8")
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text):
            if not target.startswith("http"):
                assert (document.parent / target).exists(), f"{document.name} names {target}"


def test_d32_failed_runs_are_in_the_status(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    runs = site.make(2)
    site.break_record(runs[0])
    assert site.run().code == 1
    code, status = command(site, capsys, "status")
    assert code == 0
    assert status["states"] == {"ARCHIVED": 1, "FAILED": 1}
    assert any("failed" in sentence.lower() for sentence in status["recommendations"])
    assert status["import"]["held_by"] == runs[0]


def test_l8_a_plan_a_choice_of_runs_and_progress(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    runs = site.make(3)
    code, plan = command(site, capsys, "import", "--dry-run")
    assert code == 0
    assert [step["run"] for step in plan["runs"]] == runs
    assert site.held(Store.ARTDAQDB) == set()
    code, done = command(site, capsys, "import", f"{runs[0]},{runs[2]}")
    assert (code, done["imported"]) == (0, 2)
    assert site.held(Store.ARTDAQDB) == {runs[0], runs[2]}
    (job,) = command(site, capsys, "jobs")[1]["jobs"]
    assert (job["kind"], job["state"], job["done"], job["total"]) == ("import", "done", 2, 2)


def test_l9_no_password_is_on_a_command_line_in_the_mail_or_in_a_crash(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.configure(artdaq_db={"database_uri": "mongodb://u:hunter2@127.0.0.1:1/db", "timeout_seconds": 0.2})
    seen: list[str] = []

    def defect(*args: object, **options: object) -> None:
        seen.append(Path("/proc/self/cmdline").read_text())
        raise ZeroDivisionError("a defect")

    monkeypatch.setattr("runarchive.archive.Archive.refresh", defect)
    done = site.run("-v")
    assert done.code == 2
    assert "Traceback" in done
    for text in (*seen, done.out, *(path.read_text(errors="replace") for path in site.work.iterdir())):
        assert "hunter2" not in text
        assert "secret-of-the-writer" not in text


def test_l10_a_server_that_nobody_vouches_for_is_not_talked_to(site: Site, tmp_path: Path) -> None:
    files = make_certificates(tmp_path)
    site.make(1)
    site.run("--import-only")
    server = [sys.executable, "-m", "tui_archiver", "ucondb", "serve", "--db", f"sqlite://{tmp_path}/u.sqlite"]
    serve = subprocess.Popen(
        [*server, "--port", "0", "--tls-cert", str(files.server), "--folder", "test01"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert serve.stdout is not None
        url = serve.stdout.readline().strip()
        assert url.startswith("https://")
        site.configure(ucon_db={"server_url": url}, app={"run_process_retries": 0})
        done = site.run("--migrate-only")
        assert done.code == 1
        assert "certificate" in done
        site.configure(ucon_db={"ca_file": str(files.ca)})
        trusted = site.run("--report-status")
        assert trusted.code == 0
        assert "not checked" not in trusted
        site.configure(ucon_db={"ca_file": None, "verify": False})
        unchecked = site.run("--report-status")
        assert unchecked.code == 0
        assert "ucon_db.verify: false, so the server's certificate is not checked" in unchecked
    finally:
        serve.terminate()
        serve.communicate()


def test_l13_a_lock_on_a_network_filesystem_is_remarked_upon(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert lock_remark(tmp_path / "lock") == ""
    monkeypatch.setattr("runarchive.ledger.lock.filesystem_type", lambda path: "nfs4")
    assert "nfs4" in lock_remark(tmp_path / "lock")


def test_l18_a_wrong_blob_is_replaced_on_a_persons_word(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    (run,) = site.make(1)
    assert site.run("--import-only").code == 0
    wrong = pack([("boot.fcl", b"wrong: 1\n")], run, datetime.now(UTC))
    with site.ucondb() as client:
        client.put(run, wrong)
    assert site.run("--migrate-only").code in (0, 1)
    assert command(site, capsys, "verify", str(run))[0] == 1
    assert site.states()[run] is RunState.CONFLICT
    assert command(site, capsys, "migrate", str(run))[0] == 1
    assert site.blob_bytes(run) == wrong
    assert command(site, capsys, "migrate", str(run), "--supersede")[0] == 0
    assert site.states()[run] is RunState.ARCHIVED


def test_l21_monitors_read_the_status_as_json(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    runs = site.make(2)
    site.run("--import-only")
    code, status = command(site, capsys, "status")
    assert code == 0
    assert status["artdaqdb"]["runs"] == 2
    assert status["artdaqdb"]["ranges"] == [[runs[0], runs[-1]]]
    assert status["ucondb"]["runs"] == 0
    assert status["import"]["last_contiguous_run"] == runs[-1]


def test_l22_each_runs_life_is_kept_with_hashes_and_times(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    (run,) = site.make(1)
    site.run()
    life = command(site, capsys, "run", str(run))[1]
    assert [(one["stage"], one["attempt"], one["failure"]) for one in life["life"]] == [
        ("import", 1, None),
        ("migrate", 1, None),
    ]
    assert [hop["hop"] for hop in life["hashes"]] == ["import", "migrate"]
    assert all(re.fullmatch(r"[0-9a-f]{64}", hop["output"]) for hop in life["hashes"])
    (entry,) = command(site, capsys, "manifest")[1]["runs"]
    assert entry["artdaqdb_hash"] == life["hashes"][0]["output"]
    assert entry["verified_at"]
