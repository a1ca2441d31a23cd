"""How fast runs go from their directories through both stores, whether that stays so, and what an idle start costs.

    python bench/bench_pipeline.py runs [--sizes small,medium,large] [--workers 1,2] [--stores filesystemdb,mongodb]
    python bench/bench_pipeline.py flat [--sizes medium] [--runs 1000] [--workers 2] [--stores filesystemdb]
    python bench/bench_pipeline.py idle [--runs 10000] [--stores filesystemdb,mongodb]

A run counts when it was imported, migrated and read back from both stores. The MongoDB has the indexes that sites make;
UconDB is the embedded one. Each line is a process of its own.
`runs`: cold is empty stores, and no file like one of another run; warm is a batch whose configurations were seen.
`flat`: one job over so many runs, with its pace and the memory of the process after each tenth.
`idle`: stores are filled with that many runs (three documents and a small blob each), the first start takes them in,
the next ones find nothing to do.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import yaml

from runarchive.archive import Archive, JobKind, JobObserver, JobOptions
from runarchive.artdaqdb.mongodb_care import SITE_INDEXES
from runarchive.artdaqdb.store import RUN_HISTORY, SYSTEM_LAYOUT, NewDocument, open_store
from runarchive.model import Stage
from runarchive.real_servers import MongodServer
from runarchive.records_dir.make import Size, make_records
from runarchive.ucondb.embedded import open_client

RUNS = {Size.SMALL: 120, Size.MEDIUM: 60, Size.LARGE: 20}
DATABASE = "bench_pipeline"
OBJECT = {"folder_name": "demo", "object_name": "configuration", "writer_user": "demo", "writer_password": "demo"}
Keys = dict[str, object] | None


def say(text: str) -> None:
    """One line of result."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def site(root: Path, artdaqdb: str = "", ucondb: str = "", *, app: Keys = None, stores: Keys = None) -> Path:
    """A config in this directory; a FilesystemDB and the embedded UconDB in it where no URI and URL are given.

    `app` and `stores` are further keys of the section of the program, and of both stores'.
    """
    for name in ("conf", "records", "work"):
        (root / name).mkdir(parents=True, exist_ok=True)
    ucon = {"server_url": ucondb or f"embedded://{root}/ucondb.sqlite", **OBJECT, **(stores or {})}
    sections = {
        "app": {"work_dir": f"{root}/work", **(app or {})},
        "source_files": {"run_records_dir": f"{root}/records"},
        "artdaq_db": {
            "database_uri": artdaqdb or f"filesystemdb://{root}/artdaqdb", "fcl_conf_dir": f"{root}/conf",
            **(stores or {}),
        },
        "ucon_db": ucon,
    }  # fmt: skip
    config = root / "config.yaml"
    config.write_text(yaml.safe_dump(sections))
    return config


def with_site_indexes(uri: str) -> str:
    """The URI of a MongoDB after the indexes were made that sites make."""
    from pymongo import MongoClient

    with MongoClient[dict[str, object]](uri) as client:
        for collection in (RUN_HISTORY, SYSTEM_LAYOUT):
            for field, name in SITE_INDEXES.items():
                client.get_default_database()[collection].create_index(field, name=name)
    return uri


@contextlib.contextmanager
def bench_site(store: str) -> Iterator[tuple[Path, str]]:
    """An empty directory with the records' place, and the URI of an empty artdaqDB of this kind."""
    with tempfile.TemporaryDirectory(prefix="bench-pipeline-") as name:
        root = Path(name)
        if store == "filesystemdb":
            yield root, f"filesystemdb://{root}/artdaqdb"
            return
        (root / "mongod").mkdir()
        mongod = MongodServer(root / "mongod")
        mongod.start()
        try:
            yield root, with_site_indexes(f"{mongod.uri}/{DATABASE}")
        finally:
            mongod.stop()


