"""A long archive job while both servers fail at random, each out for 20 s once: does everything end archived?

    python bench/soak_pipeline.py [--runs 5000] [--errors 0.05] [--hangs 0.02] [--outage 20] [--limit 1.5] [--workers 8]

artdaqDB is a real MongoDB with the indexes of a site, UconDB our server; between them and the job, which is a process
of its own, stand proxies that cut a connection or let a request wait beyond the time limit. Memory is that of the job
alone, told every 30 s. Jobs are started until one finds nothing to do.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from urllib.parse import urlsplit

from bench.bench_pipeline import resident_megabytes, say, site, with_site_indexes
from runarchive.archive import Archive, JobKind, JobOptions
from runarchive.errors import ArchiveError
from runarchive.model import RunState
from runarchive.records_dir.make import Size, make_records
from runarchive.ucondb.embedded import EmbeddedServer
from tests import servers


class Proxy:
    """Stands between a client and a server on loopback, and fails as told, so many requests in a hundred."""

    def __init__(self, port: int, chance: random.Random, errors: float, hangs: float, limit: float) -> None:
        self._target = port
        self._chance = chance
        self._errors, self._hangs, self._limit = errors, hangs, limit
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self._listener.getsockname()[1]
        self.out = False
        self.failed: Counter[str] = Counter()
        self._open: set[socket.socket] = set()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            client, _ = self._listener.accept()
            if self.out:
                client.close()
                continue
            server = socket.create_connection(("127.0.0.1", self._target))
            for end in (client, server):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._open |= {client, server}
            answered = threading.Event()
            answered.set()
            threading.Thread(target=self._carry_requests, args=(client, server, answered), daemon=True).start()
            threading.Thread(target=self._carry_answers, args=(server, client, answered), daemon=True).start()

    def _carry_requests(self, source: socket.socket, sink: socket.socket, answered: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                # The dice are thrown once a request, however many pieces it comes in.
                if answered.is_set() and not self._lets_pass():
                    break
                answered.clear()
                sink.sendall(data)
        self._shut(source, sink)

    def _carry_answers(self, source: socket.socket, sink: socket.socket, answered: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                answered.set()
                sink.sendall(data)
        self._shut(source, sink)

    def _shut(self, source: socket.socket, sink: socket.socket) -> None:
        for end in (source, sink):
            self._open.discard(end)
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _lets_pass(self) -> bool:
        dice = self._chance.random()
        if self.out or dice < self._errors:
            self.failed["cut"] += 1
            return False
        if dice < self._errors + self._hangs:
            self.failed["hung"] += 1
            time.sleep(self._limit * 1.5)
        return True

    def outage(self, seconds: float) -> None:
        """Be out of reach for so long."""
        self.out = True
        for end in tuple(self._open):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        time.sleep(seconds)
        self.out = False
        self.failed["out"] += 1


def main() -> int:
    """Soak, and say how it ended."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5000)
    parser.add_argument("--size", choices=tuple(Size), default="small")
    parser.add_argument("--errors", type=float, default=0.05)
    parser.add_argument("--hangs", type=float, default=0.02)
    parser.add_argument("--outage", type=float, default=20.0)
    parser.add_argument("--limit", type=float, default=1.5, help="time limit of a call, in seconds")
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.jobs is not None:
        return work(args.jobs, args.runs)
    chance = random.Random(args.seed)
    with tempfile.TemporaryDirectory(prefix="soak-pipeline-") as name:
        root = Path(name)
        uri = with_site_indexes(servers.with_database(servers.mongodb_uri(), servers.new_database_name()))
        mongo = Proxy(urlsplit(uri).port or 27017, chance, args.errors, args.hangs, args.limit)
        with EmbeddedServer(root / "ucondb.sqlite", "demo", "configuration", "demo", "demo") as server:
            ucon = Proxy(urlsplit(server.url).port or 80, chance, args.errors, args.hangs, args.limit)
            config = site(
                root,
                uri.replace(str(urlsplit(uri).port), str(mongo.port), 1),
                f"http://127.0.0.1:{ucon.port}/app",
                app={"parallel_workers": args.workers, "retry_delay_seconds": 0.5},
                stores={"timeout_seconds": args.limit},
            )
            make_records(root / "records", runs=args.runs, size=Size(args.size), in_progress=0)
            return soak(config, mongo, ucon, args)


def soak(config: Path, mongo: Proxy, ucon: Proxy, args: argparse.Namespace) -> int:
    """Let the jobs work, with an outage of each server on the way."""
    for place, proxy in enumerate((mongo, ucon)):
        threading.Timer(15 + 40 * place, proxy.outage, args=(args.outage,)).start()
    began = time.monotonic()
    command = [sys.executable, __file__, "--jobs", str(config), "--runs", str(args.runs)]
    status = subprocess.run(command, check=False).returncode
    say(f"artdaqDB {dict(mongo.failed)}, UconDB {dict(ucon.failed)}, {time.monotonic() - began:.0f} s in all")
    return status


def work(config: Path, runs: int) -> int:
    """Jobs until nothing is due; 0 where every run ended archived."""
    states: Counter[RunState] = Counter()
    with Archive.open(config, writable=True) as archive:
        threading.Thread(target=report, args=(archive,), daemon=True).start()
        for start in range(1, 50):
            try:
                outcome = archive.run_job(JobKind.ARCHIVE, None, JobOptions())
            except ArchiveError as error:
                say(f"start {start}: {error.message}")
                continue
            states = Counter(run.state for run in archive.runs())
            told = ", ".join(f"{count} {state}" for state, count in states.items())
            say(f"start {start}: {outcome.seconds:.0f} s, {len(outcome.failed)} failed; {told} {outcome.stopped}")
            if not outcome.runs:
                break
    return 0 if states == {RunState.ARCHIVED: runs} else 1


def report(archive: Archive) -> None:
    """Memory and progress, every 30 s."""
    began = time.monotonic()
    while True:
        time.sleep(30)
        jobs = archive.jobs(1)
        done = f"{jobs[0].done}/{jobs[0].total} {jobs[0].message}" if jobs else "-"
        say(f"{time.monotonic() - began:5.0f} s  {resident_megabytes():.0f} MB  {done}")


if __name__ == "__main__":
    sys.exit(main())
