"""Running the site's own bulkloader and bulkdownloader, here or on another host over ssh.

No command line of ours passes through a shell of this host. What the other host's shell must read is a file written
here with every word quoted. Each step is a process of its own whose exit code is seen; at the time limit its whole
process group is killed, and on the other host `timeout` does the same.
"""

from __future__ import annotations

import contextlib
import fcntl
import io
import math
import os
import re
import shlex
import shutil
import signal
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeAlias

from runarchive.errors import ArchiveError, Code
from runarchive.model import Phase, Store

LOADER = "bulkloader"
DOWNLOADER = "bulkdownloader"
PASSED_ON = ("LD_LIBRARY_PATH", "PYTHONPATH", "ARTDAQ_DATABASE_DATADIR", "ARTDAQ_DATABASE_CONFDIR", "TZ")
"""Variables of this process that the tools need on the other host too."""

Descriptors: TypeAlias = tuple[int, ...]

_SSH_FAILED = 255
_TIMED_OUT = (124, 137)
_REMOTE_DIRECTORY = re.compile(r"/[A-Za-z0-9_./+-]+")
_HOST = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@:%+-]*")
_SLACK_SECONDS = 15.0
_SCRATCH = "tui-archiver-tool-"
_ABANDONED_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class ToolRun:
    """What one program left behind: exit code and both outputs, secrets removed."""

    exit_code: int
    output: str
    errors: str


class Programs(Protocol):
    """The two programs, wherever they run. Everything raises ArchiveError(store=ARTDAQDB)."""

    def load(self, files: Mapping[str, bytes], arguments: Sequence[str], held: Descriptors = ()) -> ToolRun:
        """Run bulkloader on these files; `-p DIRECTORY` is added to the arguments.

        The program inherits the descriptors `held`, where it runs on this host.
        """

    def download(self, arguments: Sequence[str], held: Descriptors = ()) -> tuple[ToolRun, dict[str, bytes]]:
        """Run bulkdownloader; the files it wrote, by path below its directory."""

    def lacks_downloader(self) -> bool:
        """Whether bulkdownloader is surely missing; False where only a call could tell."""

    def find(self) -> str:
        """Where the programs are, for the doctor."""


@dataclass(frozen=True)
class Setting:
    """What both ways of running need: the database, the time limit (seconds) and how to hide secrets."""

    uri: str = field(repr=False)
    seconds: float
    tools_dir: str | None = None
    scrub: Callable[[str], str] = lambda text: text

    def program(self, name: str) -> str:
        """The program's path, or its bare name to be found on the PATH."""
        return f"{self.tools_dir.rstrip('/')}/{name}" if self.tools_dir else name

    def run(
        self,
        command: Sequence[str],
        *,
        seconds: float,
        stdin: bytes = b"",
        env: Mapping[str, str] | None = None,
        held: Descriptors = (),
        directory: str | None = None,
    ) -> subprocess.CompletedProcess[bytes]:
        """Run one command to its end, or kill its whole process group at the time limit or an interrupt."""
        try:
            process = subprocess.Popen(
                list(command),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=None if env is None else dict(env),
                cwd=directory or tempfile.gettempdir(),
                pass_fds=held,
                start_new_session=True,
            )
        except OSError as error:
            raise failed(Code.TOOL_FAILED, f"{command[0]} cannot be started: {error.strerror}", False) from error
        try:
            output, errors = process.communicate(stdin, timeout=seconds)
        except BaseException as error:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            if isinstance(error, subprocess.TimeoutExpired):
                name = Path(command[0]).name
                raise failed(Code.TIMEOUT, f"{name} was not done after {seconds:g} s and was killed") from None
            raise
        return subprocess.CompletedProcess(list(command), process.returncode, output, errors)

    def told(self, done: subprocess.CompletedProcess[bytes]) -> ToolRun:
        """The outcome as text without secrets."""
        output, errors = (self.scrub(data.decode("utf-8", "replace")) for data in (done.stdout, done.stderr))
        return ToolRun(done.returncode, output, errors)


def failed(code: Code, message: str, retryable: bool | None = None) -> ArchiveError:
    """The failure of a tool."""
    return ArchiveError(code, message, store=Store.ARTDAQDB, phase=Phase.WRITE, retryable=retryable)


