"""Copying through SSH: what the terminal is sent, and what becomes of a text that is too long for it."""

from __future__ import annotations

import base64
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui_archiver.clipboard import OSC52_LIMIT, copy_out, osc52

BARE = re.compile(r"\x1b\]52;c;([A-Za-z0-9+/=]*)\x07")


@given(st.text(max_size=300))
def test_the_sequence_carries_the_text_and_nothing_of_it_raw(text: str) -> None:
    found = BARE.fullmatch(osc52(text, {}))
    assert found is not None
    assert base64.b64decode(found[1]).decode("utf-8", "replace") == text


def test_tmux_gets_it_bare_and_wrapped() -> None:
    text = osc52("run 18342", {"TMUX": "/tmp/x"})
    assert BARE.match(text)
    assert text.endswith("\x1bPtmux;\x1b\x1b]52;c;" + base64.b64encode(b"run 18342").decode() + "\x07\x1b\\")


def test_screen_gets_it_in_chunks() -> None:
    text = osc52("x" * 500, {"TERM": "screen.xterm-256color"})
    chunks = re.findall(r"\x1bP(.*?)\x1b\\", text, re.S)
    assert len(chunks) > 5
    assert all(len(chunk) <= 76 for chunk in chunks)
    assert BARE.fullmatch("".join(chunks))


def test_what_is_too_long_goes_to_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    said = copy_out("é" * OSC52_LIMIT, lambda sequence: pytest.fail("sent to the terminal"))
    assert Path(said.rsplit(" ", 1)[1]).read_text("utf-8") == "é" * OSC52_LIMIT


def test_nothing_to_copy_is_said() -> None:
    assert "nothing" in copy_out("", lambda sequence: True)
