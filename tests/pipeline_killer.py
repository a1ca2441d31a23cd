"""Kills jobs at random instants: `python -m tests.pipeline_killer ROOT KILLS SEED [URI URL]` examines after each.

URI is the artdaqDB, URL the UconDB server; without them, a FilesystemDB and an embedded UconDB below ROOT.

A process of its own without threads, so that each job is a fork that starts at once and dies by SIGKILL.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from runarchive.archive import Archive, JobKind
from runarchive.artdaqdb.check import check_store
from runarchive.artdaqdb.store import open_store
from runarchive.model import Mark, RunState
from tests.archiver_site import Site

RUNS_AT_A_TIME = 2
EXAMINED = 4
"""How many of the runs acknowledged last are read back after each kill; all are at the end."""

NAMED = frozenset({RunState.NEW, RunState.PARTIAL, RunState.IMPORTED, RunState.ARCHIVED})
"""States that a run may be found in after a kill and a look: nothing that was cut off may look like trouble."""


def in_child(work: Callable[[], None], kill_after: float | None = None) -> int:
    """Run `work` in a fork, killed after so many seconds; returns its exit status, negative for the signal."""
    child = os.fork()
    if child == 0:
        try:
            work()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    if kill_after is not None:
        time.sleep(kill_after)
        os.kill(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def work(site: Site) -> None:
    """Do everything that is due."""
    with Archive.open(site.config_file, writable=True) as archive:
        outcome = archive.run_job(JobKind.ARCHIVE)
        assert not outcome.failed, outcome.failed


def examine(site: Site) -> None:
    """Raise AssertionError where anything is lost, doubled, or half done and passing as done."""
    versions = no_doubled_versions(site)
    with Archive.open(site.config_file) as archive:
        acknowledged = [run for run in archive.runs() if run.marks.artdaqdb is Mark.VERIFIED][-EXAMINED:]
        no_doubled_documents(site, since=min((run.run for run in acknowledged), default=0))
        archive.refresh()
        for run in archive.runs():
            assert run.state in NAMED, f"run {run.run} is {run.state}: {run.reason}"
        for before in acknowledged:
            now, marks = archive.run(before.run), archive.compare(before.run).marks
            assert {marks.filesystem, marks.artdaqdb} == {Mark.VERIFIED}, f"run {before.run} was acknowledged: {marks}"
            if before.marks.ucondb is Mark.VERIFIED:
                assert before.run in versions, f"run {before.run} was acknowledged and is not in UconDB"
                assert now is not None
                assert now.state is RunState.ARCHIVED
                assert marks.ucondb is Mark.VERIFIED, f"run {before.run}: {marks}"


def no_doubled_documents(site: Site, since: int = 0) -> None:
    """Each entity of each configuration is in artdaqDB once a version; looks at runs from `since` on."""
    store = open_store(site.data["artdaq_db"]["database_uri"])
    try:
        for configuration in store.list_configurations():
            if (configuration.run or 0) < since:
                continue
            found = Counter((one.entities, one.version) for one in store.documents(configuration.name))
            doubled = [what for what, count in found.items() if count > 1]
            assert not doubled, f"{configuration.name}: {doubled}"
    finally:
        store.close()


def no_doubled_versions(site: Site) -> set[int]:
    """The runs in UconDB, each there once."""
    with site.ucondb() as client:
        listing = client.list_runs()
    assert not listing.others, f"versions without a run: {listing.others}"
    return set(listing.runs)


def finish(site: Site) -> None:
    """Let one undisturbed job do the rest: everything is archived and verified, and nothing is wrong with artdaqDB."""
    with Archive.open(site.config_file, writable=True) as archive:
        archive.run_job(JobKind.ARCHIVE)
        archive.judge(10_000)
        standing = Counter((run.state, run.marks.ucondb) for run in archive.runs())
        assert set(standing) == {(RunState.ARCHIVED, Mark.VERIFIED)}, standing
        outcome = archive.run_job(JobKind.VERIFY)
        assert not outcome.failed, outcome.failed
    no_doubled_documents(site)
    store = open_store(site.data["artdaq_db"]["database_uri"])
    try:
        findings = [one for one in check_store(store) if not one.advice]
        assert not findings, findings
    finally:
        store.close()


def main(root: Path, kills: int, seed: int, uri: str = "", url: str = "") -> int:
    """Kill so many jobs; returns the exit status."""
    chance = random.Random(seed)
    site = Site(root / "site", uri)
    if url:
        site.configure(ucon_db={"server_url": url})
    slowest = 0.5
    made = 0
    for kill in range(kills):
        site.make(RUNS_AT_A_TIME, first=1000 + made, seed=seed)
        made += RUNS_AT_A_TIME
        status = in_child(lambda: work(site), kill_after=chance.uniform(0.02, slowest))
        slowest = min(slowest * 1.1, 2.0) if status < 0 else slowest * 0.8
        if status > 0 or in_child(lambda: examine(site)) != 0:
            sys.stderr.write(f"kill {kill + 1} of {kills}, seed {seed}: status {status}\n")
            return 1
    return 1 if in_child(lambda: finish(site)) != 0 else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), *sys.argv[4:]))