@contextlib.contextmanager
def scratch_directory() -> Iterator[tuple[Path, int]]:
    """A directory with an empty `files` in it, gone afterwards, and a descriptor that keeps it while a tool has it.

    Those that a killed process left, and no tool uses any more, are removed first.
    """
    for left in Path(tempfile.gettempdir()).glob(f"{_SCRATCH}*"):
        with contextlib.suppress(OSError):
            _remove_abandoned(left)
    directory = Path(tempfile.mkdtemp(prefix=_SCRATCH))
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        (directory / "files").mkdir()
        yield directory, descriptor
    finally:
        os.close(descriptor)
        shutil.rmtree(directory, ignore_errors=True)


def _remove_abandoned(directory: Path) -> None:
    """Remove what is old and held by nobody; raises OSError for what is neither."""
    if time.time() - directory.lstat().st_mtime < _ABANDONED_SECONDS:
        return
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(directory)
    finally:
        os.close(descriptor)


class LocalPrograms:
    """The programs on this host, on the PATH or in `tools_dir`."""

    def __init__(self, setting: Setting) -> None:
        self._setting = setting

    def _environment(self) -> dict[str, str]:
        environment = dict(os.environ) | {"ARTDAQ_DATABASE_URI": self._setting.uri}
        if self._setting.tools_dir:
            libraries = [self._setting.tools_dir, environment.get("LD_LIBRARY_PATH", "")]
            environment["LD_LIBRARY_PATH"] = ":".join(part for part in libraries if part)
        return environment

    def _run(self, name: str, arguments: Sequence[str], held: Descriptors, directory: Path) -> ToolRun:
        setting = self._setting
        command = [setting.program(name), *arguments, "-p", f"{directory}/files"]
        done = setting.run(
            command, seconds=setting.seconds, env=self._environment(), held=held, directory=str(directory)
        )
        return setting.told(done)

    def load(self, files: Mapping[str, bytes], arguments: Sequence[str], held: Descriptors = ()) -> ToolRun:
        """See `Programs`."""
        with scratch_directory() as (directory, lock):
            for name, data in files.items():
                (directory / "files" / name).write_bytes(data)
            return self._run(LOADER, arguments, (*held, lock), directory)

    def download(self, arguments: Sequence[str], held: Descriptors = ()) -> tuple[ToolRun, dict[str, bytes]]:
        """See `Programs`."""
        with scratch_directory() as (directory, lock):
            done = self._run(DOWNLOADER, arguments, (*held, lock), directory)
            written = directory / "files"
            found = {}
            for path in sorted(written.rglob("*")):
                if path.is_file() and not path.is_symlink():
                    found[str(path.relative_to(written))] = path.read_bytes()
            return done, found

    def lacks_downloader(self) -> bool:
        """See `Programs`."""
        return shutil.which(self._setting.program(DOWNLOADER)) is None

    def find(self) -> str:
        """See `Programs`."""
        places = [shutil.which(self._setting.program(name)) for name in (LOADER, DOWNLOADER)]
        if None in places:
            where = self._setting.tools_dir or "the PATH"
            raise failed(Code.TOOL_FAILED, f"{LOADER} and {DOWNLOADER} are not both in {where}", False)
        return ", ".join(str(place) for place in places)


