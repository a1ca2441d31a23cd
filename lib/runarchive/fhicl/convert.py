"""A run record becomes FHiCL: which entities it has, under which configuration name, and what FHiCL cannot carry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from runarchive.fhicl.originals import OriginalFile


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
    """The FHiCL of one run record; never raises, whatever the bytes.

    `wanted` limits conversion and generation to these names (`metadata`, `RunHistory2`, …); None means all.
    """
    raise NotImplementedError
