"""Rows 21 to 26: the exit codes of the older archiver."""

from __future__ import annotations

import pytest

from runarchive.model import Store
from tests.archiver_site import Site


def test_row_021_nothing_to_do_is_success(site: Site) -> None:
    assert site.run().code == 0


@pytest.mark.parametrize("content", [None, "", "app: [", "app: {batch_size: x}"])
def test_row_022_known_errors_are_1(site: Site, content: str | None) -> None:
    if content is None:
        site.config_file.unlink()
    else:
        site.config_file.write_text(content)
    done = site.run()
    assert done.code == 1
    assert "Error Type: ConfigurationError" in done
    assert "Traceback" not in done


def test_row_022_some_runs_failed_is_1_and_the_others_are_done(site: Site) -> None:
    runs = site.make(3)
    site.break_record(runs[0])
    done = site.run()
    assert done.code == 1
    assert "✗ EXECUTION COMPLETED WITH FAILURES (exit code: 1)" in done
    assert site.held(Store.UCONDB) == set(runs[1:])


def test_row_022_a_store_out_of_reach_is_1(site: Site) -> None:
    site.configure(ucon_db={"server_url": "http://127.0.0.1:1/app"})
    runs = site.make(1)
    done = site.run()
    assert done.code == 1
    assert "Migration Stage: Failed to determine runs to migrate" in done
    assert site.held(Store.ARTDAQDB) == set(runs)


def test_row_023_unexpected_failures_are_2_with_a_traceback_in_the_log(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def defect(*args: object, **options: object) -> None:
        raise ZeroDivisionError("a defect")

    monkeypatch.setattr("runarchive.archive.Archive.refresh", defect)
    done = site.run("--report-status")
    assert done.code == 2
    assert "UNEXPECTED ERROR SUMMARY" in done
    assert "Failed Stage: Status Report" in done
    assert "Check logs for details about Status Report stage failure." in done
    assert "ZeroDivisionError" in (site.work / "archiver.log").read_text()
    assert "Traceback (most recent call last)" in (site.work / "archiver.log").read_text()


def test_row_026_one_failed_stage_does_not_stop_the_other(site: Site) -> None:
    runs = site.make(2)
    site.run("--import-only")
    site.configure(source_files={"run_records_dir": str(site.root / "gone")})
    done = site.run()
    assert done.code == 1
    assert "Import Stage: Failed to determine runs to import" in done
    assert site.held(Store.UCONDB) == set(runs)


def test_usage_errors_are_2_as_the_older_archivers(site: Site) -> None:
    assert site.run("--no-such-flag").code == 2
