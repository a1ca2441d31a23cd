"""Checks of this host: directories, disks, the clock, the terminal."""

from __future__ import annotations

import locale
import os
import platform
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from runarchive import __version__
from runarchive.checks.protocol import Asked, Check, passed
from runarchive.model import Verdict

Answer = tuple[Verdict, str, str]


def _existing(path: Path) -> Path:
    while not path.exists() and path != path.parent:
        path = path.parent
    return path


def readable_directory(name: str, path: Path) -> Check:
    """Whether a directory can be listed and entered."""

    def ask() -> Answer:
        if not path.is_dir():
            return Verdict.FAIL, f"{path} is no directory", "correct the config, or mount the disk"
        if not os.access(path, os.R_OK | os.X_OK):
            return Verdict.FAIL, f"{path} may not be read by this account", "give it read permission"
        return passed(str(path))

    return Asked(name, ask)


def writable_directory(name: str, path: Path) -> Check:
    """Whether files can be made in a directory, or the directory itself where it does not exist yet."""

    def ask() -> Answer:
        there = _existing(path)
        if not os.access(there, os.W_OK | os.X_OK):
            return Verdict.FAIL, f"{there} may not be written by this account", "give it write permission"
        return passed(str(path) if there == path else f"{path} (will be made)")

    return Asked(name, ask)


def room(name: str, path: Path, reserve_mb: float) -> Check:
    """Whether a disk has more room than the reserve, in megabytes."""

    def ask() -> Answer:
        there = _existing(path)
        free = shutil.disk_usage(there).free / 1e6
        evidence = f"{free:,.0f} MB free at {there}".replace(",", " ")
        if free < reserve_mb:
            return Verdict.FAIL, evidence, f"jobs pause below {reserve_mb:.0f} MB (app.disk_reserve_mb): make room"
        return passed(evidence)

    return Asked(name, ask)


def clock(place: Path) -> Check:
    """Whether this host's clock and the disk's agree, by the newest time on that disk."""

    def ask() -> Answer:
        there = _existing(place)
        ahead = os.stat(there).st_mtime - time.time()
        now = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())
        if ahead > 5:
            evidence = f"{now}; {there} is dated {ahead:.0f} s later"
            return Verdict.FAIL, evidence, "set the clock: ages of records depend on it"
        if time.gmtime().tm_year < 2024:
            return Verdict.FAIL, now, "set the clock: ages of records depend on it"
        return passed(now)

    return Asked("clock", ask)


def versions() -> Check:
    """Which program and which Python run, and where."""
    text = f"tui-archiver {__version__}, Python {platform.python_version()}, {platform.platform(terse=True)}"
    return Asked("versions", lambda: passed(text))


def terminal() -> Check:
    """What the terminal says it can do."""

    def ask() -> Answer:
        encoding = getattr(sys.stdout, "encoding", None) or locale.getpreferredencoding(False)
        size = shutil.get_terminal_size()
        kind = os.environ.get("TERM", "none")
        colours = os.environ.get("COLORTERM", "16 or 256 colours")
        evidence = f"{kind}, {size.columns}×{size.lines}, {encoding}, {colours}"
        if "utf" not in encoding.lower():
            return Verdict.FAIL, evidence, "set LANG to a UTF-8 locale; marks are shown in ASCII until then"
        return passed(evidence)

    return Asked("terminal", ask)


def sentences(name: str, found: Sequence[str], fine: str, hint: str) -> Check:
    """A check that fails with these sentences, if there are any."""

    def ask() -> Answer:
        return (Verdict.FAIL, "; ".join(found), hint) if found else passed(fine)

    return Asked(name, ask)
