"""boot.txt: global keys, subsystems and artdaq processes, in the keys of DAQInterface's own archiving."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from runarchive.fhicl.convert_text import (
    Entries,
    decode,
    key_of,
    lines_of,
    quote,
    sequence,
    unquoted,
    value_of,
    without_comment,
)

_KINDS = (
    "BoardReader",
    "EventBuilder",
    "DataLogger",
    "Dispatcher",
    "RoutingManager",
    "RoutingMaster",
    "Aggregator",
)
_PROCESS = re.compile(
    rf"({'|'.join(_KINDS)})[\s_]+(host|port|label|subsystem|allowed_processors|target|prepend)", re.ASCII
)
_SUBSYSTEM = re.compile(r"Subsystem[\s_]+(id|source|destination|fragmentMode)", re.ASCII)
_PORT = re.compile(r"0|[1-9][0-9]*")
_UNSET = "not set"
"""What DAQInterface itself writes where a process block does not tell its host or label."""


@dataclass
class _Block:
    """One process or subsystem as its lines come in; a token may come more than once."""

    kind: str = ""
    tokens: dict[str, list[str]] = field(default_factory=dict)

    def add(self, token: str, value: str) -> None:
        self.tokens.setdefault(token, []).append(value)


def _plain(value: str) -> str:
    """A block's value: one word or a quoted string, without a comment behind it."""
    return unquoted(without_comment(value))


def _blocks(lines: Iterable[str]) -> Iterator[tuple[str, _Block | tuple[str, str]]]:
    """The parts of boot.txt in file order: ("global", key and value), ("process", block), ("subsystem", block).

    A blank line ends a block, and so does a line that can only begin another: another kind, or a token that the block
    has already. Comment lines end nothing.
    """
    process: _Block | None = None
    subsystem: _Block | None = None
    for line in lines:
        text = line.strip()
        if text.startswith("#"):
            continue
        if not text:
            process = subsystem = None
            continue
        name, colon, value = text.partition(":")
        name, value = name.strip(), value.strip()
        if not colon:
            continue
        if match := _SUBSYSTEM.fullmatch(name):
            token = match.group(1)
            if subsystem is None or (token != "source" and token in subsystem.tokens):
                subsystem = _Block("Subsystem")
                yield "subsystem", subsystem
            subsystem.add(token, _plain(value))
        elif match := _PROCESS.fullmatch(name):
            kind, token = match.groups()
            if process is None or process.kind != kind or token in process.tokens:
                process = _Block(kind)
                yield "process", process
            process.add(token, _plain(value))
        else:
            yield "global", (name, value)


def _process(block: _Block) -> Iterator[str]:
    """The lines of one process table."""
    values = {token: texts[-1] for token, texts in block.tokens.items()}
    yield f"name: {quote(block.kind)}"
    yield f"label: {quote(values.pop('label', _UNSET))}"
    yield f"host: {quote(values.pop('host', _UNSET))}"
    if "port" in values:
        port = values.pop("port")
        yield f"port: {port if _PORT.fullmatch(port) else quote(port)}"
    for token in ("subsystem", "allowed_processors", "target", "prepend"):
        if token in values:
            yield f"{token}: {quote(values[token])}"


def _subsystem(block: _Block) -> Iterator[str]:
    """The lines of one subsystem table; several sources add up."""
    for token in ("id", "source", "destination", "fragmentMode"):
        texts = block.tokens.get(token)
        if texts:
            yield f"{token}: {quote(texts[0]) if len(texts) == 1 else sequence(texts)}"


def _table_list(tables: list[list[str]]) -> str:
    return "[\n" + ",\n".join("{\n" + "\n".join(lines) + "\n}" for lines in tables) + "\n]" if tables else "[\n]"


def convert_boot(data: bytes) -> str:
    """boot.txt as FHiCL: global keys, `subsystem_settings` when there are any, `artdaq_process_settings`."""
    entries = Entries()
    processes: list[_Block] = []
    subsystems: list[_Block] = []
    for what, part in _blocks(lines_of(decode(data))):
        if isinstance(part, _Block):
            (processes if what == "process" else subsystems).append(part)
        else:
            name, value = part
            entries.add(key_of(name, dotted=True), value_of(without_comment(value)))
    if subsystems:
        tables = [list(_subsystem(block)) for block in subsystems]
        entries.add("subsystem_settings", _table_list(tables), before="\n")
    if processes or entries.values:
        entries.add("artdaq_process_settings", _table_list([list(_process(block)) for block in processes]), before="\n")
    return entries.text()
