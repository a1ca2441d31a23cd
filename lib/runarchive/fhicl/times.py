"""The start and stop times that DAQInterface appends to metadata.txt, in whichever locale bash wrote them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

_MONTHS = (
    ("jan", "janv", "gen", "ene"),
    ("feb", "févr"),
    ("mar", "mär", "mars"),
    ("apr", "avril", "abr"),
    ("may", "mai", "mag"),
    ("jun", "juin", "giu"),
    ("jul", "juil", "lug"),
    ("aug", "août", "ago"),
    ("sep", "sept", "set"),
    ("oct", "okt", "ott"),
    ("nov",),
    ("dec", "dez", "déc", "dic"),
)
_MONTH = {name: number for number, names in enumerate(_MONTHS, 1) for name in names}
_FULL_NAMES = ("january", "february", "march", "april", "june", "july", "august", "september", "october", "november")
_MONTH |= {name: _MONTH[name[:3]] for name in (*_FULL_NAMES, "december")}
_CLOCK = re.compile(r"(\d{1,2}):(\d\d):(\d\d)")
_ISO = re.compile(r"(\d{4})-(\d\d)-(\d\d)[T ](\d\d:\d\d:\d\d)(?:Z|\+00:?00| UTC)")
_LINE = re.compile(rb"^[ \t]*DAQInterface[ \t]+(start|stop)[ \t]+time[ \t]*:(.*)$", re.MULTILINE)


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
    """The time that `date --utc` of bash wrote, or None.

    Locales differ in the order of the words, the names of the months (English, German, French, Italian and Spanish
    are known), a 12 or 24 hour clock, and dots; each part must be there just once, and the zone must be UTC.
    """
    iso = _ISO.fullmatch(text.strip())
    if iso:
        year, month, day, clock = iso.groups()
        return _time(int(year), int(month), int(day), clock, "")
    words = text.replace(",", " ").split()
    clocks = [word for word in words if _CLOCK.fullmatch(word)]
    zones = [word for word in words if word in ("UTC", "GMT")]
    years = [int(word) for word in words if re.fullmatch(r"\d{4}", word, re.ASCII)]
    days = [int(word.rstrip(".")) for word in words if re.fullmatch(r"\d{1,2}\.?", word, re.ASCII)]
    halves = [word[0].upper() for word in words if word.upper().replace(".", "") in ("AM", "PM")]
    months = [month for month in (_MONTH.get(word.rstrip(".").lower()) for word in words) if month]
    if len(months) == 2 and words[0].lower().startswith("mar"):
        del months[0]  # a Tuesday: mardi, martedì, martes
    counts = [len(clocks), len(zones), len(years), len(days), len(months)]
    if counts != [1] * 5 or len(words) - sum(counts) - len(halves) > 1:
        return None
    return _time(years[0], months[0], days[0], clocks[0], halves[0] if halves else "")


def _time(year: int, month: int, day: int, clock: str, half: str) -> datetime | None:
    hour, minute, second = map(int, clock.split(":"))
    if half:
        hour = hour % 12 + (12 if half == "P" else 0)
    try:
        return datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return None


def run_times(metadata: bytes) -> RunTimes:
    """The start and stop lines of metadata.txt, whatever its line ends and encoding; never raises."""
    starts: list[str] = []
    stops: list[str] = []
    for which, value in _LINE.findall(metadata.replace(b"\r\n", b"\n").replace(b"\r", b"\n")):
        text = value.decode("utf-8", "surrogateescape").strip()
        if text:
            (starts if which == b"start" else stops).append(text)
    return RunTimes(tuple(starts), tuple(stops))
