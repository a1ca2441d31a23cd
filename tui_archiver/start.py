"""Opening the console: from the command line's arguments to a running screen, and out again."""

from __future__ import annotations

import argparse
import sys

from runarchive.archive import Archive
from runarchive.errors import ExitCode
from runarchive.keymap import load_keymap
from tui_archiver.app import ConsoleApp, Options
from tui_archiver.memory import state_path
from tui_archiver.theme import is_ascii_terminal


def open_console(args: argparse.Namespace) -> int:
    """Open the console on the archive that the arguments name, the made-up one for `demo`; returns the exit status."""
    actor = "console"
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        sys.stderr.write("tui-archiver: the console needs a terminal; name a command, see tui-archiver --help\n")
        return ExitCode.USAGE
    options = Options(
        ascii_only=args.ascii or is_ascii_terminal(),
        low_bandwidth=args.low_bandwidth,
        keymap=load_keymap(),
        memory_path=state_path(),
    )
    if args.noun == "demo":
        from runarchive.cli.demo_command import prepare_demo

        archive = Archive.open(prepare_demo(args), writable=not args.read_only, actor=actor)
    else:
        archive = Archive.open(args.config, writable=args.write and not args.read_only, actor=actor)
    app = ConsoleApp(archive, options)
    try:
        status = app.run(mouse=not args.no_mouse)
    finally:
        if archive.working():
            sys.stderr.write("finishing the runs in hand (ctrl+c leaves them to the next start)\n")
        try:
            archive.close()
        except KeyboardInterrupt:
            archive.stop(now=True)
    return status if status is not None else app.return_code or ExitCode.DONE
