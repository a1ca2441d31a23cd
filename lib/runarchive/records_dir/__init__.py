"""The source: scanning, reading, restoring and making run-record directories."""

from __future__ import annotations

from runarchive.fhicl.originals import FileKind, OriginalFile
from runarchive.fhicl.times import RunTimes, parse_date, run_times
from runarchive.records_dir.read import RunRecord, newest_mtime_ns, read_record
from runarchive.records_dir.restore import differences, restore_record
from runarchive.records_dir.scan import Scan, scan_records

__all__ = [
    "FileKind",
    "OriginalFile",
    "RunRecord",
    "RunTimes",
    "Scan",
    "differences",
    "newest_mtime_ns",
    "parse_date",
    "read_record",
    "restore_record",
    "run_times",
    "scan_records",
]
