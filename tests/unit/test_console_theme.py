"""Which terminals get ASCII, and which theme."""

from __future__ import annotations

import pytest

from tui_archiver.theme import is_ascii_terminal, theme_for


@pytest.mark.parametrize(
    ("environment", "ascii_only"),
    [
        ({"TERM": "xterm-256color", "LANG": "C.UTF-8"}, False),
        ({"TERM": "xterm-256color"}, False),
        ({"TERM": "xterm", "LANG": "en_US.ISO-8859-1"}, True),
        ({"TERM": "xterm", "LANG": "en_US.UTF-8", "LC_ALL": "C"}, True),
        ({"TERM": "linux", "LANG": "C.UTF-8"}, True),
        ({"TERM": "linux-16color", "LANG": "C.UTF-8"}, True),
        ({"TERM": "vt100", "LANG": "C.UTF-8"}, True),
        ({"TERM": "vt220", "LANG": "C.UTF-8"}, True),
        ({"TERM": "screen.xterm-256color", "LANG": "C.UTF-8"}, False),
        ({"LANG": "C.UTF-8"}, False),
    ],
)
def test_ascii_where_the_marks_cannot_be_drawn(
    environment: dict[str, str], ascii_only: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("TERM", "LANG", "LC_ALL", "LC_CTYPE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert is_ascii_terminal() is ascii_only


@pytest.mark.parametrize(
    ("colours", "wanted", "plain", "theme"),
    [
        ("standard", "dracula", False, "ansi-dark"),
        ("standard", "ansi-light", False, "ansi-light"),
        ("256", "dracula", False, "dracula"),
        ("256", "pink", False, "control-room"),
        ("truecolor", None, True, "ansi-dark"),
    ],
)
def test_a_theme_that_keeps_its_surfaces_apart(colours: str, wanted: str | None, plain: bool, theme: str) -> None:
    assert theme_for(colours, wanted, plain=plain) == theme
