"""`tui-archiver demo`: the whole chain on made-up run records, with or without a screen."""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from runarchive.archive import Archive, JobKind
from runarchive.clean import clean
from runarchive.cli.numbers import COUNT
from runarchive.cli.opening import exit_code, run_job
from runarchive.cli.output import emit, emit_json, talk
from runarchive.cli.refusing import refuse_read_only
from runarchive.errors import UsageError, cannot_write
from runarchive.model import TROUBLED_STATES, Mark, RunState, Stage

RUNNING_FOR = timedelta(minutes=40)
"""How long ago the last of the made-up runs began."""

CONFIG = """# The demo archive: everything it needs lies beside this file.
app:
  work_dir: {work}
  parallel_workers: 2
source_files:
  run_records_dir: {records}
artdaq_db:
  database_uri: {artdaqdb}
  fcl_conf_dir: {conf}
ucon_db:
  server_url: {ucondb}
  folder_name: demo
  object_name: configuration
  writer_user: demo
  writer_password: demo
"""
REAL = "real"
"""The directory of the real servers' data; where it is, the demo has real stores."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add --headless, --runs, --dir and --stores."""
    parser.add_argument("--headless", action="store_true", help="import, migrate and verify without a screen")
    parser.add_argument("--runs", type=COUNT, default=50, metavar="N", help="how many run records (50)")
    parser.add_argument("--dir", type=Path, metavar="DIR", help="where everything goes; else a new temporary directory")
    parser.add_argument("--size", choices=("small", "medium", "large"), default="small", help="of each record (small)")
    parser.add_argument(
        "--stores", choices=("embedded", "real"), default="embedded", help="real: a MongoDB and a PostgreSQL of its own"
    )


def prepare_demo(args: argparse.Namespace) -> Path:
    """Make the demo's records and config where they are missing, and return the config file; nothing is imported.

    Raises UsageError, ArchiveError where the directory cannot be written.
    """
    root = (args.dir or Path(tempfile.mkdtemp(prefix="tui-archiver-demo-"))).absolute()
    if not str(root).isprintable() or "$" in str(root):
        raise UsageError(f"a config file cannot name {clean(str(root))}; use a plain directory name")
    config = root / "config.yaml"
    try:
        for name in ("conf", "records", "work"):
            (root / name).mkdir(parents=True, exist_ok=True)
        _make_conf(root / "conf")
        _make_records(root / "records", args.runs, args.size)
        if args.stores == "real" or (root / REAL).exists():
            _start_real(root, config)
        else:
            artdaqdb, ucondb = f"filesystemdb://{root}/artdaqdb", f"embedded://{root}/ucondb.sqlite"
            _write_config(config, {"run_records_dir"}, artdaqdb, ucondb)
    except OSError as error:
        raise cannot_write(root, error) from error
    return config


def _make_conf(directory: Path) -> None:
    from runarchive.artdaqdb.schema import schema_text

    file = directory / "schema.fcl"
    if not file.exists():
        file.write_text(schema_text(None)[0], encoding="ascii")


def _make_records(directory: Path, runs: int, size: str) -> None:
    from runarchive.records_dir.make import Size, make_records

    missing = [run for run in range(1000, 1000 + runs) if not (directory / str(run)).exists()]
    if len(missing) == runs:
        make_records(directory, runs=runs, first=1000, size=Size(size), until=datetime.now(UTC) - RUNNING_FOR)
    elif missing:
        make_records(directory, runs=len(missing), first=missing[0], size=Size(size), in_progress=0)


def _write_config(config: Path, telling: set[str], artdaqdb: str, ucondb: str) -> None:
    """Write the config, unless what stands there says the same in the keys of `telling`: it may have been edited."""
    values = {name: str(config.parent / name) for name in ("work", "records", "conf")}
    values |= {"artdaqdb": artdaqdb, "ucondb": ucondb}
    text = CONFIG.format(**{name: json.dumps(value, ensure_ascii=False) for name, value in values.items()})
    kept = config.read_text(encoding="utf-8").splitlines() if config.exists() else []
    if any(line not in kept for line in text.splitlines() if line.strip().partition(":")[0] in telling):
        config.write_text(text, encoding="utf-8")


def _start_real(root: Path, config: Path) -> None:
    """Start the demo's own servers, which end with this process; the config follows where their ports had to change."""
    from runarchive.cli.demo_stores import start_real_stores

    artdaqdb, ucondb = start_real_stores(root / REAL)
    _write_config(config, {"run_records_dir", "database_uri", "server_url"}, artdaqdb, ucondb)
    talk(f"MongoDB and PostgreSQL keep their data in {root / REAL} and run as long as this command does")


def run(args: argparse.Namespace) -> int:
    """Import, migrate and verify the demo's records without a screen."""
    refuse_read_only(args, "the demo writes")
    began = time.monotonic()
    config = prepare_demo(args)
    with Archive.open(config, writable=True, actor="demo") as archive:
        outcome = run_job(archive, JobKind.ARCHIVE)
        runs = archive.runs()
    archived = [run for run in runs if run.state is RunState.ARCHIVED and run.marks.ucondb is Mark.VERIFIED]
    waiting = [run for run in runs if run.state is RunState.WAITING]
    answer = {
        "runs": len(runs),
        "imported": outcome.count(Stage.IMPORT),
        "migrated": outcome.count(Stage.MIGRATE),
        "verified": len(archived),
        "waiting": len(waiting),
        "failed": sum(run.state in TROUBLED_STATES for run in runs),
        "seconds": round(time.monotonic() - began, 3),
    }
    if args.json:
        emit_json(answer)
    else:
        for name, value in answer.items():
            emit(f"{name:9} {value}")
        talk(f"config: {config}")
    return exit_code(outcome)
