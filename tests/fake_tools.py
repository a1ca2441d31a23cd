"""Stand-ins for bulkloader, bulkdownloader and ssh: what the real ones do, and each of their known lies on demand.

`install(directory)` writes the three programs; the variable FAKE_TOOLS holds what they should get wrong, as words.
"""

# ruff: noqa: T201 (these are programs: what they print is what the real ones print)

from __future__ import annotations

import argparse
import contextlib
import os
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

SSH = """#!/bin/sh
printf '%s\\n' "$*" >> "$FAKE_SSH_LOG"
while [ "$1" != -- ]; do shift; done
host="$2"; shift 2
case "$host" in
  down) echo "ssh: connect to host down port 22: Connection refused" >&2; exit 255 ;;
  closed) echo "daq@closed: Permission denied (publickey)." >&2; exit 255 ;;
esac
cd / && exec sh -c "$*"
"""


def install(directory: Path) -> None:
    """Write `bulkloader`, `bulkdownloader` and `ssh` into a directory."""
    directory.mkdir(parents=True, exist_ok=True)
    for name in ("bulkloader", "bulkdownloader"):
        library = Path(__file__).resolve().parent.parent / "lib"
        program = f'#!/bin/sh\nPYTHONPATH={library} exec {sys.executable} {Path(__file__).resolve()} {name} "$@"\n'
        (directory / name).write_text(program)
    (directory / "ssh").write_text(SSH)
    for path in directory.iterdir():
        path.chmod(0o755)


def main() -> int:
    lies = os.environ.get("FAKE_TOOLS", "").split()
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    for option in "rcp":
        parser.add_argument(f"-{option}", required=True)
    parser.add_argument("-t", type=int, required=True)
    args = parser.parse_args()
    if "crash" in lies:
        print(f"Error: something broke in {os.environ['ARTDAQ_DATABASE_URI']}", file=sys.stderr)
        return 3
    if "hang" in lies:
        child = subprocess.Popen(["sleep", "600"])
        Path(os.environ["FAKE_CHILD"]).write_text(str(child.pid))
        time.sleep(600)
    from runarchive.artdaqdb import filesystemdb

    vars(filesystemdb)["locked"] = lambda directory, seconds: contextlib.nullcontext()
    return loader(args, lies) if args.program == "bulkloader" else downloader(args, lies)


def loader(args: argparse.Namespace, lies: list[str]) -> int:
    from runarchive.artdaqdb.store import NewDocument, open_store
    from runarchive.errors import ArchiveError

    configuration = f"{int(args.r)}/{args.c}"
    files = [path for path in sorted(Path(args.p).rglob("*")) if path.is_file() and ".fcl" in str(path)]
    if not files or args.t == 0:
        os.abort()
    if "log" in lies:
        with Path(os.environ["FAKE_CHILD"]).open("a") as log:
            log.write(" ".join(path.name for path in files) + "\n")
    refused = 0
    with closing(open_store(os.environ["ARTDAQ_DATABASE_URI"])) as store:
        for place, path in enumerate(files):
            collection, entity = "RunHistory", path.stem
            if "schema.fcl" in str(path):
                collection, entity = "SystemLayout", "schema"
            text = path.read_text("utf-8") + ("x: 1\n" if "alter" in lies else "")
            new = NewDocument(collection, entity, configuration, configuration, int(args.r), text)
            if "lose" in lies and place == 0:
                continue
            try:
                store.insert([new])
            except ArchiveError as error:
                refused += 1
                print(f"Failed loading file:{path}\nError message:<{error}>", file=sys.stderr)
        store.fold()
    count = len(files) - (1 if "miscount" in lies else 0)
    print(f"Loaded {count} files with {args.t} threads in 12 msecs.\nAvarage file load time is 1 msecs.")
    print("WARNING: mongoc: Falling back to malloc for counters.", file=sys.stderr)
    if refused:
        print(f"Error: Failed to load {refused} file(s).", file=sys.stderr)
    return 1 if refused and "hide" not in lies else 0


def downloader(args: argparse.Namespace, lies: list[str]) -> int:
    from runarchive.artdaqdb.export import export_configuration
    from runarchive.artdaqdb.store import open_store
    from runarchive.errors import ArchiveError

    configuration = f"{int(args.r)}/{args.c}"
    with closing(open_store(os.environ["ARTDAQ_DATABASE_URI"])) as store:
        try:
            files = export_configuration(store, configuration).files
        except ArchiveError:
            print(f"Failed loading configuration composition for {configuration}", file=sys.stderr)
            return 1
    folder = Path(args.p) / args.c.rstrip("0123456789")
    folder.mkdir(parents=True, exist_ok=True)
    for one in files:
        if "leave_out" in lies and one.collection == "RunHistory":
            continue
        target = (Path(args.p) if one.collection == "SystemLayout" else folder) / f"{one.entity}.fcl"
        target.write_text(one.text + ("y: 2 \n" if "alter_export" in lies else ""))
    print(f"Downloaded {len(files)} files with {args.t} threads in 12 msecs.\nAvarage file load time is 1 msecs.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
