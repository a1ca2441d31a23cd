"""The source: scanning and reading run-record directories; restoring and making them are modules of their own."""

from __future__ import annotations

from runarchive.fhicl.originals import FileKind, OriginalFile
from runarchive.fhicl.times import RunTimes, parse_date, run_times
from runarchive.records_dir.read import RunRecord, clean_name, newest_mtime_ns, read_record, whole
from runarchive.records_dir.scan import Scan, run_of_directory, scan_records

__all__ = [
    "FileKind",
    "OriginalFile",
    "RunRecord",
    "RunTimes",
    "Scan",
    "clean_name",
    "newest_mtime_ns",
    "parse_date",
    "read_record",
    "run_of_directory",
    "run_times",
    "scan_records",
    "whole",
]
