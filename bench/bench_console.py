"""How fast the console is and how much it sends: start, memory, scroll, filter, sort, updates; bytes on the wire.

    python bench/bench_console.py [RUNS...]          default 1000 100000 1000000

The first table is measured without a terminal (CPU time of the whole process, screens really laid out and painted; the
best of ROUNDS), the second in a pseudo-terminal whose bytes are counted. In these the runs are made up, and the ledger
is left out. The last line opens the real command on 100 000 empty directories that it never saw.
"""

from __future__ import annotations

import asyncio
import os
import pty
import resource
import select
import struct
import subprocess
import sys
import tempfile
import termios
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from fcntl import ioctl
from functools import partial
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1])]

from textual.pilot import Pilot  # noqa: E402

from runarchive.filters import parse_filter  # noqa: E402
from runarchive.model import Job, JobState, Mark, Marks, RunState  # noqa: E402
from tests.tui.stand_in import StandIn, made_runs  # noqa: E402
from tui_archiver.app import ConsoleApp  # noqa: E402
from tui_archiver.run_book import View  # noqa: E402
from tui_archiver.screens.runs import RunsScreen  # noqa: E402
from tui_archiver.session import Options  # noqa: E402

REPEATS = 20
ROUNDS = 5
EMPTY_DIRECTORIES = 100_000


async def measure(count: int) -> None:
    """Print the times of one size."""
    archive = StandIn(made_runs(count))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.perf_counter()
    app = ConsoleApp(archive.as_archive(), Options(watch=False))
    async with app.run_test(size=(120, 40)) as pilot:
        await until(lambda: app.loaded and isinstance(app.screen, RunsScreen) and app.screen.table.count)
        first = time.perf_counter() - began
        await pilot.pause()
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
        screen = app.screen
        assert isinstance(screen, RunsScreen)
        page = await each(pilot, lambda way: screen.table.act_list("page", way))
        step = await each(pilot, lambda way: screen.table.act_list("move", way))
        wanted = [View(parse_filter(text)) for text in ("failed", "")]
        filtered = await longest(pilot, app, [partial(screen.show_view, view) for view in wanted])
        sorts = [partial(screen.sort_by, name) for name in ("configuration", "size", "run")]
        sorted_in = await longest(pilot, app, sorts)
        tick = await each(pilot, lambda _: change(app, archive, 20))
    print(  # noqa: T201
        f"{count:>9}  first row {first:6.2f} s  +{grown:4.0f} MB  page {page:5.1f} ms  step {step:4.1f} ms  "
        f"filter {filtered:6.0f} ms  sort {sorted_in:6.0f} ms  20 updates {tick:5.1f} ms"
    )


async def until(holds: Callable[[], object]) -> None:
    """Wait for a condition, a millisecond at a time."""
    while not holds():  # noqa: ASYNC110
        await asyncio.sleep(0.001)


async def each(pilot: Pilot[int], act: Callable[[int], object]) -> float:
    """CPU milliseconds of one act with its painting, forth (1) in one round and back (-1) in the next.

    The mean of REPEATS in the best of ROUNDS.
    """
    rounds = []
    for number in range(ROUNDS):
        await pilot.pause()
        began = time.process_time()
        for _ in range(REPEATS):
            act(-1 if number % 2 else 1)
            await asyncio.sleep(0.02)
        rounds.append((time.process_time() - began) / REPEATS * 1000)
    return min(rounds)


async def longest(pilot: Pilot[int], app: ConsoleApp, acts: Sequence[Callable[[], object]]) -> float:
    """Milliseconds until the slowest of some acts was painted."""
    times = []
    for act in acts:
        await pilot.pause()
        began = time.perf_counter()
        act()
        await until(lambda: app.fetcher.idle)
        app.screen._compositor.render_strips()
        times.append((time.perf_counter() - began) * 1000)
    return max(times)


def change(app: ConsoleApp, archive: StandIn, count: int) -> None:
    """Another process moves runs in sight on."""
    screen = app.screen
    assert isinstance(screen, RunsScreen)
    marks = Marks(Mark.VERIFIED, Mark.RUNNING, Mark.MISSING)
    lines = list(screen.table.lines_in_sight())[:count]
    runs = [app.book.rows[app.book.order[line]] for line in lines]
    now = int(time.monotonic() * 100) % 100
    applied = app.book.apply(replace(run, state=RunState.IMPORTING, marks=marks, percent=now) for run in runs)
    screen.table.rows_changed(applied.dirty)
    screen.show_counts()


# --- bytes on the wire


def serve(mode: str) -> None:
    """The child in the pseudo-terminal: a console on 1000 runs, idle or with work going on."""
    archive = StandIn(made_runs(1000))
    if mode == "job":
        Thread(archive).start()
    elif mode == "cell":
        Thread(archive, job=False).start()
    ConsoleApp(archive.as_archive(), Options(watch=False, low_bandwidth=mode == "low")).run()


