"""Numbers on the command line."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from typing import TypeVar

from runarchive.model import LARGEST_RUN

Number = TypeVar("Number", int, float)


def number_of(kind: Callable[[str], Number], least: float, most: float) -> Callable[[str], Number]:
    """What reads a number of an option and refuses, as wrong usage, one that is not from `least` to `most`."""

    def read(text: str) -> Number:
        try:
            number = kind(text)
            if math.isnan(number):
                raise ValueError
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is no number") from None
        if number < least:
            raise argparse.ArgumentTypeError(f"{text} is less than {least:g}")
        if number > most:
            raise argparse.ArgumentTypeError(f"{text} is more than {most:.15g}")
        return number

    return read


def whole(text: str) -> int:
    """A number written with nothing but the digits 0 to 9; raises ValueError."""
    if not (text.isascii() and text.isdigit()):
        raise ValueError(text)
    return int(text)


RUN = number_of(whole, 0, LARGEST_RUN)
"""A run number."""
COUNT = number_of(whole, 0, 10_000_000)
"""How many."""
SECONDS = number_of(float, 0, 1e9)
"""How long to wait."""
