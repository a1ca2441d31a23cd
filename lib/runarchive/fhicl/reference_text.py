"""The older archiver's converters, defects and all: text in, the very text it made out.

Thousands of archived runs were written by it, so a run can only be recognised as its work when its conversion can be
repeated. Every oddity here is one of its own; `docs/formats.md` sets each beside what our own conversion does.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field


def _is_numeric(value: str) -> bool:
    return re.match(r"^[0-9.]+$", value) is not None and value.count(".") <= 1


def _quoted(value: str) -> str:
    value = value.strip()
    passed = (value.startswith('"') and value.endswith('"')) or (value.startswith("[") and value.endswith("]"))
    if passed or _is_numeric(value):
        return value
    return '"' + value.replace('"', '\\"') + '"'


def _array(items: list[str]) -> str:
    return "[" + ", ".join(f'"{item}"' for item in items) + "]"


def _ascii(text: str) -> str:
    return "".join(char if char < "\x80" else "." for char in text)


def _document(lines: list[str]) -> str:
    return "\n".join(lines) + "\n" if lines else ""


def _content_lines(content: str) -> list[str]:
    """The stripped lines that are neither empty nor comments; any Unicode line separator ends a line."""
    stripped = [line.strip() for line in content.splitlines()]
    return [line for line in stripped if line and not line.startswith("#")]


def known_boardreaders_list(content: str) -> str:
    """Words by blanks, quoted strings kept with their quotes; lines of one word dropped."""
    lines = []
    for line in _content_lines(content):
        parts = _boardreader_words(line)
        if len(parts) < 2:
            continue
        has_quotes = [part.startswith('"') and part.endswith('"') for part in parts[1:]]
        values = [part if raw else f'"{part}"' for part, raw in zip(parts[1:], has_quotes, strict=True)]
        lines.append(f"{parts[0]}: [{', '.join(values)}{' ]' if any(has_quotes) else ']'}")
    return _document(lines)


def _boardreader_words(line: str) -> list[str]:
    words: list[str] = []
    current = ""
    quoting = False
    for char in line:
        if char == '"':
            current += char
            if quoting:
                words.append(current)
                current = ""
            quoting = not quoting
        elif char.isspace() and not quoting:
            if current:
                words.append(current)
            current = ""
        else:
            current += char
    return [*words, current] if current else words


_SECTIONS = ("process manager", "boardreader", "eventbuilder", "routingmanager", "datalogger", "dispatcher")


@dataclass
class _Metadata:
    """The state of its pass over metadata.txt; lists are never emptied, so a repeated one repeats its items."""

    out: list[str] = field(default_factory=list)
    logs: dict[str, list[str]] = field(default_factory=lambda: {name: [] for name in _SECTIONS})
    components: list[str] = field(default_factory=list)
    section: str = ""
    in_components: bool = False

    def close_section(self) -> None:
        self.out.append(f"\n{self.section.replace(' ', '_')}_logfiles: {_array(self.logs[self.section])}")
        self.section = ""

    def close_components(self) -> None:
        self.out.append(f"components: {_array(self.components)}")
        self.in_components = False

    def line(self, raw: str) -> None:
        text = raw.strip()
        if text.startswith("#"):
            self.out.append(raw)
        elif not text:
            if self.section:
                self.close_section()
            elif self.in_components:
                self.close_components()
        elif self.section:
            self.logs[self.section].append(text.split()[0])
        else:
            if self.in_components and not re.match(r"Component #\d+", text):
                self.close_components()
            name, colon, value = text.partition(":")
            if colon:
                self.pair(name.strip(), value.strip())

    def pair(self, name: str, value: str) -> None:
        if re.match("Config name|DAQInterface start time|DAQInterface stop time|Total events", name):
            self.out.append(f"{name.lower().replace(' ', '_')}: {_quoted(value)}")
        elif re.match(r"Component #\d+", name):
            self.components.append(value)
            self.in_components = True
        elif "commit/version" in name:
            key = re.sub(r"[\s\-]+", "_", name).replace("commit/version", "commit_or_version")
            plain = value.replace('"', " ")
            self.out.append(f'{key}: "{plain}"')
        elif name == "pmt logfile":
            self.out.append(f"pmt_logfiles_wildcard: {_quoted(value)}")
        elif name.removesuffix(" logfiles") in _SECTIONS and name.endswith(" logfiles"):
            self.section = name.removesuffix(" logfiles")
        else:
            key = re.sub(r"[\s\-]+", "_", name)
            self.out.append(f"{key}: {_quoted(value)}")


def metadata(content: str) -> str:
    """Of the sections, only that of the dispatchers survives the end of the file."""
    state = _Metadata()
    for line in content.splitlines():
        state.line(line)
    if state.section == "dispatcher":
        state.close_section()
    return _document(state.out)


_PROCESS_NAMES = ("BoardReader", "EventBuilder", "DataLogger", "Dispatcher", "RoutingManager")
_PROCESS_TOKENS = ("host", "port", "label", "subsystem")
_SUBSYSTEM_TOKENS = ("id", "source", "destination")


@dataclass
class _Boot:
    """The state of its pass over boot.txt; what a block without label or id left behind leaks into the next."""

    out: list[str] = field(default_factory=list)
    processes: dict[str, dict[str, str]] = field(default_factory=dict)
    subsystems: dict[str, dict[str, str]] = field(default_factory=dict)
    process: dict[str, str] = field(default_factory=dict)
    subsystem: dict[str, str] = field(default_factory=dict)

    def end_block(self) -> None:
        if self.process.get("label", "not set") != "not set":
            self.processes[self.process["label"]] = self.process
            self.process = {}
        if self.subsystem.get("id", "not set") != "not set":
            self.subsystems[self.subsystem["id"]] = self.subsystem
            self.subsystem = {}

    def pair(self, name: str, value: str) -> None:
        key = re.sub(r"\s+", "_", name)
        for token in _SUBSYSTEM_TOKENS:
            if f"Subsystem_{token}" in key:
                self.subsystem[token] = value
                return
        for kind in _PROCESS_NAMES:
            for token in _PROCESS_TOKENS:
                if f"{kind}_{token}" in key:
                    self.process["name"] = kind
                    self.process[token] = value
                    return
        self.out.append(f"{key}: {value if _is_numeric(value) else _quoted(value)}")

    def tables(self) -> list[str]:
        out: list[str] = []
        if self.subsystems:
            out.append("\nsubsystem_settings: [")
            out += _joined([self._table(each, _SUBSYSTEM_TOKENS) for each in self.subsystems.values()])
        out.append("\nartdaq_process_settings: [")
        named = [{"host": "not set", **each} for each in self.processes.values()]
        order = ("name", "label", "host!", "port", "subsystem")
        return out + _joined([self._table(each, order) for each in named])

    def _table(self, values: dict[str, str], order: tuple[str, ...]) -> list[str]:
        lines = ["{"]
        for token in order:
            always, key = token.endswith("!"), token.rstrip("!")
            value = values.get(key, "not set")
            if always or value != "not set":
                lines.append(f"{key}: {value}" if key == "port" else f'{key}: "{value}"')
        return [*lines, "}"]


def _joined(tables: list[list[str]]) -> list[str]:
    """The tables as lines, each but the last followed by a comma, and the closing bracket."""
    lines = [line for table in tables for line in [*table[:-1], "},"]]
    return [*lines[:-1], "}", "]"] if lines else ["]"]


def boot(content: str) -> str:
    """Blocks end at blank lines alone and are told apart by label or id alone."""
    state = _Boot()
    for line in content.splitlines():
        text = line.strip()
        if text.startswith("#"):
            continue
        if not text:
            state.end_block()
            continue
        name, colon, value = text.partition(":")
        if colon:
            state.pair(name.strip(), value.strip())
    state.end_block()
    return "\n".join(state.out + state.tables()) + "\n"


def settings(content: str) -> str:
    """Lists lose their quotes, have '-' turned into '_' and are split at every comma."""
    lines = []
    for line in _content_lines(content):
        name, colon, value = line.partition(":")
        if not colon:
            continue
        key, value = re.sub(r"[\s\-()/#.]+", "_", name.strip()), value.strip()
        if value.startswith("["):
            stripped = [element.strip() for element in value[1:-1].split(",")]
            elements = [_bare(element).replace("-", "_") for element in stripped if element]
            lines.append(f"{key}: [ {', '.join(elements)} ]")
        elif _is_numeric(value):
            lines.append(f"{key}: {value}")
        elif value.lower() in ("true", "false"):
            lines.append(f"{key}: {value.lower()}")
        else:
            lines.append(f"{key}: {_quoted(value)}")
    return _document(lines)


def _bare(element: str) -> str:
    for quote in "\"'":
        if element.startswith(quote) and element.endswith(quote):
            return element[1:-1]
    return element


def setup(content: str) -> str:
    """One string without a line feed behind it; what is not ASCII becomes a dot."""
    escaped = _ascii(content).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'setup_script: "{escaped}"'


def environment(content: str) -> str:
    """One string an `export` line, without any quote characters at its ends."""
    lines = []
    for line in _content_lines(content):
        match = re.match(r"^export\s+([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)$", line)
        if match:
            value = _ascii(match.group(2).strip().strip("'\"")).replace('"', '\\"')
            lines.append(f'{match.group(1)}: "{value}"')
    return _document(lines)


def ranks(content: str) -> str:
    """Rows of fewer than five words are dropped; the fifth word is taken for the rank."""
    rows = [line.split() for line in _content_lines(content)]
    if not rows:
        return ""
    lines = [f"  header: {_array(rows[0])}"]
    lines += [f"  rank{row[4]}: {_array(row)}" for row in rows[1:] if len(row) >= 5]
    return "\n".join(["ranks: {", *lines, "}"]) + "\n"


def run_history(content: str, run: int) -> str:
    """Run number, the last configuration name, the components; nothing is escaped."""
    name = ""
    components = []
    for line in _content_lines(content):
        if match := re.match(r"^Config name:\s*(.+)", line):
            name = match.group(1).strip()
        elif match := re.match(r"^Component #\d+:\s*(.+)", line):
            components.append(match.group(1).strip())
    lines = [f"run_number: {run}", ""]
    if name:
        lines += [f'config_name: "{name}"', ""]
    if components:
        lines += [f"components: {_array(components)}", ""]
    return _document(lines)


def run_history2(content: str) -> str:
    """Every start and stop line, in file order, without a last line feed; "" when there is none."""
    lines = []
    for line in content.splitlines():
        for what in ("stop", "start"):
            if match := re.search(rf"^DAQInterface {what} time:\s+(.*)", line):
                lines.append(_ascii(f'DAQInterface_{what}_time: "{match.group(1)}"'))
    return "\n".join(lines)


def configuration_name(content: str) -> str:
    """The first `Config name` line with a blank behind its colon, '/' as '_'; else `standard`."""
    for line in content.splitlines():
        match = re.match(r"^Config name:\s+(.*)", line)
        if match and match.group(1).strip():
            return match.group(1).strip().replace("/", "_")
    return "standard"


CONVERTERS: dict[str, Callable[[str], str]] = {
    "metadata": metadata,
    "boot": boot,
    "known_boardreaders_list": known_boardreaders_list,
    "settings": settings,
    "setup": setup,
    "environment": environment,
    "ranks": ranks,
}