class Thread:
    """Four changes a second: one run, and with `job` the job's progress."""

    def __init__(self, archive: StandIn, *, job: bool = True) -> None:
        import threading

        self._archive = archive
        self._job = job
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def _run(self) -> None:
        marks = Marks(Mark.VERIFIED, Mark.RUNNING, Mark.MISSING)
        done = 0
        while True:
            time.sleep(0.25)
            done += 1
            run = self._archive.known[18990]
            self._archive.push(replace(run, state=RunState.IMPORTING, marks=marks, percent=done % 100))
            if self._job:
                started = datetime.now(UTC)
                self._archive.push(Job(1, "import", JobState.RUNNING, "me@here:1", 400, done, 0, started, rate=4.0))


@contextmanager
def in_terminal(words: Sequence[str], size: tuple[int, int]) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """A program in a pseudo-terminal of 256 colours; its other end, and its process, killed in the end."""
    leader, follower = pty.openpty()
    ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))
    environment = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "", "LANG": "C.UTF-8"}
    child = subprocess.Popen(words, stdin=follower, stdout=follower, stderr=follower, env=environment, close_fds=True)
    os.close(follower)
    try:
        yield leader, child
    finally:
        child.kill()
        child.wait()
        os.close(leader)


def bytes_of(mode: str, size: tuple[int, int]) -> str:
    """One line: what the console sends in this mode at this size, in brackets as `ssh -C` would."""
    with in_terminal([sys.executable, __file__, "--child", mode], size) as (leader, _):
        opened = read_for(leader, 20.0, until=b"command")
        quiet = read_for(leader, 3.0)
        if mode in ("job", "cell"):
            return f"{mode:>5} {size[0]}x{size[1]}  a second {say(quiet, 3)}"
        os.write(leader, b"\x1b[B")
        step = read_for(leader, 0.7)
        os.write(leader, b"\x1b[6~")
        page = read_for(leader, 0.7)
        where = f"{mode:>5} {size[0]}x{size[1]}"
        return f"{where}  open {say(opened)}  idle 3 s {say(quiet)}  step {say(step)}  page {say(page)}"


def first_opening() -> str:
    """One line: from the start of the process to its first row and to all rows, on directories that it never saw."""
    with tempfile.TemporaryDirectory() as place:
        for number in range(EMPTY_DIRECTORIES):
            os.makedirs(f"{place}/records/{100_000 + number}")
        config = Path(place, "config.yaml")
        config.write_text(
            f"app: {{work_dir: {place}}}\nsource_files: {{run_records_dir: {place}/records}}\n"
            f"artdaq_db: {{database_uri: 'filesystemdb://{place}/artdaqdb', fcl_conf_dir: {place}}}\n"
            f"ucon_db: {{server_url: 'embedded://{place}/ucon.sqlite', folder_name: bench, object_name: bench, "
            f"writer_user: writer, writer_password: bench}}\n"
        )
        began = time.monotonic()
        words = [sys.executable, "-m", "tui_archiver", "-c", str(config)]
        told = []
        with in_terminal(words, (80, 24)) as (leader, child):
            for name, wanted in (("first rows", b"199998"), ("all rows", b"100 000 runs")):
                read_for(leader, 60.0, wanted, more=0.0)
                fields = Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()
                used = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
                told.append(f"{name} {time.monotonic() - began:.2f} s ({used:.2f} s of CPU)")
    return f"{EMPTY_DIRECTORIES} empty directories, never seen: " + ", ".join(told)


def read_for(leader: int, seconds: float, until: bytes = b"", more: float = 0.7) -> bytes:
    """What comes within some seconds; with `until` only until `more` seconds after that was seen."""
    end = time.monotonic() + seconds
    got = b""
    while (left := end - time.monotonic()) > 0:
        if select.select([leader], [], [], left)[0]:
            got += os.read(leader, 65536)
            if until and until in got:
                end, until = time.monotonic() + more, b""
    return got


def say(data: bytes, parts: int = 1) -> str:
    """Bytes, and in brackets their size when compressed."""
    return f"{len(data) // parts} ({len(zlib.compress(data)) // parts if data else 0})"


def main() -> None:
    """Measure and print."""
    if sys.argv[1:2] == ["--child"]:
        serve(sys.argv[2])
        return
    for count in [int(word) for word in sys.argv[1:]] or [1000, 100_000, 1_000_000]:
        asyncio.run(measure(count))
    for size in ((80, 24), (120, 40)):
        for mode in ("idle", "cell", "job", "low"):
            print(bytes_of(mode, size))  # noqa: T201
    print(first_opening())  # noqa: T201


if __name__ == "__main__":
    main()
