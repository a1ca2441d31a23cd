"""What was listed last is not listed again while the store shows that nothing changed; whatever changes is noticed."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from runarchive.archive import Archive, JobKind
from runarchive.ledger.evidence import EvidenceTable
from runarchive.model import RunState, Store
from runarchive.pipeline.memory import Memory
from runarchive.ucondb.client import UconClient
from runarchive.ucondb.embedded import EmbeddedServer
from tests.archiver_site import Site


@pytest.fixture
def site(tmp_path: Path) -> Site:
    made = Site(tmp_path / "site")
    made.make(3)
    with Archive.open(made.config_file, writable=True) as archive:
        archive.run_job(JobKind.ARCHIVE)
        archive.refresh()
    return made


def looked(site: Site) -> tuple[str, dict[int, RunState]]:
    """What a process of its own finds: what it says of UconDB, and the states."""
    with Archive.open(site.config_file) as archive:
        archive.refresh()
        return archive.health()[Store.UCONDB].message, {run.run: run.state for run in archive.runs()}


def test_an_unchanged_store_is_not_listed_again(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    archived = dict.fromkeys((1000, 1001, 1002), RunState.ARCHIVED)
    assert looked(site)[1] == archived

    def never(*arguments: object) -> object:
        raise AssertionError("it was listed")

    monkeypatch.setattr(UconClient, "list_runs", never)
    monkeypatch.setattr(EmbeddedServer, "start", never)
    for _ in range(3):
        assert looked(site) == ("nothing changed", archived)


def test_directories_that_did_not_change_are_not_compared_with_every_run(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    archived = looked(site)[1]

    def never(*arguments: object) -> object:
        raise AssertionError("every run was read")

    with monkeypatch.context() as patched:
        patched.setattr(EvidenceTable, "listed", never)
        assert looked(site)[1] == archived
    (site.records / "1001").rename(site.records / "1009")
    assert looked(site)[1] == archived | {1009: RunState.NEW}
    shutil.rmtree(site.records / "1009")
    assert looked(site)[1] == archived


def test_a_directory_that_a_job_noted_too_late_is_looked_for_again(site: Site) -> None:
    shutil.rmtree(site.records / "1001")
    looked(site)
    with Archive.open(site.config_file) as archive:
        (row,) = archive._ledger.evidence.of([1001])
        archive._ledger.evidence.put([(row[0], True, *row[2:])])
        archive.refresh()
        assert archive._ledger.evidence.of([1001]) == [row]


@pytest.mark.parametrize("open_all_along", [True, False])
def test_what_another_process_puts_or_overrides_is_noticed(site: Site, open_all_along: bool) -> None:
    looked(site)
    with Archive.open(site.config_file) as watching:
        if open_all_along:
            watching.refresh()
            watching.refresh()
        with site.ucondb() as client:
            client.put(5000, b"somebody else's")
            client.put(1001, b"another content", override=True)
        watching.refresh()
        states = {run.run: run.state for run in watching.runs()}
        assert watching.run(1001).marks.ucondb.word == "listed"  # type: ignore[union-attr]
    assert states[5000] is RunState.ARCHIVED
    assert states[1001] is RunState.IMPORTED
    assert looked(site)[1] == states


def test_a_file_put_in_place_of_the_other_is_noticed(site: Site) -> None:
    looked(site)
    (site.root / "ucondb.sqlite").unlink()
    with site.ucondb() as client:
        client.put(1000, b"alone")
    _, states = looked(site)
    assert states == {1000: RunState.IMPORTED, 1001: RunState.IMPORTED, 1002: RunState.IMPORTED}


def test_another_object_in_the_same_file_is_listed_anew(site: Site) -> None:
    looked(site)
    site.configure(ucon_db={"object_name": "another"})
    assert looked(site)[1] == dict.fromkeys((1000, 1001, 1002), RunState.IMPORTED)


def test_a_file_that_may_only_be_read_is_not_listed_again(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    looked(site)
    before = sorted(path.name for path in site.root.glob("ucondb*"))
    monkeypatch.setattr(os, "access", lambda path, mode: not mode & os.W_OK)
    assert looked(site)[0] == "nothing changed"
    assert sorted(path.name for path in site.root.glob("ucondb*")) == before


def test_a_look_that_is_cut_off_is_done_again(each_site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site = each_site
    site.make(3)
    with Archive.open(site.config_file, writable=True) as archive:
        archive.run_job(JobKind.ARCHIVE)
    for left in site.work.glob("ledger.sqlite*"):
        left.unlink()
    shutil.rmtree(site.records)
    site.records.mkdir()

    def cut_off(*arguments: object) -> object:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Memory, "update", cut_off)
        with pytest.raises(KeyboardInterrupt):
            looked(site)
    assert looked(site)[1] == dict.fromkeys((1000, 1001, 1002), RunState.ARCHIVED)
