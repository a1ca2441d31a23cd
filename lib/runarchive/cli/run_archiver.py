"""`run-archiver`: the older archiver's command line, for a crontab whose line changes only in the program's name."""

from __future__ import annotations

import argparse
import logging
import resource
import sys
from collections.abc import Sequence
from pathlib import Path

from runarchive import __version__
from runarchive.cli.archiver import CurrentStage, log
from runarchive.cli.archiver.log import MAIN, ORCHESTRATOR, banner
from runarchive.cli.archiver.signals import StopRequests
from runarchive.cli.numbers import SECONDS
from runarchive.config import Config, find_config, load_config
from runarchive.config.load import FILE_NAME
from runarchive.errors import ArchiveError, Code, ConfigError, ExitCode
from runarchive.model import Severity, Store

HELP_WORDS = ("/?", "/h", "/help")
MODES = {
    "import_only": "import stage only",
    "migrate_only": "migration stage only",
    "retry_failed_import": "retry the runs of the import failure log",
    "retry_failed_migrate": "retry the runs of the migration failure log",
    "report_status": "report what is where; change nothing",
    "recover_import_state": "rebuild the import state file and failure log from the stores",
    "recover_migrate_state": "rebuild the migration state file and failure log from the stores",
}
EPILOG = """exit codes:
    0  done, or nothing to do
    1  known failure (config, lock, store), or some runs failed
    2  unexpected failure, with a traceback in the log; usage
  130  interrupted

signals:
  SIGINT, SIGTERM, SIGHUP   finish the runs in hand, then leave
  three SIGINT within 2 s   leave at once
Removing the lock file (app.lock_file) stops a running start gracefully, too (exit code 1).
"""
LEVELS = {
    Severity.DEBUG: logging.DEBUG,
    Severity.INFO: logging.INFO,
    Severity.WARNING: logging.WARNING,
    Severity.ERROR: logging.ERROR,
}
ERROR_NAMES = {
    Code.BAD_CONFIG: "ConfigurationError",
    Code.LOCK_HELD: "LockExistsError",
    Code.MISMATCH: "VerificationError",
    Code.BAD_FHICL: "FclPreperationError",
    Code.AMBIGUOUS_BLOB: "BlobCreationError",
}
STORE_ERRORS = {Store.ARTDAQDB: "ArtdaqDBError", Store.UCONDB: "UconDBError"}


