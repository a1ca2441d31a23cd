"""One line on a terminal that says how far this process's job is."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from runarchive.archive import Archive
from runarchive.clean import clean
from runarchive.model import Job, JobState

EVERY_SECONDS = 0.25
_CLEAR = "\r\x1b[K"


@contextmanager
def progress_line(archive: Archive) -> Iterator[None]:
    """Show how far the job of this process is on stderr while the block runs; nothing where that is no terminal."""
    if not sys.stderr.isatty():
        yield
        return
    over = threading.Event()
    watcher = threading.Thread(target=_watch, args=(archive, over), name="progress", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


def _watch(archive: Archive, over: threading.Event) -> None:
    mine = f":{os.getpid()}"
    shown = ""
    while not over.wait(EVERY_SECONDS):
        jobs = (job for job in archive.jobs(5) if job.state is JobState.RUNNING and job.owner.endswith(mine))
        text = next((_line(job) for job in jobs), "")
        if text != shown:
            sys.stderr.write(f"{_CLEAR}{text}")
            sys.stderr.flush()
            shown = text
    if shown:
        sys.stderr.write(_CLEAR)
        sys.stderr.flush()


def _line(job: Job) -> str:
    eta = f"  eta {job.eta_seconds:.0f} s" if job.eta_seconds is not None else ""
    return f"{job.kind} {job.done}/{job.total}  {job.rate:.1f}/s{eta}  {clean(job.message)}".rstrip()[:79]
