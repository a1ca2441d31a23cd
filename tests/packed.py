"""Unpacking golden data with any Python that the tests run on."""

from __future__ import annotations

import tarfile
from pathlib import Path


def unpack(packed: Path, into: Path) -> Path:
    """Everything in a tar file of our own, modes and links as they are; returns `into`."""
    with tarfile.open(packed) as archive:
        # The argument `filter` does not exist before Python 3.11.4, and Debian 12 has 3.11.2.
        archive.extraction_filter = lambda member, _: member
        archive.extractall(into)
    return into
