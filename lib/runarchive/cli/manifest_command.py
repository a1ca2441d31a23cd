"""`tui-archiver manifest`: what is archived where, with which hash, as JSON or CSV."""

from __future__ import annotations

import argparse
import csv
import sys
from typing import Any

from runarchive.archive import ManifestEntry
from runarchive.cli.opening import look, marks_json, open_archive
from runarchive.cli.output import emit_json
from runarchive.errors import ExitCode
from runarchive.model import Stage

COLUMNS = (
    "run", "state", "reason", "configuration", "filesystem", "artdaqdb", "ucondb", "record_hash", "artdaqdb_hash",
    "ucondb_hash", "ucondb_version", "verified_at", "waived",
)  # fmt: skip


def configure(parser: argparse.ArgumentParser) -> None:
    """Add --csv and --no-look."""
    parser.add_argument("--csv", action="store_true", help="comma-separated values instead of JSON")
    parser.add_argument("--no-look", action="store_true", help="tell what the ledger remembers, ask no store")


def run(args: argparse.Namespace) -> int:
    """Print the manifest; JSON unless --csv."""
    with open_archive(args) as archive:
        if not args.no_look:
            look(archive)
        entries = archive.manifest()
    if args.csv:
        writer = csv.DictWriter(sys.stdout, COLUMNS, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        for entry in entries:
            writer.writerow(as_data(entry) | marks_json(entry.marks))
    else:
        emit_json({"runs": [as_data(entry) for entry in entries]})
    return ExitCode.DONE


def as_data(entry: ManifestEntry) -> dict[str, Any]:
    """One run of the manifest as scripts read it."""
    hashes = {hop.stage: hop for hop in entry.hashes}
    imported, migrated = hashes.get(Stage.IMPORT), hashes.get(Stage.MIGRATE)
    return {
        "run": entry.run,
        "state": entry.state.value,
        "reason": entry.reason,
        "configuration": entry.configuration,
        "marks": marks_json(entry.marks),
        "record_hash": imported.input_hash if imported else "",
        "artdaqdb_hash": imported.output_hash if imported else migrated.input_hash if migrated else "",
        "ucondb_hash": migrated.output_hash if migrated else "",
        "ucondb_version": entry.ucondb_version,
        "verified_at": entry.verified_at.isoformat() if entry.verified_at else "",
        "waived": entry.waived,
        "decisions": [
            {"kind": one.kind, "text": one.text, "who": one.actor, "at": one.at.isoformat()} for one in entry.decisions
        ],
    }
