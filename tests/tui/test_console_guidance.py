"""What the console tells a shifter who does not know it: what is wrong, and the key that mends it."""

from __future__ import annotations

import os
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from runarchive.archive import Exit, Explanation, Health, LockHolder, Plan, RecoveryKind
from runarchive.errors import ArchiveError, Code
from runarchive.model import Event, Job, JobState, RunState, Severity, Store
from tests.tui.console_help import console, press, press_only, runs_of, screen_text, type_line, until
from tests.tui.stand_in import NOW, StandIn
from tui_archiver.columns import cell
from tui_archiver.memory import Memory
from tui_archiver.screens.detail import DetailScreen
from tui_archiver.screens.dialogs import ConfirmScreen, TextScreen
from tui_archiver.screens.doctor import FRESH_SECONDS, DoctorScreen
from tui_archiver.widgets.paint import Glyphs


async def test_the_first_hint_is_whole_at_eighty_columns() -> None:
    async with console() as (app, _):
        assert app.news.newest is not None
        assert app.news.newest.message in screen_text(app)


@pytest.mark.parametrize("key", ["2", "y"])
async def test_keys_kept_for_a_slow_question_are_no_dead_keys(key: str) -> None:
    archive = StandIn()
    planned = threading.Event()
    plan = archive.plan
    archive.plan = lambda *words: planned.wait(20) and plan(*words)  # type: ignore[assignment,method-assign]
    async with console(archive) as (app, pilot):
        await press_only(pilot, *["down"] * 4, "i")
        assert "escape gives it up" in screen_text(app)
        await press_only(pilot, key)
        assert "the question is still on its way" in screen_text(app)
        await press_only(pilot, "escape")
        assert "import: not done" in screen_text(app)
        planned.set()


async def test_nothing_to_do_says_so_and_what_would_change_that() -> None:
    archive = StandIn()
    force = Exit("import it although it may still grow", "tui-archiver import 18199 --force", "")
    waive = Exit("take it out of every plan", "tui-archiver waive 18199 --reason TEXT", "waive")
    told = Explanation(archive.known[18199], (), (force, waive), "it is imported once it is quiet")
    archive.explain = lambda run: told  # type: ignore[method-assign]
    async with console(archive) as (app, pilot):
        await press(pilot, "i")
        assert isinstance(app.screen, TextScreen)
        assert ":import 18199 --force  import it although it may still grow" in screen_text(app)
        assert "w  take it out of every plan" in screen_text(app)
        assert "by itself: it is imported once it is quiet" in screen_text(app)
        await press(pilot, "escape")
        assert "import: nothing to do" in screen_text(app), "and no longer that it is found out"


async def test_of_several_runs_that_stay_it_says_where_the_ways_out_stand() -> None:
    async with console() as (app, pilot):
        app.book.marked.update(run.run for run in app.book.rows if run.state is RunState.WAITING)
        await press(pilot, "i")
        assert "Enter on a run says what can be done with it." in screen_text(app)


async def test_marked_runs_that_the_filter_hides_are_counted_and_named_before_anything_is_done_to_them() -> None:
    async with console() as (app, pilot):
        app.book.marked.update((18195, 18187))
        runs_of(app).set_filter("run:18195")
        assert "2 marked, 1 not shown" in screen_text(app)
        await press(pilot, "i")
        assert isinstance(app.screen, ConfirmScreen)
        assert "Of the marked runs the filter does not show 1; u takes every mark away." in screen_text(app)
        await press(pilot, "n", "u")
        assert not app.book.hidden_marks()
        assert app.book.view.filter.text == "run:18195"


async def test_a_question_names_the_store_that_is_out_of_reach() -> None:
    archive = StandIn()
    health = archive.health() | {Store.ARTDAQDB: Health(Store.ARTDAQDB, False, None, "refused", NOW)}
    archive.health = lambda: health  # type: ignore[method-assign]
    async with console(archive) as (app, pilot):
        await press(pilot, *["down"] * 4, "i")
        assert isinstance(app.screen, ConfirmScreen)
        assert "artdaqdb is out of reach: what needs it waits until it answers." in screen_text(app)
        assert "ucondb is out of reach" not in screen_text(app), "an import does not need it"


