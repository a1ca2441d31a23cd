"""Text from a store made fit for a terminal: nothing in it can move the cursor, change colours or hide."""

from __future__ import annotations

import re
import unicodedata

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_CONTROL_PICTURES = 0x2400
_UNFIT_CATEGORIES = frozenset({"Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Me"})
# Terminals disagree on the width of these: variation selectors, conjoining jamo, flags, skin tones, tags.
_UNFIT_RANGES = (
    (0xFE00, 0xFE0F),
    (0x1160, 0x11FF),
    (0xD7B0, 0xD7FF),
    (0x1F1E6, 0x1F1FF),
    (0x1F3FB, 0x1F3FF),
    (0xE0000, 0xE0FFF),
)
_STACKED_MARKS = 2


def _visible(code: int) -> str:
    if code == 0x0A:
        return "⏎"
    if code < 0x20:
        return chr(_CONTROL_PICTURES + code)
    if code == 0x7F:
        return "␡"
    character = chr(code)
    category = unicodedata.category(character)
    if category == "Cc" or category in _UNFIT_CATEGORIES:
        return REPLACEMENT
    if category == "Zs" and code != 0x20:
        return "␣"
    if any(low <= code <= high for low, high in _UNFIT_RANGES):
        return REPLACEMENT
    return character


class _Table(dict[int, str]):
    """A translation table that fills itself with the characters it meets."""

    def __missing__(self, code: int) -> str:
        self[code] = replacement = _visible(code)
        return replacement


_TABLE = _Table()
_COMBINING = "[\u0300-\u036f\u0483-\u0489\u0591-\u05bd\u0610-\u061a\u064b-\u065f\u1ab0-\u1aff\u1dc0-\u1dff]"
_MARK_STACK = re.compile(f"({_COMBINING}{{{_STACKED_MARKS}}}){_COMBINING}+")
_SAFE_ASCII = re.compile(r"[ -~]*\Z")


def clean(text: str, limit: int = 500) -> str:
    """`text` as one line that a terminal shows as it is, at most `limit` characters and an ellipsis long.

    C0 controls become their control pictures, a line feed `⏎`; C1 controls, bidirectional and other format characters,
    lone surrogates and characters of disputed width become U+FFFD; a stack of combining marks is cut to two.
    """
    if len(text) > limit:
        text = text[:limit] + "…"
    if _SAFE_ASCII.match(text):
        return text
    text = _MARK_STACK.sub(r"\1", text.translate(_TABLE))
    return f"◌{text}" if unicodedata.category(text[0]) in ("Mn", "Mc") else text


def clean_ascii(text: str, limit: int = 500) -> str:
    """`clean(text)` for a terminal without Unicode: controls as `^X`, every other foreign character as `?`."""
    if len(text) > limit:
        text = text[:limit] + "..."
    if _SAFE_ASCII.match(text):
        return text
    return "".join(
        character if " " <= character <= "~" else f"^{chr(ord(character) + 64)}" if character < " " else "?"
        for character in text
    )
