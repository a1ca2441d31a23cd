"""Whatever a store holds, no widget lets it reach the terminal raw, and no widget falls over it."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from runarchive.archive import (
    Attempt,
    CheckRecord,
    Comparison,
    Decision,
    Exit,
    Explanation,
    FileComparison,
    HopHash,
    JobKind,
    JobOptions,
    Plan,
    PlannedRun,
    RecoveryKind,
    RecoveryPreview,
    RunFailure,
    RunLife,
)
from runarchive.errors import ArchiveError, Code
from runarchive.model import (
    CheckResult,
    Event,
    Failure,
    Job,
    JobState,
    Mark,
    Marks,
    Phase,
    Run,
    RunState,
    Severity,
    Stage,
    Store,
    Verdict,
)
from tests.tui.console_help import console, press, screen_text
from tests.tui.stand_in import NOW, StandIn
from tui_archiver.app import ConsoleApp

NASTY = (
    "\x1b]52;c;aGVsbG8=\x07",
    "\x1b[2J\x1b[31mred",
    "[/b] [bold]x[/] [@click=app.quit]y[/]",
    "a\r\nb\tc\x00\x9b31m",
    "\u202egnp.exe\u2066",
    "中文" * 60,
    "e" + "\u0301" * 50,
    "👨\u200d👩\u200d👧 ⚠\ufe0f 🇫🇷",
    "\ud800 lone",
    "x" * 1_000_000,
    "$(rm -rf /) {0} %s \\",
)
TEXT = st.one_of(st.sampled_from(NASTY), st.text(st.characters(exclude_categories=()), max_size=60))


class Hostile(StandIn):
    """A stand-in whose every text is one of the given ones."""

    def __init__(self, texts: list[str]) -> None:
        self._texts = [*NASTY, *texts]
        states = (RunState.FAILED, RunState.CONFLICT, RunState.ARCHIVED)
        marks = Marks(Mark.VERIFIED, Mark.DIFFERS, Mark.ERROR)
        runs = [Run(100 + n, states[n % 3], text, marks, text, NOW) for n, text in enumerate(self._texts)]
        super().__init__(runs)
        self.name = texts[0]
        self.text = lambda store, name: "\n".join(self._texts if store.value == "ucondb" else reversed(self._texts))
        for n, text in enumerate(self._texts):
            self.push(Event(n, NOW, Severity.ERROR, text, 100, writer=text))
            self.push(Job(n, text[:10], JobState.RUNNING, text, 5, message=text, workers=(text,)))

    def compare(self, run: int) -> Comparison:
        marks = Marks(Mark.VERIFIED, Mark.VERIFIED, Mark.DIFFERS)
        files = tuple(FileComparison(text, marks, text) for text in self._texts)
        return Comparison(run, marks, files, self.name, (self.name,), self.name)

    def life(self, run: int) -> RunLife:
        first, second, third = self._texts[:3]
        failure = Failure(Store.UCONDB, Phase.WRITE, first, True, second, third)
        return RunLife(
            self.known[run],
            (Attempt(Stage.MIGRATE, 1, NOW, NOW, first, failure),),
            tuple(CheckRecord(NOW, CheckResult(text, Verdict.FAIL, text, text)) for text in self._texts),
            (HopHash(Stage.IMPORT, first, second, NOW, third),),
            tuple(Event(n, NOW, Severity.WARNING, text, run) for n, text in enumerate(self._texts)),
            tuple(Decision(text, text, text, NOW) for text in self._texts),
            tuple((text, text) for text in self._texts),
        )

    def explain(self, run: int) -> Explanation:
        ways = tuple(Exit(text, f"tui-archiver {text}", "") for text in self._texts)
        return Explanation(self.known[run], tuple(self._texts), ways, self.name)

    def failures(self) -> tuple[RunFailure, ...]:
        pairs = zip(self.known.values(), self._texts, strict=True)
        told = ((run, Failure(None, Phase.WRITE, text, True, text, text)) for run, text in pairs)
        return tuple(RunFailure(run.run, run.state, Stage.MIGRATE, failure, NOW, NOW, 1) for run, failure in told)

    def recovery_preview(self, kind: RecoveryKind) -> RecoveryPreview:
        texts = tuple(self._texts)
        return RecoveryPreview(kind, tuple((text, text, f"{text}!") for text in texts), texts, texts)

    def plan(self, kind: str, runs: Iterable[int] | None = None, options: JobOptions | None = None) -> Plan:
        steps = [PlannedRun(run.run, run.state, (Stage.IMPORT,), run.reason) for run in self.known.values()]
        return Plan(JobKind(kind), tuple(steps[:5]), tuple(steps[5:]))

    def doctor(self) -> tuple[CheckResult, ...]:
        return tuple(CheckResult(text, Verdict.FAIL, text, text) for text in self._texts)


def assert_fit_for_a_terminal(app: ConsoleApp) -> None:
    for strip in app.screen._compositor.render_strips():
        text = "".join(segment.text for segment in strip)
        bad = {c for c in text if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")}
        assert not bad, (bad, text)
        assert cell_len(text) == app.size.width, text


@settings(max_examples=2, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(TEXT, min_size=20, max_size=20))
async def test_every_screen_stands_hostile_text(texts: list[str]) -> None:
    archive = Hostile(texts)
    async with console(archive) as (app, pilot):
        assert_fit_for_a_terminal(app)
        for keys in (
            ["end"],
            ["c"],
            ["tab", "n"],
            ["3", "enter"],
            ["0"],
            ["end"],
            ["2"],
            ["9"],
            ["5"],
            ["A"],
            ["escape", "1", "i"],
            ["n", "enter"],
            ["end"],
            ["question_mark"],
            ["escape", "1", "slash", *"config:x", "enter"],
            ["escape", "ctrl+p"],
            ["escape", "w"],
        ):
            await press(pilot, *keys)
            assert_fit_for_a_terminal(app)
        app.say_error(ArchiveError(Code.INTERNAL, texts[1], hint=texts[2]))
        await press(pilot, "escape", "1")
        assert_fit_for_a_terminal(app)
        assert "\x1b" not in screen_text(app)


async def test_five_megabytes_in_compare_leave_the_screen_alive() -> None:
    archive = StandIn()
    lines = [f"key_{n}: {n % 13}" for n in range(200_000)]
    other = [*lines[:50_000], "added", *lines[50_001:150_000], *lines[150_002:]]
    left, right = "\n".join(lines), "\n".join(other)
    archive.text = lambda store, name: right if store.value == "ucondb" else left
    async with console(archive, (120, 40)) as (app, pilot):
        await pilot.press("c")
        await pilot.press("down")
        await press(pilot, "home")
        assert "2 differences" in screen_text(app)
        await press(pilot, "tab", "n", "a", "end", "u", "home")
        assert_fit_for_a_terminal(app)