async def test_the_command_log_names_the_job_that_a_key_started() -> None:
    archive = StandIn()
    async with console(archive) as (app, pilot):
        await press(pilot, *["down"] * 4, "i", "y")
        assert [(call.words, call.result, call.failed) for call in app.command_log] == [
            ("import 18195", "job 1", False)
        ]


async def test_a_run_that_is_waived_is_not_waived_again() -> None:
    archive = StandIn()
    archive.known[18199] = replace(archive.known[18199], state=RunState.WAIVED, reason="laser")
    async with console(archive) as (app, pilot):
        await press(pilot, "w")
        assert app.screen.is_modal is False
        assert "`:waive 18199 --undo` takes it back" in screen_text(app)


async def test_a_lock_that_no_known_job_holds_is_not_said_to_make_progress() -> None:
    archive = StandIn()
    archive.holder = LockHolder(4711, "root@evb01:4711", "evb01")
    async with console(archive) as (app, pilot):
        await until(pilot, lambda: app.holder)
        await press(pilot, "colon")
        await type_line(pilot, "unlock")
        assert "No job of it is known here" in screen_text(app)
        assert "makes progress" not in screen_text(app)
        await type_line(pilot, "break")
        assert "the lock is free" in screen_text(app)


async def test_why_a_job_stands_still_is_told_on_every_screen_for_as_long_as_it_does() -> None:
    archive = StandIn()
    note = "migrate stands: the UconDB server cannot be reached"
    job = Job(7, "archive", JobState.PAUSED, "cron@evb01:4711", 40, 12, started=NOW, message=note)
    async with console(archive) as (app, pilot):
        archive.push(job, Event(1, NOW, Severity.INFO, "18001 imported", 18001))
        await until(pilot, lambda: 7 in app.jobs)
        for key in ("1", "3", "0"):
            await press(pilot, key)
            assert f"job 7 waits: {note}" in screen_text(app)
        archive.push(replace(job, state=JobState.RUNNING))
        await until(pilot, lambda: app.jobs[7].state is JobState.RUNNING)
        await until(pilot, lambda: "waits:" not in screen_text(app))


async def test_the_next_step_of_a_failure_is_not_cut_off() -> None:
    archive = StandIn()
    async with console(archive) as (app, pilot):
        archive.broken = ArchiveError(
            Code.LOCK_HELD,
            "Another process may be running. Lock file '/daq/archiver/.archiver.lock' is held. By cron@evb01:4711.",
            hint="wait for the other job (`--wait S`), or see `tui-archiver locks`",
        )
        await press(pilot, *["down"] * 4, "i")
        said = " ".join(screen_text(app).split())
        assert "By cron@evb01:4711; wait for the other job (`--wait S`), or see `tui-archiver locks`" in said


async def test_the_explanation_in_compare_names_what_one_can_type_here() -> None:
    archive = StandIn()
    ways = (
        Exit("look at the difference", "tui-archiver compare 18199 --show-diff", "compare"),
        Exit("write ours beside it", "tui-archiver import 18199 --add", ""),
    )
    told = Explanation(archive.known[18199], ("CONFLICT: two configurations",), ways, "nothing")
    archive.explain = lambda run: told  # type: ignore[method-assign]
    async with console(archive) as (app, pilot):
        await press(pilot, "c", "enter")
        assert ":import 18199 --add  write ours beside it" in screen_text(app)
        assert "by itself: nothing" in screen_text(app)
        assert "tui-archiver compare" not in screen_text(app), "one is there already"


async def test_a_job_that_was_refused_stands_in_the_command_log_as_an_error() -> None:
    archive = StandIn()
    async with console(archive) as (app, pilot):
        plan: Plan = archive.plan("import", (18195,))
        archive.plan = lambda *words: plan  # type: ignore[method-assign]
        archive.broken = ArchiveError(Code.LOCK_HELD, "the lock is held", hint="wait")
        await press(pilot, *["down"] * 4, "i", "y")
        assert [(call.result, call.failed) for call in app.command_log] == [("the lock is held", True)]


