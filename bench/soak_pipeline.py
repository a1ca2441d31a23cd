"""A long archive job while both servers fail at random, each out for 20 s once: does everything end archived?

    python bench/soak_pipeline.py [--runs 5000] [--errors 0.05] [--hangs 0.02] [--outage 20] [--workers 8] [--seed 1]

artdaqDB is a real MongoDB, UconDB our server; between them and the job stand proxies that cut a connection or let a
message wait beyond the time limit. Memory is told every 10 s; a second job at the end finds nothing to do.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import resource
import socket
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from urllib.parse import urlsplit

from bench.bench_pipeline import say, site
from runarchive.archive import Archive, JobKind, JobOptions
from runarchive.errors import ArchiveError
from runarchive.records_dir import make_records
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


def main() -> int:
    """Soak, and say how it ended."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5000)
    parser.add_argument("--errors", type=float, default=0.05)
    parser.add_argument("--hangs", type=float, default=0.02)
    parser.add_argument("--outage", type=float, default=20.0)
    parser.add_argument("--limit", type=float, default=2.0, help="time limit of a call, in seconds")
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    chance = random.Random(args.seed)
    with tempfile.TemporaryDirectory(prefix="soak-pipeline-") as name:
        root = Path(name)
        uri = servers.with_database(servers.mongodb_uri(), servers.new_database_name())
        mongo = Proxy(urlsplit(uri).port or 27017, chance, args.errors, args.hangs, args.limit)
        with EmbeddedServer(root / "ucondb.sqlite", "demo", "configuration", "demo", "demo") as server:
            ucon = Proxy(urlsplit(server.url).port or 80, chance, args.errors, args.hangs, args.limit)
            config = site(root, uri.replace(str(urlsplit(uri).port), str(mongo.port), 1))
            text = config.read_text().replace(f"embedded://{root}/ucondb.sqlite", f"http://127.0.0.1:{ucon.port}/app")
            more = f"  timeout_seconds: {args.limit}\n"
            text = text.replace("ucon_db:\n", "ucon_db:\n" + more).replace("artdaq_db:\n", "artdaq_db:\n" + more)
            workers = f"parallel_workers: {args.workers}\n  retry_delay_seconds: 0.5"
            config.write_text(text.replace("parallel_workers: 2", workers))
            make_records(root / "records", runs=args.runs, in_progress=0)
            return soak(config, mongo, ucon, args)


def soak(config: Path, mongo: Proxy, ucon: Proxy, args: argparse.Namespace) -> int:
    """Jobs until nothing is due, with an outage of each server on the way."""
    with Archive.open(config, writable=True) as archive:
        for place, proxy in enumerate((mongo, ucon)):
            threading.Timer(15 + 40 * place, proxy.outage, args=(args.outage,)).start()
        began = time.monotonic()
        threading.Thread(target=report, args=(archive, began), daemon=True).start()
        states: Counter[str] = Counter()
        for start in range(1, 20):
            try:
                outcome = archive.run_job(JobKind.ARCHIVE, None, JobOptions())
            except ArchiveError as error:
                say(f"start {start}: {error.message}")
                continue
            states = Counter(str(run.state) for run in archive.runs())
            failed = len(outcome.failed)
            say(f"start {start}: {outcome.seconds:.0f} s, {failed} failed, {dict(states)} {outcome.stopped}")
            if not outcome.runs:
                break
        say(f"artdaqDB {dict(mongo.failed)}, UconDB {dict(ucon.failed)}, {time.monotonic() - began:.0f} s in all")
        return 0 if states == {"ARCHIVED": args.runs} else 1


def report(archive: Archive, began: float) -> None:
    """Memory and progress, every 10 s."""
    while True:
        time.sleep(10)
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        job = archive.jobs(1)
        done = f"{job[0].done}/{job[0].total}" if job else "-"
        say(f"{time.monotonic() - began:5.0f} s  {done}  peak {memory:.0f} MB  {job[0].message if job else ''}")


if __name__ == "__main__":
    sys.exit(main())
