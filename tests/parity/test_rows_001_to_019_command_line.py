"""Rows 1 to 19: the command line of the older archiver."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from runarchive.cli import run_archiver
from runarchive.ledger.state_files import read_failure_log
from runarchive.model import RunState, Store, Verdict
from tests.archiver_site import Site

MODES = [
    "--import-only",
    "--migrate-only",
    "--retry-failed-import",
    "--retry-failed-migrate",
    "--report-status",
    "--recover-import-state",
    "--recover-migrate-state",
]


@pytest.fixture
def site(each_site: Site) -> Site:
    """Every test here runs on both native artdaqDB providers."""
    return each_site


def test_row_001_config_file_defaults_to_config_yaml(
    site: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(site.root)
    monkeypatch.setenv("TUI_ARCHIVER_CONFIG", "/nowhere/else.yaml")
    done = subprocess.run(
        [sys.executable, "-m", "runarchive.cli.run_archiver", "--report-status"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0
    assert "Config: config.yaml" in done.stdout


def test_row_002_console_script(site: Site) -> None:
    script = Path(sys.executable).with_name("run-archiver")
    done = subprocess.run([script, site.config_file, "--report-status"], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "END OF STATUS REPORT" in done.stdout


def test_row_003_no_mode_is_import_then_migrate(site: Site) -> None:
    runs = site.make(3)
    done = site.run()
    assert done.code == 0
    assert "=== Execution Mode: Full Pipeline (Full) ===" in done
    assert set(site.states().items()) == {(run, RunState.ARCHIVED) for run in runs}


def test_rows_003_to_014_the_documented_command_lines(site: Site) -> None:
    runs = site.make(2)
    lines = {
        "": "✓ Run 1001 migrated and verified successfully",
        "--incremental": "=== Execution Mode: Full Pipeline (Incremental) ===",
        "--import-only": "=== Execution Mode: Import Only (Full) ===",
        "--import-only --incremental": "=== Execution Mode: Import Only (Incremental) ===",
        "--migrate-only --validate": "Migration Stage: Blob validation enabled",
        "--migrate-only --incremental": "=== Execution Mode: Migration Only (Incremental) ===",
        "--retry-failed-import": "✓ Import Recovery Stage completed successfully (exit code: 0)",
        "--retry-failed-migrate": "✓ Migration Recovery Stage completed successfully (exit code: 0)",
        "--report-status": "1. All systems are synchronized - no action needed",
        "--report-status --compare-state": "  Status:              All expected runs present in UconDB",
        "--compare-state": "  Last Contiguous Run: 1001",
        "--recover-import-state": "IMPORT STATE RECOVERY COMPLETE",
        "--recover-migrate-state": "MIGRATION STATE RECOVERY COMPLETE",
        "--incremental -v": "PERF: run_record_archiver.clients.artdaq.get_archived_runs executed in ",
    }
    for flags, line in lines.items():
        done = site.run(*flags.split())
        assert done.code == 0, flags
        assert line in done, flags
        assert "✓ EXECUTION COMPLETED SUCCESSFULLY" in done, flags
    assert site.states() == {run: RunState.ARCHIVED for run in runs}


def test_row_004_import_only(site: Site) -> None:
    runs = site.make(2)
    done = site.run("--import-only")
    assert done.code == 0
    assert "=== Execution Mode: Import Only (Full) ===" in done
    assert site.held(Store.ARTDAQDB) == set(runs)
    assert site.held(Store.UCONDB) == set()


def test_row_005_migrate_only(site: Site) -> None:
    first = site.make(2)
    site.run("--import-only")
    site.make(1, first=2000)
    done = site.run("--migrate-only")
    assert done.code == 0
    assert "=== Execution Mode: Migration Only (Full) ===" in done
    assert site.held(Store.UCONDB) == set(first)


def test_row_006_retry_failed_import(site: Site) -> None:
    runs = site.make(3)
    site.break_record(runs[1])
    assert site.run("--import-only").code == 1
    log = site.work / "import_failures.log"
    assert read_failure_log(log) == (runs[1],)
    again = site.run("--retry-failed-import")
    assert again.code == 1
    assert read_failure_log(log) == (runs[1],)
    site.mend_record(runs[1])
    log.write_text(f"{runs[0]}\n{runs[1]}\n")
    mended = site.run("--retry-failed-import")
    assert mended.code == 0
    assert f"Found 1 run(s) already archived, removing from failure log: {runs[0]}" in mended
    assert read_failure_log(log) == ()
    assert site.held(Store.ARTDAQDB) == set(runs)
    assert "Failure log is empty." in site.run("--retry-failed-import")
    log.unlink()
    assert "No failure log found. Nothing to recover." in site.run("--retry-failed-import")


def test_row_006_and_l16_numbers_that_others_wrote_into_the_log_stay_and_are_spoken_of(site: Site) -> None:
    runs = site.make(2)
    log = site.work / "import_failures.log"
    site.run("--import-only")
    log.write_text("77777\n")
    site.make(1, first=2000)
    assert site.run("--import-only").code == 0
    assert log.read_text() == "77777\n"
    done = site.run("--retry-failed-import")
    assert done.code == 1
    assert "Run 77777 is not retried: no store and no directory holds it" in done
    assert "Recovery complete. 0 successful (0 already archived), 1 remaining." in done
    assert log.read_text() == "77777\n"
    assert site.run("--recover-import-state").code == 0
    assert log.read_text() == ""
    assert site.held(Store.ARTDAQDB) == {*runs, 2000}


def test_row_007_retry_failed_migrate(site: Site) -> None:
    runs = site.make(2)
    site.run("--import-only")
    site.configure(app_fuzz={"random_error_percent": 100})
    assert site.run("--migrate-only").code == 1
    assert read_failure_log(site.work / "migrate_failures.log") == tuple(runs)
    site.configure(app_fuzz={"random_error_percent": 0})
    done = site.run("--retry-failed-migrate")
    assert done.code == 0
    assert "=== Execution Mode: Retry Failed Migrations ===" in done
    assert read_failure_log(site.work / "migrate_failures.log") == ()
    assert site.held(Store.UCONDB) == set(runs)


def test_row_008_report_status_changes_nothing(site: Site) -> None:
    site.make(2)
    done = site.run("--report-status")
    assert done.code == 0
    assert "END OF STATUS REPORT" in done
    assert not (site.work / "importer_state.json").exists()
    assert site.held(Store.ARTDAQDB) == set()


@pytest.mark.parametrize(("flag", "name"), [("import", "importer_state.json"), ("migrate", "migrator_state.json")])
def test_rows_009_and_010_and_d20_and_d37_recover_state(site: Site, flag: str, name: str) -> None:
    runs = site.make(3)
    site.run()
    expected = (site.work / name).read_text()
    (site.work / name).write_text("{broken")
    done = site.run(f"--recover-{flag}-state")
    assert done.code == 0
    assert f"✓ Written {site.work / name}" in done
    assert (site.work / name).read_text() == expected
    assert json.loads(expected) == {"last_contiguous_run": runs[-1], "last_attempted_run": runs[-1]}
    assert [path.read_text() for path in site.work.glob(f"{name}.before-*")] == ["{broken"]


@pytest.mark.parametrize("mode", MODES[1:])
def test_row_011_modes_exclude_each_other(mode: str, site: Site) -> None:
    assert site.run(MODES[0], mode).code == 2


def test_row_012_and_d18_incremental_takes_what_is_due_and_late_lower_runs_too(site: Site) -> None:
    later = site.make(2, first=2000)
    done = site.run("--incremental")
    assert done.code == 0
    assert "Full Pipeline (Incremental)" in done
    earlier = site.make(1, first=1500)
    assert site.run("--incremental").code == 0
    assert site.held(Store.UCONDB) == {*later, *earlier}


def test_row_003_and_l3_a_full_start_tries_every_failed_run_again(site: Site) -> None:
    runs = site.make(2)
    site.break_record(runs[0])
    for _ in range(2):
        done = site.run("--import-only")
        assert done.code == 1
        assert f"✗ Run {runs[0]} failed (attempt 1/3)" in done


def test_row_003_failed_runs_keep_no_new_run_from_a_full_start(site: Site) -> None:
    site.configure(app={"batch_size": 1})
    for run in site.make(11):
        site.break_record(run)
    for _ in range(2):
        assert site.run("--import-only").code == 1
    (new,) = site.make(1, first=2000)
    assert site.run("--import-only").code == 1
    assert site.held(Store.ARTDAQDB) == {new}


def test_row_012_and_l3_an_incremental_start_names_the_failed_runs_that_it_leaves(site: Site) -> None:
    runs = site.make(2)
    site.break_record(runs[0])
    assert site.run("--incremental").code == 1
    again = site.run("--incremental")
    assert again.code == 0
    assert f"Import Stage: 1 failed runs are left as they are: {runs[0]} (`tui-archiver explain {runs[0]}`)" in again


def test_row_013_compare_state_implies_the_report(site: Site) -> None:
    site.make(2)
    site.run("--import-only")
    site.make(2, first=2000)
    done = site.run("--compare-state")
    assert done.code == 0
    assert "STATE COMPARISON" in done
    assert "All expected runs present in ArtdaqDB" in done
    assert "New Runs Available:  2 run(s)" in done


def test_row_014_and_d7_and_d8_validate_looks_into_each_blob_after_the_upload(site: Site) -> None:
    runs = site.make(2)
    done = site.run("--validate")
    assert done.code == 0
    assert "Blob validation passed for 2 runs" in done
    site.make(1, first=3000)
    site.configure(validation={"patterns": {"shifter": "^shifter:"}})
    failed = site.run("--validate")
    assert failed.code == 1
    assert "✗ Run 3000: Blob validation found errors: shifter is not in metadata.fcl" in failed
    with site.archive() as archive:
        checks = [check.result for check in archive.life(3000).checks if check.result.name == "validate"]
    assert [check.verdict for check in checks] == [Verdict.FAIL]
    assert site.held(Store.UCONDB) == {*runs, 3000}


def test_row_014_and_d9_validate_works_for_retried_migrations(site: Site) -> None:
    runs = site.make(1)
    site.run("--import-only")
    (site.work / "migrate_failures.log").write_text(f"{runs[0]}\n")
    assert "Blob validation passed for 1 runs" in site.run("--retry-failed-migrate", "--validate")


def test_row_015_verbose_is_debug_whatever_the_config_says(site: Site) -> None:
    site.configure(app={"log_level": "ERROR"})
    assert site.run("--import-only").out == ""
    assert " - DEBUG - " in site.run("--import-only", "-v")


@pytest.mark.parametrize("word", ["-h", "--help", "/?", "/h", "/help"])
def test_row_016_help(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        run_archiver.main([word])
    assert left.value.code == 0
    help_text = capsys.readouterr().out
    assert all(mode in help_text for mode in MODES)


def test_row_017_quiet_silences_everything_but_the_log_file(site: Site) -> None:
    site.make(1)
    done = site.run("-q")
    assert (done.code, done.out) == (0, "")
    assert "✓ EXECUTION COMPLETED SUCCESSFULLY" in (site.work / "archiver.log").read_text()


def test_row_017_init_venv_is_taken_and_has_no_effect(site: Site) -> None:
    done = site.run("--init-venv", "--report-status")
    assert done.code == 0
    assert "--init-venv has no effect" in done


def test_row_018_and_l23_archiver_env_is_loaded_and_exported(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RECORDS_HERE", raising=False)
    variables = f'\ufeffexport RECORDS_HERE="{site.records}"\nBASE=$RECORDS_HERE/x # note\n'
    (site.root / "archiver.env").write_text(variables, encoding="utf-8")
    site.configure(source_files={"run_records_dir": "${RECORDS_HERE}"})
    site.make(1)
    assert site.run("--import-only").code == 0
    assert site.held(Store.ARTDAQDB) == {1000}
    assert os.environ["BASE"] == f"{site.records}/x"
    for name in ("RECORDS_HERE", "BASE"):
        monkeypatch.delenv(name)
    process = site.start("--report-status", env={**os.environ, "LC_ALL": "C", "LANG": "C"})
    assert site.end(process).code == 0


def test_row_019_and_d33_and_l1_batch_limit(site: Site) -> None:
    site.configure(app={"batch_size": 1})
    site.make(12)
    first = site.run("--incremental", "--import-only")
    assert "Import Stage: Limited to 1 runs (batch_size). 11 runs remaining." in first
    second = site.run("--import-only")
    assert "Import Stage: Limited to 10 runs (batch_size * 10). 1 runs remaining." in second
    site.configure(app={"batch_size": 0})
    site.make(2, first=2000)
    assert "Limited" not in site.run("--incremental", "--import-only")
    assert len(site.held(Store.ARTDAQDB)) == 14
