"""How commands speak: stdout is data, stderr is talk."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

from runarchive.clean import clean
from runarchive.errors import ArchiveError, Code

_LONGEST_LINE = 2000


def emit(text: str) -> None:
    """Write one line of data to stdout."""
    sys.stdout.write(text + "\n")


def emit_json(value: Any) -> None:
    """Write one JSON value and a line feed to stdout; text stays UTF-8, times must already be text."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False) + "\n")


def first_ten(runs: Sequence[int]) -> str:
    """At most ten of these run numbers, and how many there are."""
    return ", ".join(map(str, runs[:10])) + (f", … ({len(runs)} in all)" if len(runs) > 10 else "")


def unreadable(name: str, error: OSError) -> ArchiveError:
    """The failure of a command that cannot read a file it was given."""
    wrong_name = isinstance(error, FileNotFoundError | IsADirectoryError | NotADirectoryError)
    hint = "correct the name" if wrong_name else None
    return ArchiveError(Code.UNREADABLE_FILE, f"{name} cannot be read: {error.strerror}", hint=hint)


def talk(text: str) -> None:
    """Write lines for a person to stderr; names of files and stores in them reach no terminal raw."""
    sys.stderr.write("\n".join(clean(line, _LONGEST_LINE) for line in text.split("\n")) + "\n")
