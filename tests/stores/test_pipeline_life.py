"""What can happen to a run between its directory and UconDB, on real stores: waiting, growth, cut-offs."""

from __future__ import annotations

import shutil
import time
from datetime import UTC, datetime

import pytest

from runarchive.archive import Archive, JobKind, JobOptions, RunResult
from runarchive.artdaqdb.store import open_store
from runarchive.errors import ArchiveError, Code
from runarchive.ledger.jobs import this_actor
from runarchive.model import Mark, RunState, Stage
from runarchive.ucondb.blob import unpack
from tests.archiver_site import Site, looked_at


def take_times(site: Site, run: int, what: str) -> bytes:
    """Take the stop line, or both, out of a record, as it was before; returns what it is now."""
    with site.opened(run) as record:
        file = record / "metadata.txt"
        whole = file.read_bytes()
        lines = (b"start", b"stop") if what == "both" else (b"stop",)
        kept = [
            line for line in whole.split(b"\n") if not any(b"DAQInterface " + word + b" time" in line for word in lines)
        ]
        file.write_bytes(b"\n".join(kept))
    return whole


def put_back(site: Site, run: int, whole: bytes) -> None:
    with site.opened(run) as record:
        (record / "metadata.txt").write_bytes(whole)


def test_a_run_without_stop_waits_and_is_archived_when_it_is_old(site: Site, archive: Archive) -> None:
    site.make(1)
    take_times(site, 1000, "stop")
    site.age(1000, hours=2)
    found = looked_at(archive)
    assert (found.state, found.reason) == (RunState.WAITING, "no stop, 2 h")
    newest = (site.records / "1000" / "metadata.txt").stat().st_mtime
    until = datetime.fromtimestamp(newest + 24 * 3600, UTC)
    assert f"from {until:%Y-%m-%d %H:%M} UTC on" in archive.explain(1000).by_itself
    assert archive.run_job(JobKind.ARCHIVE).runs == ()
    [held] = archive.plan(JobKind.IMPORT, [1000]).held
    assert (held.run, held.reason) == (1000, "waits: no stop, 2 h")
    site.age(1000, hours=30)
    outcome = archive.run_job(JobKind.ARCHIVE)
    assert [(run.state, run.reason) for run in outcome.runs] == [(RunState.ARCHIVED, "no stop time")]


def decisions(archive: Archive, run: int = 1000) -> list[tuple[str, str]]:
    """What was decided about a run, and why; always by the person, whatever program the archive was opened by."""
    found = archive.life(run).decisions
    assert {one.actor for one in found} <= {this_actor()}
    return [(one.kind, one.text) for one in found]


def test_a_person_can_force_a_waiting_run_and_is_named(site: Site, archive: Archive) -> None:
    site.make(2)
    take_times(site, 1000, "stop")
    site.age(1000, hours=2)
    assert looked_at(archive).state is RunState.WAITING
    assert archive.run_job(JobKind.IMPORT, None, JobOptions(force=True)).count(Stage.IMPORT) == 2
    assert decisions(archive) == [("force", "WAITING: no stop, 2 h")]
    assert decisions(archive, 1001) == [], "it was due anyway"


