"""From a key to a job: what would be done is named and asked for first, what was done is kept in the command log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from runarchive.archive import Archive, Explanation, JobOptions, LockHolder, Plan
from runarchive.errors import ArchiveError
from runarchive.model import Job, JobState, RunState, Stage, Store
from tui_archiver.format import ranges
from tui_archiver.screens.base import NOT_ARMED
from tui_archiver.screens.dialogs import ConfirmScreen, PromptScreen, TextScreen
from tui_archiver.ways import way_lines
from tui_archiver.widgets.bars import ACTIVE, STORE_NAMES

if TYPE_CHECKING:
    from tui_archiver.app import ConsoleApp

STORES_OF = {
    Stage.IMPORT: frozenset({Store.FILESYSTEM, Store.ARTDAQDB}),
    Stage.MIGRATE: frozenset({Store.ARTDAQDB, Store.UCONDB}),
    Stage.VERIFY: frozenset(Store),
}
GLANCED_RUNS = 1000
"""Up to how many named runs have their directories seen again before a plan, archived ones too."""
NAMED_RUNS = 40
"""How many runs a confirmation lists one by one; above, as ranges alone."""


class Proposal(NamedTuple):
    """What a job would do; `told` is why the only run asked for stays as it is, and what would change that."""

    plan: Plan
    told: Explanation | None


def propose(
    app: ConsoleApp, kind: str, runs: Sequence[int] | None, options: JobOptions | None = None, note: str = ""
) -> None:
    """Find out what a job would do with these runs (None: all that is due), ask, and start it.

    `note` is what a person should know of the runs that were chosen.
    """
    if kind != "verify" and not app.armed:
        app.say(f"{kind}: {NOT_ARMED}", "warning")
        return
    wish = options or JobOptions()

    def planned(proposal: Proposal) -> None:
        plan = proposal.plan
        if not app.question_expected:
            return
        if not plan.steps:
            app.drop_question()
            app.say(f"{kind}: nothing to do")
            lines = [*held_lines(plan), *next_steps(app, proposal)] or ["No run is due."]
            app.push_screen(TextScreen(f"Nothing to {kind}", [*([note] if note else []), *lines]))
            return

        def answered(yes: bool | None) -> None:
            if yes:
                begin(app, kind, plan.runs, wish)
            else:
                app.say(f"{kind}: not done")

        title, lines = confirmation(kind, plan, wish)
        lines = [*([note] if note else []), *stores_in_the_way(app, plan), *lines]
        app.put_question(ConfirmScreen(title, lines, count=len(plan.steps)), answered)

    def heard(key: str) -> None:
        if key == "escape":
            app.say(f"{kind}: not done")
        else:
            app.say(f"{kind}: the question is still on its way, a store is slow to answer; escape gives it up")

    app.say(f"{kind}: finding out what there is to do {app.glyphs.ellipsis} (escape gives it up)", passing=True)
    app.expect_question(heard)
    app.ask("plan", lambda: _plan(app.archive, kind, runs, wish), planned, app.drop_question)


def _plan(archive: Archive, kind: str, runs: Sequence[int] | None, wish: JobOptions) -> Proposal:
    """The plan after the last look and a glance at the named runs; where that look failed, after a new one."""
    if runs is not None and len(runs) <= GLANCED_RUNS:
        archive.glance_at(runs)
    try:
        plan = archive.plan(kind, runs, replace(wish, refresh=False))
    except ArchiveError:
        plan = archive.plan(kind, runs, wish)
    stays = plan.held[0].run if len(plan.held) == 1 and not plan.steps else None
    return Proposal(plan, None if stays is None else archive.explain(stays))


def next_steps(app: ConsoleApp, proposal: Proposal) -> list[str]:
    """What can be done with runs that stay as they are: of one run each way, of several where to find it."""
    if proposal.told is not None:
        return ["", *way_lines(proposal.told, "runs", app.keymap)]
    return ["", "Enter on a run says what can be done with it."] if proposal.plan.held else []


def stores_in_the_way(app: ConsoleApp, plan: Plan) -> list[str]:
    """Which stores that the plan needs did not answer when they were last asked."""
    needed = {store for step in plan.steps for stage in step.stages for store in STORES_OF[stage]}
    silent = [store for store in Store if store in needed and (seen := app.health.get(store)) and seen.ok is False]
    return [f"{STORE_NAMES[store]} is out of reach: what needs it waits until it answers." for store in silent]


def begin(app: ConsoleApp, kind: str, runs: Sequence[int], options: JobOptions) -> None:
    """Start the job that was agreed on."""
    call = f"{kind} {ranges(runs)}{option_words(options)}"
    app.effect(
        call,
        lambda: app.archive.start(kind, runs, options),
        lambda job: app.say(
            f"{kind}: job {job} started on {len(runs)} run{'' if len(runs) == 1 else 's'}", passing=True
        ),
        lambda job: f"job {job}",
    )


def option_words(options: JobOptions) -> str:
    """The options as the command line writes them."""
    words = [f" --{name}" for name in ("add", "supersede", "force") if getattr(options, name)]
    return "".join(words)


def confirmation(kind: str, plan: Plan, options: JobOptions) -> tuple[str, list[str]]:
    """Title and text of the question whether to do this."""
    count = len(plan.steps)
    title = f"{kind.capitalize()}{option_words(options)}: {count} run{'' if count == 1 else 's'}?"
    lines = [f"runs {ranges(plan.runs)}"]
    if options.supersede:
        lines.append("A new version is put over what UconDB holds; the old version keeps its id and tag.")
    if options.add:
        lines.append("Documents are written beside what another program put into artdaqDB.")
    lines += held_lines(plan)
    if count <= NAMED_RUNS:
        lines += ["", *(f"{step.run}  {' then '.join(step.stages)}  {step.reason}".rstrip() for step in plan.steps)]
    return title, lines


def held_lines(plan: Plan) -> list[str]:
    """The runs that stay as they are, by reason."""
    reasons: dict[str, list[int]] = {}
    for step in plan.held:
        reasons.setdefault(step.reason or step.state.value, []).append(step.run)
    return [f"stays: {ranges(numbers, 4)}  {reason}" for reason, numbers in sorted(reasons.items())]


def job_to_cancel(app: ConsoleApp) -> Job | None:
    """The newest job under way: of this console where it has one, else of any process."""
    active = [job for job in app.jobs.values() if job.state in ACTIVE]
    return max(active, key=lambda job: (app.archive.working(job.job), job.job), default=None)


def why_not_cancel(app: ConsoleApp, job: Job | None) -> str:
    """Why a job cannot be asked to stop from here; empty when it can. One's own needs no arming."""
    if job is None:
        return "no job is running"
    if job.state not in ACTIVE:
        return f"job {job.job} is {job.state.value}"
    return "" if app.armed or app.archive.working(job.job) else f"{job.owner} does job {job.job}. {NOT_ARMED}"


