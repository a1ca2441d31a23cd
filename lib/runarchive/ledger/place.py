"""Where the ledger may live: on a local disk, because its locks do not work over a network."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable
from pathlib import Path

NETWORK_FILESYSTEMS = frozenset(
    {
        "nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "auristorfs", "lustre", "gpfs", "beegfs", "ceph", "glusterfs",
        "fuse.glusterfs", "fuse.sshfs", "fuse.ceph", "fuse.cvmfs2", "pvfs2", "orangefs", "ocfs2", "gfs2", "ncpfs",
        "coda", "panfs", "9p", "fuse.s3fs", "fuse.rclone",
    }
)  # fmt: skip


def filesystem_type(path: Path) -> str:
    """The kind of filesystem that holds this path (or its nearest parent that exists); empty where it cannot be told.

    The mount table is `/proc/self/mountinfo`, proc(5).
    """
    place = path.absolute()
    while not place.exists() and place != place.parent:
        place = place.parent
    place = place.resolve()
    try:
        lines = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return ""
    best, kind = -1, ""
    for line in lines:
        mount, _, rest = line.partition(" - ")
        point = _unescaped(mount.split(" ")[4])
        if (place == Path(point) or Path(point) in place.parents) and len(point) >= best:
            best, kind = len(point), rest.split(" ")[0]
    return kind


def _unescaped(text: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), text)


def state_directory() -> Path:
    """This user's XDG state directory for the archive; not made here."""
    base = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(base).expanduser() / "tui-archiver"


def ledger_place(wanted: Path, kind_of: Callable[[Path], str] = filesystem_type) -> tuple[Path, str]:
    """Where the ledger is kept, and one sentence where that is not the place wanted (empty otherwise).

    On a network filesystem it is a file of this host's state directory, named after the place wanted.
    """
    kind = kind_of(wanted.parent)
    if kind not in NETWORK_FILESYSTEMS:
        return wanted, ""
    name = hashlib.sha256(os.fsencode(wanted.absolute())).hexdigest()[:16]
    place = state_directory() / f"ledger-{name}.sqlite"
    return place, f"{wanted.parent} is on a network filesystem ({kind}), so this host's ledger is kept in {place}"
