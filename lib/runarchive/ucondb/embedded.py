"""A UconDB server inside this process, for `embedded:///ABSOLUTE/PATH.sqlite`."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from runarchive.errors import ArchiveError, Code, ConfigError
from runarchive.model import Phase, Store
from runarchive.ucondb.client import UconClient
from runarchive.ucondb.server.users import Users

if TYPE_CHECKING:
    from runarchive.ucondb.server.running import RunningServer

PREFIX = "embedded://"


class EmbeddedServer:
    """A server on a free loopback port with one folder and one writer; several processes may use its file at once."""

    def __init__(self, sqlite_path: Path, folder: str, object_name: str, user: str, password: str) -> None:
        self.sqlite_path = sqlite_path
        self.folder = folder
        self.object_name = object_name
        self._users = Users.single(user, password)
        self._server: RunningServer | None = None

    def start(self) -> str:
        """Make the file and the folder where they are missing, serve them, and return the server's URL.

        A file that this account may only read is served read-only. Raises ArchiveError(PERMISSION) when there is none
        and none can be made.
        """
        from runarchive.ucondb.server.app import UconApp
        from runarchive.ucondb.server.running import RunningServer
        from runarchive.ucondb.server.sqlite_storage import SqliteStorage
        from runarchive.ucondb.server.storage import StorageDown

        try:
            storage = SqliteStorage(self.sqlite_path)
            if not storage.read_only:
                storage.create_folder(self.folder)
        except StorageDown as error:
            raise ArchiveError(
                Code.PERMISSION, f"cannot open {self.sqlite_path}: {error}", store=Store.UCONDB, phase=Phase.CONNECT,
                hint="check that this account may write the file and its directory, and that the disk has room",
            ) from error
        app = UconApp(storage, self._users, read_only=storage.read_only)
        self._server = RunningServer(app, host="127.0.0.1", port=0)
        return self._server.start()

    @property
    def url(self) -> str:
        """The URL while it runs, else ""."""
        return self._server.url if self._server is not None else ""

    def stop(self) -> None:
        """Finish the requests in hand and close the file."""
        server, self._server = self._server, None
        if server is not None:
            server.stop()

    def __enter__(self) -> EmbeddedServer:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class EmbeddedClient(UconClient):
    """A client that brings its own server, and stops it when it is closed."""

    def __init__(self, server: EmbeddedServer, *, user: str, password: str, timeout: float) -> None:
        self._server = server
        super().__init__(
            server.start(), server.folder, server.object_name, user=user, password=password, timeout=timeout
        )

    @property
    def uri(self) -> str:
        """The file, not the port that it happens to be served on."""
        return f"{PREFIX}{self._server.sqlite_path} {self.folder}/{self.object_name}"

    def close(self) -> None:
        """Close the connections, then the server."""
        super().close()
        self._server.stop()


def open_client(
    server_url: str,
    folder: str,
    object_name: str,
    *,
    user: str = "",
    password: str = "",
    timeout: float = 30.0,
    verify: bool | str = True,
    client_cert: str | tuple[str, str] | None = None,
    postgres_dsn: str | None = None,
) -> UconClient:
    """The client for a `server_url`: http, https, or `embedded:///ABSOLUTE/PATH.sqlite`; see `UconClient`."""
    if not server_url.startswith(PREFIX):
        return UconClient(
            server_url, folder, object_name, user=user, password=password, timeout=timeout, verify=verify,
            client_cert=client_cert, postgres_dsn=postgres_dsn,
        )
    path = Path(server_url.removeprefix(PREFIX))
    if not path.is_absolute():
        raise ConfigError([f"ucon_db.server_url: {server_url!r} needs an absolute path: embedded:///DIR/FILE.sqlite"])
    # The server lives and dies with this client: without a configured writer it gets one that nobody knows.
    import secrets

    user = user or "writer"
    password = password or secrets.token_urlsafe(24)
    return EmbeddedClient(
        EmbeddedServer(path, folder, object_name, user, password), user=user, password=password, timeout=timeout
    )
