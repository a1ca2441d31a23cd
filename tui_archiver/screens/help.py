"""Help for the screen in sight, made from the key table."""

from __future__ import annotations

from runarchive.keymap import EVERYWHERE, LIST, SCOPES, key_name
from runarchive.model import Mark
from tui_archiver.coverage import Cover
from tui_archiver.keys import Keymap
from tui_archiver.screens.base import ConsoleScreen
from tui_archiver.screens.dialogs import TextScreen


class HelpScreen(TextScreen):
    """What the screen shows, its keys with what each does why it may not act now, the marks, the keys everywhere."""

    def __init__(self, screen: ConsoleScreen, keymap: Keymap) -> None:
        super().__init__(f"Help: {screen.title_word}", help_lines(screen, keymap))


def help_lines(screen: ConsoleScreen, keymap: Keymap) -> list[str]:
    """The text of a screen's help."""
    lines = [screen.about, ""]
    for scope in (screen.scope, LIST, EVERYWHERE):
        lines.append(f"{SCOPES[scope]}:")
        for key in keymap.of(scope):
            names = " ".join(key_name(word) for word in key.keys)
            reason = screen.why_not(key) if scope == screen.scope else ""
            lines.append(f"  {names:<11} {key.help}" + (f" (not now: {reason})" if reason else ""))
        lines.append("")
    glyphs = screen.console_app.glyphs
    lines += ["Marks, one for each store:", *(f"  {glyphs.mark(mark)}  {mark.word}" for mark in Mark), ""]
    covers = [(cover.ascii_glyph if glyphs.ascii_only else cover.glyph, cover.words) for cover in Cover]
    return [
        *lines,
        "Coverage strip, the worst of each cell's runs:",
        *(f"  {glyph}  {words}" for glyph, words in covers),
    ]
