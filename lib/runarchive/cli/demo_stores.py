"""The real stores of `demo --stores real`: a mongod, a PostgreSQL, and our UconDB server in front of the latter."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from runarchive.real_servers import kept_ports
from runarchive.real_servers import start_real_stores as start_servers

FOLDER = "demo"
WRITER = "demo"
PASSWORD = "demo"


def start_real_stores(directory: Path) -> tuple[str, str]:
    """Start all three with their data in `directory`; returns the artdaqDB URI and the UconDB server's URL.

    They end with the main thread, from which this is to be called. A later start in the same directory finds their data
    and, while nobody else took them, their ports. Raises ArchiveError(UNAVAILABLE, PERMISSION) saying what is missing.
    """
    from runarchive.ucondb.server.app import UconApp
    from runarchive.ucondb.server.postgres_storage import PostgresStorage
    from runarchive.ucondb.server.running import RunningServer
    from runarchive.ucondb.server.storage import FolderName
    from runarchive.ucondb.server.users import Users

    servers = start_servers(directory)
    _at_the_end(servers.stop)
    storage = PostgresStorage(servers.postgres_dsn)
    storage.create_folder(FolderName.parse(FOLDER))
    (port,) = kept_ports(directory / "ucondb_port.json", 1)
    ucondb = RunningServer(UconApp(storage, Users.single(WRITER, PASSWORD)), host="127.0.0.1", port=port)
    url = ucondb.start()
    _at_the_end(ucondb.stop)
    return servers.mongodb_uri, url


def _at_the_end(stop: Callable[[], None]) -> None:
    """Call `stop` when the main thread ends: `atexit` would wait for the server's own threads first, for ever."""

    def wait() -> None:
        threading.main_thread().join()
        stop()

    threading.Thread(target=wait, name="end of the demo stores").start()
