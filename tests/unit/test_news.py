"""The line of news: events as they come, the console's own words long enough to be read."""

from __future__ import annotations

from datetime import UTC, datetime

from runarchive.model import Event, Severity
from tui_archiver.news import READ_SECONDS, News

AT = datetime(2026, 11, 21, tzinfo=UTC)
OWN = Event(0, AT, Severity.INFO, "job 1 stops after the runs in hand")
ENDED = Event(1, AT, Severity.INFO, "job 1 ended")


def test_own_words_stand_and_then_what_was_heard_meanwhile_is_told() -> None:
    now = 100.0
    line = News(lambda: now)
    assert line.newest is None
    line.say(OWN)
    line.hear([ENDED, Event(2, AT, Severity.DEBUG, "detail")])
    assert line.newest is OWN
    now += READ_SECONDS
    assert line.newest is ENDED
    line.say(OWN)
    now += READ_SECONDS
    assert line.newest is OWN


def test_what_was_only_passing_gives_way_to_the_first_event() -> None:
    line = News(lambda: 100.0)
    line.say(OWN, passing=True)
    assert line.newest is OWN
    line.hear([ENDED])
    assert line.newest is ENDED


def test_trouble_does_not_wait_behind_own_words_unless_they_tell_of_trouble_too() -> None:
    failed = Event(2, AT, Severity.WARNING, "job 1 ended: 0 done, 1 failed")
    line = News(lambda: 100.0)
    line.say(OWN)
    line.hear([failed])
    assert line.newest is failed
    refused = Event(0, AT, Severity.ERROR, "the lock is held")
    line.say(refused)
    line.hear([failed])
    assert line.newest is refused