def resident_megabytes() -> float:
    """What this process takes up in memory now."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize() / 1e6


# --- runs


def batch(archive: Archive, what: str, workers: int) -> None:
    """One archive job, timed."""
    began, used = time.monotonic(), time.process_time()
    outcome = archive.run_job(JobKind.ARCHIVE, None, JobOptions(workers=workers))
    seconds, cpu = time.monotonic() - began, time.process_time() - used
    done = outcome.count(Stage.MIGRATE)
    say(
        f"{what:<44}{done / seconds:>7.1f} runs/s  {done / cpu:>7.1f} per CPU second"
        f"  failed {len(outcome.failed)}  {resident_megabytes():.0f} MB  load {os.getloadavg()[0]:.1f}"
    )


def bench_runs(size: Size, workers: int, store: str, runs: int) -> None:
    """Cold, then warm."""
    with bench_site(store) as (root, uri):
        config, records = site(root, uri), root / "records"
        for run in range(runs):
            make_records(records, runs=1, first=1000 + run, size=size, seed=run + 1, in_progress=0)
        name = f"{store} {size} {workers} worker{'s' if workers > 1 else ''}"
        with Archive.open(config, writable=True) as archive:
            batch(archive, f"{name} cold", workers)
            for place in range(2):
                make_records(records, runs=runs, first=(place + 2) * 10_000, size=size, seed=1, in_progress=0)
                batch(archive, f"{name} {('partly warm', 'warm')[place]}", workers)


# --- flat


class Tenths(JobObserver):
    """Says how fast each tenth of a job went, and what memory the process has after it."""

    def __init__(self, name: str, runs: int) -> None:
        self._name = name
        self._tenth = max(runs // 10, 1)
        self._done = 0
        self._since = time.monotonic(), time.process_time()

    def run_done(self, run: int, stage: Stage, reason: str) -> None:
        """Count a run that is archived."""
        if stage is not Stage.MIGRATE:
            return
        self._done += 1
        if self._done % self._tenth == 0:
            now = time.monotonic(), time.process_time()
            seconds, cpu = (after - before for after, before in zip(now, self._since, strict=True))
            self._since = now
            say(
                f"{self._name} {self._done:>6} runs  {self._tenth / seconds:>6.1f} runs/s"
                f"  {self._tenth / cpu:>6.1f} per CPU second  {resident_megabytes():>5.0f} MB"
                f"  load {os.getloadavg()[0]:.1f}"
            )


def bench_flat(size: Size, workers: int, store: str, runs: int) -> None:
    """One long job."""
    with bench_site(store) as (root, uri):
        config = site(root, uri)
        make_records(root / "records", runs=runs, size=size, in_progress=0)
        with Archive.open(config, writable=True) as archive:
            name = f"{store} {size} {workers} workers"
            archive.run_job(JobKind.ARCHIVE, None, JobOptions(workers=workers), Tenths(name, runs))


# --- idle


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
                NewDocument(RUN_HISTORY, entity, name, name, run, f"a: {run}\n") for entity in ("boot", "metadata")
            ]
            documents.append(NewDocument(SYSTEM_LAYOUT, "schema", name, name, run, "a: 1\n"))
        store.insert(documents)
    store.fold()
    store.close()
    client = open_client(f"embedded://{root}/ucondb.sqlite", "demo", "configuration", user="demo", password="demo")
    for run in numbers:
        client.put(run, b"blob of %d\n" % run)
    client.close()


def bench_idle(store: str, runs: int) -> None:
    """A start that finds nothing to do."""
    with bench_site(store) as (root, uri):
        config = site(root, uri)
        began = time.monotonic()
        fill(root, runs, uri)
        say(f"{store} filled with {runs} runs in {time.monotonic() - began:.0f} s")
        for what in ("first look", *["nothing to do"] * 3):
            began, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
            command = [sys.executable, "-m", "runarchive.cli.run_archiver", str(config), "--incremental"]
            subprocess.run(command, check=True, capture_output=True)
            seconds, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
            cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            say(
                f"{store} run-archiver --incremental, {what:<14}{seconds:>6.2f} s  {cpu:>5.2f} s of CPU"
                f"  load {os.getloadavg()[0]:.1f}"
            )


def main() -> None:
    """Read the command line and measure, each combination in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="?", choices=("runs", "flat", "idle"), default="runs")
    parser.add_argument("--sizes", help="of small, medium and large")
    parser.add_argument("--runs", type=int)
    parser.add_argument("--workers", help="numbers of workers")
    parser.add_argument("--stores", help="of filesystemdb and mongodb")
    args = parser.parse_args()
    sizes = [Size(size) for size in (args.sizes or ("medium" if args.what == "flat" else ",".join(Size))).split(",")]
    workers = [int(count) for count in (args.workers or ("2" if args.what == "flat" else "1,2")).split(",")]
    stores = (args.stores or ("filesystemdb" if args.what == "flat" else "filesystemdb,mongodb")).split(",")
    if args.what == "idle":
        sizes, workers = [Size.SMALL], [1]
    combinations = list(itertools.product(stores, sizes, workers))
    for store, size, count in combinations:
        runs = args.runs or {"runs": RUNS[size], "flat": 1000, "idle": 10_000}[args.what]
        if len(combinations) > 1:
            options = ["--stores", store, "--sizes", size, "--workers", str(count), "--runs", str(runs)]
            subprocess.run([sys.executable, __file__, args.what, *options], check=True)
        elif args.what == "runs":
            bench_runs(size, count, store, runs)
        elif args.what == "flat":
            bench_flat(size, count, store, runs)
        else:
            bench_idle(store, runs)


if __name__ == "__main__":
    main()
