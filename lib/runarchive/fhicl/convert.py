"""A run record becomes FHiCL: which entities it has, under which configuration name, and what FHiCL cannot carry."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import lru_cache

from runarchive.errors import ArchiveError
from runarchive.fhicl.convert_boot import convert_boot
from runarchive.fhicl.convert_lists import (
    convert_environment,
    convert_known_boardreaders,
    convert_ranks,
    convert_rc_info,
    convert_settings,
    convert_setup,
    rc_info,
)
from runarchive.fhicl.convert_metadata import (
    UNKNOWN_CONFIGURATION,
    components_of,
    config_names,
    configuration_name,
    convert_metadata,
    run_history,
    run_history2,
)
from runarchive.fhicl.naming import entity_names
from runarchive.fhicl.originals import FileKind, OriginalFile, file_name_bytes
from runarchive.fhicl.parser import FhiclError, parse
from runarchive.fhicl.printer import canonical
from runarchive.fhicl.times import RunTimes, run_times

CONVERTERS: dict[str, Callable[[bytes], str]] = {
    "metadata": convert_metadata,
    "boot": convert_boot,
    "known_boardreaders_list": convert_known_boardreaders,
    "settings": convert_settings,
    "setup": convert_setup,
    "environment": convert_environment,
    "ranks": convert_ranks,
    "rc_info_start": convert_rc_info,
    "rc_info_stop": convert_rc_info,
}
"""DAQInterface's text files (`<name>.txt`), each with its converter."""

GENERATED = ("RunHistory", "RunHistory2")
"""Entities drawn from metadata.txt and rc_info, for which there is no file."""


class Dialect(StrEnum):
    """Whose conversion: our own, or that of the older archiver with all its defects."""

    OWN = "own"
    REFERENCE = "reference"


@dataclass(frozen=True, slots=True)
class Conversion:
    """What one run record is in FHiCL.

    `configuration` is its name in artdaqDB without the run number. `entities` are (entity, FHiCL source text), without
    schema, originals and hashes. `refused` are (file name, reason) of what is in `originals` alone. `problems` are
    sentences about the record that a person should see; they stop nothing. `start` and `stop` are UTC.
    """

    configuration: str
    entities: tuple[tuple[str, str], ...]
    refused: tuple[tuple[str, str], ...]
    problems: tuple[str, ...]
    start: datetime | None
    stop: datetime | None
    components: tuple[str, ...]


def convert_record(
    files: Sequence[OriginalFile],
    run: int,
    *,
    wanted: frozenset[str] | None = None,
    dialect: Dialect = Dialect.OWN,
) -> Conversion:
    """The FHiCL of one run record, in the order of its entities' names.

    `wanted` limits conversion and generation to these names (`metadata`, `RunHistory2`, …); None means all.
    Our own dialect never raises, whatever the bytes. The reference dialect raises ArchiveError(BAD_FHICL) for a
    record that the older archiver did not take.
    """
    if dialect is Dialect.REFERENCE:
        from runarchive.fhicl.reference_dialect import convert_as_reference

        return convert_as_reference(files, run, wanted=wanted)
    return _Converter(files, run, wanted).convert()


