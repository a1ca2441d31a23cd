"""The cache of what was made of texts: what repeats stays, what does not takes no more room as time goes on."""

from __future__ import annotations

import pytest

from runarchive.artdaqdb.content_cache import NAMES_KEPT, ContentCache, JustWritten


@pytest.fixture
def cache() -> ContentCache[str]:
    return ContentCache(len, fresh=1000, lasting=500)


def given(cache: ContentCache[str], text: str) -> bool:
    """Ask for a text; returns whether it had to be made."""
    made: list[str] = []

    def make() -> str:
        made.append(text)
        return text

    assert cache.get(text, make) == text
    return bool(made)


def test_what_is_wanted_again_at_once_is_made_once(cache: ContentCache[str]) -> None:
    assert given(cache, "a")
    assert not given(cache, "a")
    assert cache.peek("a") == "a"


def test_what_repeats_is_made_twice_however_much_else_comes_between(cache: ContentCache[str]) -> None:
    configuration = [f"{number} {'c' * 40}" for number in range(10)]
    made = 0
    for run in range(200):
        made += sum(given(cache, text) for text in configuration)
        assert given(cache, f"run {run} {'r' * 300}")
    assert made == 2 * len(configuration)


def test_what_never_comes_again_takes_no_more_room(cache: ContentCache[str]) -> None:
    for run in range(100):
        given(cache, f"run {run:05} {'r' * 90}")
        assert cache.taken <= 1000
    assert cache.taken == 1000


def test_the_names_of_what_left_are_limited(cache: ContentCache[str]) -> None:
    for run in range(NAMES_KEPT + 20):
        given(cache, f"{run:0100}")
    first = f"{0:0100}"
    assert given(cache, first)
    for run in range(20):
        given(cache, f"more {run:0100}")
    assert given(cache, first), "it had been forgotten, so its second coming was its first"


def test_one_larger_than_the_room_is_given_and_not_kept(cache: ContentCache[str]) -> None:
    assert given(cache, "x" * 2000)
    assert cache.taken == 0


def test_what_make_raises_is_not_remembered(cache: ContentCache[str]) -> None:
    def refuse() -> str:
        raise ValueError("no")

    for _ in range(2):
        with pytest.raises(ValueError, match="no"):
            cache.get(b"key", refuse)
    assert cache.taken == 0


def test_what_was_just_written_is_told_once() -> None:
    written: JustWritten[str] = JustWritten(100)
    written.put("a", "first", 10)
    written.put("a", "second", 10)
    assert (written.take("a"), written.take("a"), written.take("b")) == ("second", None, None)


def test_what_nobody_reads_back_makes_room() -> None:
    written: JustWritten[int] = JustWritten(100)
    for number in range(1000):
        written.put(str(number), number, 10)
    written.put("too large", 0, 101)
    assert written.take("too large") is None
    for number in range(1000):
        written.put(str(number), number, 10)
    assert [number for number in range(1000) if written.take(str(number)) is not None] == list(range(990, 1000))
