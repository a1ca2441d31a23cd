"""States, marks and plans follow from evidence alone, for any evidence."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runarchive.errors import TAXONOMY, Code
from runarchive.model import LARGEST_RUN, Failure, Mark, Phase, RunState, Stage, Store, moment, run_number
from runarchive.pipeline.evidence import (
    Evidence,
    FailureEvidence,
    HopEvidence,
    HopVerdict,
    RecordFacts,
    artdaqdb_key,
    configuration_names,
    from_text,
    same_listing,
    to_text,
)
from runarchive.pipeline.life import exits_of
from runarchive.pipeline.plan import SETTLED, make_plan, next_stage
from runarchive.pipeline.states import Decided, Settling, run_of, state_of, waiting
from runarchive.pipeline.transitions import TRANSITIONS, allowed
from runarchive.pipeline.views import JobKind, JobOptions

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
SETTLING = Settling()
NOBODY = Decided()


def record(age_hours: float = 100.0, *, ended: bool = True, files: int = 24) -> RecordFacts:
    """A record whose newest file is this old."""
    newest = NOW - timedelta(hours=age_hours)
    stop = newest if ended else None
    return RecordFacts(files, 1000 * files, int(newest.timestamp() * 1e9), newest, stop, ended, "beam-00001")


def failure(code: Code, store: Store | None = Store.ARTDAQDB) -> Failure:
    kind = TAXONOMY[code]
    return Failure(store, Phase.WRITE, code.value, kind.retryable, "it went wrong", kind.hint)


def hop(key: str, verdict: HopVerdict = HopVerdict.VERIFIED, **more: str) -> HopEvidence:
    return HopEvidence(verdict, key, **more)  # type: ignore[arg-type]


KEY = artdaqdb_key([("7/beam-00001", "2026-01-01T00:00:00.000+0000")])

times = st.datetimes(timezones=st.just(UTC))
texts = st.text(max_size=12)
records = st.builds(
    RecordFacts,
    st.integers(0, 60),
    st.integers(0, 10**9),
    st.integers(-(10**23), 10**23),
    st.none() | times,
    st.none() | times,
    st.booleans(),
    texts,
    st.lists(texts, max_size=2).map(tuple),
)
hops = st.builds(
    HopEvidence,
    st.sampled_from(HopVerdict),
    st.sampled_from([KEY, "3:100:0badcafe", ""]),
    texts, texts, st.sampled_from(["", "a", "b"]), st.sampled_from(["", "a", "b"]), texts, st.none() | times,
)  # fmt: skip
failures = st.builds(
    FailureEvidence,
    st.sampled_from([Stage.IMPORT, Stage.MIGRATE]),
    st.sampled_from(Code).map(failure),
    st.integers(0, 9),
    texts,
)
evidences = st.builds(
    Evidence,
    st.just(7),
    st.booleans(),
    st.sampled_from(["", KEY, artdaqdb_key([("7/a", ""), ("7/b", "")])]),
    st.sampled_from(["", "3:100:0badcafe"]),
    st.none() | records,
    st.none() | hops,
    st.none() | hops,
    st.none() | failures,
    st.none() | st.sampled_from([Stage.IMPORT, Stage.MIGRATE]),
)


@given(evidences, times, st.booleans(), st.none() | texts)
def test_every_evidence_has_a_state(evidence: Evidence, now: datetime, ignored: bool, waived: str | None) -> None:
    run = run_of(evidence, Decided(waived, ignored), now, SETTLING)
    assert run.state not in (RunState.IMPORTING, RunState.MIGRATING)
    assert run.marks.filesystem is not Mark.MISSING or not evidence.on_disk
    if ignored:
        assert run.state is RunState.IGNORED
    if run.state is RunState.ARCHIVED:
        assert evidence.ucondb


@given(evidences)
def test_evidence_survives_the_ledger(evidence: Evidence) -> None:
    text = to_text(evidence)
    assert from_text(7, evidence.on_disk, evidence.artdaqdb, evidence.ucondb, text) == evidence


@given(evidences, st.sampled_from(JobKind), st.booleans(), st.booleans(), st.booleans(), st.booleans())
def test_a_plan_starts_only_what_the_transitions_allow(
    evidence: Evidence, kind: JobKind, add: bool, supersede: bool, force: bool, asked: bool
) -> None:
    run = run_of(evidence, NOBODY, NOW, SETTLING)
    options = JobOptions(add=add, supersede=supersede, force=force)
    plan = make_plan(kind, [(run, evidence)], options, asked=frozenset({7}) if asked else None)
    for step in plan.steps:
        target = {Stage.IMPORT: RunState.IMPORTING, Stage.MIGRATE: RunState.MIGRATING}.get(step.stages[0])
        assert target is None or allowed(run.state, target)
    named = len(plan.steps) + len(plan.held)
    assert named == 1 or (named == 0 and not asked and run.state in SETTLED)


@given(evidences, st.booleans())
def test_what_people_or_the_config_took_out_is_never_worked_on(evidence: Evidence, ignored: bool) -> None:
    decided = Decided(waived=None if ignored else "spoilt", ignored=ignored)
    run = run_of(evidence, decided, NOW, SETTLING)
    everything = JobOptions(add=True, supersede=True, force=True)
    assert all(next_stage(kind, run, evidence, everything, asked=True) is None for kind in JobKind)


EXITS = {
    "import": (JobKind.IMPORT, JobOptions()),
    "force": (JobKind.IMPORT, JobOptions(force=True)),
    "add": (JobKind.IMPORT, JobOptions(add=True)),
    "migrate": (JobKind.MIGRATE, JobOptions()),
    "supersede": (JobKind.MIGRATE, JobOptions(supersede=True)),
    "retry": (JobKind.RETRY, JobOptions()),
    "verify": (JobKind.VERIFY, JobOptions()),
}
"""What the command of an exit does with the run it names."""


@given(evidences)
def test_every_way_out_of_a_state_leads_out(evidence: Evidence) -> None:
    run = run_of(evidence, NOBODY, NOW, SETTLING)
    ways = exits_of(run, evidence)
    assert ways
    for way in ways:
        if way.action in EXITS:
            kind, options = EXITS[way.action]
            assert next_stage(kind, run, evidence, options, asked=True) is not None, (run.state, run.reason, way)


@given(evidences)
def test_a_run_that_failed_its_import_is_never_migrated(evidence: Evidence) -> None:
    evidence = replace(evidence, artdaqdb="", imported=None)
    run = run_of(evidence, NOBODY, NOW, SETTLING)
    everything = JobOptions(add=True, supersede=True, force=True)
    assert next_stage(JobKind.MIGRATE, run, evidence, everything, asked=True) is None


def test_every_state_has_transitions() -> None:
    assert set(TRANSITIONS) == set(RunState)
    assert not allowed(RunState.EMPTY, RunState.IMPORTING)
    assert not allowed(RunState.NEW, RunState.MIGRATING)
    assert not allowed(RunState.WAIVED, RunState.MIGRATING)
    assert not allowed(RunState.ORPHAN, RunState.IMPORTING)


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        (record(100), ""),
        (record(100, ended=False), ""),
        (record(2, ended=False), "no stop, 2 h"),
        (record(2), ""),
        (record(30 / 3600), "changed 30 s ago"),
        (record(-30 / 3600), "changed just now"),
        (record(-5), ""),
        (record(-5, ended=False), "no stop time, age unknown: its newest file is dated 2026-11-21 17:00 UTC"),
    ],
)
def test_how_long_a_record_rests(facts: RecordFacts, said: str) -> None:
    assert waiting(facts, NOW, SETTLING) == said


def on_disk(**more: object) -> Evidence:
    return replace(Evidence(7, on_disk=True, record=record()), **more)  # type: ignore[arg-type]


IMPORTED = on_disk(artdaqdb=KEY, imported=hop(KEY, output="a", record=record().fingerprint))
ARCHIVED = replace(IMPORTED, ucondb="3:1:2", migrated=hop("3:1:2", input="a", output="b"))

CUT_OFF = "its migration was cut off; the next start continues it"
TWO = artdaqdb_key([("7/a", ""), ("7/b", "")])

LIFE = [
    (on_disk(), RunState.NEW, ""),
    (on_disk(record=record(100, ended=False)), RunState.NEW, "no stop time"),
    (on_disk(record=record(1, ended=False)), RunState.WAITING, "no stop, 1 h"),
    (on_disk(record=record(files=0)), RunState.EMPTY, "empty directory"),
    (on_disk(record=record(1, ended=False), artdaqdb=KEY), RunState.WAITING, "no stop, 1 h"),
    (on_disk(artdaqdb=KEY), RunState.IMPORTED, "listed in artdaqDB, not compared yet"),
    (IMPORTED, RunState.IMPORTED, ""),
    (replace(IMPORTED, in_hand=Stage.MIGRATE), RunState.IMPORTED, CUT_OFF),
    (replace(IMPORTED, on_disk=False), RunState.ORPHAN, "only in artdaqDB"),
    (replace(IMPORTED, record=record(50)), RunState.OUTDATED, "the record changed after its import"),
    (
        on_disk(record=replace(record(0.005), problems=("boot.txt: this account may not read it", "and more"))),
        RunState.WAITING,
        "boot.txt: this account may not read it; changed 18 s ago",
    ),
    (
        replace(ARCHIVED, record=record(0.005)),
        RunState.WAITING,
        "the record changed after its import; changed 18 s ago",
    ),
    (ARCHIVED, RunState.ARCHIVED, ""),
    (replace(ARCHIVED, on_disk=False), RunState.ARCHIVED, ""),
    (replace(ARCHIVED, migrated=None), RunState.IMPORTED, "listed in UconDB, not compared yet"),
    (replace(ARCHIVED, imported=None, migrated=None), RunState.ARCHIVED, "listed, not verified yet"),
    (replace(ARCHIVED, imported=hop(KEY, output="z")), RunState.OUTDATED, "UconDB is older than artdaqDB"),
    (replace(ARCHIVED, ucondb="", migrated=None), RunState.IMPORTED, ""),
    (Evidence(7, ucondb="3:1:2"), RunState.ARCHIVED, "only in UconDB"),
    (replace(ARCHIVED, on_disk=False, artdaqdb="", ucondb=""), RunState.FAILED, "no store holds it any more"),
    (on_disk(artdaqdb=TWO), RunState.CONFLICT, "two configurations in artdaqDB: 7/a, 7/b"),
    (replace(IMPORTED, imported=hop(KEY, HopVerdict.PARTIAL, reason="41 of 49")), RunState.PARTIAL, "41 of 49"),
    (replace(ARCHIVED, migrated=hop("3:1:2", HopVerdict.CONFLICT, reason="other")), RunState.CONFLICT, "other"),
    (
        on_disk(failed=FailureEvidence(Stage.IMPORT, failure(Code.TIMEOUT), 3)),
        RunState.FAILED,
        "it went wrong ×3",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("evidence", "state", "reason"), LIFE)
def test_the_states_of_a_life(evidence: Evidence, state: RunState, reason: str) -> None:
    assert state_of(evidence, NOBODY, NOW, SETTLING) == (state, reason)


def test_a_failure_is_marked_where_the_trouble_is() -> None:
    unreadable = on_disk(failed=FailureEvidence(Stage.IMPORT, failure(Code.UNREADABLE_FILE, Store.FILESYSTEM), 1))
    refused = on_disk(failed=FailureEvidence(Stage.IMPORT, failure(Code.CONNECTION_REFUSED), 1))
    assert run_of(unreadable, NOBODY, NOW, SETTLING).marks.artdaqdb is Mark.MISSING
    assert run_of(refused, NOBODY, NOW, SETTLING).marks.artdaqdb is Mark.ERROR


@pytest.mark.parametrize(
    ("code", "asked", "due"),
    [(Code.TIMEOUT, False, True), (Code.BAD_NAME, False, False), (Code.BAD_NAME, True, True)],
)
def test_failures_are_tried_again_when_they_may_pass_or_a_person_asks(code: Code, asked: bool, due: bool) -> None:
    evidence = on_disk(failed=FailureEvidence(Stage.IMPORT, failure(code), 1, record().fingerprint))
    run = run_of(evidence, NOBODY, NOW, SETTLING)
    assert (next_stage(JobKind.IMPORT, run, evidence, JobOptions(), asked=asked) is Stage.IMPORT) is due


def test_a_changed_record_is_tried_again_whatever_the_failure() -> None:
    evidence = on_disk(failed=FailureEvidence(Stage.IMPORT, failure(Code.BAD_NAME), 1, "another"))
    run = run_of(evidence, NOBODY, NOW, SETTLING)
    assert next_stage(JobKind.IMPORT, run, evidence, JobOptions(), asked=False) is Stage.IMPORT


def test_a_large_database_that_lists_no_times_says_nothing_against_a_verdict() -> None:
    timed, bare = artdaqdb_key([("7/a", "2026")]), artdaqdb_key([("7/a", "")])
    assert same_listing(timed, bare)
    assert not same_listing(timed, artdaqdb_key([("7/a", "2027")]))
    assert not same_listing(timed, artdaqdb_key([("7/b", "2026")]))
    assert configuration_names(timed) == ("7/a",)


@pytest.mark.parametrize(
    ("text", "run"),
    [
        ("12000", 12000),
        ("0", 0),
        (str(LARGEST_RUN), LARGEST_RUN),
        *((text, None) for text in ("", "012", "00", "²", "12 ", "-1", "+1", "1e3", "1_0", "١٢", "run12")),
        *((text, None) for text in (str(LARGEST_RUN + 1), "9" * 20, "9" * 5000)),
    ],
)
def test_a_run_number_is_a_plain_decimal_number_that_every_store_can_keep(text: str, run: int | None) -> None:
    assert run_number(text) == run


@pytest.mark.parametrize("nanoseconds", [10**22, -(10**22), 253402300799 * 10**9, 2**63, 0])
def test_a_file_of_any_time_has_one_that_can_be_reckoned_with(nanoseconds: int) -> None:
    found = moment(nanoseconds)
    assert found - SETTLING.settle < found < found + SETTLING.settle
    assert (found - NOW > timedelta(0)) == (nanoseconds / 1e9 > NOW.timestamp())
