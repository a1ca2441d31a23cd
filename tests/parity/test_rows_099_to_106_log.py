"""Rows 99 to 106: the log, its lines and its rotation."""

from __future__ import annotations

import logging
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from runarchive.cli.archiver import log as archiver_log
from runarchive.cli.archiver.log import RotatingLog
from runarchive.cli.run_archiver import ERROR_NAMES, STORE_ERRORS
from runarchive.model import Store
from tests.archiver_site import Site


def write(handler: RotatingLog, count: int) -> None:
    handler.setFormatter(logging.Formatter("%(asctime)s - %(message)s"))
    for number in range(count):
        handler.emit(logging.LogRecord("x", logging.INFO, "", 0, f"line {number}", None, None))


def test_row_099_and_d10_log_line_format(site: Site) -> None:
    site.make(1)
    site.run()
    pattern = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} - [\w.]+ - (DEBUG|INFO|WARNING|ERROR|CRITICAL) - .*")
    lines = (site.work / "archiver.log").read_text(encoding="utf-8").splitlines()
    assert lines
    assert [line for line in lines if not pattern.fullmatch(line)] == []
    loggers = {line.split(" - ")[1] for line in lines}
    assert {"__main__", "run_record_archiver.importer", "run_record_archiver.migrator"} <= loggers


def test_row_100_and_d11_rotation_at_500_mb_or_14_days_with_5_backups(tmp_path: Path) -> None:
    assert (archiver_log.MAX_BYTES, archiver_log.MAX_AGE_SECONDS, archiver_log.BACKUPS) == (
        500 * 1024 * 1024,
        14 * 86400,
        5,
    )
    path = tmp_path / "archiver.log"
    handler = RotatingLog(path, max_bytes=200)
    write(handler, 100)
    handler.close()
    assert sorted(item.name for item in tmp_path.iterdir()) == [
        "archiver.log",
        *(f"archiver.log.{number}" for number in range(1, 6)),
    ]
    assert all(item.stat().st_size <= 200 for item in tmp_path.iterdir())
    assert path.read_text().splitlines()[-1].endswith("line 99")


def test_row_100_the_age_of_a_log_is_that_of_its_first_line(tmp_path: Path) -> None:
    path = tmp_path / "archiver.log"
    path.write_text("2020-01-01 00:00:00,000 - old\n")
    handler = RotatingLog(path)
    write(handler, 2)
    handler.close()
    assert (tmp_path / "archiver.log.1").read_text() == "2020-01-01 00:00:00,000 - old\n"
    assert len(path.read_text().splitlines()) == 2


def test_row_100_two_processes_rotate_one_log_without_losing_a_line(tmp_path: Path) -> None:
    path = tmp_path / "archiver.log"
    first, second = (RotatingLog(path, max_bytes=500, backups=50) for _ in range(2))
    for _ in range(20):
        write(first, 3)
        write(second, 3)
    first.close()
    second.close()
    lines = [line for item in tmp_path.iterdir() for line in item.read_text().splitlines()]
    assert len(lines) == 120


def test_row_100_a_log_that_cannot_be_written_does_not_stop_the_work(site: Site) -> None:
    (site.root / "file").touch()
    site.configure(app={"log_file": str(site.root / "file" / "archiver.log")})
    site.make(1)
    done = site.run()
    assert done.code == 0
    assert "Failed to configure file logging" in done


@pytest.mark.parametrize("output", ["/dev/full", "closed pipe"])
def test_row_099_output_that_cannot_be_written_does_not_stop_the_work(site: Site, output: str) -> None:
    site.make(1)
    command = [sys.executable, "-m", "runarchive.cli.run_archiver", str(site.config_file)]
    if output == "closed pipe":
        reading, writing = os.pipe()
        os.close(reading)
    else:
        writing = os.open(output, os.O_WRONLY)
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writing)
    assert done.returncode == 0
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("standard output cannot be written: ")
    assert site.held(Store.UCONDB) == {1000}
    assert "✓ EXECUTION COMPLETED SUCCESSFULLY" in (site.work / "archiver.log").read_text()


