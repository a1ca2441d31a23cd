"""Rows 34 to 58: the keys of the older archiver's config file, by what they do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from runarchive.config import load_config
from runarchive.model import RunState, Store
from tests.archiver_site import Site


def entities(site: Site, run: int) -> set[str]:
    """The entities of a run in artdaqDB."""
    with site.artdaqdb() as store:
        (configuration,) = store.configurations_of(run)
        return {name for document in store.documents(configuration) for name in document.entities}


def test_row_034_variables_with_nested_defaults(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SITE_RECORDS", raising=False)
    monkeypatch.setenv("SITE_ROOT", str(site.root))
    site.configure(source_files={"run_records_dir": "${SITE_RECORDS:-${SITE_ROOT}/records}"})
    site.make(1)
    assert site.run("--import-only").code == 0
    assert site.held(Store.ARTDAQDB) == {1000}


def test_row_035_references_and_circles(site: Site) -> None:
    site.configure(
        app={"import_failure_log": "${work_dir}/i.log"}, artdaq_db={"database_uri": "filesystemdb://${app.work_dir}/db"}
    )
    config = load_config(site.config_file)
    assert config.app.import_failure_log == site.work / "i.log"
    assert config.artdaq_db.database_uri == f"filesystemdb://{site.work}/db"
    site.configure(app={"work_dir": "${log_file}", "log_file": "${work_dir}/a.log"})
    done = site.run()
    assert done.code == 1
    assert "circular reference" in done


def test_row_036_work_dir_is_made(site: Site) -> None:
    site.configure(app={"work_dir": str(site.root / "a" / "b"), "log_file": None})
    assert site.run().code == 0
    assert (site.root / "a" / "b" / "importer_state.json").is_file()


def test_rows_037_to_039_files_of_the_site(site: Site) -> None:
    names = ("import_state_file", "migrate_state_file", "import_failure_log", "migrate_failure_log", "lock_file")
    site.configure(app={name: str(site.root / "elsewhere" / name) for name in names})
    runs = site.make(2)
    site.break_record(runs[1])
    assert site.run().code == 1
    made = {path.name for path in (site.root / "elsewhere").iterdir()}
    assert made == {"import_state_file", "migrate_state_file", "import_failure_log", "lock_file"}
    assert (site.root / "elsewhere" / "import_failure_log").read_text() == f"{runs[1]}\n"


def test_row_040_batch_size_defaults_to_5(site: Site) -> None:
    site.make(6)
    assert "Limited to 5 runs (batch_size). 1 runs remaining." in site.run("--incremental", "--import-only")


def test_row_041_and_l7_parallel_workers(site: Site) -> None:
    site.make(4)
    site.configure(app={"parallel_workers": 3})
    assert "Starting parallel processing of 4 runs with 3 workers" in site.run("--import-only")


def test_row_042_and_076_retries_with_a_growing_delay(site: Site) -> None:
    site.make(1)
    site.configure(
        app={"run_process_retries": 1, "retry_delay_seconds": 0.01},
        app_fuzz={"random_error_percent": 100},
    )
    done = site.run("--import-only")
    assert done.code == 1
    assert "→ Processing run 1000 (attempt 1/2)" in done
    assert "→ Processing run 1000 (attempt 2/2)" in done
    assert any(line.startswith("Retrying run 1000 in 0.0") for line in done.messages)
    assert "attempt 3" not in done


def test_row_043_a_bad_log_level_is_info_with_a_warning(site: Site) -> None:
    site.configure(app={"log_level": "loud"})
    done = site.run("--report-status")
    assert done.code == 0
    assert "app.log_level: 'loud' is no level; INFO is used" in done


def test_row_044_log_file(site: Site) -> None:
    done = site.run("--report-status")
    assert (site.work / "archiver.log").read_text() == done.out
    site.configure(app={"log_file": None})
    (site.work / "archiver.log").unlink()
    site.run("--report-status")
    assert not (site.work / "archiver.log").exists()


@pytest.mark.parametrize(("switch", "doing"), [("skip", "skipping"), ("error", "failing")])
def test_row_045_fuzz_is_tried_again_unless_its_switch_says_for_good(site: Site, switch: str, doing: str) -> None:
    site.make(1)
    site.configure(app={"run_process_retries": 1}, app_fuzz={f"random_{switch}_percent": 100})
    done = site.run("--import-only")
    assert done.code == 1
    assert f"[FUZZ] Randomly {doing} run 1000 - will retry later (random_{switch}_percent=100%)" in done
    assert "→ Processing run 1000 (attempt 2/2)" in done
    site.configure(app_fuzz={f"random_{switch}_retry": "true"})
    done = site.run("--import-only")
    assert done.code == 1
    assert f"[FUZZ] Permanently {doing} run 1000 - will NOT retry (random_{switch}_retry=true)" in done
    assert "attempt 2/2" not in done
    assert site.states() == {1000: RunState.FAILED}
    left = site.run("--import-only", "--incremental")
    assert left.code == 0
    assert "1 failed runs are left as they are: 1000" in left
    assert "[FUZZ]" not in left
    assert site.run("--retry-failed-import", "--incremental").code == 0
    assert site.held(Store.ARTDAQDB) == {1000}


def test_s13_a_run_skipped_by_fuzz_is_no_success(site: Site) -> None:
    site.make(1)
    site.configure(app_fuzz={"random_skip_percent": 100})
    site.run("--import-only")
    assert (site.work / "import_failures.log").read_text() == "1000\n"
    assert site.held(Store.ARTDAQDB) == set()


def test_row_046_a_records_directory_that_is_not_there_is_exit_1(site: Site) -> None:
    site.configure(source_files={"run_records_dir": str(site.root / "none")})
    done = site.run("--import-only")
    assert done.code == 1
    assert str(site.root / "none") in done


def test_row_047_the_uri_is_used_as_given(each_site: Site) -> None:
    each_site.make(1)
    assert each_site.run("--import-only").code == 0
    with each_site.artdaqdb() as store:
        assert [item.name.partition("/")[0] for item in store.list_configurations()] == ["1000"]


def test_rows_048_and_049_tools_and_remote_host(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARTDAQ_DATABASE_REMOTEHOST", "evb01")
    site.configure(artdaq_db={"use_tools": "true"})
    found = load_config(site.config_file).artdaq_db
    assert (found.use_tools, found.remote_host) == (True, "evb01")
    site.configure(artdaq_db={"use_tools": False, "remote_host": "evb02"})
    found = load_config(site.config_file).artdaq_db
    assert (found.use_tools, found.remote_host) == (False, "evb02")


def test_s9_a_false_boolean_from_the_environment_is_false(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USE_TOOLS", "false")
    site.configure(artdaq_db={"use_tools": "${USE_TOOLS}"})
    site.make(1)
    assert site.run("--import-only").code == 0
    monkeypatch.setenv("USE_TOOLS", "perhaps")
    done = site.run("--import-only")
    assert done.code == 1
    assert "artdaq_db.use_tools" in done


def test_s9_an_unset_variable_stops_and_names_its_key(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("UCONDB_PASSWORD", raising=False)
    site.configure(ucon_db={"writer_password": "${UCONDB_PASSWORD}"})
    done = site.run()
    assert done.code == 1
    assert "ucon_db.writer_password" in done
    assert "UCONDB_PASSWORD" in done


@pytest.mark.parametrize("key", ["server_url", "folder_name", "object_name", "writer_user", "writer_password"])
def test_row_050_keys_of_ucon_db_are_required(site: Site, key: str) -> None:
    site.configure(ucon_db={key: None})
    done = site.run()
    assert done.code == 1
    assert f"ucon_db.{key}: is required" in done


def test_row_050_a_server_url_without_app_is_doubtful(site: Site) -> None:
    site.configure(ucon_db={"server_url": "http://127.0.0.1:1/other"})
    assert "does not end in /app" in site.run("--import-only")


def test_row_051_and_d13_and_l11_ucondb_timeout_defaults_to_10(site: Site) -> None:
    assert load_config(site.config_file).ucon_db.timeout_seconds == 10
    site.configure(ucon_db={"timeout_seconds": 2.5})
    assert load_config(site.config_file).ucon_db.timeout_seconds == 2.5


def test_rows_052_and_053_reporting_keys_are_required_when_enabled(site: Site) -> None:
    site.configure(reporting={"email": {"enabled": True}, "slack": {"enabled": True}})
    done = site.run()
    assert done.code == 1
    for key in ("email.recipient_email", "email.sender_email", "email.smtp_host", "slack.bot_token", "slack.channel"):
        assert f"reporting.{key}: is required" in done


def test_row_054_old_reporting_keys_work_with_a_deprecation(site: Site) -> None:
    site.configure(
        reporting={"send_email_on_error": True, "recipient_email": "a@b", "sender_email": "c@d", "smtp_host": "h"}
    )
    config = load_config(site.config_file)
    assert (config.reporting.email.enabled, config.reporting.email.smtp_port) == (True, 587)
    assert "DEPRECATED" in site.run("--report-status")


def test_row_055_carbon_keys(site: Site) -> None:
    site.configure(carbon={"enabled": True, "host": "c", "metric_prefix": "sbnd.archiver"})
    assert load_config(site.config_file).carbon.port == 2003


@pytest.mark.parametrize(
    ("chosen", "there", "not_there"),
    [
        (None, {"boot", "metadata", "RunHistory", "settings"}, set()),
        (["boot.txt", "metadata.fcl"], {"boot", "metadata"}, {"settings", "RunHistory", "ranks"}),
        ({"files": ["metadata", "RunHistory"]}, {"metadata", "RunHistory"}, {"boot", "settings"}),
        (
            {"convert": {"metadata": {"source_suffix": ".txt"}}, "generate": ["RunHistory.fcl"]},
            {"metadata", "RunHistory"},
            {"boot", "settings"},
        ),
    ],
)
def test_row_056_and_d22_and_d23_fhiclize_generate(
    site: Site, chosen: object, there: set[str], not_there: set[str]
) -> None:
    site.make(1)
    site.configure(fhiclize_generate=chosen)
    assert site.run("--import-only").code == 0
    found = entities(site, 1000)
    assert there <= found
    assert not found & not_there


def test_row_056_and_d35_unknown_names_are_refused(site: Site) -> None:
    site.configure(fhiclize_generate=["custom_config.txt"])
    done = site.run()
    assert done.code == 1
    assert "custom_config" in done


@pytest.mark.parametrize("section", ["source_files", "artdaq_db", "ucon_db"])
def test_row_057_missing_sections(site: Site, section: str) -> None:
    del site.data[section]
    site.configure()
    done = site.run()
    assert done.code == 1
    assert f"{section}: this section is missing" in done


def test_row_057_every_problem_at_once(site: Site) -> None:
    site.configure(app={"batch_size": "x"}, ucon_db={"folder_name": None}, artdaq_db={"use_tools": "x"})
    done = site.run()
    assert len([line for line in done.messages if line.startswith("Error Message:")]) == 3


WITHOUT_MONGOD = """
from runarchive import real_servers
from runarchive.server_programs import Program
real_servers.find_mongod = lambda: Program(None, "mongod is not installed")
"""


def test_row_058_no_file_chooses_mocks_a_real_server_that_is_not_there_is_said_loudly(tmp_path: Path) -> None:
    checkout = Path(__file__).parents[2]
    assert not (checkout / "tests_config.yaml").exists()
    (tmp_path / "without_mongod.py").write_text(WITHOUT_MONGOD)
    test = "tests/stores/test_mongodb.py::test_what_is_stored_twice_is_there_once"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "without_mongod", test],
        capture_output=True,
        text=True,
        cwd=checkout,
        env={**os.environ, "PYTHONPATH": f"{tmp_path}:{checkout / 'lib'}", "PYTEST_ADDOPTS": ""},
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert "TESTS THAT COULD NOT RUN" in done.stdout
    assert "1 tests: " in done.stdout
    assert "NOT RUN, no real server: mongod is not installed" in done.stdout


def test_exclude_most_recent_run_of_newer_archivers(site: Site) -> None:
    runs = site.make(3)
    site.configure(app={"exclude_most_recent_run": True})
    assert site.run("--import-only").code == 0
    assert site.held(Store.ARTDAQDB) == set(runs[:-1])


def test_l9_passwords_are_in_no_log_report_or_ledger(site: Site) -> None:
    site.configure(artdaq_db={"database_uri": "mongodb://u:hunter2@127.0.0.1:1/db", "timeout_seconds": 0.2})
    done = site.run("--compare-state", "-v")
    assert done.code == 1
    site.run("-v")
    texts = [path.read_bytes() for path in site.work.iterdir() if path.is_file()]
    for secret in (b"hunter2", b"secret-of-the-writer"):
        assert all(secret not in text for text in texts)
    assert "hunter2" not in done.out
    assert "mongodb://u:***@127.0.0.1:1/db" in done.out
    assert json.dumps("secret-of-the-writer") not in done.out
