"""`blob`: pack, unpack and check blobs, the form in which UconDB keeps a run."""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path

from runarchive.clean import clean
from runarchive.cli.numbers import RUN
from runarchive.cli.output import emit, emit_json, talk, unreadable
from runarchive.errors import ArchiveError, Code, ConfigError, ExitCode
from runarchive.model import Phase, Store, Verdict
from runarchive.ucondb.blob import Blob, File, pack, read_directory, unpack, write_directory


def configure(parser: argparse.ArgumentParser) -> None:
    """The sub-commands and their options."""
    commands = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    packing = commands.add_parser("pack", help="make the blob of a directory")
    packing.add_argument("directory", metavar="DIR", type=Path)
    packing.add_argument("--run", dest="number", metavar="N", type=RUN, required=True)
    packing.add_argument("--out", metavar="FILE", type=Path, help="else stdout")
    unpacking = commands.add_parser("unpack", help="write the files of a blob; with a config, artdaqDB settles doubts")
    unpacking.add_argument("file", metavar="FILE", type=Path, help="- is stdin")
    unpacking.add_argument("--out", metavar="DIR", type=Path, required=True)
    checking = commands.add_parser("check", help="whether a file is a whole, unambiguous blob that says what it must")
    checking.add_argument("file", metavar="FILE", type=Path, help="- is stdin")
    checking.add_argument("--run", dest="number", metavar="N", type=RUN, help="the run it must be of")


def run(args: argparse.Namespace) -> int:
    """Do one of the sub-commands."""
    return int({"pack": _pack, "unpack": _unpack, "check": _check}[args.action](args))


def _pack(args: argparse.Namespace) -> int:
    if not args.directory.is_dir():
        raise ArchiveError(Code.NOT_FOUND, f"{args.directory} is no directory", hint="check the path")
    files = read_directory(args.directory)
    if not files:
        raise ArchiveError(Code.NOT_FOUND, f"there are no files in {args.directory}", hint="check the path")
    blob = pack(files, args.number, datetime.now(UTC))
    unpacked = unpack(blob)
    if unpacked.ambiguities or sorted(unpacked.files) != sorted(files):
        talk("warning: text in these files looks like a marker; only artdaqDB can tell how to unpack this blob")
    if args.out is None:
        sys.stdout.buffer.write(blob)
        return ExitCode.DONE
    try:
        args.out.write_bytes(blob)
    except OSError as error:
        raise ArchiveError(Code.PERMISSION, f"cannot write {args.out}: {error.strerror}") from error
    if args.json:
        emit_json({"run": args.number, "file": str(args.out), "files": len(files), "size": len(blob)})
    else:
        talk(f"run {args.number}: {len(files)} files, {len(blob)} bytes")
    return ExitCode.DONE


def _unpack(args: argparse.Namespace) -> int:
    data = _read(args.file)
    blob = unpack(data)
    source = "blob"
    if blob.ambiguities:
        blob, source = _resolved(args, data, blob), "blob and artdaqDB"
    written = write_directory(blob.files, args.out)
    if args.json:
        emit_json({"run": blob.run, "packed_on": blob.packed_on, "source": source, "files": [n for n, _ in blob.files]})
    else:
        talk(f"run {blob.run}, packed on {clean(blob.packed_on)}: {len(written)} files in {args.out}")
    return ExitCode.DONE


def _resolved(args: argparse.Namespace, data: bytes, blob: Blob) -> Blob:
    """The blob read with the help of artdaqDB; raises ArchiveError(AMBIGUOUS_BLOB) where that does not settle it."""
    doubts = blob.ambiguities
    for expected in _from_artdaqdb(args.config, blob.run):
        resolved = unpack(data, expected)
        if not resolved.ambiguities:
            return resolved
        doubts = resolved.ambiguities
    for doubt in doubts:
        talk(f"ambiguous: {clean(doubt)}")
    raise ArchiveError(
        Code.AMBIGUOUS_BLOB, f"the blob of run {blob.run} can be read in more than one way; nothing was written",
        store=Store.UCONDB, phase=Phase.READ, run=blob.run,
    )


def _from_artdaqdb(given: str | None, run: int) -> list[list[File]]:
    """The files of each configuration of a run in the config's artdaqDB; none without a config."""
    from runarchive.artdaqdb.export import export_configuration, file_paths
    from runarchive.config import find_config, load_config
    from runarchive.pipeline.stores import Stores

    try:
        path = find_config(given)
    except ConfigError:
        return []
    stores = Stores(load_config(path))
    try:
        found = []
        for name in stores.artdaqdb.configurations_of(run):
            placed, _ = file_paths(export_configuration(stores.artdaqdb, name), name, "flat")
            found.append([(path, one.text.encode("utf-8", "surrogateescape")) for path, one in placed])
        return found
    finally:
        stores.close()


def _check(args: argparse.Namespace) -> int:
    from runarchive.config import Validation, open_config
    from runarchive.ucondb.validation import validate_blob

    try:
        validation = open_config(args.config).validation
    except ConfigError:
        if args.config is not None:
            raise
        validation = Validation()
    result = validate_blob(_read(args.file), args.number, validation.patterns)
    if args.json:
        emit_json({"file": str(args.file), "verdict": result.verdict.value, "evidence": result.evidence})
    else:
        emit(f"{args.file}: {result.verdict.value}: {clean(result.evidence)}")
    return ExitCode.DONE if result.verdict is Verdict.PASS else ExitCode.FAILED


def _read(file: Path) -> bytes:
    try:
        return sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    except OSError as error:
        raise unreadable(str(file), error) from error
