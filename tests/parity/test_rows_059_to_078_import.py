"""Rows 59 to 78: what the import stage does."""

from __future__ import annotations

import re

import pytest

from runarchive.artdaqdb.store import open_store
from runarchive.config import load_config
from runarchive.model import RunState, Store
from tests.archiver_site import Site
from tests.trees import picture

ORDER = ["boot", "known_boardreaders_list", "setup", "environment", "metadata", "settings", "ranks"]


@pytest.fixture
def site(each_site: Site) -> Site:
    """Every test here runs on both native artdaqDB providers."""
    return each_site


def test_row_059_candidates_are_numbered_directories_that_artdaqdb_lacks_lowest_first(site: Site) -> None:
    site.make(2, first=2000)
    site.run("--import-only")
    site.make(2, first=990)
    for odd in ("²", "0012", "12a", ".record_directory_info"):
        (site.records / odd).mkdir()
    (site.records / "1234").touch()
    done = site.run("--import-only")
    assert done.code == 0
    assert "Run range: 990 to 991" in done
    for odd in ("'²'", "'0012'", "'12a'", "'1234'"):
        assert f"WARNING - {odd} in the records directory: " in done
    assert site.held(Store.ARTDAQDB) == {990, 991, 2000, 2001}


def test_row_060_start_and_stop_times_are_in_runhistory2(site: Site) -> None:
    site.make(1)
    site.run("--import-only")
    text = site.exported(1000)["RunHistory2"]
    assert re.search(r'^DAQInterface_start_time\s*:\s*".* UTC \d{4}"', text, re.M)
    assert re.search(r"^DAQInterface_stop_time\s*:", text, re.M)


def test_row_061_the_record_itself_is_never_touched(site: Site) -> None:
    site.make(1)
    before = picture(site.records / "1000")
    assert site.run().code == 0
    assert picture(site.records / "1000") == before


def test_row_062_text_files_become_fhicl(site: Site) -> None:
    site.make(1)
    site.run("--import-only")
    names = set(site.exported(1000))
    assert set(ORDER) | {"RunHistory", "RunHistory2"} <= names
    fcl = {path.stem for path in (site.records / "1000").glob("*.fcl")}
    assert fcl
    assert fcl <= names


def test_rows_063_to_069_what_each_converted_file_holds(site: Site) -> None:
    site.make(1)
    site.run("--import-only")
    texts = site.exported(1000)
    found = {name: re.findall(r"^(\w+)\s*:", text, re.M) for name, text in texts.items()}
    assert {"config_name", "components", "boardreader_logfiles"} <= set(found["metadata"])
    assert any(key.endswith("_commit_or_version") for key in found["metadata"])
    assert {"subsystem_settings", "artdaq_process_settings"} <= set(found["boot"])
    assert found["settings"]
    assert found["setup"] == ["setup_script"]
    assert all(
        re.fullmatch(r'"(?:[^"\\]|\\.)*"', line.partition(":")[2].strip())
        for line in texts["environment"].splitlines()
        if line.strip()
    )
    assert "ranks" in found["ranks"]
    assert set(found["RunHistory"]) == {"run_number", "config_name", "components"}
    assert {"DAQInterface_start_time", "DAQInterface_stop_time"} <= set(found["RunHistory2"])


def test_row_070_and_d39_schema_of_fcl_conf_dir_else_the_built_in_one(site: Site) -> None:
    site.make(1)
    assert site.run("--import-only").code == 0
    built_in = site.exported(1000)["schema"]
    (site.root / "conf" / "schema.fcl").write_text("main: { }\nours: true\n")
    site.make(1, first=1001)
    assert site.run("--import-only").code == 0
    assert "ours" in site.exported(1001)["schema"]
    assert "ours" not in built_in


def test_rows_071_and_072_configuration_name_and_update_version(site: Site) -> None:
    site.make(1, in_progress=1)
    site.age(1000)
    with site.opened(1000) as path:
        text = (path / "metadata.txt").read_text()
        (path / "metadata.txt").write_text(re.sub(r"Config name: .*", "Config name: beam/noSN-00012", text))
    assert site.run("--import-only").code == 0
    store = open_store(load_config(site.config_file).artdaq_db.database_uri)
    assert store.configurations_of(1000) == ("1000/beam_noSN-00012",)
    site.append(1000, "metadata.txt", "\nDAQInterface stop time: Sat Nov 21 07:00:00 UTC 2026\n")
    assert site.run("--import-only").code == 0
    versions = {document.version for document in store.documents("1000/beam_noSN-00012")}
    store.close()
    assert versions == {"1000/beam_noSN-00012", "1000/beam_noSN-00012v1"}
    assert "DAQInterface_stop_time" in site.exported(1000)["RunHistory2"]


def test_row_073_and_p4_every_file_is_a_document_whatever_the_schema_says(site: Site) -> None:
    site.make(1)
    with site.opened(1000) as path:
        (path / "newdetector01.fcl").write_text("a: 1\n")
    assert site.run().code == 0
    assert "a : 1" in re.sub(r"\s*:\s*", " : ", site.exported(1000)["newdetector01"])
    assert "newdetector01.fcl" in [name for name, _ in site.blob(1000).files]


def test_row_075_importing_again_finds_the_run_archived_and_adds_nothing(site: Site) -> None:
    site.make(1)
    site.run("--import-only")
    store = open_store(load_config(site.config_file).artdaq_db.database_uri)
    before = sum(store.collections().values())
    for path in site.work.glob("ledger.sqlite*"):
        path.unlink()
    assert site.run("--import-only").code == 0
    assert sum(store.collections().values()) == before
    store.close()
    assert site.states()[1000] is RunState.IMPORTED


def test_row_077_progress_every_ten_runs(site: Site) -> None:
    site.make(12)
    done = site.run("--import-only")
    progress = [line for line in done.messages if line.startswith("Progress:")]
    assert progress == [
        "Progress: 10/12 runs processed (10 successful, 0 failed)",
        "Progress: 12/12 runs processed (12 successful, 0 failed)",
    ]


def test_row_078_and_d24_what_the_library_refuses_is_kept_in_originals_and_named(site: Site) -> None:
    site.make(1)
    with site.opened(1000) as path:
        (path / "bad.fcl").write_text("a: [ 1, \n")
    done = site.run()
    assert done.code == 0
    assert "bad" in " ".join(line for line in done.messages if line.startswith("Run 1000:"))
    assert "bad" not in site.exported(1000)
    assert "originals" in site.exported(1000)
