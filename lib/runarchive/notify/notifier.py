"""Sending alarms and metrics beside the work: what is slow or fails there is told, kept and tried again, never felt."""

from __future__ import annotations

import contextlib
import os
import queue
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from runarchive.config import Config
from runarchive.errors import ArchiveError
from runarchive.ledger.jobs import is_alive
from runarchive.ledger.state_files import write_atomically
from runarchive.model import Severity
from runarchive.notify.alarm import Alarm
from runarchive.notify.sinks import AlarmSink, CarbonSink, EmailSink, SinkError, SlackSink

KEPT_SECONDS = 7 * 24 * 3600.0
"""An alarm that could not be delivered for this long is dropped, with an event."""

Tell = Callable[[str, Severity], None]


@dataclass(frozen=True, slots=True)
class _Letter:
    """An alarm on its way to one sink, kept in `file` until it is delivered."""

    sink: AlarmSink
    alarm: Alarm
    file: Path


@dataclass(frozen=True, slots=True)
class _Metrics:
    values: Mapping[str, float]
    at: float


class Notifier:
    """Alarms and metrics of one process; a thread of its own sends them.

    `tell` is called with a sentence for each trouble and each delivery, from that thread.
    """

    def __init__(self, config: Config, tell: Tell, *, spool: Path | None = None) -> None:
        self._tell = tell
        self._spool = spool or config.app.work_dir / "notifications"
        self._sinks: list[AlarmSink] = []
        if config.reporting.email.enabled:
            self._sinks.append(EmailSink(config.reporting.email))
        if config.reporting.slack.enabled:
            self._sinks.append(SlackSink(config.reporting.slack))
        self._carbon = CarbonSink(config.carbon) if config.carbon.enabled else None
        self._queue: queue.Queue[_Letter | _Metrics | None] = queue.Queue()
        self._thread: threading.Thread | None = None
        self._carbon_down = False

    def failures(self, stage: str, failures: Mapping[int, str]) -> None:
        """Raise an alarm for these runs, each with its reason; nothing where there are none."""
        if not failures or not self._sinks:
            return
        alarm = Alarm.now(stage, dict(failures))
        for sink in self._sinks:
            self._put(_Letter(sink, alarm, self._keep(sink, alarm)))

    def metrics(self, values: Mapping[str, float]) -> None:
        """Send these metrics with the time of now."""
        if self._carbon is not None and values:
            self._put(_Metrics(dict(values), time.time()))

    def send_kept(self) -> None:
        """Try again what earlier starts could not deliver."""
        by_name = {sink.name: sink for sink in self._sinks}
        for file in self._kept():
            sink = by_name.get(file.stem.rpartition(".")[2])
            claimed = self._claim(file) if sink is not None else None
            if sink is None or claimed is None:
                continue
            try:
                alarm = Alarm.from_json(claimed.read_text(encoding="utf-8"))
            except (OSError, ValueError, KeyError, TypeError):
                self._tell(f"the kept alarm {file.name} cannot be read, and is dropped", Severity.WARNING)
                _discard(claimed)
                continue
            self._put(_Letter(sink, alarm, claimed))

    def close(self, timeout: float = 5.0) -> bool:
        """Wait until everything is sent, at most this many seconds; what is not stays for the next start."""
        if self._thread is None:
            return True
        self._queue.put(None)
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _put(self, item: _Letter | _Metrics) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._serve, name="notify", daemon=True)
            self._thread.start()
        self._queue.put(item)

    def _serve(self) -> None:
        lines: list[str] = []
        while (item := self._queue.get()) is not None:
            if isinstance(item, _Letter):
                self._deliver(item)
            elif self._carbon is not None:
                lines.append(self._carbon.lines(item.values, item.at))
            if lines and self._queue.empty():
                self._measure("".join(lines))
                lines.clear()
        if lines:
            self._measure("".join(lines))

    def _deliver(self, letter: _Letter) -> None:
        name = letter.sink.name
        try:
            letter.sink.send(letter.alarm)
        except SinkError as error:
            self._not_delivered(letter, error)
            return
        _discard(letter.file)
        self._tell(f"{name} about {len(letter.alarm.runs)} failed runs was sent", Severity.INFO)

    def _not_delivered(self, letter: _Letter, error: SinkError) -> None:
        try:
            age = time.time() - letter.file.stat().st_mtime
        except OSError:
            age = 0.0
        if error.lasting or age > KEPT_SECONDS:
            _discard(letter.file)
            self._tell(
                f"{letter.sink.name} about failed runs could not be sent: {error}; it is dropped", Severity.ERROR
            )
            return
        try:
            letter.file.rename(letter.file.with_suffix(".json"))
            kept = "it is tried again at the next start"
        except OSError:
            kept = "it could not be kept either"
        self._tell(f"{letter.sink.name} about failed runs could not be sent: {error}; {kept}", Severity.WARNING)

    def _measure(self, lines: str) -> None:
        """Send metrics, those that came while the last ones were sent together."""
        if self._carbon is None or self._carbon_down:
            return
        try:
            self._carbon.post(lines)
        except SinkError as error:
            self._carbon_down = True
            self._tell(f"metrics could not be sent, and are not until the next start: {error}", Severity.WARNING)

    def _keep(self, sink: AlarmSink, alarm: Alarm) -> Path:
        """Put an alarm into the spool, marked as being sent by this process."""
        name = f"{time.time_ns()}.{sink.name}.sending-{os.getpid()}"
        file = self._spool / name
        try:
            write_atomically(file, alarm.to_json())
        except ArchiveError as error:
            self._tell(f"an alarm could not be kept: {error.message}", Severity.WARNING)
        return file

    def _kept(self) -> list[Path]:
        """The spool, oldest first: what could not be delivered, and what processes that died were about to send."""
        try:
            files = sorted(self._spool.iterdir()) if self._spool.is_dir() else []
        except OSError:
            return []
        return [file for file in files if file.suffix == ".json" or _is_abandoned(file)]

    def _claim(self, file: Path) -> Path | None:
        """Take a kept alarm, so that no other process sends it too."""
        claimed = file.with_suffix(f".sending-{os.getpid()}")
        try:
            file.rename(claimed)
        except OSError:
            return None
        return claimed


def _is_abandoned(file: Path) -> bool:
    _, _, pid = file.suffix.partition(".sending-")
    return pid.isdecimal() and not is_alive(int(pid), "")


def _discard(file: Path) -> None:
    with contextlib.suppress(OSError):  # it is sent, or dropped with an event; at worst it is sent once more
        file.unlink()
