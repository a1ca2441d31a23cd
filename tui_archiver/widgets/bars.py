"""The lines around the lists: title with store health, jobs in flight, the newest event, the keys."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from textual import events
from textual.message import Message
from textual.strip import Strip

from runarchive.archive import Health, LockHolder
from runarchive.model import Event, Job, JobState, Mark, Severity, Store
from tui_archiver.coverage import Cover, Coverage
from tui_archiver.format import age, clock, duration, without_run, wrapped
from tui_archiver.news import LOUD
from tui_archiver.widgets.paint import Glyphs, Painted, Piece, fit, length

STORE_NAMES = {Store.FILESYSTEM: "fs", Store.ARTDAQDB: "artdaqdb", Store.UCONDB: "ucondb"}
SHORT_NAMES = {Store.FILESYSTEM: "fs", Store.ARTDAQDB: "adb", Store.UCONDB: "ucon"}
WAYS_TO_SAY_HEALTH = (
    (STORE_NAMES, True, True), (STORE_NAMES, True, False), (SHORT_NAMES, True, False), (SHORT_NAMES, False, False),
)  # fmt: skip
"""The names of the stores, whether with their latency, whether with how long ago they were looked at."""
SILENT_SECONDS = 10
"""From when on it is told since when a store gives no answer."""
UNSEEN_SECONDS = 60
"""From when on it is told how long ago a store answered; sooner, the line would change with every look."""
SHORTEST_HEALTH = len(" fs ?  adb ?  ucon ? ")
SEVERITY_STYLE = {Severity.DEBUG: "dim", Severity.INFO: "", Severity.WARNING: "warn", Severity.ERROR: "bad"}
LOUD_LINES = 3
TALL = 20
"""From so many lines on a screen has room for what trouble has to say: what it is, and the next step."""
ACTIVE = frozenset({JobState.QUEUED, JobState.RUNNING, JobState.PAUSED, JobState.CANCELLING})


class OneLine(Painted):
    """One line with a left and a right part; painted only when what it says changed."""

    def __init__(self, glyphs: Glyphs, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002
        super().__init__(glyphs, id=id, classes=classes)
        self._left: tuple[Piece, ...] = ()
        self._right: tuple[Piece, ...] = ()

    def show(self, left: Iterable[Piece], right: Iterable[Piece] = ()) -> None:
        """Say this from now on."""
        said = tuple(left), tuple(right)
        if said != (self._left, self._right):
            self._left, self._right = said
            self.refresh()

    @property
    def text(self) -> str:
        """What the line says, without its styles."""
        return "".join(text for text, _ in (*self._left, *self._right))

    def render_line(self, y: int) -> Strip:
        """The line; where it is too narrow, the right part gives way."""
        width = self.size.width
        if y:
            return Strip.blank(width, self.rich_style)
        gap = width - length(self._left) - length(self._right)
        right = self._right if gap >= 0 else ()
        return self.strip((*self._left, (" " * max(0, gap), ""), *right), width)


class TitleBar(OneLine):
    """The archive's name, whether it may be written to, and how each store answered last."""

    def tell(
        self,
        name: str,
        armed: bool,
        health: Mapping[Store, Health],
        holder: LockHolder | None,
        now: datetime,
        warning: str = "",
    ) -> None:
        """Show this state; `warning` is what every screen has to say."""
        width = self.size.width or 80
        left: list[Piece] = [(f" {self.glyphs.clean(name, 20)} ", "strong")]
        left.append((" ARMED ", "armed") if armed else (" READ-ONLY ", "safe"))
        if holder is not None and not holder.here and width >= 70:
            stuck = " stuck" if holder.stuck else ""
            room = width - length(left) - SHORTEST_HEALTH - len(" lock … stuck")
            left.append((f" lock {self.glyphs.clean(holder.owner, max(6, min(24, room)))}{stuck}", "warn"))
        if warning:
            left.append((f" {warning}", "bad"))
        right: list[Piece] = []
        for names, times, seen in WAYS_TO_SAY_HEALTH:
            parts = (self._store(label, health.get(store), times, seen, now) for store, label in names.items())
            right = [piece for part in parts for piece in part]
            if length(left) + length(right) <= width:
                break
        self.show(left, right)

    def _store(self, label: str, health: Health | None, times: bool, seen: bool, now: datetime) -> list[Piece]:
        if health is None or health.ok is None:
            return [(f" {label} ", ""), (f"{self.glyphs.mark(Mark.UNKNOWN)} ", "warn")]
        ago = 0.0 if health.looked_at is None else (now - health.looked_at).total_seconds()
        if not health.ok:
            since = f" {age(ago)}" if times and ago >= SILENT_SECONDS else ""
            return [(f" {label} ", ""), (f"{self.glyphs.mark(Mark.ERROR)}{since} ", "bad")]
        took = f" {duration(health.latency)}" if times and health.latency is not None else ""
        last = f" ({age(ago)})" if seen and ago >= UNSEEN_SECONDS else ""
        mark, style = (Mark.UNKNOWN, "warn") if health.damage else (Mark.VERIFIED, "warn" if health.paused else "good")
        return [(f" {label} ", ""), (self.glyphs.mark(mark), style), (f"{took}{last} ", "dim")]


