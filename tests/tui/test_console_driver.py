"""What the terminal sends becomes the keys that were pressed, however it was cut into packets."""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path

import pytest
from textual import constants
from textual.events import Key, Paste
from textual.message import Message

from tests.tui.terminal import Terminal, write_config
from tui_archiver import driver
from tui_archiver.driver import KeyParser


def keys(*packets: str) -> list[str]:
    """The names of the keys that these packets make, once no more follows."""
    parser = KeyParser()
    events = [event for packet in packets for event in parser.feed(packet)]
    time.sleep(constants.ESCAPE_DELAY)
    events += parser.tick()
    events += parser.feed("z")
    assert events
    names = [event.key if isinstance(event, Key) else type(event).__name__ for event in events]
    assert names.pop() == "z", "nothing hangs over"
    return names


@pytest.mark.parametrize(
    ("packets", "expected"),
    [
        (["\x1b:log\r"], ["escape", "colon", "l", "o", "g", "enter"]),
        (["\x1b", ":"], ["escape", "colon"]),
        (["i\x1b", "2"], ["i", "escape", "2"]),
        (["\x1b0\x1b9"], ["escape", "0", "escape", "9"]),
        (["\x1bG\x1bf\x1bb"], ["escape", "G", "escape", "f", "escape", "b"]),
        (["\x1b\r"], ["escape", "enter"]),
        (["\x1b\x1b:"], ["escape", "escape", "colon"]),
        (["\x1b\x1b[A"], ["escape", "up"]),
        (["\x1b"], ["escape"]),
        (["\x1b[A\x1bOB\x1b[6~"], ["up", "down", "pagedown"]),
        (["\x1b", "[", "A"], ["up"]),
        (["\x1b", "OP"], ["f1"]),
        (["\x1b[1;5A"], ["ctrl+up"]),
        (["\x1b\x7f"], ["ctrl+w"]),
        (["\x1b[<0;3;4M"], ["MouseDown"]),
        (["\x1b[200~run:\x1b[201~"], ["Paste"]),
    ],
)
def test_an_escape_stays_a_key_of_its_own(packets: list[str], expected: list[str]) -> None:
    assert keys(*packets) == expected


def test_an_escape_needs_no_kitty_protocol(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "DISABLE_KITTY_KEY", True)
    assert keys("i\x1b:", "\x1b", "2") == ["i", "escape", "colon", "escape", "2"]


@pytest.mark.parametrize(
    "packets",
    [
        ["\x1b[200~run:\x1b12", "\x1b[A3\x1b", "", "[201~"],
        ["\x1b[200~run:12[A3\x1b[20", "", "1~"],
        ["\x1b[20", "0~run:12[A3\x1b[201~"],
        ["i\x1b", "[200~run:12[A3\x1b[201~i"],
    ],
)
def test_no_part_of_a_paste_is_a_key(packets: list[str]) -> None:
    parser = KeyParser()
    events: list[Message] = []
    for packet in packets:
        if packet:
            events += parser.feed(packet)
        else:
            time.sleep(constants.ESCAPE_DELAY)
            events += parser.tick()
    assert [event.text for event in events if isinstance(event, Paste)] == ["run:12[A3"]
    assert {event.key for event in events if isinstance(event, Key)} <= {"i"}


def test_a_paste_whose_end_is_lost_does_not_swallow_the_keys_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver, "PASTE_SECONDS", 0.0)
    assert keys("\x1b[200~run:12") == ["Paste"]


@pytest.mark.skipif(shutil.which("tmux") is None, reason="needs tmux")
def test_an_escape_and_what_was_typed_right_after_it_reach_a_console_in_a_terminal(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path)
    config = write_config(tmp_path, f"embedded://{tmp_path}/ucondb.sqlite")
    try:
        terminal.start([sys.executable, "-m", "tui_archiver", "-c", str(config)])
        terminal.wait_for(r"0 runs")
        terminal.type("/failed\x1b:log\r")
        terminal.wait_for(r"^ events")
        terminal.type("\x1b1\x1b2")
        terminal.wait_for(r"no job yet")
        terminal.send_bytes(b"\xe9\xff")
        terminal.type("1")
        terminal.wait_for(r"0 runs")
        terminal.type("\x1bq")
        terminal.wait_for(r"EXIT 0")
    finally:
        terminal.close()
