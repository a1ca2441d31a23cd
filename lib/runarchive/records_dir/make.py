"""Made-up run records that look like those of SBND and ICARUS, for demonstrations and tests."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from random import Random

from runarchive.errors import ArchiveError, Code, cannot_write
from runarchive.model import Phase, Store
from runarchive.records_dir import made_fhicl, made_text
from runarchive.records_dir.made_text import Process

_EPOCH = datetime(2023, 1, 2, 6, 0, tzinfo=UTC)
_SECONDS_A_RUN = 2400
_HISTORY = 800 * 86400
"""Seconds after which the made-up history begins anew, so that no run lies in the future."""
_RUNS_A_CONFIGURATION = 8


class Size(StrEnum):
    """How large a made-up record is."""

    SMALL = "small"
    MEDIUM = "medium"
    LARGE = "large"


class Outcome(StrEnum):
    """How a made-up run ended."""

    STOPPED = "stopped"
    CRASHED = "crashed"
    DIED_AT_START = "died at start"
    IN_PROGRESS = "in progress"


@dataclass(frozen=True, slots=True)
class MadeRun:
    """One made-up run record."""

    run: int
    path: Path
    configuration: str
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class _Shape:
    components: int
    builders: int
    extras: tuple[str, ...]
    bytes_a_file: int


_SHAPES = {
    Size.SMALL: _Shape(11, 3, ("Dispatcher", "DataLogger"), 3950),
    Size.MEDIUM: _Shape(28, 5, ("Dispatcher", "DataLogger", "RoutingManager"), 10300),
    Size.LARGE: _Shape(47, 7, ("Dispatcher", "DataLogger", "RoutingManager"), 21500),
}

_DETECTORS = ("tpc", "pmt", "wib", "crt", "xarapuca", "mbb", "ntb", "ptb", "spectdc", "feb")
_CONFIGURATIONS = {
    "sbnd": ("run2-beam-noSN-00012", "BNBZeroBias-noSN-00031", "nsCrossingMuon-noSN-00015", "opsFullTriggerMenu00007"),
    "icarus": ("Physics_General_MinBias_00002", "Calibration_withBottomCRT00003", "Laser_AllPMT_00009"),
}


def make_records(
    out: Path,
    *,
    runs: int,
    first: int = 1000,
    components: int | None = None,
    size: Size = Size.SMALL,
    seed: int = 1,
    experiment: str = "sbnd",
    in_progress: int | None = None,
    until: datetime | None = None,
) -> tuple[MadeRun, ...]:
    """Write `runs` run records, numbered from `first`, into the directory `out`, and tell what they are.

    Files are what DAQInterface leaves: modes 0444 and 0555, start and stop times in the past, some runs crashed or
    died at start; the last `in_progress` runs (one in forty, at least one of five) have no stop time and were touched
    now. `components` is the number of board readers, else that of `size`: small is about 23 files and 75 kB, medium 43
    and 406 kB, large 64 and 1286 kB. Configurations repeat from run to run. Bytes and times depend on seed, run
    number and options alone, but for the file times of runs in progress; with `until` (UTC) the last run starts then.
    A run that is already there is left as it is.
    Raises ArchiveError(NOT_FOUND) for an unknown experiment; NOT_FOUND, PERMISSION or DISK_FULL when `out` cannot be
    written.
    """
    if experiment not in _CONFIGURATIONS:
        known = ", ".join(_CONFIGURATIONS)
        raise ArchiveError(Code.NOT_FOUND, f"no experiment {experiment!r}; there are {known}", phase=Phase.WRITE)
    live = (max(1, runs // 40) if runs >= 5 else 0) if in_progress is None else in_progress
    last = first + runs - 1
    began = None if until is None else until - timedelta(seconds=last * _SECONDS_A_RUN)
    recipe = _Recipe(seed, components or _SHAPES[size].components, size, experiment)
    maker = _Maker(recipe, began)
    try:
        out.mkdir(parents=True, exist_ok=True)
        return tuple(maker.make(out, run, run >= first + runs - live) for run in range(first, first + runs))
    except OSError as error:
        raise cannot_write(out, error, Store.FILESYSTEM) from error


@dataclass(frozen=True, slots=True)
class _Recipe:
    """What decides the files of a configuration, beside its name."""

    seed: int
    components: int
    size: Size
    experiment: str


@dataclass(frozen=True, slots=True)
class _Maker:
    recipe: _Recipe
    began: datetime | None

    def make(self, out: Path, run: int, live: bool) -> MadeRun:
        """Write one run record unless it is there."""
        random = Random(f"{self.recipe.seed}/{run}")
        outcome = Outcome.IN_PROGRESS if live else _outcome(random)
        configuration = self._configuration(run)
        path = out / str(run)
        if not path.exists():
            attempt = self._attempt(run)
            start = attempt + timedelta(seconds=random.randrange(40, 200))
            stop = start + timedelta(seconds=random.randrange(300, _SECONDS_A_RUN - 240))
            files = dict(_configured(self.recipe, configuration))
            files["metadata.txt"] = made_text.metadata(
                configuration,
                _processes(self.recipe, configuration),
                _install(self.recipe.experiment),
                attempt,
                None if outcome is Outcome.DIED_AT_START else start,
                stop if outcome is Outcome.STOPPED else None,
            ).encode()
            newest = None if live else _last_change(outcome, attempt, start, stop)
            _write(out, run, files, _nanoseconds(attempt), newest)
        return MadeRun(run, path, configuration, outcome)

    def _attempt(self, run: int) -> datetime:
        """When the run's processes were launched."""
        if self.began is not None:
            return self.began + timedelta(seconds=run * _SECONDS_A_RUN)
        return _EPOCH + timedelta(seconds=run * _SECONDS_A_RUN % _HISTORY)

    def _configuration(self, run: int) -> str:
        block = Random(f"{self.recipe.seed}/block/{run // _RUNS_A_CONFIGURATION}")
        return block.choice(_CONFIGURATIONS[self.recipe.experiment])


