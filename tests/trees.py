"""Directory trees of the tests: golden data unpacked by any Python, records removed though nobody may write in them."""

from __future__ import annotations

import os
import shutil
import stat
import tarfile
from pathlib import Path


def unpack(packed: Path, into: Path) -> Path:
    """Everything in a tar file of our own, modes and links as they are; returns `into`."""
    with tarfile.open(packed) as archive:
        # The argument `filter` does not exist before Python 3.11.4, and Debian 12 has 3.11.2.
        archive.extraction_filter = lambda member, _: member
        archive.extractall(into)
    return into


def picture(directory: Path) -> dict[str, tuple[int, int, bytes]]:
    """Mode, modification time and content of everything in a directory."""
    found = {}
    for path in sorted([directory, *directory.rglob("*")]):
        status = path.lstat()
        content = path.read_bytes() if stat.S_ISREG(status.st_mode) else b""
        found[str(path.relative_to(directory))] = (status.st_mode, status.st_mtime_ns, content)
    return found


def remove(tree: Path) -> None:
    """Remove a directory and everything below it, read-only directories too."""
    tree.chmod(0o755)
    for place, directories, _ in os.walk(tree):
        for name in directories:
            if not os.path.islink(os.path.join(place, name)):
                os.chmod(os.path.join(place, name), 0o755)
    shutil.rmtree(tree)
