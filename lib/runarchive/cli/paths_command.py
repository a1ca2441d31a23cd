"""`tui-archiver paths`: where everything is kept."""

from __future__ import annotations

import argparse
from pathlib import Path

from runarchive.cli.output import emit, emit_json
from runarchive.config import find_config, load_config, user_config_file
from runarchive.config.envfile import find_env_file
from runarchive.errors import ConfigError, ExitCode
from runarchive.ledger.lock import lock_remark
from runarchive.ledger.place import ledger_place, state_directory


def configure(parser: argparse.ArgumentParser) -> None:
    """No options of its own."""


def run(args: argparse.Namespace) -> int:
    """List every path with whether it exists, and what is remarkable about it; without a config, where one may be."""
    shown = [(name, place, remark) for name, place, remark in _places(args.config) if place is not None]
    if args.json:
        entries = [
            {"name": name, "path": str(place), "exists": place.exists(), "remark": remark}
            for name, place, remark in shown
        ]
        emit_json({"paths": entries})
        return ExitCode.DONE
    for name, place, remark in shown:
        mark = "" if place.exists() else "  (not there)"
        emit(f"{name:<20} {place}{mark}" + (f"\n{'':<20} {remark}" if remark else ""))
    return ExitCode.DONE


def _places(given: str | None) -> list[tuple[str, Path | None, str]]:
    always: list[tuple[str, Path | None, str]] = [
        ("user config", user_config_file(), ""),
        ("state directory", state_directory(), ""),
    ]
    try:
        path = find_config(given)
    except ConfigError:
        return [("config here", Path("config.yaml").absolute(), "no config is found; name one with -c"), *always]
    config = load_config(path)
    app = config.app
    ledger, remark = ledger_place(app.ledger_file)
    return [
        ("config", path.absolute(), ""),
        ("archiver.env", find_env_file(path), ""),
        *always,
        ("work_dir", app.work_dir, ""),
        ("ledger_file", ledger, remark),
        ("lock_file", app.lock_file, lock_remark(app.lock_file)),
        ("log_file", app.log_file, ""),
        ("import_state_file", app.import_state_file, ""),
        ("migrate_state_file", app.migrate_state_file, ""),
        ("import_failure_log", app.import_failure_log, ""),
        ("migrate_failure_log", app.migrate_failure_log, ""),
        ("run_records_dir", config.source_files.run_records_dir, ""),
        ("fcl_conf_dir", config.artdaq_db.fcl_conf_dir, ""),
        ("embedded UconDB", config.ucon_db.embedded, ""),
    ]
