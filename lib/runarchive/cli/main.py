"""The command line of `tui-archiver`: finds the noun's module, parses, and turns failures into exit codes."""

from __future__ import annotations

import argparse
import errno
import importlib
import io
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from runarchive import __version__
from runarchive.cli.output import talk
from runarchive.errors import EXIT_CODE_MEANING, ArchiveError, ConfigError, ExitCode

NOUNS: dict[str, str] = {
    "status": "what is where, and what to do next",
    "runs": "the table of runs",
    "run": "one run's whole life",
    "explain": "why a run is in its state, and what would change that",
    "import": "bring runs from the records directory into artdaqDB",
    "migrate": "bring runs from artdaqDB into UconDB",
    "retry": "continue failed and partial runs to the end",
    "verify": "re-read every hop and record the verdict",
    "scrub": "verify continuously at a rate limit, oldest verdict first",
    "manifest": "what is archived where, with which hash",
    "compare": "one run's files across the three stores",
    "waive": "take a run out of the plan, with a reason",
    "recover": "rebuild import state, migrate state or the ledger from the stores",
    "jobs": "list, follow and cancel jobs of any process",
    "locks": "who holds the lock",
    "artdaqdb": "work on the intermediate store",
    "ucondb": "work on the permanent store, or serve one",
    "fhicl": "convert, print and check FHiCL",
    "blob": "pack, unpack and check blobs",
    "records": "make, check and restore run records",
    "config": "check and show the config file",
    "doctor": "whether each store can be reached, and what stands in the way",
    "paths": "where everything is kept",
    "keys": "the key sheet of the console",
    "completions": "shell completions",
    "demo": "the whole chain on made-up run records",
}
"""Each command with its one-line summary; its module is `runarchive.cli.<noun>_command`.

A module offers `configure(parser)` and `run(args) -> int`. `args` carries, besides its own options:
`config` (path or None), `json`, `read_only` and `write`.
"""


class Parser(argparse.ArgumentParser):
    """An argument parser whose complaints end with the exit code USAGE, and whose help, of nested ones too, ends with
    the table of exit codes."""

    def __init__(self, *args: Any, **options: Any) -> None:
        options.setdefault("epilog", exit_code_table())
        options.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(*args, **options)

    def error(self, message: str) -> NoReturn:
        """Print usage and the complaint, and leave with USAGE."""
        self.print_usage(sys.stderr)
        talk(f"{self.prog}: {message}")
        raise SystemExit(ExitCode.USAGE)


def common_options() -> Parser:
    """The options that every command takes, before or after its noun; give it as a parent to nested parsers too."""
    parser = Parser(add_help=False, argument_default=argparse.SUPPRESS)
    parser.add_argument("-c", "--config", metavar="CONFIG", help="else $TUI_ARCHIVER_CONFIG, ./config.yaml, XDG's")
    parser.add_argument("--json", action="store_true", help="data as JSON on stdout")
    parser.add_argument("--read-only", action="store_true", help="refuse everything that writes")
    parser.add_argument("--write", action="store_true", help="start the console armed")
    return parser


def exit_code_table() -> str:
    """The table of exit codes, as every `--help` prints it."""
    return "exit codes:\n" + "\n".join(f"  {code.value:>3}  {meaning}" for code, meaning in EXIT_CODE_MEANING.items())


def _noun(argv: Sequence[str]) -> str | None:
    """The first word that names a command; `artdaqdb import` is no `import`, `-c demo` is no `demo`."""
    words = (word for place, word in enumerate(argv) if place == 0 or argv[place - 1] not in ("-c", "--config"))
    return next((word for word in words if word in NOUNS), None)


def build_parser(argv: Sequence[str]) -> Parser:
    """The parser for these arguments; only the module of the noun they name is imported."""
    common = common_options()
    parser = Parser(
        prog="tui-archiver",
        description="The console for the life of a run record; with a command, its headless twin.",
        parents=[common],
    )
    parser.add_argument("--version", action="version", version=f"tui-archiver {__version__}")
    console = parser.add_argument_group("the console")
    console.add_argument("--ascii", action="store_true", help="marks, bars and lines in ASCII")
    console.add_argument("--low-bandwidth", action="store_true", help="paint once a second, in 16 colours")
    console.add_argument("--no-mouse", action="store_true", help="leave the mouse to the terminal")
    commands = parser.add_subparsers(dest="noun", metavar="COMMAND", parser_class=Parser)
    wanted = _noun(argv)
    for noun, summary in NOUNS.items():
        sub = commands.add_parser(noun, help=summary, description=summary, parents=[common])
        if noun == wanted:
            importlib.import_module(f"runarchive.cli.{noun}_command").configure(sub)
            _add_common_options(sub)
    return parser


def _add_common_options(parser: argparse.ArgumentParser) -> None:
    """Give the nested commands below a parser the common options that they lack, as `artdaqdb list --json`."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for child in action.choices.values():
                for option in common_options()._actions:
                    if not set(option.option_strings) & set(child._option_string_actions):
                        child._add_action(option)
                _add_common_options(child)


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """The parsed command line; raises SystemExit as argparse does, with USAGE for a wrong one."""
    args = build_parser(argv).parse_args(argv)
    for name, value in (("config", None), ("json", False), ("read_only", False), ("write", False)):
        if not hasattr(args, name):
            setattr(args, name, value)
    return args


def dispatch(args: argparse.Namespace) -> int:
    """Run the parsed command and return its exit status."""
    return int(importlib.import_module(f"runarchive.cli.{args.noun}_command").run(args))


def guarded(work: Callable[[], int]) -> int:
    """The exit status of some work; failures become one sentence on stderr and the status that goes with them."""
    try:
        return work()
    except ConfigError as error:
        for problem in error.problems:
            talk(f"config: {problem}")
        return error.exit_code
    except ArchiveError as error:
        where = "".join(f"{part}: " for part in (error.store, error.run) if part is not None)
        talk(f"{where}{error.message}" + (f"\n  next: {error.hint}" if error.hint else ""))
        return error.exit_code
    except KeyboardInterrupt:
        talk("interrupted")
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.FAILED
    except Exception as error:
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            talk(f"there is no room to write: {error}")
            return ExitCode.FAILED
        traceback.print_exc()
        talk("unexpected failure: a defect of this program; please report the lines above")
        return ExitCode.UNEXPECTED


def take_every_text() -> None:
    """Let stdout carry what its encoding cannot, as escapes: a file name that is no UTF-8 is `\\udcff`, in JSON too."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one headless command and return its exit status; failures become one sentence on stderr."""
    words = sys.argv[1:] if argv is None else list(argv)

    def work() -> int:
        args = parse(words)
        if args.noun is None:
            build_parser(words).print_help(sys.stderr)
            return ExitCode.USAGE
        return dispatch(args)

    take_every_text()
    return guarded(work)
