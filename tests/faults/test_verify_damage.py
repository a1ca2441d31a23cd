"""What verify finds damaged is no longer shown as verified, is told, and has a way out."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from runarchive.archive import JobKind, JobOptions, RunResult
from runarchive.model import Mark, RunState
from tests.archiver_site import Site


def damage_blob(site: Site, run: int) -> None:
    """Alter one byte of what the server keeps, behind its back."""
    with sqlite3.connect(site.root / "ucondb.sqlite") as database:
        named = "select name from sqlite_master where type = 'table' and name like '%_versions'"
        prefix = database.execute(named).fetchone()[0].removesuffix("_versions")
        (key,) = database.execute(f'select data_key from "{prefix}_versions" where key = ?', (str(run),)).fetchone()
        (data,) = database.execute(f'select data from "{prefix}_data" where key = ?', (key,)).fetchone()
        data = data[:5000] + bytes([data[5000] ^ 1]) + data[5001:]
        database.execute(f'update "{prefix}_data" set data = ? where key = ?', (data, key))
    database.close()


def document(site: Site, run: int, entity: str) -> Path:
    """The file of one document."""
    for path in sorted((site.root / "artdaqdb" / "RunHistory").glob("*.json")):
        text = path.read_text()
        if f'"{run}/' in text and f'"name" : "{entity}"' in text:
            return path
    raise AssertionError(f"no {entity} of {run}")


def cut_document(site: Site, run: int) -> None:
    """Leave the first half of a document."""
    path = document(site, run, "boot")
    path.write_bytes(path.read_bytes()[:200])


def alter_document(site: Site, run: int) -> None:
    """Change a value of a document."""
    path = document(site, run, "boot")
    text = path.read_text()
    assert '"debug_level" : "1"' in text
    path.write_text(text.replace('"debug_level" : "1"', '"debug_level" : "7"'))


@pytest.mark.parametrize(
    ("damage", "state", "artdaqdb", "ucondb", "exit_kind"),
    [
        (damage_blob, RunState.CONFLICT, Mark.VERIFIED, Mark.DIFFERS, JobKind.MIGRATE),
        (cut_document, RunState.PARTIAL, Mark.PARTIAL, Mark.VERIFIED, JobKind.RETRY),
        (alter_document, RunState.CONFLICT, Mark.DIFFERS, Mark.DIFFERS, JobKind.IMPORT),
    ],
)
def test_damage_is_shown_told_and_mended(
    tmp_path: Path,
    damage: Callable[[Site, int], None],
    state: RunState,
    artdaqdb: Mark,
    ucondb: Mark,
    exit_kind: JobKind,
) -> None:
    site = Site(tmp_path / "site")
    (run,) = site.make(1)
    assert site.run().code == 0
    damage(site, run)
    with site.archive(writable=True) as archive:
        (verified,) = archive.run_job(JobKind.VERIFY, [run]).runs
        assert verified.result is RunResult.FAILED
        found = archive.run(run)
        assert found is not None
        assert (found.state, found.marks.artdaqdb, found.marks.ucondb) == (state, artdaqdb, ucondb), found.reason
        offered = [way.action for way in archive.explain(run).exits]
        assert {JobKind.MIGRATE: "supersede", JobKind.IMPORT: "add", JobKind.RETRY: "retry"}[exit_kind] in offered
        archive.run_job(exit_kind, [run], JobOptions(add=True, supersede=True))
        archive.run_job(JobKind.MIGRATE, [run], JobOptions(supersede=True))
        archive.run_job(JobKind.VERIFY, [run])
        mended = archive.run(run)
        assert mended is not None
        assert (mended.state, mended.marks.artdaqdb, mended.marks.ucondb) == (
            RunState.ARCHIVED, Mark.VERIFIED, Mark.VERIFIED,
        ), mended.reason  # fmt: skip


def test_a_store_out_of_reach_changes_no_verdict(tmp_path: Path) -> None:
    site = Site(tmp_path / "site")
    (run,) = site.make(1)
    assert site.run().code == 0
    site.configure(ucon_db={"server_url": "http://127.0.0.1:1/app", "timeout_seconds": 1})
    with site.archive(writable=True) as archive:
        archive.run_job(JobKind.VERIFY, [run], JobOptions(refresh=False))
        found = archive.run(run)
        assert found is not None
        assert (found.state, found.marks.ucondb) == (RunState.ARCHIVED, Mark.VERIFIED)


def test_a_blob_that_vanished_is_named(tmp_path: Path) -> None:
    site = Site(tmp_path / "site")
    (run,) = site.make(1)
    assert site.run().code == 0
    with sqlite3.connect(site.root / "ucondb.sqlite") as database:
        (table,) = database.execute("select name from sqlite_master where name like '%_versions'").fetchone()
        database.execute(f'delete from "{table}"')
    database.close()
    with site.archive(writable=True) as archive:
        (verified,) = archive.run_job(JobKind.VERIFY, [run], JobOptions(refresh=False)).runs
        assert (verified.result, verified.state) == (RunResult.FAILED, RunState.IMPORTED)
        assert verified.failure is not None
        assert verified.failure.message == "artdaqDB to UconDB: UconDB does not hold it"
