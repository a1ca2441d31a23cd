"""The start and stop times that DAQInterface appends to metadata.txt, in whichever locale bash wrote them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

_MONTHS = dict(
    zip(("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"), range(1, 13), strict=True)
)
_CLOCK = r"(?P<hour>\d{1,2}):(?P<minute>\d\d):(?P<second>\d\d)(?:\s*(?P<half>[AaPp])\.?[Mm]\.?)?"
_SHAPES = tuple(
    re.compile(shape)
    for shape in (
        rf"(?:[^\W\d]+\.?,?\s+)?(?P<month>[A-Z][a-z]{{2}})[a-z]*\s+(?P<day>\d{{1,2}})\s+{_CLOCK}\s+(?:UTC|GMT|Z)\s+(?P<year>\d{{4}})",
        rf"(?:[^\W\d]+\.?,?\s+)?(?P<day>\d{{1,2}})\.?\s+(?P<month>[A-Z][a-z]{{2}})[a-z]*\s+(?P<year>\d{{4}})\s+{_CLOCK}\s+(?:UTC|GMT|Z)",
        rf"(?P<year>\d{{4}})-(?P<number>\d\d)-(?P<day>\d\d)[T ]{_CLOCK}\s*(?:UTC|GMT|Z|\+00:?00)",
    )
)
_LINE = re.compile(rb"^[ \t]*DAQInterface (start|stop) time[ \t]*:[ \t]*(\S.*?)[ \t]*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class RunTimes:
    """The texts of all start and of all stop times of one metadata.txt, in file order."""

    starts: tuple[str, ...] = ()
    stops: tuple[str, ...] = ()

    @property
    def start(self) -> datetime | None:
        """The first start time that can be read, UTC."""
        return next((time for time in map(parse_date, self.starts) if time), None)

    @property
    def stop(self) -> datetime | None:
        """The last stop time that can be read, UTC."""
        return next((time for time in map(parse_date, reversed(self.stops)) if time), None)


def parse_date(text: str) -> datetime | None:
    """The time that `date --utc` of bash wrote, or None; English names only, 12 and 24 hour clocks, always UTC."""
    for shape in _SHAPES:
        match = shape.fullmatch(text.strip())
        if match is None:
            continue
        part = match.groupdict()
        month = int(part["number"]) if part.get("number") else _MONTHS.get(part.get("month") or "", 0)
        hour = int(part["hour"])
        if part["half"]:
            hour = hour % 12 + (12 if part["half"] in "Pp" else 0)
        try:
            return datetime(
                int(part["year"]), month, int(part["day"]), hour, int(part["minute"]), int(part["second"]), tzinfo=UTC
            )
        except ValueError:
            return None
    return None


def run_times(metadata: bytes) -> RunTimes:
    """The start and stop lines of metadata.txt, whatever its line ends and encoding; never raises."""
    starts: list[str] = []
    stops: list[str] = []
    for which, value in _LINE.findall(metadata.replace(b"\r\n", b"\n").replace(b"\r", b"\n")):
        (starts if which == b"start" else stops).append(value.decode("utf-8", "surrogateescape"))
    return RunTimes(tuple(starts), tuple(stops))
