"""The lines that the table of runs asks for: a filter, its columns, a run number."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from runarchive.errors import UsageError
from runarchive.filters import complete, parse_filter
from runarchive.model import run_number
from tui_archiver.columns import COLUMNS
from tui_archiver.screens.dialogs import PromptScreen

FILTER_HINT = (
    "words: and   a|b: either   !a: not   failed artdaqdb:missing run:12000-12500 config:bnb reason:timeout is:marked"
)


def filter_prompt(now: str, typed: Callable[[str], None]) -> PromptScreen:
    """Asks for a filter; `typed` hears each change of it."""

    def check(text: str) -> str:
        try:
            parse_filter(text)
        except UsageError as error:
            return error.message
        return ""

    return PromptScreen("/", value=now, hint=FILTER_HINT, offer=complete, check=check, typed=typed)


def columns_prompt(now: Sequence[str]) -> PromptScreen:
    """Asks for the columns in their order."""

    def check(text: str) -> str:
        unknown = [word for word in text.split() if word not in COLUMNS]
        return f"{unknown[0]!r} is no column; there are {' '.join(COLUMNS)}" if unknown else ""

    hint = f"{' '.join(COLUMNS)} (empty: all; those that do not fit are left out)"
    return PromptScreen("columns", value=" ".join(now), hint=hint, check=check)


def run_prompt() -> PromptScreen:
    """Asks for a run number."""

    def check(text: str) -> str:
        return "" if run_number(text.strip()) is not None or not text.strip() else f"{text.strip()!r} is no run number"

    return PromptScreen("go to run", check=check)
