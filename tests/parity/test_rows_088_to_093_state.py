"""Rows 88 to 93: the state that the stages leave, and its recovery."""

from __future__ import annotations

import json

import pytest

from runarchive.ledger.state_files import read_failure_log
from runarchive.model import RunState, Store
from tests.archiver_site import Site


@pytest.fixture
def site(each_site: Site) -> Site:
    """Every test here runs on both native artdaqDB providers."""
    return each_site


def test_rows_088_and_089_state_files(site: Site) -> None:
    runs = site.make(4)
    site.break_record(runs[2])
    assert site.run().code == 1
    text = (site.work / "importer_state.json").read_text()
    assert text == json.dumps(json.loads(text), indent=2)
    assert json.loads(text) == {"last_contiguous_run": runs[1], "last_attempted_run": runs[3]}


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


def test_row_093_and_p8_failed_runs_and_late_runs_are_taken_by_incremental(site: Site) -> None:
    runs = site.make(2, first=2000)
    site.break_record(runs[0])
    assert site.run("--incremental").code == 1
    site.mend_record(runs[0])
    site.make(1, first=1000)
    assert site.run("--incremental").code == 0
    assert site.held(Store.UCONDB) == {1000, *runs}


def test_a_damaged_ledger_is_said_and_loses_no_run(site: Site) -> None:
    runs = site.make(2)
    site.run()
    (site.work / "ledger.sqlite").write_bytes(b"no ledger at all" * 999)
    done = site.run()
    assert done.code == 0
    assert "is set aside as ledger.sqlite.damaged-" in done
    assert site.states() == {run: RunState.ARCHIVED for run in runs}
    assert f'"last_contiguous_run": {runs[-1]}' in (site.work / "migrator_state.json").read_text()
