"""How fast runs go from their directories through both stores; what a start costs that finds nothing to do.

    python bench/bench_pipeline.py runs  [--size medium] [--runs 60] [--workers 2] [--uri URI]
    python bench/bench_pipeline.py idle  [--runs 10000] [--uri URI]

`runs`: cold is a fresh process, empty stores, and no file like one of another run; warm is a second batch with the
configurations of the first.
`idle`: stores are filled with that many runs (three documents and a small blob each), the first start takes them in,
the second finds nothing to do and is timed as a process of its own.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from runarchive.archive import Archive, JobKind, JobOptions
from runarchive.artdaqdb.store import RUN_HISTORY, SYSTEM_LAYOUT, NewDocument, open_store
from runarchive.cli.demo_command import CONFIG
from runarchive.model import Stage
from runarchive.records_dir import make_records
from runarchive.records_dir.make import Size
from runarchive.ucondb.embedded import open_client


def say(text: str) -> None:
    """One line of result."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def site(root: Path, uri: str) -> Path:
    """A config in this directory, with the embedded UconDB."""
    for name in ("conf", "records", "work"):
        (root / name).mkdir(parents=True, exist_ok=True)
    config = root / "config.yaml"
    artdaqdb = uri or f"filesystemdb://{root}/artdaqdb"
    config.write_text(CONFIG.format(root=root, artdaqdb=artdaqdb, ucondb=f"embedded://{root}/ucondb.sqlite", more=""))
    return config


def with_site_indexes(uri: str) -> str:
    """The URI of a MongoDB after the indexes were made that sites make beside theirs."""
    from pymongo import MongoClient

    from runarchive.artdaqdb.mongodb_care import SITE_INDEXES

    with MongoClient[dict[str, object]](uri) as client:
        for collection in (RUN_HISTORY, SYSTEM_LAYOUT):
            for field, name in SITE_INDEXES.items():
                client.get_default_database()[collection].create_index(field, name=name)
    return uri


def resident_megabytes() -> float:
    """What this process takes up in memory now."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize() / 1e6


def batch(archive: Archive, what: str, workers: int) -> None:
    """One archive job, timed."""
    began = time.monotonic()
    outcome = archive.run_job(JobKind.ARCHIVE, None, JobOptions(workers=workers))
    seconds = time.monotonic() - began
    done = outcome.count(Stage.MIGRATE)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    first, last = (outcome.runs[: done // 5], outcome.runs[-(done // 5) :]) if done >= 10 else ((), ())
    spread = [sum(run.seconds for run in part) / max(len(part), 1) for part in (first, last)]
    say(
        f"{what:<28}{done:>6} runs {done / seconds:>7.1f} runs/s  failed {len(outcome.failed)}  peak {memory:.0f} MB"
        f"  migration of the first and last fifth {spread[0] * 1000:.0f} and {spread[1] * 1000:.0f} ms"
    )


def bench_runs(args: argparse.Namespace) -> None:
    """Cold, then warm."""
    with tempfile.TemporaryDirectory(prefix="bench-pipeline-") as name:
        root = Path(name)
        config = site(root, args.uri)
        records, size = root / "records", Size(args.size)
        for run in range(args.runs):
            make_records(records, runs=1, first=1000 + run, size=size, seed=run + 1, in_progress=0)
        with Archive.open(config, writable=True) as archive:
            batch(archive, f"{args.size} cold, {args.workers} workers", args.workers)
            for place in range(2):
                make_records(records, runs=args.runs, first=(place + 2) * 10_000, size=size, seed=1, in_progress=0)
                batch(archive, f"{args.size} {('mixed', 'warm')[place]}, {args.workers} workers", args.workers)


def fill(root: Path, runs: int, uri: str) -> None:
    """Directories, three documents and a blob for each run."""
    numbers = range(1000, 1000 + runs)
    store = open_store(uri or f"filesystemdb://{root}/artdaqdb")
    for start in range(0, runs, 500):
        documents = []
        for run in numbers[start : start + 500]:
            (root / "records" / str(run)).mkdir()
            name = f"{run}/beam-00001"
            documents += [
                NewDocument("RunHistory", entity, name, name, run, f"a: {run}\n") for entity in ("boot", "metadata")
            ]
            documents.append(NewDocument("SystemLayout", "schema", name, name, run, "a: 1\n"))
        store.insert(documents)
    store.fold()
    store.close()
    client = open_client(f"embedded://{root}/ucondb.sqlite", "demo", "configuration", user="demo", password="demo")
    for run in numbers:
        client.put(run, b"blob of %d\n" % run)
    client.close()


def bench_idle(args: argparse.Namespace) -> None:
    """A start that finds nothing to do."""
    with tempfile.TemporaryDirectory(prefix="bench-pipeline-") as name:
        root = Path(name)
        config = site(root, args.uri)
        began = time.monotonic()
        fill(root, args.runs, args.uri)
        say(f"filled with {args.runs} runs in {time.monotonic() - began:.0f} s")
        for what in ("first look", "nothing to do", "nothing to do", "nothing to do"):
            began = time.monotonic()
            command = [sys.executable, "-m", "runarchive.cli.run_archiver", str(config), "--incremental"]
            subprocess.run(command, check=True, capture_output=True)
            say(f"run-archiver --incremental, {what:<16} {time.monotonic() - began:>7.2f} s")


def main() -> None:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="?", choices=("runs", "idle"), default="runs")
    parser.add_argument("--size", choices=("small", "medium", "large"), default="medium")
    parser.add_argument("--runs", type=int)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--uri", default="", help="of artdaqDB; else a FilesystemDB in a temporary directory")
    args = parser.parse_args()
    if args.what == "idle":
        args.runs = args.runs or 10000
        bench_idle(args)
    else:
        args.runs = args.runs or 60
        bench_runs(args)


if __name__ == "__main__":
    main()
