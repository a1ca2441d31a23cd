"""Runs that a person must decide on, on real stores: changed records, blobs of others, half runs, wrong folders."""

from __future__ import annotations

from runarchive.archive import Archive, JobKind, JobOptions, RunResult
from runarchive.artdaqdb.store import NewDocument, open_store
from runarchive.errors import Code
from runarchive.model import Mark, RunState, Severity, Stage, Verdict
from tests.archiver_site import Site, looked_at


def test_a_changed_record_is_a_conflict_with_three_exits(site: Site, archive: Archive) -> None:
    site.make(1)
    assert archive.run_job(JobKind.ARCHIVE).runs[0].state is RunState.ARCHIVED
    site.append(1000, "boot.txt", "\nchanged: afterwards\n")
    outcome = archive.run_job(JobKind.VERIFY, [1000])
    assert [run.result for run in outcome.runs] == [RunResult.FAILED]
    assert looked_at(archive).state is RunState.CONFLICT
    assert archive.run_job(JobKind.RETRY).runs == ()
    assert {way.action for way in archive.explain(1000).exits} >= {"compare", "add", "waive"}
    outcome = archive.run_job(JobKind.IMPORT, [1000], JobOptions(add=True))
    assert outcome.runs[0].result is RunResult.DONE
    assert [one.kind for one in archive.life(1000).decisions] == ["add"]
    assert looked_at(archive).state is RunState.OUTDATED
    outcome = archive.run_job(JobKind.MIGRATE, [1000], JobOptions(supersede=True))
    assert outcome.runs[0].state is RunState.ARCHIVED


def test_a_blob_of_somebody_else_is_a_conflict_and_stays(site: Site, archive: Archive) -> None:
    site.make(1)
    with site.ucondb() as client:
        client.put(1000, b"not ours\n")
        outcome = archive.run_job(JobKind.ARCHIVE)
        assert [(run.state, run.result) for run in outcome.runs] == [(RunState.CONFLICT, RunResult.FAILED)]
        assert [(one.stage, one.failure and one.failure.code) for one in archive.life(1000).attempts] == [
            (Stage.IMPORT, None),
            (Stage.MIGRATE, Code.CONFLICT),
        ]
        (failure,) = [one.failure for one in archive.job_outcomes(outcome.job)]
        assert failure is not None
        assert failure.message == "other content in UconDB under this run"
        assert "migrate 1000 --supersede" in failure.hint
        assert client.get(1000) == b"not ours\n"
        assert looked_at(archive).marks.ucondb is Mark.DIFFERS
        archive.waive(1000, "made by hand")
        waived = looked_at(archive)
        assert (waived.state, waived.reason) == (RunState.WAIVED, "made by hand")
        assert archive.run_job(JobKind.MIGRATE, [1000], JobOptions(supersede=True)).runs == ()
        archive.unwaive(1000)
        assert archive.run_job(JobKind.MIGRATE, [1000], JobOptions(supersede=True)).runs[0].state is RunState.ARCHIVED
        assert client.list_runs().others, "the old version keeps its id without the key"


def test_a_half_run_without_its_directory_is_left_to_a_person(site: Site, archive: Archive) -> None:
    store = open_store(site.data["artdaq_db"]["database_uri"])
    store.insert([NewDocument("RunHistory", "boot", "1000/beam", "1000/beam", 1000, "a: 1\n")])
    store.fold()
    store.close()
    assert looked_at(archive).state is RunState.ORPHAN
    outcome = archive.run_job(JobKind.ARCHIVE)
    assert [(run.state, run.result) for run in outcome.runs] == [(RunState.PARTIAL, RunResult.FAILED)]
    assert outcome.runs[0].reason == "without RunHistory, metadata, schema"
    assert outcome.runs[0].last_stage is Stage.MIGRATE, "an alarm names the stage that met it"
    assert looked_at(archive).marks.ucondb is Mark.MISSING


def test_two_configurations_are_a_conflict(site: Site, archive: Archive) -> None:
    site.make(1)
    archive.run_job(JobKind.IMPORT)
    store = open_store(site.data["artdaq_db"]["database_uri"])
    store.insert([NewDocument("RunHistory", "boot", "1000/other", "1000/other", 1000, "a: 1\n")])
    store.fold()
    store.close()
    found = looked_at(archive)
    assert found.state is RunState.CONFLICT
    assert found.reason.startswith("two configurations in artdaqDB: ")
    assert archive.run_job(JobKind.ARCHIVE).runs == ()


def test_a_damaged_blob_is_found_by_verify_and_not_hidden(site: Site, archive: Archive) -> None:
    site.make(1)
    archive.run_job(JobKind.ARCHIVE)
    with site.ucondb() as client:
        stored = client.get(1000)
        client.put(1000, stored.replace(b"tpc", b"cpt", 1) + b"", override=True)
    found = archive.run_job(JobKind.VERIFY, [1000])
    assert [run.result for run in found.runs] == [RunResult.FAILED]
    assert looked_at(archive).state is RunState.CONFLICT
    assert any(event.severity == "error" for event in archive.events(run=1000))


def test_a_folder_named_wrongly_for_a_while_leaves_no_run_behind(site: Site) -> None:
    """What was put into the other folder is not taken for what the right one holds."""
    site.make(2)
    assert site.run().code == 0
    assert site.run().code == 0
    later = site.make(2, first=2000)
    site.configure(ucon_db={"folder_name": "typo"})
    assert site.run().code == 0
    site.configure(ucon_db={"folder_name": "test01"})
    assert site.run().code == 0
    with site.archive() as archive:
        archive.refresh(full=True)
        assert {run.run: run.state for run in archive.runs()} == dict.fromkeys((1000, 1001, *later), RunState.ARCHIVED)


def test_a_mistyped_folder_is_said_before_it_becomes_a_second_archive(site: Site, archive: Archive) -> None:
    site.make(1)
    site.age(1000, hours=30)
    assert archive.run_job(JobKind.ARCHIVE).runs[0].state is RunState.ARCHIVED
    assert verdict_on_folder(archive) is Verdict.PASS
    site.configure(ucon_db={"folder_name": "run_recrods"})
    with Archive.open(site.config_file, writable=True, actor="tester@here") as mistyped:
        mistyped.refresh(full=True)
        said = [event for event in mistyped.events() if "folder run_recrods is empty" in event.message]
        assert [event.severity for event in said] == [Severity.WARNING]
        assert "correct ucon_db.folder_name" in said[0].message
        assert verdict_on_folder(mistyped) is Verdict.UNKNOWN
        assert any("run_recrods" in line for line in mistyped.status().recommendations)


def verdict_on_folder(archive: Archive) -> Verdict:
    [check] = [check for check in archive.doctor() if check.name == "UconDB folder"]
    return check.verdict
