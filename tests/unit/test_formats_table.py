"""The before and after of `docs/formats.md`: every line of its table, converted both ways."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from runarchive.errors import ArchiveError
from runarchive.fhicl.convert import Dialect, convert_record
from runarchive.fhicl.originals import FileKind, OriginalFile
from runarchive.fhicl.printer import canonical

DOCUMENT = Path(__file__).parents[2] / "docs" / "formats.md"
FILE_OF = {"RunHistory": "metadata", "RunHistory2": "metadata"}
DEFECTS = {
    *(f"M{number}" for number in range(1, 15)),
    *(f"B{number}" for number in range(1, 10)),
    *(f"T{number}" for number in range(1, 7)),
    *(f"E{number}" for number in range(1, 5)),
    *("N1", "N2", "R1", "R2", "R3", "K1", "K2", "K3", "K4", "H1"),
}


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    entity: str
    record: bytes
    older: str
    here: str


def rows() -> dict[str, Row]:
    """The lines of the table by their defect."""
    found = {}
    for line in DOCUMENT.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if len(cells) == 5 and re.fullmatch(r"[A-Z]\d+", cells[0]):
            lines = "\n".join("".join(re.findall("`(.*?)`", part)) for part in re.split(" *⏎ *", cells[2]))
            record = lines if cells[2].endswith("end of file") else f"{lines}\n"
            found[cells[0]] = Row(cells[1], characters(record).encode(), *cells[3:])
    return found


def characters(text: str) -> str:
    return re.sub(r"<U\+([0-9A-F]{4})>", lambda match: chr(int(match[1], 16)), text)


def result(row: Row, dialect: Dialect) -> str:
    """What becomes of the entity, as a cell of the table says it."""
    file = f"{FILE_OF.get(row.entity, row.entity)}.txt"
    files = [OriginalFile(".", 0o555, 1, b"", FileKind.DIRECTORY), OriginalFile(file, 0o444, 1, row.record)]
    text = dict(convert_record(files, 7, dialect=dialect).entities).get(row.entity, "")
    if not text:
        return "nothing"
    try:
        canonical(text)
        refused = ""
    except ArchiveError:
        refused = " (no FHiCL)"
    return f"`{' '.join(text.split())}`{refused}"


def test_every_defect_has_its_line() -> None:
    assert rows().keys() == DEFECTS


@pytest.mark.parametrize("defect", sorted(DEFECTS))
def test_before_and_after_are_true(defect: str) -> None:
    row = rows()[defect]
    assert result(row, Dialect.REFERENCE) == characters(row.older)
    assert result(row, Dialect.OWN) == characters(row.here)
    assert "no FHiCL" not in row.here
