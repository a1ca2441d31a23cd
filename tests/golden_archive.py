"""The archive that the older archiver wrote: records, artdaqDB, UconDB blobs and state files, as a site of our own."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.archiver_site import Site
from tests.trees import unpack

PACKED = Path(__file__).parent / "golden" / "reference_archive.tar.xz"
RUNS = (1000, 1003, 1015, 1022, 41001, 41002, 41003, 41005, 41006, 41010, 41011, 41012)


def older_archive(root: Path, mode: str = "") -> Site:
    """A site whose stores the older archiver filled; `mode` is "" (conftoolp) or "_tools" (bulkloader)."""
    packed = unpack(PACKED, root / "packed")
    site = Site(root / "site")
    shutil.rmtree(site.records)
    unpack(packed / "records" / "records.tar", site.root)
    shutil.move(packed / f"artdaqdb{mode}", root / "site" / "artdaqdb")
    shutil.move(packed / f"work_dir{mode}", site.work)
    shutil.copy(packed / "conf" / "schema.fcl", root / "site" / "conf")
    site.configure(artdaq_db={"database_uri": f"filesystemdb://{root}/site/artdaqdb/run_records"})
    with site.ucondb() as client:
        for blob in sorted((packed / f"ucondb_blobs{mode}").iterdir()):
            client.put(int(blob.stem), blob.read_bytes())
    return site
