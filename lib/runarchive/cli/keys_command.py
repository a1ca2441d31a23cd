"""`tui-archiver keys`: the key sheet of the console."""

from __future__ import annotations

import argparse
from pathlib import Path

from runarchive.cli.output import emit, emit_json
from runarchive.errors import ExitCode
from runarchive.keymap import SCOPES, key_name, key_sheet, keymap_path, keys_of, load_keymap


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of `keys`."""
    parser.add_argument("--keymap", type=Path, metavar="FILE", help=f"own keys; else {keymap_path()}")
    parser.add_argument("--screen", choices=list(SCOPES), help="only the keys of one screen")


def run(args: argparse.Namespace) -> int:
    """Print the key sheet as Markdown, or as JSON."""
    own = load_keymap(args.keymap)
    scopes = [args.screen] if args.screen else list(SCOPES)
    if args.json:
        keys = [key for scope in scopes for key in keys_of(scope, own)]
        emit_json({"keys": [{"id": k.id, "keys": [key_name(w) for w in k.keys], "help": k.help} for k in keys]})
    else:
        emit(key_sheet(scopes, own).rstrip("\n"))
    return ExitCode.DONE
