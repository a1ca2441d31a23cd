"""The real stores of `demo --stores real`: a mongod, a PostgreSQL, and our UconDB server in front of the latter."""

from __future__ import annotations

import atexit
import sys
from pathlib import Path
from urllib.parse import urlsplit

from runarchive.model import Store
from runarchive.real_servers import kept_ports
from runarchive.real_servers import start_real_stores as start_servers
from runarchive.server_programs import ServerProcess, port_answers

FOLDER = "demo"
WRITER = "demo"
PASSWORD = "demo"


def start_real_stores(directory: Path) -> tuple[str, str]:
    """Start all three with their data in `directory`; returns the artdaqDB URI and the UconDB server's URL.

    They end with this process; call it from the main thread. A later start in the same directory finds their data and,
    while nobody else took them, their ports. Raises ArchiveError(UNAVAILABLE, PERMISSION) saying what is missing.
    """
    servers = start_servers(directory)
    atexit.register(servers.stop)
    (port,) = kept_ports(directory / "ucondb_port.json", 1)
    ucondb = ServerProcess("the UconDB server", Store.UCONDB, directory / "ucondb.log", port)
    dsn = urlsplit(servers.postgres_dsn)
    shown = f"{dsn.scheme}://{dsn.username}@{dsn.hostname}:{dsn.port}{dsn.path}"
    users = _users_file(directory / "ucondb_users")
    command = [sys.executable, "-m", "tui_archiver", "ucondb", "serve", "--db", shown, "--port", str(port)]
    command += ["--users", str(users), "--folder", FOLDER]
    ucondb.start(command, lambda: port_answers(port), variables={"PGPASSWORD": dsn.password or ""})
    atexit.register(ucondb.stop)
    return servers.mongodb_uri, f"http://127.0.0.1:{port}/app"


def _users_file(file: Path) -> Path:
    from runarchive.ucondb.digest import ha1
    from runarchive.ucondb.server.users import DEFAULT_REALM

    file.touch(mode=0o600)
    file.write_text(f"{WRITER}:{DEFAULT_REALM}:{ha1(WRITER, DEFAULT_REALM, PASSWORD)}\n", "ascii")
    return file
