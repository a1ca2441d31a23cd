"""A whole site for tests of `run-archiver`: records, both stores, a config file, and starts of the program."""

from __future__ import annotations

import contextlib
import copy
import ctypes
import io
import logging
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from runarchive.archive import Archive
from runarchive.artdaqdb.export import export_configuration
from runarchive.artdaqdb.store import ArtdaqStore, open_store
from runarchive.cli import run_archiver
from runarchive.config import load_config
from runarchive.model import Run, RunState, Store
from runarchive.records_dir.make import make_records
from runarchive.ucondb.blob import Blob, unpack
from runarchive.ucondb.client import UconClient
from runarchive.ucondb.embedded import open_client

LIMIT_SECONDS = 60.0
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
PR_CAPBSET_DROP = 24
OVERRIDING = (1, 2, 3)
"""CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER: what lets root pass over the modes of files."""


@dataclass(frozen=True)
class Started:
    """A start that ended: its exit status and the lines it logged, without time and rules."""

    code: int
    out: str

    @property
    def lines(self) -> list[str]:
        """Each line as `logger - LEVEL - message`."""
        return [line.partition(" - ")[2] for line in self.out.splitlines() if " - " in line]

    @property
    def messages(self) -> list[str]:
        """The messages alone."""
        return [line.split(" - ", 2)[2] for line in self.lines if line.count(" - ") >= 2]

    def __contains__(self, text: str) -> bool:
        return text in self.out


