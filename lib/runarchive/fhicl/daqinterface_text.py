"""What DAQInterface's own archiving at START makes of metadata.txt and known_boardreaders_list.txt.

Its scripts print what they read with little ado: nothing is escaped, and a comment line that holds a colon is printed
like a key. Its boot.txt comes out in the order of a hash table and so cannot be told.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_SECTIONS = (
    "process manager",
    "boardreader",
    "eventbuilder",
    "routingmanager",
    "datalogger",
    "dispatcher",
)


def _array(items: list[str]) -> str:
    return "[" + ", ".join(f'"{item}"' for item in items) + "]"


@dataclass
class _Metadata:
    out: list[str] = field(default_factory=list)
    logs: dict[str, list[str]] = field(default_factory=lambda: {name: [] for name in _SECTIONS})
    components: list[str] = field(default_factory=list)
    section: str = ""
    in_components: bool = False

    def close(self) -> None:
        self.out.append(f"\n{self.section.replace(' ', '_')}_logfiles: {_array(self.logs[self.section])}")
        self.section = ""

    def line(self, text: str) -> None:
        if self.in_components and not re.search("Component #[0-9]", text):
            self.out.append(f"components: {_array(self.components)}")
            self.in_components = False
        if self.section:
            if text.strip():
                self.logs[self.section].append(text.split()[0])
                return
            self.close()
        name, colon, value = text.partition(":")
        if colon:
            self.pair(name + colon, re.sub(r"^[ +]", "", value))

    def pair(self, name: str, value: str) -> None:
        if re.search("Config name|DAQInterface start time|DAQInterface stop time|Total events", name):
            name = name.lower().replace(" ", "_")
        elif re.search("Component #[0-9]", name):
            self.components.append(value)
            self.in_components = True
            return
        elif "commit/version" in name:
            name = re.sub("[- ]", "_", name).replace("commit/version", "commit_or_version", 1)
            value = value.replace('"', " ")
        elif "pmt logfile" in name or "process management method" in name:
            key = "pmt_logfiles_wildcard" if "pmt logfile" in name else "process_management_method"
            self.out.append(f'{key}: "{value}"')
            return
        elif section := next((each for each in _SECTIONS if f"{each} logfiles" in name), ""):
            self.section = section
            return
        else:
            name = re.sub("[- ]+", "_", name)
        self.out.append(f"{name} {value}" if re.fullmatch("[0-9.]+", value) else f'{name} "{value}"')


def metadata(content: str) -> str:
    """metadata.fcl; of the sections, only that of the dispatchers survives the end of the file."""
    state = _Metadata()
    for line in content.removesuffix("\n").split("\n"):
        state.line(line)
    if state.section == "dispatcher":
        state.close()
    return "".join(f"{line}\n" for line in state.out)


def at_start(content: str) -> str:
    """metadata.txt as it was when DAQInterface archived it: before the start time was appended."""
    return re.split(r"(?m)^\n?DAQInterface (?:start|stop) time:", content, maxsplit=1)[0].removesuffix("\n")


def known_boardreaders_list(content: str) -> str:
    """known_boardreaders_list.fcl: words at blanks, quoted or not."""
    lines = []
    for line in content.split("\n"):
        words = line.split()
        if len(words) > 1 and not words[0].startswith("#"):
            lines.append(f"{words[0]}: {_array(words[1:])}\n")
    return "".join(lines)


def rc_info(content: str) -> str:
    """What run control said, as lines of RunHistory and RunHistory2; a last line without its end is left out."""
    lines = []
    for line in content.splitlines(keepends=True):
        match = re.search(r"^\s*([^\s#][^:]*):\s*(\S.*)\s", line)
        if match:
            key = re.sub(r"[()/]", "_", "_".join(match.group(1).split()))
            value = match.group(2).strip(' "').strip("'").replace('"', '\\"')
            lines.append(f'{key}: "{value}"')
    return "\n".join(lines)


def run_history(metadata_fcl: str, run: int, rc_start: str) -> str:
    """RunHistory.fcl: the run number, the lines of metadata.fcl that tell configuration and components, rc_info."""
    kept = [line for line in metadata_fcl.split("\n") if "config_name" in line or "components" in line]
    return f"\nrun_number: {run}" + "".join(f"\n{line}\n" for line in kept) + rc_info(rc_start)


def run_history2(content: str, rc_stop: str) -> str:
    """RunHistory2.fcl, which DAQInterface stores at STOP alone; "" for a run without a stop time."""
    found = re.findall(r"(?m)^DAQInterface (start|stop) time:\s+(.*)", content)
    if not any(what == "stop" for what, _ in found):
        return ""
    return "".join(f'\nDAQInterface_{what}_time: "{time}"\n' for what, time in found) + rc_info(rc_stop)