def test_a_stop_time_that_comes_late_is_an_update_and_supersedes_only_when_told(site: Site, archive: Archive) -> None:
    site.make(1)
    whole = take_times(site, 1000, "stop")
    site.age(1000, hours=30)
    assert archive.run_job(JobKind.ARCHIVE).runs[0].state is RunState.ARCHIVED
    put_back(site, 1000, whole)
    grown = looked_at(archive)
    assert (grown.state, grown.reason) == (RunState.OUTDATED, "the record changed after its import")
    assert (grown.marks.artdaqdb, grown.marks.ucondb) == (Mark.UNKNOWN, Mark.VERIFIED)
    outcome = archive.run_job(JobKind.ARCHIVE)
    assert [(run.state, run.reason) for run in outcome.runs] == [(RunState.OUTDATED, "UconDB is older than artdaqDB")]
    updated = looked_at(archive)
    assert (updated.marks.artdaqdb, updated.marks.ucondb) == (Mark.VERIFIED, Mark.DIFFERS)
    assert archive.run_job(JobKind.ARCHIVE).runs == (), "nothing overrides by itself"
    explained = archive.explain(1000)
    assert any("--supersede" in way.command for way in explained.exits)
    outcome = archive.run_job(JobKind.MIGRATE, [1000], JobOptions(supersede=True))
    assert [(run.state, run.result) for run in outcome.runs] == [(RunState.ARCHIVED, RunResult.DONE)]
    assert looked_at(archive).marks.ucondb is Mark.VERIFIED
    assert decisions(archive) == [("supersede", "OUTDATED: UconDB is older than artdaqDB")]
    with site.opened(1000) as record, (record / "metadata.txt").open("ab") as file:
        file.write(b"\nDAQInterface stop time: Sat Nov 21 06:29:33 UTC 2026\n")
    assert looked_at(archive).state is RunState.ARCHIVED, "no look watches what is archived and ended"
    archive.glance_at([1000])
    assert looked_at(archive).state is RunState.OUTDATED
    with_stop = unpack(site.blob_bytes(1000))
    assert b"stop_time" in (with_stop.file("RunHistory2.fcl") or b"")


def test_growth_that_a_verification_found_is_imported(site: Site, archive: Archive) -> None:
    site.make(1)
    archive.run_job(JobKind.ARCHIVE)
    with site.opened(1000) as record, (record / "metadata.txt").open("ab") as file:
        file.write(b"\nDAQInterface stop time: Sat Nov 21 06:29:33 UTC 2026\n")
    assert [run.state for run in archive.run_job(JobKind.VERIFY, [1000]).runs] == [RunState.OUTDATED]
    assert [step.stages for step in archive.plan(JobKind.IMPORT).steps] == [(Stage.IMPORT,)]
    outcome = archive.run_job(JobKind.IMPORT)
    assert [(run.state, run.reason) for run in outcome.runs] == [(RunState.OUTDATED, "UconDB is older than artdaqDB")]


def test_an_upload_whose_answer_was_lost_is_compared_not_repeated(site: Site, archive: Archive) -> None:
    """A migration was cut off after the put: the next start finds the blob and compares it."""
    site.make(1)
    archive.run_job(JobKind.ARCHIVE)
    evidence = archive._memory.evidence(1000)  # the state that a kill between put and commit leaves
    from dataclasses import replace

    archive._memory.save([replace(evidence, ucondb="", migrated=None, in_hand=Stage.MIGRATE)])
    archive._ledger.listings.drop(["ucondb"])
    outcome = archive.run_job(JobKind.ARCHIVE)
    assert [(run.state, run.stages) for run in outcome.runs] == [(RunState.ARCHIVED, (Stage.MIGRATE,))]
    with site.ucondb() as client:
        assert len(client.list_runs().runs) == 1
        assert not client.list_runs().others


