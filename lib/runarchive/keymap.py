"""The keys of the console as one table: the screens bind them, help, palette and key sheet are made from it."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from runarchive.errors import ConfigError

EVERYWHERE = "everywhere"


@dataclass(frozen=True, slots=True)
class Key:
    """One action a key stands for.

    `id` is what a user's keymap names, `keys` the keys as Textual spells them, `action` the action of the screen,
    `label` two words at most for the footer, `help` one sentence; `writes` says that it needs an armed console.
    """

    id: str
    keys: tuple[str, ...]
    action: str
    label: str
    help: str
    scope: str = EVERYWHERE
    shown: bool = False
    writes: bool = False


def _k(scope: str, ident: str, keys: str, action: str, label: str, text: str, flags: str = "") -> Key:
    return Key(f"{scope}.{ident}", tuple(keys.split()), action, label, text, scope, "s" in flags, "w" in flags)


LIST = "list"

_E, _M, _R, _J, _F, _C, _V, _L, _D, _T = (
    EVERYWHERE,
    LIST,
    "runs",
    "jobs",
    "failures",
    "compare",
    "recovery",
    "log",
    "doctor",
    "detail",
)

KEYMAP: tuple[Key, ...] = (
    _k(_E, "runs", "1", "show('runs')", "Runs", "The table of runs"),
    _k(_E, "jobs", "2", "show('jobs')", "Jobs", "Running and past jobs of every process"),
    _k(_E, "failures", "3", "show('failures')", "Failures", "Failed runs grouped by reason"),
    _k(_E, "compare", "4", "show('compare')", "Compare", "One run's files in the three stores"),
    _k(_E, "recovery", "5", "show('recovery')", "Recovery", "Rebuild the state files from the stores"),
    _k(_E, "log", "9", "show('log')", "Log", "Events of every process, and the command log"),
    _k(_E, "doctor", "0", "show('doctor')", "Doctor", "Whether each store can be reached, and what stands in the way"),
    _k(_E, "help", "question_mark f1", "help", "help", "The keys that work here, and what the screen shows"),
    _k(_E, "palette", "ctrl+p", "command_palette", "palette", "Find any action by its name"),
    _k(_E, "command", "colon", "command_line", "command", "Type a command, such as :import 12000-12500"),
    _k(_E, "refresh", "f5 ctrl+r", "look_again", "look again", "Ask the three stores again"),
    _k(_E, "redraw", "ctrl+l", "redraw", "redraw", "Paint the whole screen again"),
    _k(_E, "suspend", "ctrl+z", "suspend_process", "suspend", "Give the terminal back to the shell; `fg` returns"),
    _k(_E, "copy", "y", "copy", "copy", "Copy what the cursor is on to the clipboard of your terminal"),
    _k(_E, "export", "e", "export", "export", "Write what the screen shows to a CSV or JSON file"),
    _k(_E, "back", "escape", "step_back", "back", "Close what is open, end a range, clear the filter: one at a time"),
    _k(_E, "quit", "q", "leave", "quit", "Leave; asks only while a job runs here"),
    _k(_M, "up", "up k", "move(-1)", "up", "One line up"),
    _k(_M, "down", "down j", "move(1)", "down", "One line down"),
    _k(_M, "page_up", "pageup", "page(-1)", "page up", "One page up"),
    _k(_M, "page_down", "pagedown", "page(1)", "page down", "One page down"),
    _k(_M, "first", "home", "move_to(0)", "first", "The first line"),
    _k(_M, "last", "end G", "move_to(-1)", "last", "The last line"),
    _k(_M, "left", "left", "sideways(-8)", "left", "Text to the left, where lines are longer than the screen"),
    _k(_M, "right", "right", "sideways(8)", "right", "Text to the right"),
    _k(_R, "filter", "slash", "filter", "filter", "Narrow the table: failed|waiting, run:12000-12500", "s"),
    _k(_R, "faults", "f", "faults", "faults", "Show only runs with a fault, or all again", "s"),
    _k(_R, "mark", "space", "mark", "mark", "Mark or unmark the run under the cursor", "s"),
    _k(_R, "range", "v", "range", "range", "Start a range here; moving marks along; v or escape ends it"),
    _k(_R, "invert", "asterisk", "invert", "invert", "Mark what is not marked among the runs shown, and the reverse"),
    _k(_R, "unmark", "u", "unmark", "unmark", "Take every mark away"),
    _k(_R, "import", "i", "work('import')", "import", "Bring the marked runs from the directory into artdaqDB", "sw"),
    _k(_R, "migrate", "m", "work('migrate')", "migrate", "Bring the marked runs from artdaqDB into UconDB", "sw"),
    _k(_R, "archive", "a", "work('archive')", "archive", "Import, migrate and verify the marked runs in one go", "w"),
    _k(_R, "retry", "r", "work('retry')", "retry", "Continue failed and partial runs to the end", "sw"),
    _k(_R, "verify", "x", "work('verify')", "verify", "Read the marked runs back from every store and compare"),
    _k(_R, "compare", "c", "compare", "compare", "Compare this run's files across the three stores", "s"),
    _k(_R, "detail", "enter", "detail", "more", "This run's files, attempts and checks, and what can be done now", "s"),
    _k(_R, "waive", "w", "waive", "waive", "Take the marked runs out of the plan, with a reason", "w"),
    _k(_R, "note", "N", "note", "note", "Leave a note on the marked runs", "w"),
    _k(_R, "sort", "s", "sort", "sort", "Sort by the next column"),
    _k(_R, "reverse", "S", "reverse", "reverse", "Turn the order round"),
    _k(_R, "columns", "o", "columns", "columns", "Choose the columns and their order"),
    _k(_R, "goto", "g", "goto", "go to", "Go to a run number"),
    _k(_R, "next_fault", "right_square_bracket n", "fault(1)", "next fault", "Go to the next run with a fault"),
    _k(_R, "previous_fault", "left_square_bracket p", "fault(-1)", "last fault", "Go to the run with a fault before"),
    _k(_R, "next_cell", "greater_than_sign", "cell(1)", "next cell", "Go to the next coverage cell with holes"),
    _k(_R, "previous_cell", "less_than_sign", "cell(-1)", "previous cell", "Go to the coverage cell with holes before"),
    _k(_R, "cancel", "C", "cancel", "cancel", "Stop the running job after its runs in hand; again: at once"),
    _k(_J, "cancel", "C delete", "cancel", "cancel", "Stop after the runs in hand; a second time: at once", "s"),
    _k(_J, "follow", "l", "follow", "follow", "Keep the job's log at its end, or let it stand", "s"),
    _k(_J, "detail", "enter", "detail", "runs", "Show the runs of this job in the table", "s"),
    _k(_J, "export_log", "L", "export_log", "log to file", "Write this job's log to a file"),
    _k(_F, "detail", "enter", "detail", "open", "Open or close a group; on a run, its detail", "s"),
    _k(_F, "retry", "r", "retry", "retry", "Retry the run, or every run of the group under the cursor", "sw"),
    _k(_F, "retry_all", "R", "retry_all", "retry all", "Retry every retryable failure", "sw"),
    _k(_F, "compare", "c", "compare", "compare", "Compare this run's files across the three stores", "s"),
    _k(_F, "waive", "w", "waive", "waive", "Take the run or the group out of the plan, with a reason", "sw"),
    _k(_F, "note", "N", "note", "note", "Leave a note on the run or the group", "w"),
    _k(_F, "mark", "space", "mark", "mark", "Mark the run, or the group, in the table of runs"),
    _k(_C, "run", "g slash", "choose_run", "run", "Choose another run to compare", "s"),
    _k(_C, "next", "n", "difference(1)", "next", "Go to the next difference, then to the next file that differs", "s"),
    _k(_C, "previous", "p", "difference(-1)", "previous", "Go to the difference before", "s"),
    _k(_C, "pair", "t", "pair", "stores", "Change which two stores are compared", "s"),
    _k(_C, "unified", "u", "unified", "unified", "Side by side, or one above the other", "s"),
    _k(_C, "original", "o", "original", "original", "Canonical text, or as it stands in the directory", "s"),
    _k(_C, "space", "w", "ignore('space')", "blanks", "Ignore white space, or not"),
    _k(_C, "case", "C", "ignore('case')", "case", "Ignore upper and lower case, or not"),
    _k(_C, "blank", "b", "ignore('blank')", "blank lines", "Ignore blank lines, or not"),
    _k(_C, "pattern", "x", "pattern", "pattern", "Ignore the lines that match a regular expression"),
    _k(_C, "whole", "a", "whole", "all lines", "Every line, or only the differences and their surroundings"),
    _k(_C, "differing", "f", "differing", "differing", "Only the files that differ, or all"),
    _k(_C, "switch", "tab", "switch", "files ↔ text", "Move between the list of files and the text", "s"),
    _k(_C, "explain", "enter", "explain", "explain", "Why this run is in its state, and what would change that"),
    _k(_V, "kind", "t", "kind", "state file", "Import state, migrate state or the ledger", "s"),
    _k(_V, "look", "enter r", "look", "look", "Ask the stores what a rebuild would write", "s"),
    _k(_V, "apply", "A", "apply", "apply", "Write what the preview shows, after you typed it out", "sw"),
    _k(_L, "filter", "slash", "filter", "filter", "Show only the lines that hold this text", "s"),
    _k(_L, "severity", "f", "severity", "severity", "All lines, warnings and errors, errors alone", "s"),
    _k(_L, "commands", "t", "commands", "command log", "Events, or the calls that this console made", "s"),
    _k(_L, "follow", "l", "follow", "follow", "Keep the newest line in sight, or let it stand", "s"),
    _k(_L, "detail", "enter", "detail", "run", "The run that this line is about", "s"),
    _k(_D, "again", "r enter", "again", "check again", "Make every check again", "s"),
    _k(_D, "report", "R", "report", "report", "Write the report, without secrets, to a file", "s"),
    _k(_T, "import", "i", "work('import')", "import", "Bring this run from the directory into artdaqDB", "sw"),
    _k(_T, "migrate", "m", "work('migrate')", "migrate", "Bring this run from artdaqDB into UconDB", "sw"),
    _k(_T, "archive", "a", "work('archive')", "archive", "Import, migrate and verify this run in one go", "w"),
    _k(_T, "retry", "r", "work('retry')", "retry", "Continue this run to the end", "sw"),
    _k(_T, "verify", "x", "work('verify')", "verify", "Read this run back from every store and compare", "s"),
    _k(_T, "compare", "c", "compare", "compare", "Compare its files across the three stores", "s"),
    _k(_T, "waive", "w", "waive", "waive", "Take this run out of the plan, with a reason", "sw"),
    _k(_T, "note", "N", "note", "note", "Leave a note on this run", "w"),
)
"""Every key of every screen."""

SCOPES: dict[str, str] = {
    EVERYWHERE: "Everywhere",
    LIST: "In every list",
    _R: "Runs",
    _J: "Jobs",
    _F: "Failures",
    _C: "Compare",
    _V: "Recovery",
    _L: "Log",
    _D: "Doctor",
    _T: "One run",
}

_NAMES = {
    "question_mark": "?",
    "colon": ":",
    "slash": "/",
    "asterisk": "*",
    "right_square_bracket": "]",
    "left_square_bracket": "[",
    "greater_than_sign": ">",
    "less_than_sign": "<",
}


def key_name(key: str) -> str:
    """A key as a person writes it: `?` for `question_mark`."""
    return _NAMES.get(key, key)


def keys_of(scope: str, overrides: dict[str, tuple[str, ...]] | None = None) -> tuple[Key, ...]:
    """The keys of one scope, with a user's own keys in place of the given ones."""
    changed = overrides or {}
    return tuple(
        Key(k.id, changed.get(k.id, k.keys), k.action, k.label, k.help, k.scope, k.shown, k.writes)
        for k in KEYMAP
        if k.scope == scope
    )