async def test_an_empty_table_says_why_and_which_key_fills_it() -> None:
    archive = StandIn(run for run in StandIn().runs() if run.state is RunState.ARCHIVED)
    async with console(archive) as (app, pilot):
        await press(pilot, "f")
        assert "no run has a fault; f shows all runs again" in screen_text(app)
        runs_of(app).set_filter("waiting")
        await press(pilot)
        assert "no run with a fault passes the filter; escape clears it" in screen_text(app)
        await press(pilot, "escape", "escape")
        assert "passes the filter" not in screen_text(app)
        await press(pilot, "9")
        assert "nothing has happened yet" in screen_text(app)
        await press(pilot, "t")
        assert "this console has changed nothing yet" in screen_text(app)
    async with console(StandIn(0)) as (app, _):
        assert "no run is known yet; run records are looked for in /nowhere" in screen_text(app)


@pytest.mark.parametrize("size", [(80, 24), (40, 24)])
async def test_the_reason_of_a_run_is_whole_in_its_detail(size: tuple[int, int]) -> None:
    reason = "run 18199: other content in artdaqDB under '18199/BNBZeroBias-00031': different originals, tpc01"
    archive = StandIn()
    archive.known[18199] = replace(archive.known[18199], state=RunState.CONFLICT, reason=reason)
    why = (f"CONFLICT: {reason}", f"artdaqDB verdict: conflict on 2026-11-21, {reason}")
    archive.explain = lambda run: Explanation(archive.known[18199], why, (), "nothing")  # type: ignore[method-assign]
    life = archive.life(18199)
    facts = (("artdaqDB verdict", f"conflict on 2026-11-21, {reason}"),)
    archive.life = lambda run: replace(life, facts=facts)  # type: ignore[method-assign]
    async with console(archive, size=size) as (app, pilot):
        await press(pilot, "enter")
        said = "".join(screen_text(app).split())
        assert said.count("".join(reason.removeprefix("run 18199: ").split())) == 1, "whole, and once"
        assert "artdaqDBverdictconflicton2026-11-21" in said


async def test_escape_in_compare_leads_back_to_where_it_was_called_from() -> None:
    async with console() as (app, pilot):
        await press(pilot, "c", "escape")
        assert app.current_mode == "runs"
        await press(pilot, "down", "enter", "c")
        assert app.current_mode == "compare"
        await press(pilot, "escape")
        assert isinstance(app.screen, DetailScreen)
        assert app.screen.run_number == 18198
        await press(pilot, "escape", "3", "c", "escape")
        assert app.current_mode == "failures"


async def test_doctor_looks_again_when_one_comes_back_and_begins_at_what_is_wrong() -> None:
    archive = StandIn()
    asked: list[int] = []
    doctor = archive.doctor
    archive.doctor = lambda: asked.append(1) or doctor()  # type: ignore[func-returns-value,method-assign]
    async with console(archive) as (app, pilot):
        await press(pilot, "0")
        assert "next: start the server or correct its address" in screen_text(app)
        assert "as of 06:14:00" in screen_text(app)
        await press(pilot, "1", "0")
        assert len(asked) == 1, "what was just found out is still so"
        assert isinstance(app.screen, DoctorScreen)
        app.screen._asked_at -= FRESH_SECONDS
        await press(pilot, "1", "0")
        assert len(asked) == 2


async def test_an_export_is_refused_where_its_ending_says_nothing(tmp_path: Path) -> None:
    async with console() as (app, pilot):
        await press(pilot, "e")
        await type_line(pilot, str(tmp_path / "runs"))
        assert "ends neither in .csv nor in .json" in " ".join(screen_text(app).split())
        await type_line(pilot, str(tmp_path / "runs.csv"))
        await press(pilot, "colon")
        await type_line(pilot, f"export {tmp_path / 'more'}")
        assert os.listdir(tmp_path) == ["runs.csv"]
        assert "neither" in screen_text(app)


