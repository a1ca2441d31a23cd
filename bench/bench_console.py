"""How fast the console is and how much it sends: start, memory, scroll, filter, sort, updates; bytes on the wire.

    python bench/bench_console.py [RUNS...]          default 1000 100000 1000000

The first part is measured without a terminal (CPU time of the whole process, screens really laid out and painted; the
best of ROUNDS), the second in a pseudo-terminal whose bytes are counted. In these the runs are made up, and the ledger
is left out. The last lines open the real command on 100 000 empty directories: never seen, and known from before.
"""

from __future__ import annotations

import asyncio
import gc
import os
import pty
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

from runarchive.archive import Changes  # noqa: E402
from runarchive.filters import parse_filter  # noqa: E402
from runarchive.model import Job, JobState, Mark, Marks, Run, RunState  # noqa: E402
from tests.tui.emulator import Terminal  # noqa: E402
from tests.tui.stand_in import StandIn, made_runs  # noqa: E402
from tui_archiver.app import ConsoleApp  # noqa: E402
from tui_archiver.messages import Changed  # noqa: E402
from tui_archiver.run_book import View, derive  # noqa: E402
from tui_archiver.screens.runs import RunsScreen  # noqa: E402
from tui_archiver.session import Options  # noqa: E402

REPEATS = 20
ROUNDS = 5
FRAME = 0.02
"""Seconds within which what was asked for is painted."""
EMPTY_DIRECTORIES = 100_000
PATIENCE = 120.0
ALL = parse_filter("")


async def measure(count: int) -> None:
    """Print the times of one size, as milliseconds of CPU of the whole process unless it says otherwise."""
    runs = made_runs(count)
    gc.freeze()  # what the bench made is not the console's to look after
    began, used = time.perf_counter(), time.process_time()
    app = ConsoleApp(StandIn(()).as_archive(), Options(watch=False))
    async with app.run_test(size=(120, 40)) as pilot:
        await until(lambda: app.loaded and isinstance(app.screen, RunsScreen) and app.screen.ready)
        started, start_cost = time.perf_counter() - began, time.process_time() - used
        screen = app.screen
        assert isinstance(screen, RunsScreen)
        before = resident()
        rows = await least(pilot, app, lambda: show_rows(app, screen, runs))
        grown = resident() - before
        print(  # noqa: T201
            f"{count:>9}  console started {started * 1000:.0f} ms ({start_cost * 1000:.0f} of CPU)  "
            f"rows to painted {rows:.1f}  +{grown:.0f} MB"
        )
        page = await each(pilot, lambda way: screen.table.act_list("page", way))
        step = await each(pilot, lambda way: screen.table.act_list("move", way))
        ticks = changed_runs(screen, 20, 2 * REPEATS * ROUNDS)
        painted = await each(pilot, lambda _: screen.table.rows_changed(app.book.apply(next(ticks)).dirty))
        whole = await each(pilot, lambda _: app.on_changed(Changed(Changes(1, tuple(next(ticks))), app.health, None)))
        print(  # noqa: T201
            f"{'':9}  page {page:.1f}  step {step:.1f}  20 changed rows {painted:.1f}, "
            f"with title, strip and keys {whole:.1f}"
        )
        many = changed_runs(screen, 1000, ROUNDS)
        thousand = await least(pilot, app, lambda: screen.table.rows_changed(app.book.apply(next(many)).dirty))
        fresh = made_runs(100 * ROUNDS, first=runs[-1].run + 1)
        hundreds = iter([fresh[at : at + 100] for at in range(0, len(fresh), 100)])
        appended = await least(pilot, app, lambda: append(app, screen, next(hundreds)))
        print(f"{'':9}  1000 changed rows {thousand:.1f}  100 new runs {appended:.1f}")  # noqa: T201
        for what, view in {
            "filter by a state": View(parse_filter("failed")),
            "filter by a word": View(parse_filter("bnb")),
            "sort by configuration": View(parse_filter(""), sort="configuration"),
            "sort by size": View(parse_filter(""), sort="size"),
        }.items():
            alone = least_of(partial(derive, app.book.rows, view))
            shown = await least(pilot, app, partial(screen.show_view, view), partial(screen.show_view, View(ALL)))
            print(f"{'':9}  {what}: derived {alone:.1f}, to painted {shown:.1f}")  # noqa: T201


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
            await asyncio.sleep(FRAME)
        rounds.append((time.process_time() - began) / REPEATS * 1000)
    return min(rounds)


async def least(
    pilot: Pilot[int], app: ConsoleApp, act: Callable[[], object], undo: Callable[[], object] = lambda: None
) -> float:
    """CPU milliseconds from an act to its painting, its threads included; the best of ROUNDS, undone after each."""
    times = []
    for _ in range(ROUNDS):
        for one in (act, undo):
            await pilot.pause()
            began = time.process_time()
            one()
            await until(lambda: app.fetcher.idle)
            await asyncio.sleep(2 * FRAME)
            times.append((one, (time.process_time() - began) * 1000))
    return min(took for one, took in times if one is act)


def least_of(call: Callable[[], object]) -> float:
    """CPU milliseconds of a call, the best of ROUNDS."""
    times = []
    for _ in range(ROUNDS):
        began = time.process_time()
        call()
        times.append((time.process_time() - began) * 1000)
    return min(times)


def resident() -> float:
    """The memory of this process in MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGESIZE") / 1e6


def show_rows(app: ConsoleApp, screen: RunsScreen, runs: Sequence[Run]) -> None:
    """What the console does when the ledger has answered."""
    app.book.load(runs)
    screen.catch_up()


def append(app: ConsoleApp, screen: RunsScreen, runs: Sequence[Run]) -> None:
    """New runs above all others."""
    app.book.apply(runs)
    screen.derive_order()


def changed_runs(screen: RunsScreen, count: int, times: int) -> Iterator[list[Run]]:
    """What another process makes of the runs in sight (and below), so many times."""
    marks = Marks(Mark.VERIFIED, Mark.RUNNING, Mark.MISSING)
    first = screen.table.lines_in_sight()[0]
    book = screen.console_app.book
    runs = [book.rows[index] for index in book.order[first : first + count]]
    made = [
        [replace(run, state=RunState.IMPORTING, marks=marks, percent=at % 100, attempts=at // 100) for run in runs]
        for at in range(times)
    ]
    return iter(made)


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


def openings() -> Iterator[str]:
    """One line each: from the start of the process to its first row and to all rows, on directories never seen, then
    once they are in the ledger."""
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
        for known in ("never seen", "known"):
            yield f"{EMPTY_DIRECTORIES} empty directories, {known}: {opening(config)}"
            look = [sys.executable, "-m", "tui_archiver", "-c", str(config), "status"]
            subprocess.run(look, check=True, stdout=subprocess.DEVNULL)


def opening(config: Path) -> str:
    """How long until the first row and until all rows are on the screen."""
    began = time.monotonic()
    words = [sys.executable, "-m", "tui_archiver", "-c", str(config)]
    told = []
    screen = Terminal()
    with in_terminal(words, (80, 24)) as (leader, child):
        for name, wanted in (("first rows", "199998"), ("all rows", "100 000 runs")):
            while wanted not in screen.text() and time.monotonic() - began < PATIENCE:
                screen.take(read_for(leader, 0.02).decode("utf-8", "replace"))
            fields = Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()
            used = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
            told.append(f"{name} {time.monotonic() - began:.2f} s ({used:.2f} s of CPU)")
    return ", ".join(told)


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
    for line in openings():
        print(line)  # noqa: T201


if __name__ == "__main__":
    main()
