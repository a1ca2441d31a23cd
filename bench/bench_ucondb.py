"""Puts, gets, listings and large blobs against our UconDB server, next to what the real one was measured to do.

`python bench/bench_ucondb.py [--db sqlite|postgres] [--seconds S] [--versions 1000,10000,100000] [--only PART]`

The server runs in a process of its own; the figures of UconDB 3.9.7 were taken on a machine of the same size (2 cores,
client, server and PostgreSQL together on loopback, fsync on).
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from runarchive.ucondb.client import UconClient
from runarchive.ucondb.digest import ha1

MAIN = "import sys; from runarchive.cli.main import main; raise SystemExit(main())"
REAL_PUT = {1: (90, 105), 2: (108, 123), 8: (96, 128)}
REAL_GET = {1: (222, 280), 2: (325, 354), 8: (274, 283)}
REAL_LISTING = {1_000: 0.24, 10_000: 2.5, 50_000: 13.5}
BLOB = os.urandom(100_000)


def say(text: str) -> None:
    """One line of the result."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


@contextmanager
def served(db: str, directory: Path) -> Iterator[tuple[str, int]]:
    """A server process on a database: its URL and its process id."""
    users = directory / "users"
    users.write_text(f"writer:ucondb:{ha1('writer', 'ucondb', 'secret')}\n")
    command = [sys.executable, "-c", MAIN, "ucondb", "serve", "--db", db, "--port", "0", "--users", str(users),
               "--folder", "bench"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip(), process.pid
        finally:
            process.terminate()


def client(url: str, object_name: str, **options: object) -> UconClient:
    """A client that may write."""
    return UconClient(url, "bench", object_name, user="writer", password="secret", timeout=300, **options)  # type: ignore[arg-type]


def rate(work: Callable[[int], None], threads: int, seconds: float) -> float:
    """How often a second all threads together did their work, after one warming up."""
    counts = [0] * threads
    gate = threading.Barrier(threads + 1)
    end = [0.0]

    def loop(index: int) -> None:
        work(index * 10_000_000)
        gate.wait()
        while time.perf_counter() < end[0]:
            counts[index] += 1
            work(index * 10_000_000 + counts[index])

    workers = [threading.Thread(target=loop, args=(index,)) for index in range(threads)]
    for worker in workers:
        worker.start()
    end[0] = time.perf_counter() + 3600
    gate.wait()
    start = time.perf_counter()
    end[0] = start + seconds
    for worker in workers:
        worker.join()
    return sum(counts) / (time.perf_counter() - start)


def throughput(url: str, seconds: float) -> None:
    """Puts and gets of 100 kB."""
    for threads in (1, 2, 8):
        store = client(url, f"t{threads}")
        store.put(1, BLOB)
        store.list_runs()
        puts = rate(partial(_put, store), threads, seconds)
        gets = rate(partial(_get, store), threads, seconds)
        store.close()
        for what, value, (low, high) in (("put", puts, REAL_PUT[threads]), ("get", gets, REAL_GET[threads])):
            factor = f"×{value / high:.1f} to ×{value / low:.1f}"
            say(f"{what} 100 kB, {threads} threads: {value:7.0f}/s   real {low}-{high}/s   {factor}")


def _put(store: UconClient, number: int) -> None:
    store.put(number + 2, number.to_bytes(8, "big") + BLOB)


def _get(store: UconClient, number: int) -> None:
    if len(store.get(1)) != len(BLOB):
        raise SystemExit("a short blob")


def listings(db: str, url: str, sizes: list[int]) -> None:
    """Whole, incremental and direct listings of objects with many versions."""
    for size in sizes:
        name = f"v{size}"
        fill(db, name, size)
        store = client(url, name)
        start = time.perf_counter()
        listing = store.list_runs()
        whole = time.perf_counter() - start
        start = time.perf_counter()
        again = store.list_runs(listing.cache)
        incremental = time.perf_counter() - start
        if not len(listing.runs) == len(again.runs) == size:
            raise SystemExit(f"{len(listing.runs)} of {size} runs listed")
        real = REAL_LISTING.get(size, size * REAL_LISTING[50_000] / 50_000)
        say(f"list {size:>6} versions: {whole:.3f} s   real {real:.2f} s   ×{real / whole:.0f}")
        say(f"list {size:>6} versions, only what is new: {incremental:.3f} s")
        store.close()
        if db.startswith("postgres"):
            direct = client(url, name, postgres_dsn=db)
            start = time.perf_counter()
            found = len(direct.list_runs().runs)
            say(f"list {found:>6} versions straight from PostgreSQL: {time.perf_counter() - start:.3f} s")
            direct.close()


def fill(db: str, name: str, size: int) -> None:
    """Make an object with many versions of one blob, past the server."""
    data = 'insert into "{0}_data" ({1}size, data) values ({2}1, {3})'
    if db.startswith("sqlite"):
        import sqlite3

        connection = sqlite3.connect(db.removeprefix("sqlite://"))
        connection.execute(data.format("public.bench", "sha256, ", f"'{name}', ", "'x'"))
        connection.executemany(
            'insert into "public.bench_versions" (key, object, tv, tr, data_size, data_key, adler32)'
            " values (?, ?, 0, ?, 1, '1', 7929977)", ((str(n), name, 1.7e9 + n) for n in range(size)),
        )
        connection.execute(
            'insert into "public.bench_tags" select id, key from "public.bench_versions" where object = ?', (name,)
        )
        connection.commit()
        connection.close()
        return
    import psycopg2

    with psycopg2.connect(db) as session, session.cursor() as cursor:
        cursor.execute(data.format("bench", "", "", "'x'"))
        cursor.execute(
            "insert into bench_versions (key, object, tv, tr, data_size, data_key, adler32) select n::text, %s, 0,"
            " to_timestamp(1700000000 + n), 1, '1', 7929977 from generate_series(0, %s) n", (name, size - 1),
        )
        cursor.execute("insert into bench_tags select id, key from bench_versions where object = %s", (name,))
        cursor.execute("analyze")


def large(url: str, pid: int, directory: Path) -> None:
    """100 MB up and down, with the greatest memory of the server and of the client."""
    file = directory / "large"
    with file.open("wb") as out:
        for _ in range(100):
            out.write(os.urandom(1 << 20))
    before = peak(pid)
    mine = peak(os.getpid())
    store = client(url, "large")
    start = time.perf_counter()
    store.put(1, file)
    put = time.perf_counter() - start
    start = time.perf_counter()
    with (directory / "back").open("wb+") as out:
        store.get_to(1, out)
    get = time.perf_counter() - start
    start = time.perf_counter()
    store.put(1, file)
    again = time.perf_counter() - start
    store.close()
    say(f"100 MB: put {put:.2f} s (real 2.5), get {get:.2f} s (real 1.0), put again and compared {again:.2f} s")
    say(f"peak memory: server {before} -> {peak(pid)} MB (real 1054), client {mine} -> {peak(os.getpid())} MB")


def peak(pid: int) -> int:
    """The greatest resident size of a process so far, in MB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) // 1024
    return 0


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--db", choices=("sqlite", "postgres"), default="sqlite")
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--versions", default="1000,10000,100000")
    parser.add_argument("--only", choices=("throughput", "listings", "large"))
    args = parser.parse_args()
    from tests import servers

    with tempfile.TemporaryDirectory() as place:
        directory = Path(place)
        db = f"sqlite://{directory}/u.sqlite" if args.db == "sqlite" else servers.make_postgres_database()
        try:
            with served(db, directory) as (url, pid):
                if args.only in (None, "large"):
                    large(url, pid, directory)
                if args.only in (None, "throughput"):
                    throughput(url, args.seconds)
                if args.only in (None, "listings"):
                    listings(db, url, [int(size) for size in args.versions.split(",")])
        finally:
            if args.db == "postgres":
                servers.drop_postgres_database(db)
                servers.stop_all()


if __name__ == "__main__":
    main()