class JobLine(OneLine):
    """The job in flight: bar, counts, rate, what is left, whose it is. Hidden while nothing runs."""

    def tell(self, jobs: Iterable[Job]) -> None:
        """Show the newest job that is under way."""
        running = [job for job in jobs if job.state in ACTIVE]
        self.display = bool(running)
        if running:
            self.show(*self._job(max(running, key=lambda job: job.job), len(running)))

    def _job(self, job: Job, how_many: int) -> tuple[list[Piece], list[Piece]]:
        width = self.size.width or self.app.size.width or 80
        bar = max(6, min(30, width - 62))
        left: list[Piece] = [
            (f" {self.glyphs.clean(job.kind, 12)} ", "strong"),
            (self.glyphs.bar(job.done, job.total, bar), "busy"),
        ]
        left.append((f" {job.done}/{job.total}", ""))
        if job.failed:
            left.append((f" {job.failed} failed", "bad"))
        left.append((f" {job_pace(job)}", "dim"))
        if how_many > 1:
            left.append((f"  +{how_many - 1} more", "dim"))
        return left, [(f"{self.glyphs.clean(job.owner, 30)} ", "dim")] if width >= 70 else []


def job_pace(job: Job) -> str:
    """Rate and time left of a running job, or the state it stands in."""
    if job.state is not JobState.RUNNING:
        return job.state.value
    rate = f" {job.rate:.1f}/s" if job.rate >= 0.05 else ""
    left = "" if job.eta_seconds is None else f"  eta {duration(job.eta_seconds)}"
    return rate + left


class EventLine(OneLine):
    """The newest event that a person should see, or what the console has to say itself; trouble may take more lines."""

    _below: tuple[tuple[Piece, ...], ...] = ()

    def tell(self, event: Event | None, *, own: bool = False) -> None:
        """Show this event; what the console says itself stands out."""
        if event is None:
            return
        run, message = run_and_text(event)
        style = SEVERITY_STYLE[event.severity] or ("strong" if own else "")
        head: list[Piece] = [(f" {clock(event.at)} ", "dim"), (run, "strong")]
        room = (self.size.width or self.app.size.width) - length(head) - 1
        most = LOUD_LINES if self.app.size.height >= TALL else 2
        lines = wrapped(self.glyphs.clean(message, 2000), room, most if event.severity in LOUD else 1) or [""]
        self.show([*head, (lines[0], style)])
        below = tuple(((" " * length(head) + text, style),) for text in lines[1:])
        if below != self._below:
            self._below = below
            self.styles.height = len(lines)
            self.refresh()

    def render_line(self, y: int) -> Strip:
        """The first line, or one of those below."""
        if 0 < y <= len(self._below):
            return self.strip(self._below[y - 1], self.size.width)
        return super().render_line(y)


def run_and_text(event: Event) -> tuple[str, str]:
    """An event's run number with a blank (empty for none), and its message without that number in front."""
    return ("", event.message) if event.run is None else (f"{event.run} ", without_run(event.message, event.run))


class Hint(NamedTuple):
    """A key with its label; dim where it cannot act now, set off where it stands for the screen in sight."""

    key: str
    label: str
    can: bool = True
    here: bool = False
    between: str = " "


def hint_width(hint: Hint) -> int:
    """The cells that a hint takes, with one before it."""
    return 1 + length([(hint.key, ""), (hint.between, ""), (hint.label, "")])


