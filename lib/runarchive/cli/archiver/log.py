"""The log of `run-archiver`: line format, standard output, and a file that rotates by size and age."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import sys
import time
from pathlib import Path
from typing import TextIO

FORMAT = "%(asctime)s - %(name)s - %(levelname)s - %(message)s"
MAX_BYTES = 500 * 1024 * 1024
MAX_AGE_SECONDS = 14 * 24 * 3600.0
BACKUPS = 5

MAIN = logging.getLogger("__main__")
ORCHESTRATOR = logging.getLogger("run_record_archiver.orchestrator")
IMPORTER = logging.getLogger("run_record_archiver.importer")
MIGRATOR = logging.getLogger("run_record_archiver.migrator")
REPORTER = logging.getLogger("run_record_archiver.reporter")
"""The names that the older archiver's log lines carry; sites search for them."""

WIDE = "=" * 70
NARROW = "=" * 60


class StandardOutput(logging.StreamHandler[TextIO]):
    """Standard output as a log; once it cannot be written (a closed pipe, a full disk) the work goes on without it."""

    def __init__(self) -> None:
        super().__init__(sys.stdout)
        self._lost = False

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line."""
        if not self._lost:
            super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:
        """Say once on standard error that the output is lost."""
        self._lost = True
        sys.stderr.write(f"standard output cannot be written: {sys.exc_info()[1]}\n")
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), self.stream.fileno())


class RotatingLog(logging.FileHandler):
    """A log file that several processes may write: it rotates at a size or an age, one process at a time.

    Its age is that of its first line, so that it does not begin anew with each start of the program.
    """

    def __init__(
        self, path: Path, max_bytes: int = MAX_BYTES, max_age: float = MAX_AGE_SECONDS, backups: int = BACKUPS
    ):
        self._max_bytes = max_bytes
        self._max_age = max_age
        self._backups = backups
        self._trouble = False
        path.parent.mkdir(parents=True, exist_ok=True)
        super().__init__(path, mode="a", encoding="utf-8", errors="backslashreplace")
        self._born = _first_time(path)

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line, into a new file where this one is full or old."""
        try:
            self._follow()
            if self._due(len(self.format(record)) + 1):
                self._rotate()
        except OSError:
            self.handleError(record)
            return
        super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:
        """Say once on standard error that the file cannot be written; the work goes on."""
        if not self._trouble:
            self._trouble = True
            sys.stderr.write(f"log file {self.baseFilename} cannot be written: {sys.exc_info()[1]}\n")

    def _due(self, more: int) -> bool:
        if self.stream is None:
            return False
        size = os.fstat(self.stream.fileno()).st_size
        return size > 0 and (size + more > self._max_bytes or time.time() - self._born > self._max_age)

    def _follow(self) -> None:
        """Open the file of this name anew where another process rotated it away."""
        if self.stream is not None and not _is_at(self.stream.fileno(), self.baseFilename):
            self._reopen()

    def _reopen(self) -> None:
        if self.stream is not None:
            self.stream.close()
        self.stream = self._open()
        self._born = _first_time(Path(self.baseFilename))

    def _rotate(self) -> None:
        assert self.stream is not None  # `_due` is false without one
        fcntl.flock(self.stream.fileno(), fcntl.LOCK_EX)
        if _is_at(self.stream.fileno(), self.baseFilename):  # else another process was first
            for number in range(self._backups - 1, 0, -1):
                older = f"{self.baseFilename}.{number}"
                if os.path.exists(older):
                    os.replace(older, f"{self.baseFilename}.{number + 1}")
            os.replace(self.baseFilename, f"{self.baseFilename}.1")
        self._reopen()


def _is_at(descriptor: int, name: str) -> bool:
    try:
        there = os.stat(name)
    except OSError:
        return False
    here = os.fstat(descriptor)
    return (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino)


def _first_time(path: Path) -> float:
    """When the first line of a log was written; now, for an empty one or one without a time."""
    try:
        with path.open("rb") as file:
            head = file.read(19).decode("ascii", errors="replace")
        return time.mktime(time.strptime(head, "%Y-%m-%d %H:%M:%S"))
    except (OSError, ValueError, OverflowError):
        return time.time()


def set_up(level: str, log_file: Path | None, *, quiet: bool = False) -> None:
    """Send everything logged to standard output (not if `quiet`) and to the log file, where there is one."""
    root = logging.getLogger()
    for handler in root.handlers[:]:
        root.removeHandler(handler)
        handler.close()
    root.setLevel(level)
    for noisy in ("urllib3", "requests", "pymongo", "cheroot"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    formatter = logging.Formatter(FORMAT)
    if not quiet:
        stream = StandardOutput()
        stream.setFormatter(formatter)
        root.addHandler(stream)
    else:
        root.addHandler(logging.NullHandler())
    if log_file is not None:
        try:
            file = RotatingLog(log_file)
        except OSError as error:
            root.error("Failed to configure file logging at '%s': %s", log_file, error)
        else:
            file.setFormatter(formatter)
            root.addHandler(file)


def banner(logger: logging.Logger, *lines: str, level: int = logging.INFO, rule: str = WIDE) -> None:
    """Log lines between two rules."""
    for line in (rule, *lines, rule):
        logger.log(level, "%s", line)