def test_row_101_banner_lines(site: Site) -> None:
    runs = site.make(2)
    done = site.run()
    expected = [
        "Run Record Archiver Starting",
        f"Config: {site.config_file}",
        "=== Execution Mode: Full Pipeline (Full) ===",
        "STAGE: Import - Importing runs from filesystem to ArtdaqDB",
        "✓ Import Stage completed successfully (exit code: 0)",
        "STAGE: Migration - Migrating runs from ArtdaqDB to UconDB",
        "✓ Migration Stage completed successfully (exit code: 0)",
        "✓ EXECUTION COMPLETED SUCCESSFULLY",
        "Archiver execution complete.",
    ]
    messages = done.messages
    places = [messages.index(line) for line in expected]
    assert places == sorted(places)
    site.make(1, first=3000)
    site.break_record(3000)
    failed = site.run()
    assert "✗ Import Stage completed with failures (exit code: 1)" in failed
    assert "✗ EXECUTION COMPLETED WITH FAILURES (exit code: 1)" in failed
    assert runs[0] < 3000


def test_rows_102_and_105_run_lines_carry_stage_and_run(site: Site) -> None:
    site.make(1)
    site.configure(app={"run_process_retries": 1}, app_fuzz={"random_error_percent": 100})
    failed = site.run("--import-only").messages
    assert "→ Processing run 1000 (attempt 1/2)" in failed
    assert any(line.startswith("✗ Run 1000 failed (attempt 1/2): [Import] [Run 1000] ") for line in failed)
    assert "Retrying run 1000 in 0 seconds..." in failed
    site.configure(app_fuzz={"random_error_percent": 0})
    done = site.run().messages
    assert "✓ Run 1000 imported successfully" in done
    assert "✓ Run 1000 migrated and verified successfully" in done
    assert "Progress: 1/1 runs processed (1 successful, 0 failed)" in done


def test_row_103_stage_lines(site: Site) -> None:
    site.configure(app={"batch_size": 2})
    site.make(3)
    done = site.run("--incremental").messages
    for line in (
        "Import Stage: Fetching runs (mode: incremental).",
        "Found 3 run directories in filesystem",
        "Found 0 runs already in ArtdaqDB",
        "Import Stage: Found 3 runs to import.",
        "Run range: 1000 to 1001",
        "Import Stage: Limited to 2 runs (batch_size). 1 runs remaining.",
        "Migration Stage: Fetching runs (mode: incremental).",
        "Migration Stage: Found 2 runs to migrate.",
    ):
        assert line in done
    site.run()
    assert "Import Stage: No new runs to import." in site.run("--import-only").messages
    assert "Migration Stage: No new runs to migrate." in site.run("--migrate-only").messages


def test_row_104_fuzz_warnings_and_perf_lines(site: Site) -> None:
    site.make(1)
    site.configure(app_fuzz={"random_error_percent": 100})
    done = site.run("-v")
    assert any(" - WARNING - [FUZZ] " in line for line in done.lines)
    assert any(re.search(r"DEBUG - PERF: [\w.]+ executed in [\d.]+ ms\.", line) for line in done.lines)


ENDINGS: dict[str, tuple[list[str], dict[str, Any]]] = {
    "ConfigurationError": (["--report-status"], {"artdaq_db": {"database_uri": "nosuch://x"}}),
    "ArtdaqDBError": (
        ["--recover-import-state"],
        {"artdaq_db": {"database_uri": "mongodb://127.0.0.1:1/db", "timeout_seconds": 0.2}},
    ),
    "UconDBError": (["--recover-migrate-state"], {"ucon_db": {"server_url": "http://127.0.0.1:1/app"}}),
}


@pytest.mark.parametrize("name", ENDINGS)
def test_row_106_what_ends_a_start_has_the_older_archivers_name(site: Site, name: str) -> None:
    flags, changed = ENDINGS[name]
    site.configure(**changed)
    done = site.run(*flags)
    assert done.code == 1
    assert f"Error Type: {name}" in done
    assert len([line for line in done.messages if line.startswith("Error Message: ")]) == 1


def test_row_106_every_other_name_of_an_error_is_known() -> None:
    """LockExistsError is row 30; a failed mail (ReportingError) and a skipped run (FuzzSkipError) end no start."""
    names = {*ERROR_NAMES.values(), *STORE_ERRORS.values()}
    assert {*ENDINGS, "LockExistsError", "FclPreperationError", "BlobCreationError", "VerificationError"} == names