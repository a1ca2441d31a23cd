"""Rows 107 to 114: what the older archiver's documents say about deployment."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

from runarchive.model import RunState, Store
from tests.archiver_site import Site

ROOT = Path(__file__).parents[2]


def test_row_109_and_d29_docs_show_crontab_and_systemd() -> None:
    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    assert "run-archiver" in text
    assert "--incremental" in text
    assert "[Service]" in text
    assert "[Timer]" in text


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
