"""`tui-archiver locks`: who holds the writer's lock, and breaking the lock of a stuck holder."""

from __future__ import annotations

import argparse

from runarchive.cli.main import common_options
from runarchive.cli.output import emit, emit_json, talk
from runarchive.cli.refusing import refuse_read_only
from runarchive.config import Config, open_config
from runarchive.errors import ArchiveError, Code, ExitCode
from runarchive.ledger.jobs import this_actor
from runarchive.ledger.ledger import Ledger
from runarchive.ledger.lock import LockHolder, break_lock, lock_holder, lock_remark
from runarchive.model import Severity


def configure(parser: argparse.ArgumentParser) -> None:
    """Add `break --yes`."""
    verbs = parser.add_subparsers(dest="verb", metavar="VERB")
    breaking = verbs.add_parser(
        "break", parents=[common_options()], help="ask the holder to stop after its runs in hand, and free the lock"
    )
    breaking.add_argument("--yes", action="store_true", help="really do it")


def run(args: argparse.Namespace) -> int:
    """Show the holder, or break its lock."""
    config = open_config(args.config)
    ledger = Ledger.open(config.app.ledger_file, read_only=args.verb != "break")
    try:
        holder = lock_holder(config.app.lock_file, ledger.jobs.running(), ledger.jobs.is_stuck)
        if args.verb == "break":
            return _break(args, config, ledger, holder)
    finally:
        ledger.close()
    _show(args, config, holder)
    return ExitCode.DONE


def _show(args: argparse.Namespace, config: Config, holder: LockHolder | None) -> None:
    path = config.app.lock_file
    if args.json:
        emit_json(
            {
                "lock_file": str(path),
                "held": holder is not None,
                "pid": holder.pid if holder else None,
                "holder": holder.name if holder else None,
                "since": holder.since.isoformat() if holder and holder.since else None,
                "stuck": bool(holder and holder.stuck),
            }
        )
        return
    emit(f"{path}: " + (f"held by {holder.name}" if holder else "free"))
    if holder and holder.stuck:
        talk("the holder is stuck; `tui-archiver locks break --yes` asks it to stop and lets the next start go on")
    if remark := lock_remark(path):
        talk(remark)


def _break(args: argparse.Namespace, config: Config, ledger: Ledger, holder: LockHolder | None) -> int:
    path = config.app.lock_file
    if holder is None:
        _broken(args, config, "", f"{path}: free; nothing to break")
        return ExitCode.DONE
    sentence = f"removing {path} stops {holder.name} after its runs in hand, and frees the lock at once"
    refuse_read_only(args, sentence, config=config.app.read_only)
    if not args.yes:
        raise ArchiveError(Code.READ_ONLY, sentence, hint="add --yes to do it")
    if holder.job is not None:
        ledger.jobs.request_cancel(holder.job.job)
    break_lock(path)
    ledger.events.record(f"{this_actor()} broke the lock of {holder.name}", severity=Severity.WARNING)
    _broken(args, config, holder.name, f"{path}: removed; it was held by {holder.name}")
    return ExitCode.DONE


def _broken(args: argparse.Namespace, config: Config, holder: str, sentence: str) -> None:
    if args.json:
        emit_json({"lock_file": str(config.app.lock_file), "broken": bool(holder), "holder": holder or None})
    else:
        emit(sentence)
