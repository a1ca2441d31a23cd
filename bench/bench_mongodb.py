"""How fast documents go into a real MongoDB, and how long a database full of runs takes to list.

    python bench/bench_mongodb.py [--uri mongodb://HOST:PORT/DB] [--runs N,N…] [--size S] [--workers W]

Without `--uri` a mongod of its own is started in a temporary directory. The first part is bench_artdaqdb.py on it. The
second fills a database with three documents a run and times each way of listing, without and with the site indexes.
"""

from __future__ import annotations

import argparse
import contextlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from runarchive.artdaqdb.mongodb import MongoDB
from runarchive.artdaqdb.store import NewDocument
from runarchive.real_servers import MongodServer

ENTITIES = ("RunHistory", "boot", "metadata")
TEXT = "".join(f"key_{number}: {number} # unit\n" for number in range(12))


@contextlib.contextmanager
def server(uri: str | None) -> Iterator[str]:
    """The URI given, without its database, or that of a mongod started for the purpose."""
    if uri:
        yield uri.rpartition("/")[0]
        return
    with tempfile.TemporaryDirectory(prefix="bench-mongod-") as directory:
        mongod = MongodServer(Path(directory))
        mongod.start()
        try:
            yield mongod.uri
        finally:
            mongod.stop()


def timed(what: str, action: Callable[[], object]) -> None:
    """One line with the best of three."""
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        action()
        seconds.append(time.perf_counter() - start)
    sys.stdout.write(f"{what:<52}{min(seconds) * 1000:>10.1f} ms\n")
    sys.stdout.flush()


def listing(uri: str, runs: int) -> None:
    """Fill a database of its own and time each question about the whole of it and about one run."""
    store = MongoDB(uri, timeout=120)
    start = time.perf_counter()
    for first in range(1, runs + 1, 500):
        names = [(run, f"{run}/beam-00012") for run in range(first, min(first + 500, runs + 1))]
        store.insert([NewDocument("RunHistory", one, name, name, run, TEXT) for run, name in names for one in ENTITIES])
    rate = 3 * runs / (time.perf_counter() - start)
    sys.stdout.write(f"{f'fill: {runs} runs of {len(ENTITIES)}':<52}{rate:>10.0f} documents/s\n")
    some = runs // 2
    for indexed in (False, True):
        note = ", indexed" if indexed else ""
        if indexed:
            start = time.perf_counter()
            store.make_indexes()
            sys.stdout.write(f"{'make the three indexes':<52}{(time.perf_counter() - start) * 1000:>10.1f} ms\n")
        timed(f"{runs} runs: list{note}", store.list_configurations)
        timed(f"{runs} runs: list with details{note}", lambda: store.list_configurations(details=True))
        timed(f"{runs} runs: configurations of one run{note}", lambda: store.configurations_of(some))
        timed(f"{runs} runs: documents of one run{note}", lambda: store.documents(f"{some}/beam-00012"))
        timed(f"{runs} runs: change token{note}", store.change_token)
    store.close()


def main() -> None:
    """Run the benchmark and print one line a figure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--uri")
    parser.add_argument("--runs", default="1000,10000,100000")
    parser.add_argument("--size", default="medium")
    parser.add_argument("--workers", default="1")
    args = parser.parse_args()
    with server(args.uri) as base:
        documents = [sys.executable, str(Path(__file__).with_name("bench_artdaqdb.py"))]
        options = ["--uri", f"{base}/bench_documents", "--size", args.size, "--workers", args.workers]
        subprocess.run([*documents, *options], check=True)
        for runs in map(int, args.runs.split(",")):
            listing(f"{base}/bench_{runs}", runs)


if __name__ == "__main__":
    main()
