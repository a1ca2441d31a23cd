"""Texts fitted to few cells: every word stays, no line is too long, cuts are said."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from runarchive.clean import clean
from tui_archiver.format import wrapped

TEXT = st.text(st.sampled_from("ab c中–é."), max_size=80)


@given(TEXT, st.integers(10, 30), st.integers(1, 6))
def test_wrapped_lines_fit_and_hold_the_text_or_say_that_they_do_not(text: str, width: int, most: int) -> None:
    lines = wrapped(clean(text), width, most)
    assert len(lines) <= most
    assert all(cell_len(line) <= width for line in lines)
    told, whole = "".join("".join(lines).split()), "".join(clean(text).split())
    assert told == whole or (told.endswith("…") and whole.startswith(told[:-1]))
