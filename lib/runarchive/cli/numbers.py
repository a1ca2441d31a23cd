"""Numbers on the command line."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TypeVar

Number = TypeVar("Number", int, float)


def number_of(kind: Callable[[str], Number], least: float, most: float) -> Callable[[str], Number]:
    """What reads a number of an option and refuses, as wrong usage, one that is not from `least` to `most`."""

    def read(text: str) -> Number:
        try:
            number = kind(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is no number") from None
        if not least <= number <= most:
            raise argparse.ArgumentTypeError(f"{text} is not between {least:g} and {most:g}")
        return number

    return read


RUN = number_of(int, 0, (1 << 63) - 1)
"""A run number."""
