"""What can be done with a run, in this console's own keys and commands."""

from __future__ import annotations

import re

from runarchive.archive import Exit, Explanation
from tui_archiver.keys import BY_ID, Keymap

COMMAND_NAMES = frozenset({"import", "migrate", "retry", "verify", "waive"})
"""The commands of the command line that the `:` line takes too, options included."""
_NAMED = re.compile(rf"`(?:tui-archiver )?((?:{'|'.join(sorted(COMMAND_NAMES))}) [^`]*|compare \d+)[^`]*`")


def hint_here(hint: str) -> str:
    """A hint of the engine, the commands in it as the `:` line takes them."""
    return _NAMED.sub(r"`:\1`", hint)


def way_in(way: Exit, scope: str, keymap: Keymap) -> str:
    """How one does this on a screen: by a key of it, by a `:` command, else by the command line."""
    ident = f"{scope}.{way.action}"
    if ident in BY_ID:
        return keymap.name(ident)
    command = way.command.removeprefix("tui-archiver ")
    return f":{command}" if command.partition(" ")[0] in COMMAND_NAMES else way.command


def way_lines(told: Explanation, scope: str, keymap: Keymap) -> list[str]:
    """The ways out of a run's state as lines of a dialog, and what happens by itself."""
    named = [(way_in(way, scope, keymap), way.what) for way in told.exits]
    lines = [f"{key}  {what}" if key else what for key, what in named]
    return lines + ([f"by itself: {told.by_itself}"] if told.by_itself else [])
