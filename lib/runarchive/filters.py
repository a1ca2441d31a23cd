"""The filter language of the run table: `failed|waiting config:bnb !run:12000-12500`."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass

from runarchive.errors import UsageError
from runarchive.model import LARGEST_RUN, TROUBLED_STATES, Mark, Run, RunState, Store

Test = Callable[[Run], bool]

STORE_WORDS = {
    "filesystem": Store.FILESYSTEM,
    "fs": Store.FILESYSTEM,
    "artdaqdb": Store.ARTDAQDB,
    "adb": Store.ARTDAQDB,
    "ucondb": Store.UCONDB,
    "ucon": Store.UCONDB,
}
STATE_WORDS = {state.value.lower(): state for state in RunState}
MARK_WORDS = {mark.name.lower(): mark for mark in Mark} | {"other": Mark.OTHER_WRITER}
MARK_GLYPHS = {mark.ascii_glyph: mark for mark in Mark} | {mark.glyph: mark for mark in Mark}
KEYS = (*STORE_WORDS, "run", "config", "reason", "state", "attempts", "start", "is")

_WORD = re.compile(r'(?:"[^"]*"|[^\s"])+')
_SPAN = re.compile(r"(\d*)-(\d*)\Z")
_RUNS = re.compile(r"\d{2,}-(\d{2,})?(,[\d,-]+)?\Z|\d{2,}(,\d{2,}(-\d{2,})?)+\Z", re.ASCII)
_BOUND = re.compile(r"(<=|>=|<|>|=)?(.+)\Z")


@dataclass(frozen=True, slots=True)
class RunFilter:
    """A parsed filter; `text` is what was typed, `words` the tests that a run must all pass."""

    text: str
    words: tuple[Test, ...]

    def matches(self, run: Run) -> bool:
        """Whether the run passes every word."""
        return all(test(run) for test in self.words)

    def select(self, rows: Sequence[Run], among: Iterable[int] | None = None) -> list[int]:
        """The indices into `rows`, in the order of `among` (else ascending), of the runs that pass."""
        chosen = list(range(len(rows)) if among is None else among)
        for test in self.words:
            chosen = [index for index in chosen if test(rows[index])]
        return chosen


def parse_filter(text: str, marked: Collection[int] = frozenset()) -> RunFilter:
    """The filter that `text` says; raises UsageError with one sentence when a word makes no sense.

    Words are joined by *and*; `a|b` is either; `!` before a word inverts it; double quotes keep blanks together.
    `marked` holds the run numbers that `is:marked` means; it is looked at while matching, not copied.
    """
    return RunFilter(text, tuple(_word(word, marked) for word in _WORD.findall(text)))


def complete(text: str) -> tuple[str, ...]:
    """What the last word of `text` may become, each as the whole filter text."""
    head, _, last = text.rpartition(" ")
    lead, bar, piece = last.rpartition("|")
    bang = "!" if not bar and piece.startswith("!") else ""
    piece = piece.removeprefix("!").lower()
    key, colon, value = piece.partition(":")
    if colon and key in STORE_WORDS:
        words = [f"{key}:{word}" for word in MARK_WORDS if word.startswith(value)]
    elif colon and key == "state":
        words = [f"state:{word}" for word in STATE_WORDS if word.startswith(value)]
    elif colon and key == "is":
        words = [f"is:{word}" for word in ("fault", "marked") if word.startswith(value)]
    else:
        words = [word for word in (*STATE_WORDS, *(f"{name}:" for name in KEYS)) if word.startswith(piece)]
    before = f"{head} " if head else ""
    return tuple(f"{before}{lead}{bar}{bang}{word}" for word in words)


def _word(word: str, marked: Collection[int]) -> Test:
    inverted = word.startswith("!")
    tests: list[Test] = []
    key = ""
    for piece in _split(word.removeprefix("!")):
        before, colon, after = piece.partition(":")
        if colon and before.lower() in KEYS:
            key, value = before.lower(), after
        else:
            value = piece
        if value:
            tests.append(_test(key, value.strip('"'), marked))
    if not tests:
        return lambda run: True
    either = tests[0] if len(tests) == 1 else _any_of(tuple(tests))
    return (lambda run: not either(run)) if inverted else either


def _split(word: str) -> list[str]:
    return re.findall(r'(?:"[^"]*"|[^|"])+', word)


def _any_of(tests: tuple[Test, ...]) -> Test:
    return lambda run: any(test(run) for test in tests)


def _test(key: str, value: str, marked: Collection[int]) -> Test:
    low = value.lower()
    if key in STORE_WORDS:
        return _store_test(STORE_WORDS[key], low)
    if key == "run":
        return _run_test(value)
    if key == "config":
        return lambda run: low in run.configuration.lower()
    if key == "reason":
        return lambda run: low in run.reason.lower()
    if key == "state":
        return _state_test(low)
    if key == "attempts":
        return _bound_test(value, int, lambda run: run.attempts)
    if key == "start":
        length = len(value.lstrip("<>="))
        return _bound_test(value, str, lambda run: run.start.isoformat(" ")[:length] if run.start else "")
    if key == "is":
        return _is_test(low, marked)
    return _plain_test(low)


def _store_test(store: Store, word: str) -> Test:
    mark = MARK_WORDS.get(word) or MARK_GLYPHS.get(word)
    if mark is None:
        raise UsageError(f"{word!r} is no mark; marks are {', '.join(MARK_WORDS)}")
    if store is Store.FILESYSTEM:
        return lambda run: run.marks.filesystem is mark
    if store is Store.ARTDAQDB:
        return lambda run: run.marks.artdaqdb is mark
    return lambda run: run.marks.ucondb is mark


def _state_test(word: str) -> Test:
    state = STATE_WORDS.get(word)
    if state is None:
        raise UsageError(f"{word!r} is no state; states are {', '.join(STATE_WORDS)}")
    return lambda run: run.state is state


def _is_test(word: str, marked: Collection[int]) -> Test:
    if word == "marked":
        return lambda run: run.run in marked
    if word in ("fault", "faults"):
        return lambda run: run.state in TROUBLED_STATES
    raise UsageError(f"{word!r} cannot be asked for; is:marked and is:fault can")


def _number(digits: str) -> int:
    """The number that decimal digits say, at most the largest run number."""
    return int(digits) if len(digits) < len(str(LARGEST_RUN)) else LARGEST_RUN


def _run_test(value: str) -> Test:
    spans: list[tuple[int, int]] = []
    for part in value.split(","):
        span = _SPAN.match(part)
        if part.isascii() and part.isdigit():
            spans.append((_number(part),) * 2)
        elif span and part != "-":
            spans.append((_number(span[1] or "0"), _number(span[2]) if span[2] else LARGEST_RUN))
        elif part:
            raise UsageError(f"{part!r} is no run number; write run:12000, run:12000-12500 or run:12000,12003")
    if len(spans) == 1:
        low, high = spans[0]
        return lambda run: low <= run.run <= high
    return lambda run: any(low <= run.run <= high for low, high in spans)


def _bound_test(value: str, kind: type[int] | type[str], read: Callable[[Run], int | str]) -> Test:
    parts = _BOUND.match(value)
    sign, text = (parts[1] or "=", parts[2]) if parts else ("=", value)
    if kind is int and not text.isdecimal():
        raise UsageError(f"{text!r} is no number")
    bound: int | str = _number(text) if kind is int else text

    def test(run: Run) -> bool:
        seen = read(run)
        if seen == "":
            return False
        if sign == "=":
            return seen == bound
        if sign in ("<", "<="):
            return seen < bound or (sign == "<=" and seen == bound)  # type: ignore[operator]
        return seen > bound or (sign == ">=" and seen == bound)  # type: ignore[operator]

    return test


def _plain_test(word: str) -> Test:
    state = STATE_WORDS.get(word)
    mark = MARK_WORDS.get(word)
    if state is not None and mark is not None:
        return lambda run: run.state is state or _has(run, mark)
    if state is not None:
        return lambda run: run.state is state
    if mark is not None:
        return lambda run: _has(run, mark)
    if _RUNS.match(word):
        return _run_test(word)
    if word.isdecimal():
        return lambda run: word in str(run.run) or word in run.configuration.lower() or word in run.reason.lower()
    return lambda run: word in run.configuration.lower() or word in run.reason.lower()


def _has(run: Run, mark: Mark) -> bool:
    marks = run.marks
    return marks.filesystem is mark or marks.artdaqdb is mark or marks.ucondb is mark
