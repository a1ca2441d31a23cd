"""Colours that keep their surfaces apart in 256 colours, and which theme a terminal gets."""

from __future__ import annotations

import os
import re

from textual.theme import Theme

CONTROL_ROOM = Theme(
    name="control-room",
    primary="#5fafff",
    secondary="#5f87af",
    warning="#ffaf00",
    error="#ff5f5f",
    success="#5faf5f",
    accent="#ffaf5f",
    foreground="#d0d0d0",
    background="#121212",
    surface="#262626",
    panel="#303030",
    dark=True,
)
DAYLIGHT = Theme(
    name="daylight",
    primary="#005faf",
    secondary="#5f87af",
    warning="#af5f00",
    error="#af0000",
    success="#005f00",
    accent="#870087",
    foreground="#1c1c1c",
    background="#ffffff",
    surface="#eeeeee",
    panel="#dadada",
    dark=False,
)
THEMES = ("control-room", "daylight", "ansi-dark", "ansi-light", "textual-dark", "gruvbox", "dracula", "flexoki")
"""Themes that keep background, surface and panel apart at 256 colours; the `ansi` ones leave them to the terminal."""


def theme_for(color_system: str | None, wanted: str | None, *, plain: bool) -> str:
    """The theme a terminal starts with: its own 16 colours where it has no more, or where `plain` asks for them."""
    if color_system in ("standard", "windows") or plain:
        return wanted if wanted in ("ansi-dark", "ansi-light") else "ansi-dark"
    return wanted if wanted in THEMES else "control-room"


def is_ascii_terminal() -> bool:
    """Whether the locale names a character set that is not UTF-8, or the terminal is one without the marks' glyphs.

    A locale that is not set at all says nothing. The console of Linux has 512 glyphs at most, a VT100 knows no UTF-8.
    """
    if re.match(r"linux\b|vt\d", os.environ.get("TERM", "")):
        return True
    locale = os.environ.get("LC_ALL") or os.environ.get("LC_CTYPE") or os.environ.get("LANG") or "UTF-8"
    return "utf" not in locale.lower()
