"""The whole pipeline on a real MongoDB: the same life as on a FilesystemDB."""

from __future__ import annotations

import random
from contextlib import closing
from pathlib import Path
from typing import Any

from pymongo import MongoClient

from runarchive.archive import Archive, JobKind, JobOptions
from runarchive.artdaqdb.mongodb import MongoDB
from runarchive.artdaqdb.store import open_store
from runarchive.errors import Code
from runarchive.model import Mark, RunState, Stage
from tests.archiver_site import Site


def test_runs_go_through_a_mongodb_and_a_late_stop_time_follows(tmp_path: Path, mongodb_database: str) -> None:
    site = Site(tmp_path / "site", uri=mongodb_database)
    site.make(6)
    with site.opened(1000) as record:
        whole = (record / "metadata.txt").read_bytes()
        lines = whole.split(b"\n")
        (record / "metadata.txt").write_bytes(b"\n".join(line for line in lines if b"stop time" not in line))
    with Archive.open(site.config_file, writable=True) as archive:
        outcome = archive.run_job(JobKind.ARCHIVE)
        assert {run.state for run in outcome.runs} == {RunState.ARCHIVED}
        assert archive.run_job(JobKind.ARCHIVE).runs == ()
        assert not archive.run_job(JobKind.VERIFY).failed
        assert archive.compare(1003).marks.ucondb is Mark.VERIFIED
    with Archive.open(site.config_file, writable=True) as archive:
        archive.refresh(full=True)
        assert archive.run_job(JobKind.ARCHIVE).runs == (), "a verdict holds over a new start"
        with site.opened(1000) as record:
            (record / "metadata.txt").write_bytes(whole)
        outcome = archive.run_job(JobKind.ARCHIVE)
        assert [(run.run, run.state) for run in outcome.runs] == [(1000, RunState.OUTDATED)]
        outcome = archive.run_job(JobKind.MIGRATE, [1000], JobOptions(supersede=True))
        assert outcome.count(Stage.MIGRATE) == 1
        assert {run.state for run in archive.runs()} == {RunState.ARCHIVED}


def test_a_record_larger_than_a_document_may_be_fails_alone_and_by_name(tmp_path: Path, mongodb_database: str) -> None:
    site = Site(tmp_path / "site", uri=mongodb_database)
    site.make(2)
    with site.opened(1000) as record:
        (record / "core.bin").write_bytes(random.Random(1).randbytes(13 << 20))
    with Archive.open(site.config_file, writable=True) as archive:
        archive.run_job(JobKind.ARCHIVE)
        assert {run.run: run.state for run in archive.runs()} == {1000: RunState.FAILED, 1001: RunState.ARCHIVED}
        (failed,) = archive.failures()
        assert (failed.failure.code, failed.failure.retryable) == (Code.TOO_LARGE, False)
        assert "originals" in failed.failure.message
        assert "app.originals: never" in failed.failure.hint
    store = open_store(mongodb_database)
    assert store.configurations_of(1000) == ()
    store.close()
    site.configure(app={"originals": "never"})
    with Archive.open(site.config_file, writable=True) as archive:
        archive.run_job(JobKind.RETRY, [1000])
        assert {run.state for run in archive.runs()} == {RunState.ARCHIVED}


def test_a_large_mongodb_without_the_index_of_names_is_told_once_and_in_each_status(
    tmp_path: Path, mongodb_database: str
) -> None:
    site = Site(tmp_path / "site", uri=mongodb_database)
    sentence = "RunHistory in MongoDB has 10000 documents and no index of configurations.name"

    def told_and_shown() -> tuple[int, bool]:
        with Archive.open(site.config_file, writable=True) as archive:
            archive.refresh()
            told = [event.message for event in archive.events() if sentence in event.message]
            shown = [line for line in archive.status().recommendations if sentence in line]
            assert all("`tui-archiver artdaqdb reindex`" in line for line in told + shown)
            return len(told), bool(shown)

    with MongoClient[dict[str, Any]](mongodb_database) as client:
        records = client.get_default_database()["RunHistory"]
        records.insert_many([{"configurations": [{"name": "plain"}]}])
        assert told_and_shown() == (0, False), "a small one is as quick"
        records.insert_many([{"configurations": [{"name": "plain"}]} for _ in range(9999)])
        assert told_and_shown() == (1, True)
        assert told_and_shown() == (1, True)
        records.create_index("configurations.name", name="under_another_name")
        assert told_and_shown() == (1, False)
        records.drop_index("under_another_name")
        assert told_and_shown() == (2, True)
        with closing(MongoDB(mongodb_database)) as store:
            store.make_indexes()
        assert told_and_shown() == (2, False)