def _outcome(random: Random) -> Outcome:
    draw = random.random()
    if draw < 0.03:
        return Outcome.DIED_AT_START
    return Outcome.CRASHED if draw < 0.07 else Outcome.STOPPED


def _nanoseconds(moment: datetime) -> int:
    return int(moment.timestamp()) * 1_000_000_000


def _last_change(outcome: Outcome, attempt: datetime, start: datetime, stop: datetime) -> int:
    last = {Outcome.STOPPED: stop, Outcome.DIED_AT_START: attempt}.get(outcome, start)
    return _nanoseconds(last)


def _write(out: Path, run: int, files: dict[str, bytes], configured: int, newest: int | None) -> None:
    """Write the files aside and move the directory into place; `newest` None means now."""
    making = out / f".{run}.making"
    if making.exists():
        making.chmod(0o755)
        shutil.rmtree(making)
    making.mkdir()
    last = time.time_ns() if newest is None else newest
    for name, data in files.items():
        descriptor = os.open(making / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        try:
            os.write(descriptor, data)
            os.fchmod(descriptor, 0o444)
            changed = last if name == "metadata.txt" else configured
            os.utime(descriptor, ns=(changed, changed))
        finally:
            os.close(descriptor)
    os.utime(making, ns=(last, last))
    making.chmod(0o555)
    making.rename(out / str(run))


def _install(experiment: str) -> str:
    return f"/home/nfs/{experiment}/DAQ_Prod/DAQ_v1_10_06/DAQInterface"


@lru_cache(maxsize=64)
def _processes(recipe: _Recipe, configuration: str) -> tuple[Process, ...]:
    """The processes of one configuration: board readers first, ranks in order."""
    experiment, components = recipe.experiment, recipe.components
    random = Random(f"{recipe.seed}/{experiment}/{configuration}/{components}")
    labels = sorted(random.sample(_labels(experiment, components), components))
    shape = _SHAPES[recipe.size]
    others = [("EventBuilder", f"EventBuilder{number}") for number in range(1, shape.builders + 1)]
    others += [(kind, f"{kind}1") for kind in shape.extras]
    named = [("BoardReader", label) for label in labels] + others
    return tuple(
        Process(kind, label, _host(experiment, kind, label, rank), _port(kind, rank), rank)
        for rank, (kind, label) in enumerate(named)
    )


def _host(experiment: str, kind: str, label: str, rank: int) -> str:
    if kind != "BoardReader":
        return f"{experiment}-evb{rank % 5 + 1:02d}-daq"
    return f"{experiment}-{_detector(experiment, label)}{rank % 9 + 1:02d}-daq"


def _detector(experiment: str, label: str) -> str:
    """The part of the detector that a board reader reads, as its label begins."""
    name = label.removeprefix(experiment)
    return next((part for part in _DETECTORS if name.startswith(part)), "daq")


def _port(kind: str, rank: int) -> int:
    return 6021 if kind == "Dispatcher" else 11100 + rank


def _labels(experiment: str, count: int) -> list[str]:
    """Names to choose board readers from; more than `count` of them."""
    labels = list(_sbnd_labels() if experiment == "sbnd" else _icarus_labels())
    return labels + [f"feb{number:03d}" for number in range(1, max(0, count - len(labels)) + 6)]


def _sbnd_labels() -> Iterator[str]:
    yield from (f"tpc{number:02d}" for number in range(1, 12))
    yield from (f"pmt{number:02d}" for number in range(1, 10))
    yield from (f"wib{crate}0{board}" for crate in range(1, 5) for board in range(1, 7))
    yield from (f"xarapuca{number:02d}" for number in range(1, 5))
    yield from (f"crt{wall}PULL" for wall in ("FlatEast", "FlatNorth", "MINOS", "NorthWallEast", "NorthWallWest"))
    yield from ("mbb02", "ntb01", "ptb01PULL", "spectdc")


def _icarus_labels() -> Iterator[str]:
    yield from (f"icarustpc{cryostat}{number:02d}" for cryostat in ("ee", "ew", "we", "ww") for number in range(1, 21))
    yield from (
        f"icaruspmt{wall}{end}{n:02d}" for wall in ("ee", "ew", "we", "ww") for end in ("top", "bot") for n in (1, 2)
    )
    yield from (f"icaruscrt{number:02d}" for number in range(1, 6))


@lru_cache(maxsize=16)
def _configured(recipe: _Recipe, configuration: str) -> tuple[tuple[str, bytes], ...]:
    """All files of a record that its configuration decides: everything but metadata.txt."""
    processes = _processes(recipe, configuration)
    install = _install(recipe.experiment)
    files = {f"{process.label}.fcl": _fhicl(recipe, configuration, process, processes) for process in processes}
    files["boot.txt"] = made_text.boot(processes, install, processes[-1].host)
    files["known_boardreaders_list.txt"] = made_text.known_boardreaders_list(processes)
    files["ranks.txt"] = made_text.ranks(processes)
    files["environment.txt"] = made_text.environment(install, 1, recipe.experiment)
    files["settings.txt"] = made_text.SETTINGS
    files["setup.txt"] = made_text.SETUP
    return tuple((name, text.encode()) for name, text in files.items())


def _fhicl(recipe: _Recipe, configuration: str, process: Process, processes: tuple[Process, ...]) -> str:
    random = Random(f"{recipe.seed}/{configuration}/{process.label}")
    target = int(_SHAPES[recipe.size].bytes_a_file * random.uniform(0.5, 1.5))
    source = f"/tmp/daq/tmp.{random.getrandbits(40):010x}"
    readers = [other.rank for other in processes if other.kind == "BoardReader"]
    builders = [other.rank for other in processes if other.kind == "EventBuilder"]
    if process.kind == "BoardReader":
        tree = made_fhicl.board_reader(random, process.label, process.rank, builders, target)
    else:
        sources = readers if process.kind == "EventBuilder" else builders
        tree = made_fhicl.event_process(random, process.label, process.kind, sources, target)
    return made_fhicl.render(tree, source)
