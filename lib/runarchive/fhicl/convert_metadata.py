"""metadata.txt, and what is drawn from it: RunHistory, RunHistory2, the configuration name, the components."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from runarchive.fhicl.convert_text import Entries, decode, key_of, lines_of, quote, sequence, value_of
from runarchive.fhicl.times import RunTimes

_SECTION = re.compile(r"(?!pmt )([^:/]+) logfiles\s*:\s*(.*)")
_COMMENT = re.compile(r"[ -~\t]*")
_FIRST_COUNTS = frozenset({"config_name", "daqinterface_start_time"})
_LOWERED = frozenset({"Config name", "DAQInterface start time", "DAQInterface stop time", "Total events"})
_TIMES = frozenset({"daqinterface_start_time", "daqinterface_stop_time"})
_ALWAYS_TEXT = _TIMES | {"config_name"}


@dataclass
class _Metadata:
    """Goes through the lines of one metadata.txt."""

    entries: Entries = field(default_factory=Entries)
    lists: dict[str, list[str]] = field(default_factory=dict)
    places: dict[str, int] = field(default_factory=dict)
    comments: str = ""
    section: str = ""

    def add(self, key: str, value: str, *, first: bool = False, before: str = "") -> None:
        self.entries.add(key, value, first=first, before=self.comments + before)
        self.comments = ""

    def line(self, raw: str) -> None:
        """Take one line of the file."""
        text = raw.strip()
        if text.startswith("#"):
            if _COMMENT.fullmatch(raw) and "#include" not in raw:
                self.comments += f"{raw}\n"
        elif not text:
            self.section = ""
        elif header := _SECTION.fullmatch(text):
            self._open(f"{key_of(header.group(1))}_logfiles", header.group(2))
        elif self.section and not _is_pair(text):
            self.lists[self.section].append(text)
        else:
            self.section = ""
            self._pair(text)

    def _open(self, section: str, rest: str) -> None:
        self.section = section
        self._list(section, "\n")
        if rest:
            self.lists[section].append(rest)

    def _list(self, key: str, before: str = "") -> list[str]:
        """The list under this key, which is filled as the lines come and printed at its first place."""
        if key not in self.lists:
            self.lists[key] = []
            self.add(key, "", before=before)
            self.places[key] = len(self.entries.values[key]) - 1
        return self.lists[key]

    def _pair(self, text: str) -> None:
        name, colon, value = text.partition(":")
        name, value = " ".join(name.split()), value.strip()
        if not colon:
            return
        if re.fullmatch(r"Component #[0-9]+", name):
            if value:
                self._list("components").append(value)
        elif name.endswith("commit/version"):
            self.add(key_of(name.removesuffix("/version")) + "_or_version", quote(value.replace('"', " ")))
        elif name.startswith("pmt logfile"):
            self.add("pmt_logfiles_wildcard", quote(value))
        else:
            key = key_of(name.lower() if name in _LOWERED else name)
            if value or key not in _TIMES:
                self.add(key, quote(value) if key in _ALWAYS_TEXT else value_of(value), first=key in _FIRST_COUNTS)

    def text(self) -> str:
        """The whole document, now that its lists are known; "" when it has no key."""
        for key, texts in self.lists.items():
            self.entries.values[key][self.places[key]] = sequence(texts)
        return self.entries.text() + self.comments if self.entries.values else ""


def _is_pair(text: str) -> bool:
    """Whether a line behind a list of log files is none of them but a key with its value.

    A log file is a path, or a host, a colon and a path; a blank follows the colon of a key.
    """
    name, colon, value = text.partition(":")
    if not colon or value.strip() == value != "" or ("/" in name and not name.endswith("commit/version")):
        return False
    return len(name.split()) > 1 or not value.lstrip().startswith("/")


def convert_metadata(data: bytes) -> str:
    """metadata.txt as FHiCL: keys, log-file sections and components as lists, its comments where they stood."""
    metadata = _Metadata()
    for line in lines_of(decode(data)):
        metadata.line(line)
    return metadata.text()


def _values(data: bytes, name: str) -> list[str]:
    """The values, none of them empty, of every line whose key matches `name`."""
    pairs = (line.partition(":") for line in lines_of(decode(data)))
    return [value.strip() for key, _, value in pairs if value.strip() and re.fullmatch(name, " ".join(key.split()))]


def config_names(data: bytes) -> tuple[str, ...]:
    """The values of every `Config name` line; the first counts."""
    return tuple(_values(data, "Config name"))


def components_of(data: bytes) -> tuple[str, ...]:
    """The labels of every `Component #N` line, in file order."""
    return tuple(_values(data, "Component #[0-9]+"))


UNKNOWN_CONFIGURATION = "unknown"
"""The configuration name of a record that does not tell it."""


_UNSAFE = re.compile("[\x00-\x20\"'`$&|;<>()\\[\\]{}\\\\*?!~#%\x7f-\xa0\u2028\u2029\ud800-\udfff]|\\A\\.+\\Z|\\A-")


def configuration_name(config_name: str) -> str:
    """The name in artdaqDB: sub-configurations joined by '_', '/' in them '_', as DAQInterface itself stores it.

    Characters that the library's queries cannot carry, or that its tools hand to a shell (quotes, backslashes, control
    characters, bytes that are no UTF-8, '$', '*', ';', '%' and their like) become %XX of their bytes.
    """
    joined = "_".join(part.replace("/", "_") for part in config_name.split())
    name = _UNSAFE.sub(
        lambda match: "".join(f"%{byte:02X}" for byte in match.group().encode("utf-8", "surrogateescape")), joined
    )
    return name or UNKNOWN_CONFIGURATION


def run_history(run: int, names: Sequence[str], components: Sequence[str], rc_info: Sequence[tuple[str, str]]) -> str:
    """RunHistory: run number, configuration, components, and what run control said at the start.

    Of what run control says twice the last counts; of what the record itself says, nothing that run control says.
    """
    entries = Entries()
    entries.add("run_number", str(run))
    for name in names:
        entries.add("config_name", quote(name), first=True, before="\n")
    if components:
        entries.add("components", sequence(list(components)), before="\n")
    own = tuple(entries.values)
    for key, value in rc_info:
        entries.add(key, value, first=key in own, before="\n")
    return entries.text()


def run_history2(times: RunTimes, rc_info: Sequence[tuple[str, str]]) -> str:
    """RunHistory2: start and stop time, and what run control said at the end; "" when there is none of them.

    The first start and the last stop of metadata.txt count, then the last that run control said.
    """
    entries = Entries()
    for start in times.starts:
        entries.add("DAQInterface_start_time", quote(start), first=True)
    for stop in (*times.stops[-1:], *times.stops[:-1]):
        entries.add("DAQInterface_stop_time", quote(stop), first=True)
    own = tuple(entries.values)
    for key, value in rc_info:
        entries.add(key, value, first=key in own)
    return entries.text()
