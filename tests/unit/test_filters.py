"""The filter language of the run table."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runarchive.errors import UsageError
from runarchive.filters import complete, parse_filter
from runarchive.model import Mark, Marks, Run, RunState

V, M = Mark.VERIFIED, Mark.MISSING
START = datetime(2026, 11, 20, 6, 12, tzinfo=UTC)
RUNS = [
    Run(12000, RunState.ARCHIVED, "", Marks(V, V, V), "run2-beam-00012", START),
    Run(12001, RunState.FAILED, "timeout ×3", Marks(V, V, Mark.ERROR), "BNBZeroBias-00031", attempts=3),
    Run(12002, RunState.WAITING, "no stop", Marks(V, M, M), "bnb muon 12000"),
    Run(12500, RunState.PARTIAL, "41 of 49", Marks(V, Mark.PARTIAL, M), "Résumé"),
    Run(12501, RunState.CONFLICT, "two configurations", Marks(M, Mark.DIFFERS, M), "other"),
]


@pytest.mark.parametrize(
    ("text", "runs"),
    [
        ("", [12000, 12001, 12002, 12500, 12501]),
        ("failed", [12001]),
        ("FAILED|waiting", [12001, 12002]),
        ("partial", [12500]),
        ("missing", [12002, 12500, 12501]),
        ("missing !waiting", [12500, 12501]),
        ("artdaqdb:missing", [12002]),
        ("artdaqdb:missing|partial", [12002, 12500]),
        ("adb:* ", [12501]),
        ("fs:–", [12501]),
        ("run:12000-12500", [12000, 12001, 12002, 12500]),
        ("12000-12500", [12000, 12001, 12002, 12500]),
        ("12001,12500-12501 !partial", [12001, 12501]),
        ("run:12001-", [12001, 12002, 12500, 12501]),
        ("run:-12001", [12000, 12001]),
        ("run:12000,12501", [12000, 12501]),
        ("!run:12000-12500", [12501]),
        ("config:bnb", [12001, 12002]),
        ('config:"bnb muon"', [12002]),
        ("reason:timeout", [12001]),
        ("12000", [12000, 12002]),
        ("!12000", [12001, 12500, 12501]),
        ("résumé", [12500]),
        ("attempts:>2", [12001]),
        ("start:2026-11-20", [12000]),
        ("start:<2027", [12000]),
        ("is:fault", [12001, 12500, 12501]),
        ("is:marked", [12002]),
        ("state:failed|archived", [12000, 12001]),
        ("nothing", []),
        ("!", [12000, 12001, 12002, 12500, 12501]),
    ],
)
def test_words(text: str, runs: list[int]) -> None:
    wanted = parse_filter(text, {12002})
    assert [RUNS[index].run for index in wanted.select(RUNS)] == runs
    assert [run.run for run in RUNS if wanted.matches(run)] == runs


@pytest.mark.parametrize("text", ["artdaqdb:wrong", "state:new?", "run:abc", "run:-", "is:what", "attempts:many"])
def test_words_that_make_no_sense_are_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(UsageError, match=r"no|cannot"):
        parse_filter(text)


@pytest.mark.parametrize("text", ["run:{}", "attempts:{}", "run:{}-", "run:{}-{}", "{},{}", "{}"])
def test_no_run_has_a_number_of_thousands_of_digits(text: str) -> None:
    assert not parse_filter(text.replace("{}", "9" * 5000)).select(RUNS)


@given(st.text(max_size=40))
def test_any_text_is_a_filter_or_refused(text: str) -> None:
    try:
        wanted = parse_filter(text)
    except UsageError:
        return
    wanted.select(RUNS)


@given(st.sampled_from(["failed", "config:bnb", "run:12001-", "missing|partial", "12000"]))
def test_a_word_and_its_inverse_share_the_runs_between_them(word: str) -> None:
    with_it, without = (set(parse_filter(text).select(RUNS)) for text in (word, f"!{word}"))
    assert with_it | without == set(range(len(RUNS)))
    assert not with_it & without


def test_order_is_kept() -> None:
    assert parse_filter("missing").select(RUNS, [4, 2, 0]) == [4, 2]


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("fai", "failed"),
        ("bnb !art", "bnb !artdaqdb:"),
        ("artdaqdb:mi", "artdaqdb:missing"),
        ("failed|wai", "failed|waiting"),
        ("is:ma", "is:marked"),
    ],
)
def test_completion(text: str, word: str) -> None:
    assert word in complete(text)