class Site:
    """One archive in a directory of its own."""

    def __init__(self, root: Path, uri: str = "") -> None:
        self.root = root
        self.records = root / "records"
        self.work = root / "work"
        self.config_file = root / "config.yaml"
        self.records.mkdir(parents=True)
        (root / "conf").mkdir()
        self.data: dict[str, Any] = {
            "app": {
                "work_dir": str(self.work),
                "log_file": "${work_dir}/archiver.log",
                "retry_delay_seconds": 0,
                "parallel_workers": 2,
                "quiet_seconds": 0,
            },
            "source_files": {"run_records_dir": str(self.records)},
            "artdaq_db": {"database_uri": uri or f"filesystemdb://{root}/artdaqdb", "fcl_conf_dir": str(root / "conf")},
            "ucon_db": {
                "server_url": f"embedded://{root}/ucondb.sqlite",
                "folder_name": "test01",
                "object_name": "configuration",
                "writer_user": "writer",
                "writer_password": "secret-of-the-writer",
            },
        }
        self.configure()

    def configure(self, **sections: Any) -> None:
        """Write the config file, with these keys of these sections changed; None takes a key out."""
        for section, keys in sections.items():
            if not isinstance(keys, dict):
                self.data[section] = keys
                continue
            merged = {**copy.deepcopy(self.data.get(section) or {}), **keys}
            self.data[section] = {key: value for key, value in merged.items() if value is not None}
        self.config_file.write_text(yaml.safe_dump(self.data, sort_keys=False), encoding="utf-8")

    def make(self, runs: int, first: int = 1000, in_progress: int = 0, seed: int = 1) -> list[int]:
        """Write run records; returns their numbers. All are old enough to be archived, but for those in progress."""
        made = make_records(self.records, runs=runs, first=first, seed=seed, in_progress=in_progress)
        for item in made[: runs - in_progress]:
            self.age(item.run)
        return [item.run for item in made]

    def age(self, run: int, hours: float = 100) -> None:
        """Set the modification times of a record back."""
        then = time.time() - hours * 3600
        for path in [*(self.records / str(run)).iterdir(), self.records / str(run)]:
            os.utime(path, (then, then), follow_symlinks=False)

    @contextlib.contextmanager
    def opened(self, run: int) -> Iterator[Path]:
        """A record's directory, writable meanwhile; aged again afterwards."""
        path = self.records / str(run)
        path.chmod(0o755)
        for file in path.iterdir():
            if not file.is_symlink():
                file.chmod(file.stat().st_mode | stat.S_IWUSR)
        yield path
        self.age(run)

    def append(self, run: int, name: str, text: str) -> None:
        """Add text to a file of a record."""
        with self.opened(run) as path, (path / name).open("a") as file:
            file.write(text)

    def break_record(self, run: int) -> None:
        """Make a record that cannot be imported: it holds a link that leads nowhere."""
        with self.opened(run) as path:
            (path / "tpc99.fcl").symlink_to("/nowhere/at/all")

    def mend_record(self, run: int) -> None:
        """Take the link away."""
        with self.opened(run) as path:
            (path / "tpc99.fcl").unlink()

    def run(self, *flags: str) -> Started:
        """One start in this process."""
        before = {number: signal.getsignal(number) for number in SIGNALS}
        environment = dict(os.environ)
        out = io.StringIO()
        try:
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
                try:
                    code = run_archiver.main([str(self.config_file), *flags])
                except SystemExit as left:
                    code = int(left.code or 0)
        finally:
            for number, action in before.items():
                signal.signal(number, action)
            for handler in logging.getLogger().handlers[:]:
                logging.getLogger().removeHandler(handler)
                handler.close()
            os.environ.clear()
            os.environ.update(environment)
        return Started(code, out.getvalue())

    def start(self, *flags: str, **options: Any) -> subprocess.Popen[str]:
        """One start as a process of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "runarchive.cli.run_archiver", str(self.config_file), *flags],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            **options,
        )

    def run_as_anybody(self, *flags: str) -> Started:
        """One start for which the modes of files hold, even where root runs the tests."""
        prctl = ctypes.CDLL(None, use_errno=True).prctl

        def give_up_overriding() -> None:
            for capability in OVERRIDING if os.geteuid() == 0 else ():
                if prctl(PR_CAPBSET_DROP, capability, 0, 0, 0):
                    raise OSError(ctypes.get_errno(), "a capability cannot be given up")

        return self.end(self.start(*flags, preexec_fn=give_up_overriding))

    def end(self, process: subprocess.Popen[str]) -> Started:
        """Wait for a start to end."""
        out, _ = process.communicate(timeout=LIMIT_SECONDS)
        return Started(process.returncode, out)

    def archive(self, *, writable: bool = False) -> Archive:
        """The archive, opened from the config file."""
        return Archive.open(load_config(self.config_file), writable=writable, actor="test")

    def look(self) -> dict[int, Run]:
        """Every run as the stores show it now."""
        with self.archive() as archive:
            archive.refresh(full=True)
            return {run.run: run for run in archive.runs()}

    def states(self) -> dict[int, RunState]:
        """The state of every run as the stores show it now."""
        return {number: run.state for number, run in self.look().items()}

    def exported(self, run: int) -> dict[str, str]:
        """The FHiCL text of each entity of a run, as artdaqDB exports it."""
        with self.artdaqdb() as store:
            (name,) = store.configurations_of(run)
            return {file.entity: file.text for file in export_configuration(store, name).files}

    def blob(self, run: int) -> Blob:
        """What the blob of a run in UconDB holds."""
        return unpack(self.blob_bytes(run))

    def blob_bytes(self, run: int) -> bytes:
        """The blob of a run in UconDB."""
        with self.ucondb() as client:
            return client.get(run)

    @contextlib.contextmanager
    def ucondb(self) -> Iterator[UconClient]:
        """UconDB as another program with the site's account sees it."""
        ucon = load_config(self.config_file).ucon_db
        client = open_client(
            ucon.server_url, ucon.folder_name, ucon.object_name, user=ucon.writer_user, password=ucon.writer_password
        )
        with contextlib.closing(client):
            yield client

    @contextlib.contextmanager
    def artdaqdb(self) -> Iterator[ArtdaqStore]:
        """artdaqDB as another program sees it."""
        with contextlib.closing(open_store(load_config(self.config_file).artdaq_db.database_uri)) as store:
            yield store

    def held(self, store: Store) -> set[int]:
        """The runs that a store holds."""
        with self.archive() as archive:
            archive.refresh(full=True)
            ranges = archive.status().stores[store].ranges
        return {run for first, last in ranges for run in range(first, last + 1)}


def looked_at(archive: Archive, run: int = 1000) -> Run:
    """A run after another look at the stores."""
    archive.refresh()
    found = archive.run(run)
    assert found is not None
    return found


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Wait for a condition; fail the test where it does not come."""
    end = time.monotonic() + LIMIT_SECONDS
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"waited in vain for {what}")
        time.sleep(0.01)


def wait_for_line(process: subprocess.Popen[str], text: str) -> str:
    """Read what a process says until this text comes; returns all that was read."""
    assert process.stdout is not None
    read = []
    limit = threading.Timer(LIMIT_SECONDS, process.kill)
    limit.start()
    try:
        for line in process.stdout:
            read.append(line)
            if text in line:
                return "".join(read)
    finally:
        limit.cancel()
    raise AssertionError(f"the process ended without saying {text!r}:\n{''.join(read)}")