def build_parser() -> argparse.ArgumentParser:
    """The parser of the older archiver's flags, and `--wait`."""
    parser = argparse.ArgumentParser(
        prog="run-archiver",
        description="Bring run records into artdaqDB, and from there into UconDB; without a mode, both stages.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("config_file", nargs="?", help="default: config.yaml, else what `tui-archiver` would find")
    parser.add_argument("-v", "--verbose", action="store_true", help="log at level DEBUG, whatever the config says")
    parser.add_argument("-q", "--quiet", action="store_true", help="nothing on standard output; the log file stays")
    parser.add_argument(
        "--incremental", action="store_true", help="at most batch_size runs a stage (without: ten times as many)"
    )
    parser.add_argument("--wait", type=SECONDS, default=0.0, metavar="S", help="wait up to S seconds for the lock")
    parser.add_argument(
        "--compare-state", action="store_true", help="report, and compare with the state files (--report-status)"
    )
    parser.add_argument(
        "--validate", action="store_true", help="look into metadata.fcl of each migrated blob (validation.patterns)"
    )
    parser.add_argument("--init-venv", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--version", action="version", version=f"run-archiver {__version__}")
    modes = parser.add_mutually_exclusive_group()
    for name, meaning in MODES.items():
        modes.add_argument(f"--{name.replace('_', '-')}", action="store_true", help=meaning)
    return parser


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """The parsed command line; a wrong one raises SystemExit(2)."""
    parser = build_parser()
    args = parser.parse_args(["--help" if word in HELP_WORDS else word for word in argv])
    if args.compare_state:
        others = [name for name in MODES if name != "report_status" and getattr(args, name)]
        if others:
            parser.error(f"argument --compare-state: not allowed with argument --{others[0].replace('_', '-')}")
        args.report_status = True
    return args


def main(argv: Sequence[str] | None = None) -> int:
    """Run one start and return its exit status."""
    args = parse(sys.argv[1:] if argv is None else argv)
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="replace")
    try:
        code = _start(args)
    except KeyboardInterrupt:
        MAIN.warning("interrupted before any work began")
        code = ExitCode.INTERRUPTED
    finally:
        logging.shutdown()
    return code


def _start(args: argparse.Namespace) -> int:
    try:
        path = _config_file(args.config_file)
        config = load_config(path)
    except ConfigError as error:
        log.set_up("INFO", None, quiet=args.quiet)
        return _known_error(error, "")
    log.set_up("DEBUG" if args.verbose else config.app.log_level, None, quiet=args.quiet)
    code = int(ExitCode.UNEXPECTED)
    at = CurrentStage()
    try:
        _make_work_dir(config)
        log.set_up("DEBUG" if args.verbose else config.app.log_level, config.app.log_file, quiet=args.quiet)
        banner(MAIN, "Run Record Archiver Starting", f"Config: {path}")
        for warning in config.warnings:
            MAIN.warning("%s", warning)
        if args.init_venv:
            MAIN.info("--init-venv has no effect: this program is installed with its environment")
        code = _work(args, config, at)
        MAIN.info("Archiver execution complete.")
    except ArchiveError as error:
        code = _known_error(error, at.stage)
    except Exception as error:
        _unexpected_error(error, at.stage)
    return code


def _config_file(given: str | None) -> Path:
    """The file given, else `config.yaml` here as ever, else the one that `tui-archiver` would find."""
    here = Path(given or FILE_NAME)
    return here if given is not None or here.is_file() else find_config(None)


def _make_work_dir(config: Config) -> None:
    try:
        config.app.work_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError([f"app.work_dir {config.app.work_dir} cannot be made: {error}"]) from error


def _work(args: argparse.Namespace, config: Config, at: CurrentStage) -> int:
    from runarchive.archive import Archive
    from runarchive.cli.archiver.start import Start

    ORCHESTRATOR.info("Initializing Run Record Archiver components...")
    with Archive.open(config, writable=not args.report_status, actor="run-archiver") as archive:
        ORCHESTRATOR.info("All components initialized successfully.")
        for notice in archive.notices[len(config.warnings) :]:
            MAIN.warning("%s", notice)
        archive.on_event(lambda sentence, severity: MAIN.log(LEVELS[severity], "%s", sentence))
        requests = StopRequests(archive.stop)
        requests.install()
        start = Start(archive, config, args, requests, at)
        try:
            code = start.run()
        except ArchiveError as error:
            if error.code is not Code.CANCELLED or not requests.requested:
                raise
            code = ExitCode.INTERRUPTED
    requests.close()
    MAIN.info("%s", log.WIDE)
    if requests.requested or start.lock_removed:
        MAIN.warning("✓ GRACEFUL SHUTDOWN COMPLETED")
        MAIN.warning("Reason: %s", requests.reason or "Lock file removed")
        code = ExitCode.INTERRUPTED if requests.requested else ExitCode.FAILED
    elif code == ExitCode.DONE:
        MAIN.info("✓ EXECUTION COMPLETED SUCCESSFULLY")
    else:
        MAIN.warning("✗ EXECUTION COMPLETED WITH FAILURES (exit code: %d)", code)
    MAIN.info("%s", log.WIDE)
    return int(code)


def _known_error(error: ArchiveError, stage: str) -> int:
    level = logging.WARNING if error.code is Code.LOCK_HELD else logging.CRITICAL
    store_name = STORE_ERRORS.get(error.store) if error.store is not None else None
    lines = ["ERROR SUMMARY", log.WIDE]
    if stage:
        lines.append(f"Failed Stage: {stage}")
    lines.append(f"Error Type: {ERROR_NAMES.get(error.code) or store_name or 'ArchiverError'}")
    problems = error.problems if isinstance(error, ConfigError) else [error.message]
    lines.extend(f"Error Message: {problem}" for problem in problems)
    lines.extend(f"Warning: {warning}" for warning in getattr(error, "warnings", ()))
    if error.hint:
        lines.append(f"Next: {error.hint}")
    banner(MAIN, *lines, level=level)
    _terminated(stage)
    return int(ExitCode.FAILED)


def _unexpected_error(error: Exception, stage: str) -> None:
    lines = ["UNEXPECTED ERROR SUMMARY", log.WIDE]
    if stage:
        lines.append(f"Failed Stage: {stage}")
    lines += [f"Error Type: {type(error).__name__}", f"Error Message: {error}"]
    banner(MAIN, *lines, level=logging.CRITICAL)
    MAIN.critical("Full traceback:", exc_info=error)
    _terminated(stage)


def _terminated(stage: str) -> None:
    MAIN.info("Archiver terminated due to error.")
    if stage:
        MAIN.info("Check logs for details about %s stage failure.", stage)


if __name__ == "__main__":
    sys.exit(main())
