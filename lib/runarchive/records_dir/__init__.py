"""The source: scanning, reading, restoring and making run-record directories."""

from __future__ import annotations

from runarchive.fhicl.originals import FileKind, OriginalFile
from runarchive.fhicl.times import RunTimes, parse_date, run_times
from runarchive.records_dir.make import MadeRun, Outcome, Size, make_records
from runarchive.records_dir.read import RunRecord, clean_name, newest_mtime_ns, read_record, whole
from runarchive.records_dir.restore import differences, restore_record
from runarchive.records_dir.scan import Scan, run_of_directory, scan_records

__all__ = [
    "FileKind",
    "MadeRun",
    "OriginalFile",
    "Outcome",
    "RunRecord",
    "RunTimes",
    "Scan",
    "Size",
    "clean_name",
    "differences",
    "make_records",
    "newest_mtime_ns",
    "parse_date",
    "read_record",
    "restore_record",
    "run_of_directory",
    "run_times",
    "scan_records",
    "whole",
]