class HintBar(OneLine):
    """The keys that matter here."""

    def tell(self, hints: Sequence[Hint], *shorter: Sequence[Hint]) -> None:
        """Show the first of these rows that fits, of the last as much as fits; with wider gaps where there is room."""
        width = self.size.width or 80
        rows = [[replace_enter(hint) for hint in row] if self.glyphs.ascii_only else row for row in (hints, *shorter)]
        row = next((row for row in rows if sum(map(hint_width, row)) <= width), rows[-1])
        shown: list[Hint] = []
        need = 0
        for hint in row:
            need += hint_width(hint)
            if need > width:
                break
            shown.append(hint)
        gap = "  " if need + len(shown) <= width else " "
        pieces: list[Piece] = []
        for hint in shown:
            key, label = ("cursor", "cursor") if hint.here else ("key", "") if hint.can else ("dim", "dim")
            pieces += [(gap, ""), (f"{hint.key}{hint.between}", key), (hint.label, label)]
        self.show(pieces)


def replace_enter(hint: Hint) -> Hint:
    """The same hint without the arrow that an ASCII terminal does not have."""
    return hint._replace(key="enter") if hint.key == "↵" else hint


class CoverageStrip(OneLine):
    """The whole run range in one line: where the holes are. A click goes there."""

    class Picked(Message):
        """A cell was clicked or chosen."""

        def __init__(self, cell: int) -> None:
            super().__init__()
            self.cell = cell

    def __init__(self, glyphs: Glyphs, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(glyphs, id=id)
        self.coverage = Coverage(1, ())
        self._from = 0
        self._room = 1
        self._told: tuple[Coverage, int, int | None, int] | None = None

    def cells_in(self, width: int, low: int, high: int) -> int:
        """How many cells a strip of this width has beside its two run numbers."""
        return max(1, width - len(str(low)) - len(str(high)) - 4)

    def tell(self, coverage: Coverage, cursor: int | None) -> None:
        """Show these cells; `cursor` is the run number the table's cursor is on."""
        self.coverage = coverage
        if not coverage.high:
            self.show([(" no runs known yet", "dim")])
            return
        at = None if cursor is None or not coverage.fits((cursor,)) else coverage.cell_of(cursor)
        told = coverage, coverage.version, at, self.size.width
        if told == self._told:
            return
        self._told = told
        edge = self.glyphs.vertical
        pieces: list[Piece] = [(f" {coverage.low}", "dim"), (edge, "dim")]
        self._from = length(pieces)
        self._room = self.cells_in(self.size.width, coverage.low, coverage.high)
        for cell in range(coverage.width):
            cover = coverage.cover(cell)
            glyph = cover.ascii_glyph if self.glyphs.ascii_only else cover.glyph
            wide = (cell + 1) * self._room // coverage.width - cell * self._room // coverage.width
            pieces.append((glyph * wide, "cursor" if cell == at else COVER_STYLE[cover]))
        self.show([*pieces, (edge, "dim"), (f"{coverage.high} ", "dim")])

    def on_click(self, event: events.Click) -> None:
        """Go to the cell under the mouse."""
        at = event.x - self._from
        if 0 <= at < self._room:
            self.post_message(self.Picked(at * self.coverage.width // self._room))


COVER_STYLE = {
    Cover.NONE: "",
    Cover.DONE: "good",
    Cover.PART: "busy",
    Cover.OPEN: "dim",
    Cover.TROUBLE: "bad",
}


def many_runs(count: int) -> str:
    """A number of runs in words."""
    return "1 run" if count == 1 else f"{count:,} runs".replace(",", " ")


def count_line(
    glyphs: Glyphs, text: str, shown: int, known: int, marked: int, hidden: int, what: str, width: int
) -> list[Piece]:
    """The filter's line: what narrows the table, how much is left, how much is marked, and of that out of sight."""
    counts = f"{shown:,} of {known:,}".replace(",", " ") if shown != known else many_runs(known)
    tail = counts + (f"   {marked} marked" if marked else "") + (f", {hidden} not shown" if hidden else "") + " "
    room = max(0, width - len(tail) - 5 - len(what))
    said = fit(glyphs.clean(text), room) if text else fit("", room)
    return [(" / ", "key"), (said, "strong"), (f"{what}  ", "warn"), (tail, "dim")]