def test_an_import_that_was_cut_off_is_completed(site: Site, archive: Archive) -> None:
    site.make(1)
    archive.run_job(JobKind.IMPORT)
    store = open_store(site.data["artdaq_db"]["database_uri"])
    [configuration] = store.list_configurations()
    documents = store.documents(configuration.name)
    store.close()
    shutil.rmtree(site.root / "artdaqdb")
    store = open_store(site.data["artdaq_db"]["database_uri"])
    store.insert_records([document.record for document in documents[: len(documents) // 2]])
    store.fold()
    store.close()
    with Archive.open(site.config_file, writable=True) as other:
        outcome = other.run_job(JobKind.ARCHIVE)
        assert [run.state for run in outcome.runs] == [RunState.PARTIAL], "an old verdict is no proof"
        assert looked_at(other).marks.ucondb is Mark.MISSING
        outcome = other.run_job(JobKind.ARCHIVE)
        assert [(run.state, run.stages) for run in outcome.runs] == [(RunState.ARCHIVED, (Stage.IMPORT, Stage.MIGRATE))]


def test_a_cleaned_away_directory_leaves_its_run_archived(site: Site, archive: Archive) -> None:
    site.make(2)
    archive.run_job(JobKind.ARCHIVE)
    with site.opened(1000):
        pass
    (site.records / "1000").chmod(0o755)
    shutil.rmtree(site.records / "1000")
    found = looked_at(archive)
    assert found.state is RunState.ARCHIVED
    assert (found.marks.filesystem, found.marks.artdaqdb) == (Mark.MISSING, Mark.VERIFIED)
    verified = archive.run_job(JobKind.VERIFY, [1000])
    assert not verified.failed


def test_a_lower_number_that_comes_late_is_found(site: Site, archive: Archive) -> None:
    site.make(2, first=1010)
    archive.run_job(JobKind.ARCHIVE)
    site.make(1, first=1003)
    outcome = archive.run_job(JobKind.ARCHIVE)
    assert [(run.run, run.state) for run in outcome.runs] == [(1003, RunState.ARCHIVED)]


def test_an_incomplete_copy_is_imported_whole_once_it_is_there(site: Site, archive: Archive) -> None:
    """An empty directory is nothing to import; what appears in it later is."""
    (site.records / "1000").mkdir()
    assert looked_at(archive).state is RunState.EMPTY
    (site.records / "1000").rmdir()
    site.make(1)
    assert archive.run_job(JobKind.ARCHIVE).runs[0].state is RunState.ARCHIVED


def test_ignored_runs_are_in_no_plan_and_no_gap(site: Site) -> None:
    site.make(3)
    site.configure(source_files={"ignore_runs": ["1001"]})
    with Archive.open(site.config_file, writable=True) as archive:
        outcome = archive.run_job(JobKind.ARCHIVE)
        assert [run.run for run in outcome.runs] == [1000, 1002]
        assert looked_at(archive, 1001).state is RunState.IGNORED
        report = archive.status()
        assert report.import_contiguous == 1002
        assert all(not store.gaps for store in report.stores.values())


def test_read_only_refuses_every_writing_job(site: Site) -> None:
    site.make(1)
    with Archive.open(site.config_file) as archive:
        for kind in (JobKind.IMPORT, JobKind.MIGRATE, JobKind.ARCHIVE, JobKind.RETRY):
            with pytest.raises(ArchiveError) as refused:
                archive.run_job(kind)
            assert refused.value.code is Code.READ_ONLY
        assert archive.plan(JobKind.ARCHIVE).runs == (1000,)
        archive.arm()
        assert archive.run_job(JobKind.IMPORT).count(Stage.IMPORT) == 1


def test_a_look_tells_what_it_changed_to_everybody(site: Site, archive: Archive) -> None:
    site.make(2)
    revision = archive.revision()
    assert not archive.changes_since(revision)
    archive.refresh()
    changes = archive.changes_since(revision)
    assert [run.run for run in changes.runs] == [1000, 1001]
    with Archive.open(site.config_file) as other:
        assert other.changes_since(revision).runs == changes.runs


def test_the_life_of_a_run_is_told(site: Site, archive: Archive) -> None:
    site.make(1)
    archive.run_job(JobKind.ARCHIVE)
    archive.run_job(JobKind.VERIFY)
    archive.note(1000, "laser was on")
    life = archive.life(1000)
    assert [(one.stage, one.failure) for one in life.attempts] == [(Stage.IMPORT, None), (Stage.MIGRATE, None)]
    assert [check.result.verdict for check in life.checks] == ["pass", "pass"]
    assert {one.stage for one in life.hashes} == {Stage.IMPORT, Stage.MIGRATE}
    assert decisions(archive) == [("note", "laser was on")]
    assert life.events
    manifest = archive.manifest()
    assert [(entry.run, bool(entry.hashes), entry.waived) for entry in manifest] == [(1000, True, "")]


def test_a_lost_ledger_loses_no_run(site: Site, archive: Archive) -> None:
    site.make(3)
    archive.run_job(JobKind.ARCHIVE)
    archive.close()
    for file in site.work.glob("ledger*"):
        file.unlink()
    with Archive.open(site.config_file, writable=True) as fresh:
        assert fresh.run_job(JobKind.ARCHIVE).runs == ()
        assert {(run.state, run.reason) for run in fresh.runs()} == {(RunState.ARCHIVED, "listed, not verified yet")}
        fresh.judge(10)
        assert {(run.state, run.marks.ucondb) for run in fresh.runs()} == {(RunState.ARCHIVED, Mark.VERIFIED)}


def test_jobs_in_the_background_show_their_progress(site: Site, archive: Archive) -> None:
    site.make(4)
    job = archive.start(JobKind.ARCHIVE)
    outcome = archive.wait(job, timeout=60)
    assert outcome is not None
    assert len(outcome.runs) == 4
    [shown] = [known for known in archive.jobs() if known.job == job]
    assert (shown.state, shown.total, shown.done) == ("done", 4, 4)
    assert [one.run for one in archive.job_outcomes(job)] == [1000, 1001, 1002, 1003]
    assert archive.job_log(job)
    assert not archive.working()
    assert archive.lock_holder() is None


def test_a_stopped_job_finishes_the_runs_in_hand_and_goes_on_later(site: Site, archive: Archive) -> None:
    site.make(30)
    job = archive.start(JobKind.ARCHIVE, None, JobOptions(workers=2))
    end = time.monotonic() + 30
    while not any(run.state is RunState.ARCHIVED for run in archive.runs()):
        assert time.monotonic() < end
        time.sleep(0.005)
    archive.cancel(job)
    outcome = archive.wait(job, timeout=60)
    assert outcome is not None
    assert outcome.interrupted
    archived = {run.run for run in archive.runs() if run.state is RunState.ARCHIVED}
    assert 0 < len(archived) < 30
    assert not any(run.state in (RunState.IMPORTING, RunState.MIGRATING) for run in archive.runs())
    rest = archive.run_job(JobKind.ARCHIVE)
    assert {run.run for run in rest.runs} == set(range(1000, 1030)) - archived
    assert all(run.state is RunState.ARCHIVED for run in archive.runs())


def test_compare_sets_the_blobs_frame_apart_and_notices_another_runs(site: Site, archive: Archive) -> None:
    site.make(2)
    archive.refresh()
    archive.run_job(JobKind.IMPORT)
    archive.run_job(JobKind.MIGRATE)
    with site.ucondb() as client:
        blob = client.get(1000)
        found = archive.compare(1000)
        assert (found.packed_on, found.blob_run, found.problems) == (unpack(blob).packed_on, found.run, ())
        sizes = {file.name: file.size for file in found.files}
        assert sizes == {name: len(content) for name, content in unpack(blob).files}
        boot = next(file for file in found.files if file.name == "boot.fcl")
        assert boot.changed is not None
        assert boot.changed.timestamp() == pytest.approx((site.records / "1000" / "boot.txt").stat().st_mtime)
        client.put(1000, client.get(1001), override=True)
    assert "the blob's header names run 1001" in archive.compare(1000).problems


def test_what_a_store_holds_that_never_answered_is_unknown_until_it_did(site: Site) -> None:
    site.make(2)
    there = site.data["ucon_db"]["server_url"]
    site.configure(ucon_db={"server_url": "http://127.0.0.1:9/nobody"})
    with Archive.open(site.config_file, writable=False, actor="tester@here") as archive:
        archive.refresh()
        seen = archive.revision()
        assert [run.marks.ucondb for run in archive.runs()] == [Mark.UNKNOWN] * 2
        assert [run.marks.artdaqdb for run in archive.runs()] == [Mark.MISSING] * 2
        assert "ucondb: unknown" in archive.explain(1000).why
        site.configure(ucon_db={"server_url": there})
        with Archive.open(site.config_file, writable=False, actor="other@here") as other:
            other.refresh()
        told = archive.changes_since(seen).runs
        assert [(run.run, run.marks.ucondb) for run in told] == [(1000, Mark.MISSING), (1001, Mark.MISSING)]
        assert archive.changes_since(archive.revision()).runs == ()


def test_the_failure_of_a_grown_run_names_the_import_that_mends_it(site: Site, archive: Archive) -> None:
    site.make(1)
    archive.run_job(JobKind.ARCHIVE)
    site.append(1000, "settings.txt", "\nlate: 1\n")
    archive.glance_at([1000])
    assert looked_at(archive).state is RunState.OUTDATED
    [failure] = archive.failures()
    assert "import what changed (`import 1000`)" in failure.failure.hint
