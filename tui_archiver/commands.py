"""The `:` command line and the palette: every action by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from textual.command import CommandPalette, DiscoveryHit, Hit, Hits, Provider
from textual.content import Content

from runarchive.archive import JobOptions
from runarchive.errors import UsageError
from runarchive.filters import complete, parse_filter
from runarchive.keymap import EVERYWHERE, KEYMAP, Key
from runarchive.model import run_number
from tui_archiver import work
from tui_archiver.columns import COLUMNS
from tui_archiver.run_book import SORT_KEYS
from tui_archiver.screens.base import ConsoleScreen
from tui_archiver.screens.dialogs import TextScreen, still_cursors
from tui_archiver.theme import THEMES

if TYPE_CHECKING:
    from tui_archiver.app import ConsoleApp

Words = Sequence[str]


@dataclass(frozen=True, slots=True)
class Command:
    """One command of the `:` line: what may follow, what it does, how its last word is completed."""

    usage: str
    help: str
    run: Callable[[ConsoleApp, Words], None]
    offer: Callable[[ConsoleApp], Sequence[str]] = lambda app: ()


def run_line(app: ConsoleApp, line: str) -> None:
    """Do what a typed line says; what it does not understand it says."""
    name, *words = line.removeprefix(":").split()
    command = COMMANDS.get(name)
    if command is None:
        near = [known for known in COMMANDS if known.startswith(name)]
        if len(near) != 1:
            app.say(f"{name!r} is no command; :help lists them", "warning")
            return
        command = COMMANDS[near[0]]
    try:
        command.run(app, words)
    except UsageError as error:
        app.say(error.message, "warning")


def words_for(app: ConsoleApp) -> Callable[[str], list[str]]:
    """What a typed line may become."""

    def offer(line: str) -> list[str]:
        name, blank, rest = line.partition(" ")
        if not blank:
            return [known for known in COMMANDS if known.startswith(name)]
        if name == "filter":
            return [f"filter {text}" for text in complete(rest)]
        command = COMMANDS.get(name)
        head, _, last = rest.rpartition(" ")
        before = f"{name} {head} " if head else f"{name} "
        return [before + word for word in (command.offer(app) if command else ()) if word.startswith(last)]

    return offer


def chosen_runs(app: ConsoleApp, words: Words) -> tuple[int, ...] | None:
    """The known runs that RUNS words mean; None without any: all that is due."""
    specs = [word for word in words if not word.startswith("--")]
    if not specs:
        return None
    if specs == ["marked"]:
        return tuple(sorted(app.book.marked))
    try:
        tests = [parse_filter(f"run:{spec}") for spec in specs]
    except UsageError:
        words_typed = " ".join(specs)
        raise UsageError(f"{words_typed!r} are no runs; write 12000, 12000-12500, 12000,12003 or marked") from None
    found = tuple(run.run for run in app.book.rows if any(test.matches(run) for test in tests))
    if not found:
        raise UsageError(f"no known run is {' '.join(specs)}")
    return found


def _work(kind: str) -> Callable[[ConsoleApp, Words], None]:
    def run(app: ConsoleApp, words: Words) -> None:
        options = JobOptions(add="--add" in words, supersede="--supersede" in words, force="--force" in words)
        unknown = [word for word in words if word.startswith("--") and word not in ("--add", "--supersede", "--force")]
        if unknown:
            raise UsageError(f"{unknown[0]} is no option of {kind}")
        work.propose(app, kind, chosen_runs(app, words), options)

    return run


def _show(name: str) -> Callable[[ConsoleApp, Words], None]:
    return lambda app, words: app.show_screen(name)


def _one_run(words: Words) -> int:
    run = run_number(words[0]) if len(words) == 1 else None
    if run is None:
        raise UsageError("name one run number")
    return run


def _compare(app: ConsoleApp, words: Words) -> None:
    if words:
        app.compare_run(_one_run(words))
    else:
        app.show_screen("compare")


def _filter(app: ConsoleApp, words: Words) -> None:
    parse_filter(" ".join(words))
    app.show_screen("runs")
    app.runs_screen.set_filter(" ".join(words))


def _sort(app: ConsoleApp, words: Words) -> None:
    if not words or words[0] not in SORT_KEYS:
        raise UsageError(f"sort by one of {' '.join(SORT_KEYS)}")
    app.show_screen("runs")
    app.runs_screen.sort_by(words[0], None if len(words) < 2 else words[1].startswith("d"))


def _columns(app: ConsoleApp, words: Words) -> None:
    unknown = [word for word in words if word not in COLUMNS]
    if unknown:
        raise UsageError(f"{unknown[0]!r} is no column; there are {' '.join(COLUMNS)}")
    app.show_screen("runs")
    app.runs_screen.set_columns(words)


def _go(app: ConsoleApp, words: Words) -> None:
    app.show_screen("runs")
    app.runs_screen.go_to_run(_one_run(words))


def _mark(app: ConsoleApp, words: Words) -> None:
    app.book.marked.update(chosen_runs(app, words) or ())
    app.show_screen("runs")
    app.runs_screen.table.refresh()


def _decide(what: str) -> Callable[[ConsoleApp, Words], None]:
    def run(app: ConsoleApp, words: Words) -> None:
        runs = chosen_runs(app, words) or app.runs_screen.targets()
        _must_be_armed(app)
        work.decide(app, "unwaive" if "--undo" in words else what, runs)

    return run


def _must_be_armed(app: ConsoleApp) -> None:
    if not app.armed:
        raise UsageError("this console is read-only: `:arm` allows writing")


def _break_lock(app: ConsoleApp, words: Words) -> None:
    _must_be_armed(app)
    if app.holder is None:
        raise UsageError("nobody holds the lock")
    work.break_lock(app, app.holder)


def _cancel(app: ConsoleApp, words: Words) -> None:
    if words and not words[0].isdecimal():
        raise UsageError(f"{words[0]!r} is no job number; 2 shows the jobs")
    named = {str(number): job for number, job in app.jobs.items()}
    job = named.get(words[0]) if words else work.job_to_cancel(app)
    if words and job is None:
        raise UsageError(f"there is no job {words[0]}; 2 shows the jobs")
    why = work.why_not_cancel(app, job)
    if why:
        raise UsageError(f"cancel: {why}")
    if job is not None:
        work.cancel(app, job)


def _theme(app: ConsoleApp, words: Words) -> None:
    if not words or words[0] not in THEMES:
        raise UsageError(f"themes that keep their surfaces apart: {' '.join(THEMES)}")
    app.theme = words[0]
    app.memory.remember(theme=words[0])


def _export(app: ConsoleApp, words: Words) -> None:
    if not words:
        app.action_export()
    else:
        app.export_to(" ".join(words))


def _help(app: ConsoleApp, words: Words) -> None:
    width = max(len(f"{name} {command.usage}") for name, command in COMMANDS.items())
    lines = [f":{f'{name} {command.usage}'.ljust(width)}  {command.help}" for name, command in COMMANDS.items()]
    app.push_screen(TextScreen("Commands", lines))


RUNS = "[RUNS|marked]"
COMMANDS: dict[str, Command] = {
    "runs": Command("", "the table of runs", _show("runs")),
    "jobs": Command("", "running and past jobs", _show("jobs")),
    "failures": Command("", "failed runs by reason", _show("failures")),
    "compare": Command("[RUN]", "one run's files in the three stores", _compare),
    "recovery": Command("", "rebuild the state files from the stores", _show("recovery")),
    "log": Command("", "events and the command log", _show("log")),
    "doctor": Command("", "whether each store can be reached", _show("doctor")),
    "run": Command("RUN", "one run, whole", lambda app, words: app.open_run(_one_run(words))),
    "go": Command("RUN", "put the cursor on a run", _go),
    "filter": Command("WORDS", "narrow the table of runs", _filter),
    "sort": Command("COLUMN [down|up]", "sort the table of runs", _sort, lambda app: tuple(SORT_KEYS)),
    "columns": Command("COLUMN…", "choose the columns; none: all", _columns, lambda app: tuple(COLUMNS)),
    "mark": Command("RUNS", "mark runs", _mark),
    "unmark": Command("", "take every mark away", lambda app, words: app.runs_screen.action_unmark()),
    "import": Command(f"{RUNS} [--add] [--force]", "into artdaqDB; bare: all that is due", _work("import")),
    "migrate": Command(f"{RUNS} [--supersede]", "into UconDB; bare: all that is due", _work("migrate")),
    "archive": Command(f"{RUNS} [--force]", "import, migrate and verify in one go", _work("archive")),
    "retry": Command(RUNS, "continue failed and partial runs", _work("retry")),
    "verify": Command(RUNS, "read back from every store and compare", _work("verify")),
    "waive": Command(f"{RUNS} [--undo]", "take runs out of the plan, with a reason", _decide("waive")),
    "note": Command(RUNS, "leave a note on runs", _decide("note")),
    "cancel": Command("[JOB]", "stop a job after its runs in hand", _cancel),
    "unlock": Command("", "take the lock from a stuck holder", _break_lock),
    "look": Command("", "ask the three stores again", lambda app, words: app.action_look_again()),
    "arm": Command("", "allow this console to write", lambda app, words: app.arm(True)),
    "disarm": Command("", "read-only again", lambda app, words: app.arm(False)),
    "export": Command("[FILE]", "what the screen shows, as .csv or .json", _export),
    "theme": Command("NAME", "other colours", _theme, lambda app: THEMES),
    "help": Command("", "this list", _help),
    "quit": Command("", "leave", lambda app, words: app.action_leave()),
}


class Palette(CommandPalette):
    """The command palette of Textual, at rest while nobody types."""

    def __init__(self) -> None:
        super().__init__(placeholder="Find an action")

    def on_mount(self) -> None:
        """Stop the cursor's blinking."""
        still_cursors(self)


