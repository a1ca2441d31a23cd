"""Of an update only the cells that change are sent, and the terminal shows the same as if all had been."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tui.emulator import Terminal
from tui_archiver.wire import Wire

RED, BOLD = "31", "1;38;5;75"
STYLES = ["", RED, BOLD, "38;5;75;48;5;233", "2;38;2;1;2;3;48;5;233", "7", "4;31", "41", "1;2;31;41"]


def painted(*runs: tuple[str, str]) -> str:
    return "".join(f"\x1b[{style}m{text}\x1b[0m" if style else text for style, text in runs)


def update(*parts: tuple[int, int, str]) -> str:
    return "\n".join(f"\x1b[{line};{column}H{text}" for line, column, text in parts) + "\x1b[9;1H"


_runs = st.lists(st.tuples(st.sampled_from(STYLES), st.text("ab █✓界", min_size=1, max_size=20)), max_size=4)
_parts = st.tuples(st.integers(1, 4), st.integers(1, 12), _runs.map(lambda runs: painted(*runs)))
_updates = st.lists(st.lists(_parts, min_size=1, max_size=4).map(lambda parts: update(*parts)), max_size=12)


@given(_updates, st.integers(0, 12))
def test_the_terminal_shows_what_it_would_have_shown(updates: list[str], forgets: int) -> None:
    wire, whole, spared = Wire(), Terminal(), Terminal()
    for number, data in enumerate(updates):
        if number == forgets:
            wire.forget()
            spared.cells.clear()
            whole.cells.clear()
        whole.take(data)
        spared.take(wire.told(data))
        assert spared.shown() == whole.shown()
        assert spared.at == whole.at
        assert spared.style == "", "what is painted next starts plain"


def test_only_what_changed_in_a_line_is_sent() -> None:
    wire = Wire()
    line = painted(("", "  18341  21 Nov 02:40  run2-beam-noSN  "), (RED, "42%"), ("", " MIGRATING" + " " * 30))
    wire.told(update((4, 1, line)))
    assert wire.told(update((4, 1, line))) == "", "nothing changed"
    assert wire.told(update((4, 1, line.replace("42%", "43%")))) == "\x1b[4;41H\x1b[31m3\x1b[0m\x1b[9;1H"


def test_a_line_with_characters_of_uncertain_width_is_sent_whole() -> None:
    wire = Wire()
    wire.told(update((4, 1, "a👩‍🚀b   c")))
    assert wire.told(update((4, 1, "a👩‍🚀b   d"))) == update((4, 1, "a👩‍🚀b   d"))
    assert wire.told(update((4, 1, "a👩‍🚀b   d"))) == ""
    assert wire.told(update((4, 1, "abcdefgh"))) == update((4, 1, "abcdefgh"))


@pytest.mark.parametrize("odd", ["\x07", "\t", "\x7f", "\u00ad", "\u0301"])
def test_a_line_with_a_character_that_takes_no_cell_of_its_own_is_sent_whole(odd: str) -> None:
    wire = Wire()
    wire.told(update((4, 1, f"a{odd}b   c")))
    assert wire.told(update((4, 1, f"a{odd}b   d"))) == update((4, 1, f"a{odd}b   d"))


def test_an_update_whose_first_lines_are_empty_is_remembered() -> None:
    wire, terminal = Wire(), Terminal()
    for data in (update((1, 1, "abc")), "\n\n" + update((1, 1, "xyz")), update((1, 1, "abc"))):
        terminal.take(wire.told(data))
    assert "".join(cell for _, cell in terminal.shown().values()) == "abc"


def test_what_is_no_update_passes_untouched() -> None:
    wire = Wire()
    for data in ("\x1b[?1049h", "\x1b]52;c;aGk=\x07", "\x1b[?2026h", "\x1b[?25l", ""):
        assert wire.told(data) == data


def test_after_the_screen_was_cleared_everything_is_sent_again() -> None:
    wire = Wire()
    data = update((1, 1, painted((BOLD, "Runs"), ("", "  all"))))
    wire.told(data)
    wire.forget()
    terminal = Terminal()
    terminal.take(wire.told(data))
    assert "".join(cell for _, cell in terminal.shown().values()) == "Runsall"
