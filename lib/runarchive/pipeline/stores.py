"""The stores of one config, opened when they are first needed."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

from runarchive.artdaqdb.store import ArtdaqStore, open_store
from runarchive.config import Config

if TYPE_CHECKING:
    from runarchive.ucondb.client import UconClient

IF_ARCHIVE_IS_NEW = "the first put begins it; unless this archive is new, correct ucon_db.folder_name or object_name"


class Stores:
    """The records directory and both databases of one config; safe for many threads."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._lock = threading.Lock()
        self._artdaqdb: ArtdaqStore | None = None
        self._ucondb: UconClient | None = None

    @property
    def records(self) -> Path:
        """The directory of the run records."""
        return self._config.source_files.run_records_dir

    def record(self, run: int) -> Path:
        """The directory of one run."""
        return self.records / str(run)

    @property
    def artdaqdb(self) -> ArtdaqStore:
        """The intermediate store; opening it touches neither disk nor network."""
        with self._lock:
            if self._artdaqdb is None:
                section = self._config.artdaq_db
                self._artdaqdb = open_store(
                    section.database_uri,
                    timeout=section.timeout_seconds,
                    use_tools=section.use_tools,
                    remote_host=section.remote_host,
                )
            return self._artdaqdb

    @property
    def ucondb(self) -> UconClient:
        """The client of the permanent store; an `embedded://` one brings its server, which starts here."""
        with self._lock:
            if self._ucondb is None:
                # On use: it loads the HTTP library.
                from runarchive.ucondb.embedded import open_client

                section = self._config.ucon_db
                verify: bool | str = str(section.ca_file) if section.verify and section.ca_file else section.verify
                self._ucondb = open_client(
                    section.server_url,
                    section.folder_name,
                    section.object_name,
                    user=section.writer_user,
                    password=section.writer_password,
                    timeout=section.timeout_seconds,
                    verify=verify,
                    client_cert=str(section.client_cert) if section.client_cert else None,
                    postgres_dsn=section.postgres_dsn,
                )
            return self._ucondb

    def ucondb_token(self) -> str | None:
        """A text that stays equal while nothing changes in an embedded UconDB, found without its server.

        None where it cannot be told, as by every other server.
        """
        section = self._config.ucon_db
        if section.embedded is None:
            return None
        from runarchive.ucondb.server.sqlite_storage import change_token

        token = change_token(section.embedded, section.folder_name)
        return token and f"{section.folder_name}/{section.object_name} {token}"

    def close(self) -> None:
        """Let go of both databases."""
        with self._lock:
            if self._artdaqdb is not None:
                self._artdaqdb.close()
            if self._ucondb is not None:
                self._ucondb.close()
            self._artdaqdb = self._ucondb = None
