"""The state files are such that the older archiver, with its own rules, finds every run that is due."""

from __future__ import annotations

import json
import random

import pytest

from runarchive.ledger.state_files import derive, read_failure_log
from runarchive.model import Store
from tests.archiver_site import Site


def found_by_the_older_archiver(site: Site) -> tuple[set[int], set[int]]:
    """What its `--incremental` and `--retry-failed-*` would take, of each stage: it knows directories and listings."""
    disk = {int(path.name) for path in site.records.iterdir() if path.is_dir() and path.name.isdigit()}
    artdaqdb, ucondb = site.held(Store.ARTDAQDB), site.held(Store.UCONDB)
    found = []
    for source, target, state_file, log in (
        (disk, artdaqdb, "importer_state.json", "import_failures.log"),
        (artdaqdb, ucondb, "migrator_state.json", "migrate_failures.log"),
    ):
        state = json.loads((site.work / state_file).read_text())
        last = max(state.get("last_contiguous_run", 0), state.get("last_attempted_run", 0))
        newer = {run for run in source - target if run > last}
        found.append(newer | (set(read_failure_log(site.work / log)) - target))
    return found[0], found[1]


def due(site: Site) -> tuple[set[int], set[int]]:
    disk = {int(path.name) for path in site.records.iterdir()}
    return disk - site.held(Store.ARTDAQDB), site.held(Store.ARTDAQDB) - site.held(Store.UCONDB)


@pytest.mark.parametrize("flags", [["--incremental"], []])
def test_every_run_that_is_due_is_found_after_each_start(site: Site, flags: list[str]) -> None:
    site.configure(app={"batch_size": 2 if flags else 1, "run_process_retries": 0})
    runs = [*site.make(4, first=2000), *site.make(2, first=1000), *site.make(2, first=3000, in_progress=1)]
    for run in (2001, 3000):
        site.break_record(run)
    for step in range(5):
        site.run(*flags)
        assert found_by_the_older_archiver(site) == due(site), step
        if step == 1:
            site.make(1, first=500)
    site.configure(app_fuzz={"random_error_percent": 100})
    site.make(1, first=4000)
    site.run("--import-only", "--incremental")
    site.run("--migrate-only")
    assert read_failure_log(site.work / "migrate_failures.log") == (4000,)
    assert found_by_the_older_archiver(site) == due(site)
    site.configure(app_fuzz={"random_error_percent": 0})
    for run in (2001, 3000):
        site.mend_record(run)
    for _ in range(6):
        site.run()
    assert found_by_the_older_archiver(site) == due(site) == ({runs[-1]}, set())


@pytest.mark.parametrize("seed", range(50))
def test_the_rule_finds_every_waiting_run_whatever_the_numbers(seed: int) -> None:
    dice = random.Random(seed)
    numbers = dice.sample(range(1, 60), dice.randrange(40))
    sorts: dict[str, set[int]] = {"done": set(), "failed": set(), "waiting": set()}
    for number in numbers:
        sorts[dice.choice(list(sorts))].add(number)
    state = derive(sorts["done"], sorts["failed"], sorts["waiting"])
    assert all(run > max(state.contiguous, state.attempted) for run in sorts["waiting"])
    assert set(state.failed) == sorts["failed"]
    assert state.contiguous <= state.attempted
    assert all(run in sorts["done"] for run in numbers if run <= state.contiguous)
    nothing_in_the_way = min(sorts["failed"] | sorts["waiting"], default=1000)
    assert state.contiguous == max((run for run in sorts["done"] if run < nothing_in_the_way), default=0)
