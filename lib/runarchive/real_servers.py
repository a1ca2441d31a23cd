"""A real mongod and a real PostgreSQL on this machine, from the binaries of the extra `[real]`.

The demonstration with real stores and the tests run on these. Both servers listen on the loopback
interface alone, keep everything in the directory given to them, and end with the thread that started
them: start them from the main thread.
"""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import secrets
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from runarchive.errors import ArchiveError, Code
from runarchive.model import Phase, Store
from runarchive.server_programs import (
    START_SECONDS,
    ServerProcess,
    find_mongod,
    find_postgres,
    free_port,
    port_answers,
)


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
        self._process = ServerProcess("mongod", Store.ARTDAQDB, directory / "mongod.log", self.port)

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
        self._process = ServerProcess("postgres", Store.UCONDB, directory / "postgres.log", self.port)

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
        self._check_reachable()
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

    def _check_reachable(self) -> None:
        """Raise ArchiveError(PERMISSION) where the unprivileged user cannot get to the directory."""
        closed = [path for path in self.directory.absolute().parents if not path.stat().st_mode & 0o001]
        if self._user and closed:
            message = f"PostgreSQL does not run as root, and the account {self._user} cannot pass {closed[-1]}"
            hint = "use a directory that everybody can pass, or another account"
            raise ArchiveError(Code.PERMISSION, message, store=Store.UCONDB, phase=Phase.CONNECT, hint=hint)

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


@dataclass(frozen=True, slots=True)
class RealStores:
    """The servers of a demonstration: an artdaqDB URI, and the DSN of the PostgreSQL behind its UconDB."""

    mongodb_uri: str
    postgres_dsn: str
    mongod: MongodServer
    postgres: PostgresServer

    def stop(self) -> None:
        """End both servers; their data stay in the directory, for the next start."""
        self.postgres.stop()
        self.mongod.stop()


def start_real_stores(directory: Path) -> RealStores:
    """Start a mongod and a PostgreSQL that keep everything in `directory`; a later start finds it all again.

    The ports stay the same from start to start while nobody else takes them. Call it from the main thread; raises
    ArchiveError(UNAVAILABLE, PERMISSION) naming what is missing. Both servers end with this process.
    """
    directory.mkdir(parents=True, exist_ok=True)
    mongod_port, postgres_port = kept_ports(directory / "ports.json", 2)
    mongod = MongodServer(directory / "mongod", port=mongod_port)
    postgres = PostgresServer(directory / "postgres", port=postgres_port)
    mongod.start()
    try:
        postgres.start()
    except BaseException:
        mongod.stop()
        raise
    return RealStores(f"{mongod.uri}/demo_db_archive", postgres.dsn, mongod, postgres)


def kept_ports(file: Path, count: int) -> list[int]:
    """The ports that the file holds from the last time if all are free, else new ones, which it holds then."""
    try:
        kept = [int(port) for port in json.loads(file.read_text("ascii"))]
    except (FileNotFoundError, ValueError, TypeError):
        kept = []
    if len(kept) != count or any(port_answers(port) for port in kept):
        kept = [free_port() for _ in range(count)]
        file.write_text(json.dumps(kept) + "\n", "ascii")
    return kept
