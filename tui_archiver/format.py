"""Times, ages, sizes and run ranges in the few cells there are."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime

from rich.cells import cell_len, chop_cells, set_cell_size

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def short_time(when: datetime, now: datetime, *, wide: bool) -> str:
    """A UTC time in 16 cells, or in 12: the year in place of the hour when it is not this one."""
    if wide:
        return f"{when:%Y-%m-%d %H:%M}"
    day = f"{when.day:>2} {_MONTHS[when.month - 1]}"
    return f"{day} {when:%H:%M}" if when.year == now.year else f"{day} {when:%Y}"


def clock(when: datetime) -> str:
    """A UTC time of day with seconds."""
    return f"{when:%H:%M:%S}"


def duration(seconds: float) -> str:
    """A span of time, at its two most telling units."""
    if seconds < 0:
        return "0 s"
    if seconds < 0.0995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes = int(seconds // 60)
    if minutes < 120:
        return f"{minutes} min"
    hours = minutes // 60
    return f"{hours} h {minutes % 60:02} min" if hours < 48 else f"{hours // 24} d {hours % 24} h"


def age(seconds: float) -> str:
    """How long ago something was, coarse enough not to change with each second."""
    if seconds < 10:
        return "now"
    if seconds < 60:
        return f"{int(seconds // 10) * 10} s"
    if seconds < 7200:
        return f"{int(seconds // 60)} min"
    return f"{int(seconds // 3600)} h" if seconds < 172800 else f"{int(seconds // 86400)} d"


def size_text(size: int) -> str:
    """A size in bytes in at most seven cells."""
    value = float(size)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 999.5:
            return f"{value:.0f} {unit}" if unit == "B" or value >= 9.95 else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def number(value: int) -> str:
    """A count with its thousands apart."""
    return f"{value:,}".replace(",", " ")


def wrapped(text: str, width: int, most: int) -> list[str]:
    """Clean text in lines of at most `width` cells, at most so many; what is left over ends the last in an ellipsis."""
    width = max(width, 10)
    lines: list[str] = []
    for word in re.findall(r"\S+\s*", text):
        if lines and cell_len((lines[-1] + word).rstrip()) <= width:
            lines[-1] += word
            continue
        while cell_len(word.rstrip()) > width:
            head = chop_cells(word, width)[0]
            lines.append(head)
            word = word[len(head) :]
        lines.append(word)
    shown = [line.rstrip() for line in lines[:most]]
    if len(lines) > most:
        shown[-1] = set_cell_size(shown[-1], width - 1).rstrip() + "…"
    return shown


def without_run(message: str, run: int) -> str:
    """A message without the run number it begins with."""
    return re.sub(rf"^(run )?{run}\b:? ", "", message)


def ranges(numbers: Iterable[int], limit: int = 12) -> str:
    """Run numbers as `1000-1019, 1021`; beyond `limit` parts it says how many runs are left out."""
    parts: list[list[int]] = []
    for value in sorted(numbers):
        if parts and value == parts[-1][1] + 1:
            parts[-1][1] = value
        else:
            parts.append([value, value])
    words = [str(low) if low == high else f"{low}-{high}" for low, high in parts[:limit]]
    left = sum(high - low + 1 for low, high in parts[limit:])
    return ", ".join(words) + (f" and {left} more" if left else "")