@dataclass
class _Converter:
    files: Sequence[OriginalFile]
    run: int
    wanted: frozenset[str] | None
    entities: dict[str, str] = field(default_factory=dict)
    refused: list[tuple[str, str]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def convert(self) -> Conversion:
        """The whole conversion."""
        readable = {file.name: file.data for file in self.files if self._is_readable(file)}
        for name in sorted(readable, key=file_name_bytes):
            self._text_file(name, readable[name])
        metadata = readable.get("metadata.txt")
        times = run_times(metadata or b"")
        names = config_names(metadata or b"")
        components = components_of(metadata or b"")
        start_info, stop_info = (rc_info(readable.get(f"rc_info_{when}.txt", b"")) for when in ("start", "stop"))
        self._generate("RunHistory", run_history(self.run, names, components, start_info))
        self._generate("RunHistory2", run_history2(times, stop_info))
        self._documents({name: data for name, data in readable.items() if name.endswith(".fcl")})
        self._look_at_metadata(metadata, names, times)
        return Conversion(
            configuration_name(names[0]) if names else UNKNOWN_CONFIGURATION,
            tuple(sorted(self.entities.items())),
            tuple(sorted(self.refused, key=lambda refusal: file_name_bytes(refusal[0]))),
            tuple(self.problems),
            times.start,
            times.stop,
            components,
        )

    def _is_readable(self, file: OriginalFile) -> bool:
        if file.kind is FileKind.DIRECTORY:
            return False
        if file.kind is FileKind.LINK and not file.data:
            self.refused.append((file.name, f"a link to {self._behind(file)}"))
            return False
        return True

    def _behind(self, link: OriginalFile) -> str:
        directories = {file.name for file in self.files if file.kind is FileKind.DIRECTORY}
        if f"{link.name}/" in directories:
            return "a directory elsewhere; the files in it are kept"
        if posixpath.normpath(posixpath.join(posixpath.dirname(link.name), link.target)) in directories:
            return "a directory of the record"
        return "nothing, to an empty file, or to the record itself"

    def _is_wanted(self, name: str) -> bool:
        return self.wanted is None or name in self.wanted

    def _text_file(self, name: str, data: bytes) -> None:
        """Convert one of DAQInterface's text files; any other text file stays in originals alone."""
        if name.endswith(".fcl"):
            return
        stem = name.removesuffix(".txt")
        converter = CONVERTERS.get(stem) if name.endswith(".txt") else None
        if converter is None:
            self.refused.append((name, "there is no FHiCL form for this file"))
        elif not self._is_wanted(stem):
            self.refused.append((name, "fhiclize_generate does not name it"))
        else:
            self._keep(name, stem, _converted(stem, data))

    def _keep(self, name: str, entity: str, text: str) -> None:
        """Take a converted text, unless there is nothing in it or, against expectation, it is no FHiCL."""
        reason = "it holds nothing to convert" if not text.strip() else _refusal(text)
        if reason:
            self.refused.append((name, reason))
        else:
            self.entities[entity] = text

    def _generate(self, entity: str, text: str) -> None:
        if text and self._is_wanted(entity):
            self._keep(entity, entity, text)

    def _documents(self, documents: dict[str, bytes]) -> None:
        """Every .fcl file as it is, but those that the library would refuse."""
        accepted: dict[str, str] = {}
        for name, data in documents.items():
            reason, text = _document(data)
            if reason:
                self.refused.append((name, reason))
                continue
            accepted[name] = text
            if "#include" in text and parse(text).swallowed:
                self.problems.append(f"{name}: artdaqDB loses the text behind an `#include`; originals has it")
        for name, entity in entity_names(accepted, self.entities).items():
            self.entities[entity] = accepted[name]
            if f"{entity}.fcl" != name.rpartition("/")[2]:
                self.problems.append(f"{name} is kept as entity {entity}")

    def _look_at_metadata(self, metadata: bytes | None, names: Sequence[str], times: RunTimes) -> None:
        if metadata is None:
            self.problems.append("metadata.txt is missing: the configuration is not known")
        elif not names:
            self.problems.append("metadata.txt names no configuration")
        if len(set(names)) > 1:
            self.problems.append(f"metadata.txt names {len(names)} configurations; the first counts")
        for what, texts, time in (("start", times.starts, times.start), ("stop", times.stops, times.stop)):
            if texts and time is None:
                self.problems.append(f"the {what} time cannot be read")
            if len(texts) > 1:
                self.problems.append(f"metadata.txt has {len(texts)} {what} times")
        if times.start and times.stop and times.stop < times.start:
            self.problems.append("the stop time lies before the start time")


@lru_cache(maxsize=256)
def _converted(stem: str, data: bytes) -> str:
    """A text file converted; most of a record's text files are those of the record before."""
    return CONVERTERS[stem](data)


def _refusal(text: str) -> str:
    """Why the library refuses the text, or would store it and then never give it back."""
    try:
        canonical(text)
    except FhiclError as error:
        return f"line {error.line}, column {error.column}: {error.reason}"
    except ArchiveError as error:
        return error.message
    return ""


def _document(data: bytes) -> tuple[str, str]:
    """Why the library refuses a .fcl file, and its text."""
    if not data:
        return "the file is empty", ""
    try:
        text = data.decode("ascii")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        return f"line {line}: a byte outside ASCII (0x{data[error.start]:02x})", ""
    return _refusal(text), text
