"""The `schema.fcl` that goes with a run: the site's own, or the one built in."""

from __future__ import annotations

from pathlib import Path

from runarchive.errors import ArchiveError, Code
from runarchive.fhicl.parser import parse
from runarchive.model import Phase, Store

SCHEMA_FILE = "schema.fcl"
DEFAULT_SCHEMA = """# Every entity of a run goes to RunHistory, this text itself to SystemLayout.
artdaq_processes: [{
  collection: RunHistory
  pattern: '(.*/)(?!schema\\.fcl$)([^/]+)(\\.fcl$)'
}]
artdaq_includes: []
system_layout: [{
  collection: SystemLayout
  pattern: '(.*)(schema)(\\.fcl$)'
}]
run_history: [{
  collection: RunHistory
  pattern: '(.*/)(?!schema\\.fcl$)([^/]+)(\\.fcl$)'
}]
"""
"""Its rules name every file's entity after the file; other tools' completeness checks pass with it."""


def schema_text(directory: Path | None) -> tuple[str, str]:
    """The schema's text and where it comes from: `schema.fcl` in the directory if it is there, else the built-in one.

    Raises ArchiveError: UNREADABLE_FILE if the file cannot be read, BAD_FHICL if the library would refuse it.
    """
    file = None if directory is None else directory / SCHEMA_FILE
    if file is None or not file.is_file():
        return DEFAULT_SCHEMA, "built-in"
    try:
        text = file.read_bytes().decode("utf-8", "surrogateescape")
    except OSError as error:
        message = f"cannot read {file}: {error.strerror}"
        raise ArchiveError(Code.UNREADABLE_FILE, message, store=Store.FILESYSTEM, phase=Phase.READ) from error
    parse(text)
    return text, str(file)
