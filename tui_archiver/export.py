"""What a screen shows as CSV or JSON."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from runarchive.errors import ArchiveError, Code
from runarchive.model import Phase


def why_no_export(path: str) -> str:
    """Why a line that was typed is no file to export to; empty when it is one, or empty itself."""
    name = path.strip()
    return "" if not name or name.endswith((".csv", ".json")) else f"{name!r} ends neither in .csv nor in .json"


def write_export(path: Path, names: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Write rows to a new file, JSON or CSV as it ends; returns the sentence to say.

    Raises ArchiveError(PERMISSION) when the file is there already, cannot be written, or its ending says nothing.
    """
    if wrong := why_no_export(str(path)):
        raise _refused(wrong)
    place = path.expanduser().absolute()
    try:
        with place.open("x", encoding="utf-8", newline="", errors="surrogateescape") as file:
            if place.suffix == ".json":
                json.dump([dict(zip(names, row, strict=True)) for row in rows], file, ensure_ascii=False, indent=1)
                file.write("\n")
            else:
                writer = csv.writer(file)
                writer.writerow(names)
                writer.writerows(rows)
    except FileExistsError:
        raise _refused(f"{place} is there already") from None
    except OSError as error:
        raise _refused(f"{place}: {error.strerror}") from None
    return f"{len(rows)} rows written to {place}"


def _refused(why: str) -> ArchiveError:
    return ArchiveError(Code.PERMISSION, why, phase=Phase.WRITE, hint="name another file")