class ConsoleCommands(Provider):
    """Every key of the screen in sight and of everywhere, and every command; one that takes words is begun."""

    def _entries(self) -> list[tuple[str, str, Callable[[], object]]]:
        app: ConsoleApp = self.app  # type: ignore[assignment]
        screen = self.screen
        entries: list[tuple[str, str, Callable[[], object]]] = []
        scope = screen.scope if isinstance(screen, ConsoleScreen) else EVERYWHERE
        for key in KEYMAP:
            if key.scope not in (scope, EVERYWHERE) or key.action in ("command_palette", "step_back"):
                continue
            where = "console" if key.scope == EVERYWHERE else key.scope
            text = f"{where}: {key.label} ({app.keymap.name(key.id)})"
            entries.append((text, self._help(key), partial(self._act, key)))
        for name, command in COMMANDS.items():
            call = partial(app.action_command_line, f"{name} ") if command.usage else partial(run_line, app, name)
            entries.append((f"command: :{name} {command.usage}".rstrip(), command.help, call))
        entries += [(f"theme: {name}", "other colours", partial(run_line, app, f"theme {name}")) for name in THEMES]
        return entries

    def _help(self, key: Key) -> str:
        screen = self.screen
        reason = screen.why_not(key) if isinstance(screen, ConsoleScreen) else ""
        return f"not now: {reason}" if reason else key.help

    async def _act(self, key: Key) -> None:
        target = self.screen if key.scope != EVERYWHERE else self.app
        await target.run_action(f"act('{key.id}')")

    async def discover(self) -> Hits:
        """Everything, before a word is typed."""
        for text, about, call in self._entries():
            yield DiscoveryHit(Content(text), call, text=text, help=about)

    async def search(self, query: str) -> Hits:
        """What matches the words typed."""
        matcher = self.matcher(query)
        for text, about, call in self._entries():
            score = matcher.match(text)
            if score > 0:
                yield Hit(score, matcher.highlight(text), call, text=text, help=about)
