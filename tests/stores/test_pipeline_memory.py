"""A job holds in memory what it works on, not what it is done with, however many runs it has."""

from __future__ import annotations

import gc
import weakref
from collections import Counter
from pathlib import Path

from runarchive.archive import Archive, JobKind, JobObserver
from runarchive.artdaqdb.export import Export
from runarchive.artdaqdb.importing import ImportOutcome, Wanted
from runarchive.artdaqdb.store import NewDocument, StoredDocument
from runarchive.fhicl.convert import Conversion
from runarchive.fhicl.originals import OriginalFile
from runarchive.model import Stage
from runarchive.pipeline.context import EXPORTS_KEPT
from runarchive.pipeline.evidence import Evidence
from runarchive.pipeline.migrate_stage import Packed
from runarchive.pipeline.wanted import Prepared
from runarchive.pipeline.work import Done, Worker
from runarchive.records_dir import RunRecord
from tests.archiver_site import Site

OF_ONE_RUN = (
    RunRecord, OriginalFile, Conversion, Prepared, Wanted, NewDocument, StoredDocument, ImportOutcome, Export, Packed,
    Evidence, Done, Worker,
)  # fmt: skip
"""What the work on one run makes, and nobody needs once the run is over."""


class Counting(JobObserver):
    """Counts what is alive each time a run is archived."""

    def __init__(self) -> None:
        self.alive: list[Counter[str]] = []

    def run_done(self, run: int, stage: Stage, reason: str) -> None:
        if stage is Stage.MIGRATE:
            gc.collect()
            self.alive.append(Counter(type(one).__name__ for one in gc.get_objects() if type(one) in OF_ONE_RUN))


def test_what_was_made_for_a_run_is_gone_when_it_is_over(tmp_path: Path) -> None:
    site = Site(tmp_path / "site")
    site.configure(app={"parallel_workers": 1})
    site.make(3 * EXPORTS_KEPT)
    counting = Counting()
    with Archive.open(site.config_file, writable=True) as archive:
        assert not archive.run_job(JobKind.ARCHIVE, None, None, counting).failed
    assert len(counting.alive) == 3 * EXPORTS_KEPT
    first, last = counting.alive[1], counting.alive[-1]
    assert first, "the objects are counted at all"
    assert last == first


def test_an_archive_that_is_closed_leaves_nothing_behind(tmp_path: Path) -> None:
    site = Site(tmp_path / "site")
    site.make(4)
    with Archive.open(site.config_file, writable=True) as archive:
        archive.run_job(JobKind.ARCHIVE)
    left = weakref.ref(archive)
    del archive
    gc.collect()
    assert left() is None
