"""Copying to the clipboard of the terminal one sits at, through SSH, tmux and screen, else to a file."""

from __future__ import annotations

import base64
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

OSC52_LIMIT = 74_994
"""The most bytes of text that every terminal takes in one sequence."""


def osc52(text: str, environment: dict[str, str]) -> str:
    """The sequence that sets the clipboard, wrapped for tmux or GNU screen where one stands between."""
    payload = base64.b64encode(text.encode("utf-8", "replace")).decode("ascii")
    sequence = f"\x1b]52;c;{payload}\x07"
    if environment.get("TMUX"):
        # tmux takes the bare sequence with `set-clipboard on`, the wrapped one with `allow-passthrough on`.
        return sequence + "\x1bPtmux;" + sequence.replace("\x1b", "\x1b\x1b") + "\x1b\\"
    if environment.get("TERM", "").startswith("screen"):
        chunks = [sequence[at : at + 76] for at in range(0, len(sequence), 76)]
        return "".join(f"\x1bP{chunk}\x1b\\" for chunk in chunks)
    return sequence


def copy_out(text: str, write: Callable[[str], bool]) -> str:
    """Copy a text and say in one sentence where it went; what is too long for a terminal goes to a file."""
    if not text:
        return "there is nothing under the cursor to copy"
    size = len(text.encode("utf-8", "replace"))
    if size <= OSC52_LIMIT and write(osc52(text, dict(os.environ))):
        return f"copied {size} bytes; if your terminal ignores it, e writes a file"
    handle, name = tempfile.mkstemp(prefix="tui-archiver-", suffix=".txt")
    with os.fdopen(handle, "w", encoding="utf-8", errors="replace") as file:
        file.write(text)
    return f"too long for the clipboard, written to {Path(name)}"