def keymap_path() -> Path:
    """Where a user's own keys are kept: `$XDG_CONFIG_HOME/tui-archiver/keymap.yaml`."""
    base = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    return Path(base) / "tui-archiver" / "keymap.yaml"


def load_keymap(path: Path | None = None) -> dict[str, tuple[str, ...]]:
    """A user's own keys by id, `{}` without a file.

    The file is YAML: `runs.import: I` or `runs.import: [I, f2]`. Raises ConfigError that names every unknown id, and
    every key that would mean two things on one screen.
    """
    import yaml

    place = path or keymap_path()
    try:
        read = yaml.safe_load(place.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError([f"{place}: {error}"]) from None
    if read is None:
        return {}
    if not isinstance(read, dict):
        raise ConfigError([f"{place}: is not a list of `id: key` lines"])
    spelt = {name: key for key, name in _NAMES.items()}
    known = {key.id for key in KEYMAP}
    problems = [f"{place}: no action is called {ident!r}" for ident in read if ident not in known]
    found: dict[str, tuple[str, ...]] = {}
    for ident, value in read.items():
        words = value if isinstance(value, list) else [value]
        found[str(ident)] = tuple(spelt.get(str(word), str(word)) for word in words)
    if not problems:
        problems = [f"{place}: {clash}" for clash in clashes(found)]
    if problems:
        raise ConfigError(problems)
    return found


def clashes(overrides: dict[str, tuple[str, ...]]) -> tuple[str, ...]:
    """One sentence for each key that would mean two things on one screen."""
    found: list[str] = []
    for scope in SCOPES:
        taken: dict[str, str] = {}
        scopes = dict.fromkeys((EVERYWHERE, LIST, scope))
        both = [key for name in scopes for key in keys_of(name, overrides)]
        for key in both:
            for word in key.keys:
                if word in taken:
                    found.append(f"{key_name(word)!r} is both {taken[word]} and {key.id}")
                taken[word] = key.id
    return tuple(dict.fromkeys(found))


def key_sheet(scopes: Iterable[str] = SCOPES, overrides: dict[str, tuple[str, ...]] | None = None) -> str:
    """The key sheet as Markdown, one table a screen."""
    parts: list[str] = []
    for scope in scopes:
        parts.append(f"### {SCOPES[scope]}\n\n| key | id | what it does |\n|---|---|---|")
        for key in keys_of(scope, overrides):
            names = " ".join(f"`{key_name(word)}`" for word in key.keys)
            armed = " (armed)" if key.writes else ""
            parts.append(f"| {names} | {key.id} | {key.help.replace('|', chr(92) + '|')}{armed} |")
        parts.append("")
    return "\n".join(parts)
