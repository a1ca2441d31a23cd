"""`tui-archiver jobs`: the jobs of every process on this archive; follow them, cancel one."""

from __future__ import annotations

import argparse
import sys
import time
from typing import Any

from runarchive.clean import clean
from runarchive.cli.main import common_options
from runarchive.cli.numbers import COUNT
from runarchive.cli.output import emit, emit_json
from runarchive.cli.refusing import refuse_read_only
from runarchive.config import open_config
from runarchive.errors import ArchiveError, Code, ExitCode
from runarchive.ledger.jobs import ENDED, this_actor
from runarchive.ledger.ledger import Ledger
from runarchive.model import Event, Job, Severity

POLL_SECONDS = 0.25


def configure(parser: argparse.ArgumentParser) -> None:
    """Add `--follow`, `--limit` and `cancel ID`."""
    parser.add_argument("--follow", action="store_true", help="go on telling what happens, until nothing runs")
    parser.add_argument("--limit", type=COUNT, default=20, metavar="N", help="the newest N jobs (default 20)")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB")
    cancel = verbs.add_parser(
        "cancel", parents=[common_options()], help="stop a job after its runs in hand, whichever process does it"
    )
    cancel.add_argument("job", type=COUNT, metavar="ID")
    cancel.add_argument("--now", action="store_true", help="do not wait for the runs in hand")


def run(args: argparse.Namespace) -> int:
    """List, follow or cancel."""
    config = open_config(args.config)
    ledger = Ledger.open(config.app.ledger_file, read_only=args.verb != "cancel")
    try:
        if args.verb == "cancel":
            refuse_read_only(args, f"job {args.job} would be stopped", config=config.app.read_only)
            return _cancel(args, ledger)
        revision = ledger.revision()
        jobs = ledger.jobs.latest(args.limit)
        if args.json and not args.follow:
            emit_json({"jobs": [as_data(job, ledger) for job in jobs]})
            return ExitCode.DONE
        for job in reversed(jobs):
            emit(_json_line(as_data(job, ledger)) if args.json else line(job, ledger))
        if args.follow:
            _follow(ledger, revision, args.json)
    finally:
        ledger.close()
    return ExitCode.DONE


def _cancel(args: argparse.Namespace, ledger: Ledger) -> int:
    number, now = args.job, args.now
    job = ledger.jobs.get(number)
    if job is None:
        raise ArchiveError(Code.NOT_FOUND, f"there is no job {number}", hint="`tui-archiver jobs` lists them")
    ledger.jobs.reap()
    if not ledger.jobs.request_cancel(number, now=now):
        raise ArchiveError(Code.NOT_FOUND, f"job {number} does not run any more", hint="`tui-archiver jobs` lists them")
    ledger.events.record(f"{this_actor()} cancelled job {number}", severity=Severity.WARNING, job=number)
    if args.json:
        emit_json({"job": number, "owner": job.owner, "asked_to_stop": True, "now": now})
    else:
        emit(f"job {number} of {job.owner} is asked to stop" + ("" if now else " after its runs in hand"))
    return ExitCode.DONE


def _follow(ledger: Ledger, revision: int, as_json: bool) -> None:
    """Tell of what changed after this revision, until no job runs any more."""
    over = False
    while not over:
        sys.stdout.flush()
        over = not ledger.jobs.running()
        if not over:
            time.sleep(POLL_SECONDS)
        changes = ledger.changes_since(revision)
        revision = changes.rev
        for event in changes.events:
            emit(_json_line(_event(event)) if as_json else f"{event.at:%H:%M:%S} {clean(event.message)}")
        for job in changes.jobs:
            emit(_json_line(as_data(job, ledger)) if as_json else line(job, ledger))


def line(job: Job, ledger: Ledger) -> str:
    """One job as one line."""
    started = f"{job.started:%Y-%m-%d %H:%M:%S}" if job.started else "-"
    rate = f"  {job.rate:.1f}/s" if job.rate and job.state not in ENDED else ""
    eta = f"  eta {job.eta_seconds:.0f} s" if job.eta_seconds is not None else ""
    stuck = "  STUCK: no progress for a minute" if ledger.jobs.is_stuck(job) else ""
    failed = f"  {job.failed} failed" if job.failed else ""
    message = f"  {clean(job.message)}" if job.message else ""
    head = f"{job.job:>5}  {started}  {job.kind:<8} {job.state.value:<10} {job.done}/{job.total}"
    return f"{head}{failed}{rate}{eta}  {job.owner}{stuck}{message}"


def as_data(job: Job, ledger: Ledger) -> dict[str, Any]:
    """One job as JSON values; times are ISO 8601 in UTC."""
    return {
        "job": job.job,
        "kind": job.kind,
        "state": job.state.value,
        "owner": job.owner,
        "total": job.total,
        "done": job.done,
        "failed": job.failed,
        "started": job.started.isoformat() if job.started else None,
        "updated": job.updated.isoformat() if job.updated else None,
        "ended": job.ended.isoformat() if job.ended else None,
        "rate": job.rate,
        "eta_seconds": job.eta_seconds,
        "message": job.message,
        "workers": list(job.workers),
        "stuck": ledger.jobs.is_stuck(job),
    }


def _event(event: Event) -> dict[str, Any]:
    return {
        "event": event.number,
        "at": event.at.isoformat(),
        "severity": event.severity.value,
        "message": event.message,
    }


def _json_line(value: dict[str, Any]) -> str:
    import json

    return json.dumps(value, ensure_ascii=False)