async def test_a_word_that_is_no_run_is_refused_with_what_a_command_takes() -> None:
    async with console() as (app, pilot):
        await press(pilot, "colon")
        await type_line(pilot, "import abc")
        assert "'abc' are no runs; write 12000, 12000-12500, 12000,12003 or marked" in screen_text(app)


def test_the_column_why_does_not_spend_its_room_on_the_run_number() -> None:
    run = replace(StandIn(1).known[18000], reason="run 18000: other content in artdaqDB")
    assert cell(run, "reason", Glyphs(False), NOW, width=16, wide=False)[0] == "other content in artdaqDB"


async def test_the_cursor_stays_where_it_was_sent_although_the_order_is_derived_anew_at_once() -> None:
    async with console() as (app, pilot):
        await press(pilot, "down")
        screen = runs_of(app)
        screen.go_to_run(18100)
        screen.derive_order()
        assert screen.table.run is not None
        assert screen.table.run.run == 18100


async def test_a_sort_by_a_column_that_is_not_shown_is_told() -> None:
    async with console() as (app, pilot):
        runs_of(app).sort_by("stop")
        await press(pilot)
        assert "sorted by stop" in screen_text(app).splitlines()[2]
        runs_of(app).sort_by("start")
        await press(pilot)
        assert "sorted by" not in screen_text(app).splitlines()[2], "the arrow tells it"


async def test_what_is_wrong_with_a_state_file_is_told_whole() -> None:
    archive = StandIn()
    problem = f"state file /{'a-long-way/' * 9}importer_state.json cannot be read: Expecting value: line 1 column 1"
    preview = archive.recovery_preview(RecoveryKind.IMPORT)
    archive.recovery_preview = lambda kind: replace(preview, problems=(problem,))  # type: ignore[method-assign]
    async with console(archive) as (app, pilot):
        await press(pilot, "5")
        assert "".join(f"! {problem}".split()) in "".join(screen_text(app).split())


async def test_the_log_marks_trouble_with_letters_not_with_the_signs_of_marks() -> None:
    archive = StandIn()
    archive.push(Event(1, NOW, Severity.WARNING, "no answer"), Event(2, NOW, Severity.ERROR, "no ledger"))
    async with console(archive) as (app, pilot):
        await press(pilot, "9")
        assert "W no answer" in screen_text(app)
        assert "E no ledger" in screen_text(app)


@pytest.mark.parametrize("screen", ["jobs", "failures", "compare", "recovery", "log", "doctor"])
async def test_a_run_that_changes_before_the_table_was_ever_shown_takes_nothing_down(
    tmp_path: Path, screen: str
) -> None:
    archive = StandIn()
    memory = Memory.load(tmp_path / "memory.json", archive.config.path)
    memory.remember(screen=screen)
    memory.save()
    async with console(archive, memory_path=tmp_path / "memory.json") as (app, pilot):
        assert app.current_mode == screen
        archive.push(replace(archive.known[18001], state=RunState.ARCHIVED, reason="mended"))
        await until(pilot, lambda: app.book.get(18001) == archive.known[18001])
        await press(pilot, "1")
        assert "200 runs" in screen_text(app)
        assert app.coverage.low == 18000


async def test_a_run_that_cannot_be_read_is_not_called_the_same_everywhere() -> None:
    archive = StandIn()
    problem = "filesystem: run 18199: tpc99.fcl is a link to /a/long/way/to/nowhere/at/all.fcl, which is not there"
    found = replace(archive.compare(18199), files=(), problems=(problem,), blob_run=None)
    archive.compare = lambda run: found  # type: ignore[method-assign]
    async with console(archive) as (app, pilot):
        await press(pilot, "c", "f")
        assert problem in " ".join(screen_text(app).split())
        assert "every file is the same" not in screen_text(app)