class RemotePrograms:
    """The programs on another host, over ssh with this account's own keys and known hosts; it never asks anything."""

    def __init__(self, setting: Setting, host: str) -> None:
        if not _HOST.fullmatch(host):
            raise ArchiveError(Code.BAD_CONFIG, f"artdaq_db.remote_host {host!r} is no host name", store=Store.ARTDAQDB)
        self._setting = setting
        self._host = host

    def _ssh(self, command: str, *, stdin: bytes = b"", seconds: float = 60.0) -> subprocess.CompletedProcess[bytes]:
        """One command line for the other host's shell; ssh's own failure is told from the command's."""
        options = ("-o", "BatchMode=yes", "-o", "ConnectTimeout=10")
        done = self._setting.run(["ssh", *options, "--", self._host, command], seconds=seconds, stdin=stdin)
        if done.returncode == _SSH_FAILED:
            said = self._setting.told(done).errors.strip().splitlines() or ["no message"]
            refused = any("denied" in line.lower() for line in said)
            code = Code.PERMISSION if refused else Code.CONNECTION_REFUSED
            raise failed(code, f"ssh to {self._host} failed: {said[-1][:300]}")
        return done

    def _checked(self, command: str, what: str, *, stdin: bytes = b"", seconds: float = 60.0) -> bytes:
        done = self._ssh(command, stdin=stdin, seconds=seconds)
        if done.returncode:
            said = self._setting.told(done).errors.strip()[:300]
            raise failed(
                Code.TOOL_FAILED, f"{what} on {self._host} ended with {done.returncode}: {said or 'no message'}"
            )
        return done.stdout

    @contextlib.contextmanager
    def _directory(self) -> Iterator[str]:
        answer = self._checked("umask 077 && mktemp -d", "mktemp").decode("utf-8", "replace").split()
        made = answer[-1] if answer else ""
        if not _REMOTE_DIRECTORY.fullmatch(made) or made == "/" or "/../" in made:
            raise failed(Code.TOOL_FAILED, f"mktemp on {self._host} answered {made[:100]!r}, which is no directory")
        try:
            yield made
        finally:
            with contextlib.suppress(ArchiveError):
                self._ssh(f"rm -rf {shlex.quote(made)}")

    def _script(self, name: str, arguments: Sequence[str]) -> bytes:
        """What the other host runs: the tool with its environment, under `timeout`, every word quoted."""
        setting = self._setting
        variables = {one: os.environ[one] for one in PASSED_ON if one in os.environ}
        variables["ARTDAQ_DATABASE_URI"] = setting.uri
        lines = [f"export {variable}={shlex.quote(value)}" for variable, value in variables.items()]
        if setting.tools_dir:
            lines.append(f'export LD_LIBRARY_PATH={shlex.quote(setting.tools_dir)}:"$LD_LIBRARY_PATH"')
        command = ["timeout", "-k", "5", f"{max(1, math.ceil(setting.seconds))}", setting.program(name), *arguments]
        return ("\n".join([*lines, f"exec {shlex.join(command)}"]) + "\n").encode()

    def _run(self, directory: str) -> ToolRun:
        command = f"cd {shlex.quote(directory)} && exec sh {shlex.quote(directory + '/run')}"
        done = self._setting.told(self._ssh(command, seconds=self._setting.seconds + _SLACK_SECONDS))
        if done.exit_code in _TIMED_OUT:
            limit = f"{self._setting.seconds:g} s"
            raise failed(Code.TIMEOUT, f"the tool on {self._host} was not done after {limit} and was killed")
        return done

    def _send(self, directory: str, files: Mapping[str, bytes]) -> None:
        command = f"tar -xf - -C {shlex.quote(directory)}"
        self._checked(command, "tar", stdin=_packed(files), seconds=self._setting.seconds + _SLACK_SECONDS)

    def load(self, files: Mapping[str, bytes], arguments: Sequence[str], held: Descriptors = ()) -> ToolRun:
        """See `Programs`."""
        with self._directory() as directory:
            script = self._script(LOADER, [*arguments, "-p", f"{directory}/files"])
            self._send(directory, {"run": script} | {f"files/{name}": data for name, data in files.items()})
            return self._run(directory)

    def download(self, arguments: Sequence[str], held: Descriptors = ()) -> tuple[ToolRun, dict[str, bytes]]:
        """See `Programs`."""
        with self._directory() as directory:
            self._send(directory, {"run": self._script(DOWNLOADER, [*arguments, "-p", f"{directory}/files"])})
            done = self._run(directory)
            quoted = shlex.quote(directory)
            packed = self._checked(f"cd {quoted} && mkdir -p files && exec tar -cf - -C files .", "tar", seconds=300)
            return done, _unpacked(packed)

    def lacks_downloader(self) -> bool:
        """See `Programs`."""
        return False

    def find(self) -> str:
        """See `Programs`."""
        names = " && ".join(f"command -v {shlex.quote(self._setting.program(name))}" for name in (LOADER, DOWNLOADER))
        found = self._checked(names, f"{LOADER} or {DOWNLOADER} is missing, `command -v`").decode("utf-8", "replace")
        return f"{', '.join(found.split())} on {self._host}"


def _packed(files: Mapping[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), 0o600
            archive.addfile(entry, io.BytesIO(data))
    return packed.getvalue()


def _unpacked(packed: bytes) -> dict[str, bytes]:
    """The regular files of a tar archive, in memory alone: no name in it can reach the disk."""
    found: dict[str, bytes] = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(packed), mode="r:") as archive:
            for entry in archive:
                content = archive.extractfile(entry) if entry.isreg() else None
                if content is not None:
                    found[entry.name.removeprefix("./")] = content.read()
    except tarfile.TarError as error:
        raise failed(Code.BAD_ANSWER, f"what the other host sent is no tar archive: {error}") from error
    return found
