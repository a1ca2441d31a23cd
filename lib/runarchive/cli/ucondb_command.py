"""`ucondb`: list, fetch and store on the permanent store, or serve one."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from runarchive.clean import clean
from runarchive.cli.numbers import RUN, number_of
from runarchive.cli.output import emit, emit_json, talk
from runarchive.cli.refusing import refuse_read_only
from runarchive.errors import ArchiveError, Code, ExitCode, UsageError
from runarchive.model import Phase, Store

if TYPE_CHECKING:
    from runarchive.ucondb.client import UconClient
    from runarchive.ucondb.listing import UconVersion
    from runarchive.ucondb.server.storage import Storage

PASSWORD_VARIABLE = "TUI_ARCHIVER_UCONDB_PASSWORD"
USERS_HELP = (
    "lines user:realm:HA1, as htdigest writes them; the realm `ucondb` stands for every folder: "
    'echo "U:ucondb:$(printf U:ucondb:PASSWORD | md5sum | cut -c-32)"'
)
_PORT = number_of(int, 0, 65535)
_FILES = 8192
_COUNT = number_of(int, 1, 1 << 20)


def configure(parser: argparse.ArgumentParser) -> None:
    """The sub-commands and their options."""
    commands = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    listing = commands.add_parser("list", help="the runs that it holds")
    get = commands.add_parser("get", help="the blob of a run")
    get.add_argument("number", metavar="RUN", type=RUN)
    get.add_argument("--out", metavar="FILE", type=Path, help="else stdout")
    put = commands.add_parser("put", help="store a file as the blob of a run, and read it back")
    put.add_argument("number", metavar="RUN", type=RUN)
    put.add_argument("file", metavar="FILE", type=Path)
    put.add_argument("--override", action="store_true", help="take the key from the version that has it")
    put.add_argument("--tag", metavar="T", action="append", help="instead of the run number; may be repeated")
    for command in (listing, get, put):
        where = command.add_argument_group("another store than that of the config")
        where.add_argument("--url", help="http(s)://HOST:PORT/INSTANCE/app or embedded:///ABS/PATH.sqlite")
        where.add_argument("--folder", metavar="F", default="run_records", help="default: %(default)s")
        where.add_argument("--object", metavar="O", default="configuration", help="default: %(default)s")
        where.add_argument("--user", metavar="U", default="")
        where.add_argument("--password-file", metavar="P", type=Path, help=f"else ${PASSWORD_VARIABLE}")
        where.add_argument("--ca-file", metavar="PEM", type=Path, help="certificates to trust")
        where.add_argument("--client-cert", metavar="PEM", type=Path, help="our certificate and key")
        where.add_argument("--timeout", metavar="SECONDS", type=number_of(float, 0.001, 1e6), default=30.0)
    _configure_serve(commands.add_parser("serve", help="be a UconDB server"))


def _configure_serve(serve: argparse.ArgumentParser) -> None:
    serve.add_argument("--db", required=True, help="sqlite:///ABS/PATH or postgresql://USER@HOST/DATABASE")
    serve.add_argument("--host", default="127.0.0.1", help="default: %(default)s")
    serve.add_argument("--port", type=_PORT, default=8080, help="default: %(default)s; 0 takes a free one")
    serve.add_argument("--users", metavar="FILE", type=Path, help=USERS_HELP)
    serve.add_argument("--folder", metavar="F", action="append", default=[], help="make this folder if it is missing")
    serve.add_argument("--prefix", default="/app", help="path before the calls; default: %(default)s")
    serve.add_argument("--tls-cert", metavar="PEM", type=Path, help="serve HTTPS with this certificate")
    serve.add_argument("--tls-key", metavar="PEM", type=Path, help="its key, if not in the same file")
    serve.add_argument("--client-ca", metavar="PEM", type=Path, help="serve only clients with a certificate of it")
    serve.add_argument("--plain-http", action="store_true", help="serve other machines without TLS")
    serve.add_argument("--allow-drop", action="store_true", help="let create_folder?drop=yes empty a folder")
    serve.add_argument("--max-upload", metavar="MB", type=_COUNT, help="largest blob; default: what the database takes")
    serve.add_argument("--threads", type=_COUNT, default=64, help="requests at a time; default: %(default)s")


def run(args: argparse.Namespace) -> int:
    """Do one of the sub-commands."""
    return int({"list": _list, "get": _get, "put": _put, "serve": _serve}[args.action](args))


def _list(args: argparse.Namespace) -> int:
    client = _client(args)
    try:
        listing = client.list_runs()
        doubt = "" if listing.exists else client.doubt()
    finally:
        client.close()
    if doubt:
        talk(doubt)
    if args.json:
        emit_json({
            "store": client.uri,
            "runs": [_as_data(run, version) for run, version in sorted(listing.runs.items())],
            "other_versions": len(listing.others),
        })
        return ExitCode.DONE
    for run, version in sorted(listing.runs.items()):
        tags = ",".join(version.tags)
        emit(f"{run:>9}  {version.data_size:>10}  {_time(version.tr)}  {clean(tags)}")
    if listing.others:
        talk(f"{len(listing.others)} more versions have no run number as key")
    return ExitCode.DONE


def _get(args: argparse.Namespace) -> int:
    client = _client(args)
    try:
        if args.out is None:
            with tempfile.TemporaryFile() as file:
                client.get_to(args.number, file)
                file.seek(0)
                while piece := file.read(1 << 18):
                    sys.stdout.buffer.write(piece)
            return ExitCode.DONE
        partial = args.out.with_name(f".{args.out.name}.part")
        try:
            with partial.open("wb+") as file:
                sums = client.get_to(args.number, file)
            partial.replace(args.out)
        except OSError as error:
            raise ArchiveError(Code.PERMISSION, f"cannot write {args.out}: {error.strerror}") from error
        finally:
            partial.unlink(missing_ok=True)
    finally:
        client.close()
    if args.json:
        emit_json({"run": args.number, "file": str(args.out), "size": sums.size, "sha256": sums.sha256})
    else:
        talk(f"run {args.number}: {sums.size} bytes, adler32 as announced, sha256 {sums.sha256}")
    return ExitCode.DONE


def _put(args: argparse.Namespace) -> int:
    from runarchive.ucondb.body import Checksums, PutKind, read_file

    client = _client(args, writing=True)
    try:
        outcome = client.put(args.number, args.file, tags=args.tag, override=args.override)
        if outcome.kind is PutKind.DIFFERENT:
            raise ArchiveError(
                Code.CONFLICT, f"UconDB holds other content for run {args.number}; nothing was written",
                store=Store.UCONDB, phase=Phase.WRITE, run=args.number,
                hint="fetch it with `ucondb get` and compare; --override supersedes it and keeps the old version",
            )
        if outcome.kind is PutKind.STORED:
            with tempfile.TemporaryFile() as file:
                back = client.get_to(args.number, file)
            with args.file.open("rb") as file:
                if back != Checksums.of(read_file(file)):
                    raise ArchiveError(
                        Code.MISMATCH, f"run {args.number} reads back as other bytes than were stored",
                        store=Store.UCONDB, phase=Phase.VERIFY, run=args.number,
                    )
    finally:
        client.close()
    if args.json:
        version = _as_data(args.number, outcome.version) if outcome.version else {"run": args.number}
        emit_json({
            "outcome": outcome.kind.value, "sha256": outcome.sha256, "made_folder": outcome.made_folder, **version,
        })
    else:
        was = "is there already, with this content" if outcome.kind is PutKind.SAME else "stored and read back"
        talk(f"run {args.number}: {was}")
        if outcome.made_folder:
            talk(f"folder {client.folder} was not there and was made")
    return ExitCode.DONE


def _serve(args: argparse.Namespace) -> int:
    import logging

    from runarchive.ucondb.server.app import UconApp
    from runarchive.ucondb.server.running import RunningServer, is_loopback
    from runarchive.ucondb.server.storage import FolderName
    from runarchive.ucondb.server.users import Users

    if not is_loopback(args.host) and not args.tls_cert and not args.plain_http:
        raise ArchiveError(
            Code.PERMISSION, f"{args.host} is reached by other machines: not served without TLS", store=Store.UCONDB,
            phase=Phase.CONNECT, hint="give --tls-cert, or --plain-http if something in front of it does the TLS",
        )
    if args.client_ca and not args.tls_cert:
        raise UsageError("--client-ca asks clients for certificates, which takes --tls-cert")
    logging.basicConfig(stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s", level=logging.INFO)
    users = Users.read(args.users) if args.users else Users.nobody()
    storage = _storage(args.db)
    max_body = _largest_upload(args.max_upload, storage)
    read_only = args.read_only or storage.read_only
    for name in () if read_only else args.folder:
        try:
            storage.create_folder(FolderName.parse(name))
        except ValueError as error:
            raise UsageError(str(error)) from None
    _allow_many_connections()
    server = RunningServer(
        UconApp(
            storage, users, prefix="/" + args.prefix.strip("/"), read_only=read_only, allow_drop=args.allow_drop,
            log_writing=True,
        ),
        host=args.host, port=args.port, threads=args.threads, max_body=max_body,
        certificate=str(args.tls_cert or ""), private_key=str(args.tls_key or ""),
        client_ca=str(args.client_ca or ""),
    )
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: stopped.set())
    url = server.start()
    emit_json({"url": url}) if args.json else emit(url)
    sys.stdout.flush()
    if not args.users and not read_only:
        talk("no --users: everybody may read, nobody may write; `ucondb serve --help` has the line for a writer")
    stopped.wait()
    talk("finishing the requests in hand")
    server.stop()
    return ExitCode.DONE


def _allow_many_connections() -> None:
    import resource

    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = _FILES if most == resource.RLIM_INFINITY else min(_FILES, most)
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, most))


def _largest_upload(megabytes: int | None, storage: Storage) -> int:
    if megabytes is None:
        return storage.largest_body
    if megabytes << 20 > storage.largest_body:
        most = storage.largest_body >> 20
        raise UsageError(f"--max-upload {megabytes}: this database takes blobs of {most} MB at most")
    return megabytes << 20


def _storage(db: str) -> Storage:
    from runarchive.ucondb.server.storage import StorageDown

    try:
        return _opened(db)
    except StorageDown as error:
        raise ArchiveError(
            Code.UNAVAILABLE, f"the database does not open: {error}", store=Store.UCONDB, phase=Phase.CONNECT,
            hint="correct --db, and look whether the database runs and this account may use it",
        ) from error


def _opened(db: str) -> Storage:
    if db.startswith(("postgresql://", "postgres://")):
        from runarchive.ucondb.server.postgres_storage import PostgresStorage

        return PostgresStorage(db)
    path = Path(db.removeprefix("sqlite://"))
    if not db.startswith("sqlite:///"):
        raise UsageError(f"--db {db!r} is neither sqlite:///ABS/PATH nor postgresql://…")
    from runarchive.ucondb.server.sqlite_storage import SqliteStorage

    return SqliteStorage(path)


def _client(args: argparse.Namespace, *, writing: bool = False) -> UconClient:
    if args.url is None:
        from runarchive.config import open_config
        from runarchive.pipeline.stores import Stores

        config = open_config(args.config)
        if writing:
            refuse_read_only(args, "ucondb put writes", config=config.app.read_only)
        return Stores(config).ucondb
    if writing:
        refuse_read_only(args, "ucondb put writes")
    from runarchive.ucondb.embedded import open_client

    return open_client(
        args.url, args.folder, args.object, user=args.user, password=_password(args.password_file),
        timeout=args.timeout, verify=str(args.ca_file) if args.ca_file else True,
        client_cert=str(args.client_cert) if args.client_cert else None,
    )


def _password(file: Path | None) -> str:
    if file is None:
        return os.environ.get(PASSWORD_VARIABLE, "")
    try:
        return file.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ArchiveError(Code.UNREADABLE_FILE, f"cannot read the password file {file}: {error}") from error


def _as_data(run: int, version: UconVersion) -> dict[str, object]:
    return {
        "run": run,
        "size": version.data_size,
        "adler32": version.adler32,
        "recorded": datetime.fromtimestamp(version.tr, UTC).isoformat(),
        "tags": list(version.tags),
        "version": version.id,
    }


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
