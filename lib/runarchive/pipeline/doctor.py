"""The doctor: everything the archive leans on, asked one by one."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

from runarchive.artdaqdb.schema import schema_text
from runarchive.checks.host import clock, readable_directory, room, sentences, terminal, versions, writable_directory
from runarchive.checks.protocol import Asked, Check, passed, run_checks
from runarchive.config import Config
from runarchive.ledger.ledger import Ledger
from runarchive.ledger.lock import lock_holder, lock_remark
from runarchive.ledger.state_files import read_state
from runarchive.model import CheckResult, JobState, Mark, Verdict
from runarchive.pipeline.stores import IF_ARCHIVE_IS_NEW, Stores
from runarchive.records_dir import scan_records

MOST_FINDINGS = 3


def examine(config: Config, stores: Stores, ledger: Ledger) -> tuple[CheckResult, ...]:
    """The results of every check, in the order in which a person reads them; waits for the stores."""
    return run_checks(_checks(config, stores, ledger))


def _checks(config: Config, stores: Stores, ledger: Ledger) -> list[Check]:
    app = config.app
    checks = [
        versions(),
        Asked("config", lambda: passed(str(config.path))),
        sentences("config warnings", config.warnings, "none", "see `tui-archiver config check`"),
        readable_directory("records directory", stores.records),
        Asked("records", lambda: _records(stores)),
        Asked("unreadable records", lambda: _unreadable(ledger)),
        Asked("artdaqDB", lambda: passed(f"{stores.artdaqdb.ping()} at {stores.artdaqdb.uri}")),
        Asked("artdaqDB index", lambda: _findings(stores)),
        Asked("UconDB", lambda: passed(f"{stores.ucondb.ping()} at {stores.ucondb.uri}")),
        Asked("UconDB folder", lambda: _folder(stores)),
        Asked("UconDB certificate", lambda: _certificate(config, stores)),
        Asked("schema", lambda: _schema(config)),
        writable_directory("work directory", app.work_dir),
        Asked("ledger", lambda: _ledger(ledger)),
        Asked("state files", lambda: _state_files(config)),
        Asked("lock", lambda: _lock(config, ledger)),
        Asked("last job", lambda: _last_job(ledger)),
        room("disk of the work directory", app.work_dir, app.disk_reserve_mb),
    ]
    uri = config.artdaq_db.database_uri
    if uri.startswith("filesystemdb://"):
        place = Path(uri.removeprefix("filesystemdb://"))
        checks.append(room("disk of artdaqDB", place, app.disk_reserve_mb))
        checks.append(writable_directory("artdaqDB directory", place))
    if config.ucon_db.embedded is not None:
        checks.append(room("disk of UconDB", config.ucon_db.embedded.parent, app.disk_reserve_mb))
    return [*checks, clock(app.work_dir), terminal()]


def _records(stores: Stores) -> tuple[Verdict, str, str]:
    scan = scan_records(stores.records)
    odd = [f"{name!r}: {reason}" for name, reason in scan.oddities if not name.startswith(".")]
    if odd:
        shown = [*odd[:5], f"and {len(odd) - 5} more"] if len(odd) > 5 else odd
        evidence = f"{len(scan.runs)} runs; " + "; ".join(shown)
        return Verdict.FAIL, evidence, "these are left alone; rename or remove them"
    return passed(f"{len(scan.runs)} runs")


def _unreadable(ledger: Ledger) -> tuple[Verdict, str, str]:
    found = [run for run, _, marks in ledger.runs.states() if marks.startswith(Mark.ERROR.ascii_glyph)]
    if not found:
        return passed("none")
    shown = ", ".join(map(str, found[:5])) + (f" and {len(found) - 5} more" if len(found) > 5 else "")
    return Verdict.FAIL, f"run {shown}", f"`tui-archiver explain {found[0]}` says why (often a permission)"


def _state_files(config: Config) -> tuple[Verdict, str, str]:
    app = config.app
    files = {"import": app.import_state_file, "migrate": app.migrate_state_file}
    problems = {kind: problem for kind, path in files.items() if (problem := read_state(path).problem)}
    if problems:
        mend = " and ".join(f"`tui-archiver recover {kind} --apply`" for kind in problems)
        return Verdict.FAIL, "; ".join(problems.values()), f"{mend}, or the next job, writes it anew from the stores"
    return passed("both can be read" if all(path.exists() for path in files.values()) else "the first job makes them")


def _last_job(ledger: Ledger) -> tuple[Verdict, str, str]:
    last = next(iter(ledger.jobs.latest(1)), None)
    if last is None:
        return passed("there was none yet")
    evidence = f"{last.job}, {last.kind}, {last.state}: {last.message}".removesuffix(": ")
    if last.state in (JobState.FAILED, JobState.CRASHED):
        return Verdict.UNKNOWN, evidence, "see Failures in the console, or `tui-archiver runs --filter failed`"
    return passed(evidence)


def _findings(stores: Stores) -> tuple[Verdict, str, str]:
    found = list(islice(stores.artdaqdb.inspect(), MOST_FINDINGS + 1))
    if not found:
        return passed("nothing is wrong with it")
    more = " and more" if len(found) > MOST_FINDINGS else ""
    evidence = "; ".join(f"{one.place}: {one.message}" for one in found[:MOST_FINDINGS]) + more
    verdict = Verdict.UNKNOWN if all(one.advice for one in found) else Verdict.FAIL
    return verdict, evidence, found[0].mend


def _folder(stores: Stores) -> tuple[Verdict, str, str]:
    client = stores.ucondb
    if doubt := client.doubt():
        return Verdict.UNKNOWN, doubt, IF_ARCHIVE_IS_NEW
    return passed(f"{client.folder}/{client.object_name}")


def _certificate(config: Config, stores: Stores) -> tuple[Verdict, str, str]:
    if not config.ucon_db.server_url.startswith("https:"):
        return Verdict.SKIP, "no TLS", ""
    if not stores.ucondb.verified_tls:
        return Verdict.FAIL, "not verified: ucon_db.verify is false", "set ucon_db.ca_file and verify: true"
    return passed("verified")


def _schema(config: Config) -> tuple[Verdict, str, str]:
    _, origin = schema_text(config.artdaq_db.fcl_conf_dir)
    if origin == "built-in":
        return passed(f"built-in: there is none in {config.artdaq_db.fcl_conf_dir}")
    return passed(origin)


def _ledger(ledger: Ledger) -> tuple[Verdict, str, str]:
    if ledger.path is None:
        return Verdict.FAIL, "; ".join(ledger.notices) or "in memory only", "give this account write permission"
    faults = ledger.database.check()
    if faults:
        return Verdict.FAIL, "; ".join(faults), "`tui-archiver recover ledger --apply` rebuilds it"
    return passed("; ".join((str(ledger.path), *ledger.notices)))


def _lock(config: Config, ledger: Ledger) -> tuple[Verdict, str, str]:
    remark = lock_remark(config.app.lock_file)
    if remark:
        return Verdict.FAIL, remark, "set app.lock_file to a local path"
    holder = lock_holder(config.app.lock_file, ledger.jobs.running(), ledger.jobs.is_stuck)
    if holder is None:
        return passed("free")
    if holder.stuck:
        return Verdict.FAIL, f"held by {holder.name}", "`tui-archiver locks break --yes` asks it to stop"
    return passed(f"held by {holder.name}")
