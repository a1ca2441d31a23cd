"""Opening the console: from the command line's arguments to a running screen, and out again."""

from __future__ import annotations

import argparse
import signal
import sys
from contextlib import suppress

from runarchive.archive import Archive
from runarchive.cli.output import talk
from runarchive.errors import ExitCode
from runarchive.keymap import load_keymap
from tui_archiver.app import ConsoleApp
from tui_archiver.memory import state_path
from tui_archiver.session import Options
from tui_archiver.theme import is_ascii_terminal


def open_console(args: argparse.Namespace) -> int:
    """Open the console on the archive that the arguments name, the made-up one for `demo`; returns the exit status."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        talk("tui-archiver: the console needs a terminal; name a command, see tui-archiver --help")
        return ExitCode.USAGE
    options = Options(
        ascii_only=args.ascii or is_ascii_terminal(),
        low_bandwidth=args.low_bandwidth,
        keymap=load_keymap(),
        memory_path=state_path(),
    )
    if args.noun == "demo":
        from runarchive.cli.demo_command import prepare_demo

        archive = Archive.open(prepare_demo(args), writable=not args.read_only, actor="console")
    else:
        archive = Archive.open(args.config, writable=args.write and not args.read_only, actor="console")
    app = ConsoleApp(archive, options)
    try:
        status = app.run(mouse=not args.no_mouse)
    finally:
        finish(archive)
    return status if status is not None else app.return_code or ExitCode.DONE


def finish(archive: Archive) -> None:
    """Close the archive once its runs in hand are finished; the terminal may be gone by then."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    if archive.working():
        with suppress(OSError):
            talk("finishing the runs in hand (ctrl+c leaves them to the next start)")
    try:
        archive.close()
    except KeyboardInterrupt:
        archive.stop(now=True)
        archive.close()