def cancel(app: ConsoleApp, job: Job) -> None:
    """Ask a job to stop after its runs in hand, asked again at once; one of another process only after a yes."""
    now = job.state is JobState.CANCELLING or job.job in app.cancelling
    word = "at once" if now else "after the runs in hand"

    def stops(_: None) -> None:
        app.cancelling.add(job.job)
        app.say(f"job {job.job} stops {word}")

    def ask_to_stop() -> None:
        words = f"jobs cancel {job.job}{' --now' if now else ''}"
        app.effect(words, lambda: app.archive.cancel(job.job, now=now), stops)

    if app.archive.working(job.job):
        ask_to_stop()
        return
    lines = [
        f"{job.owner} does it: {job.kind} {job.done}/{job.total}, {job.state.value}.",
        "The runs in hand are left to the next start." if now else "The runs in hand are finished first.",
    ]
    app.push_screen(
        ConfirmScreen(f"Stop job {job.job} of another process {word}?", lines),
        lambda yes: ask_to_stop() if yes else app.say(f"job {job.job} goes on"),
    )


def decide(app: ConsoleApp, what: str, runs: Sequence[int]) -> None:
    """Waive runs, take waivers back or note something on them, after asking for the text."""
    if what == "waive" and runs and all((run := app.book.get(n)) and run.state is RunState.WAIVED for n in runs):
        app.say(f"waive: waived already; `:waive {ranges(runs, 4)} --undo` takes it back", "warning")
        return
    if not runs:
        return
    named = ranges(runs, 4)

    def said(text: str | None) -> None:
        if not text or not text.strip():
            app.say(f"{what}: not done, it needs a text")
            return
        if what == "waive":
            lines = [
                f"runs {ranges(runs)}",
                f"reason: {text}",
                "A waived run is in no plan, gap or failure list any more.",
            ]
            app.push_screen(
                ConfirmScreen(f"Waive {len(runs)} run{'' if len(runs) == 1 else 's'}?", lines, count=len(runs)),
                lambda yes: write(text.strip()) if yes else app.say("waive: not done"),
            )
        else:
            write(text.strip())

    def write(text: str) -> None:
        call = {"waive": app.archive.waive, "unwaive": app.archive.unwaive, "note": app.archive.note}[what]

        def each() -> None:
            for run in runs:
                call(run, text)

        app.effect(f"{what} {named} --reason {text!r}", each, lambda _: app.say(f"{what}: done for {named}"))

    label = f"note on {named}" if what == "note" else f"reason to {what} {named}"
    app.push_screen(PromptScreen(label), said)


def break_lock(app: ConsoleApp, holder: LockHolder) -> None:
    """Take the lock from its holder, after naming it; two writers at once are worse than one that is stuck."""
    lines = [f"{holder.owner} (pid {holder.pid} on {holder.host}) holds it."]
    if holder.job is not None:
        lines.append(f"Its job {holder.job.job}: {holder.job.kind} {holder.job.done}/{holder.job.total}")
    if holder.job is None:
        lines.append("No job of it is known here: look what that process is before its lock is taken.")
    elif not holder.stuck:
        lines.append("It does not look stuck: its job makes progress.")
    app.push_screen(
        ConfirmScreen("Break the lock?", lines, word="break"),
        lambda yes: (
            app.effect("locks break", app.archive.break_lock, lambda _: app.say("the lock is free: a job can start"))
            if yes
            else app.say("the lock stays")
        ),
    )
