"""Directory trees of the tests: golden data unpacked by any Python, records removed though nobody may write in them."""

from __future__ import annotations

import os
import shutil
import tarfile
from pathlib import Path


def unpack(packed: Path, into: Path) -> Path:
    """Everything in a tar file of our own, modes and links as they are; returns `into`."""
    with tarfile.open(packed) as archive:
        # The argument `filter` does not exist before Python 3.11.4, and Debian 12 has 3.11.2.
        archive.extraction_filter = lambda member, _: member
        archive.extractall(into)
    return into


def remove(tree: Path) -> None:
    """Remove a directory and everything below it, read-only directories too."""
    tree.chmod(0o755)
    for place, directories, _ in os.walk(tree):
        for name in directories:
            if not os.path.islink(os.path.join(place, name)):
                os.chmod(os.path.join(place, name), 0o755)
    shutil.rmtree(tree)
