"""`tui-archiver config`: check the config file, show what it means and where each value is from, list every key."""

from __future__ import annotations

import argparse
from typing import Any

from runarchive.cli.main import common_options
from runarchive.cli.output import emit, emit_json, talk
from runarchive.config import Config, declared_keys, find_config, load_config, open_config
from runarchive.config.load import SECTIONS
from runarchive.errors import ConfigError, ExitCode, UsageError


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the three verbs."""
    common = common_options()
    verbs = parser.add_subparsers(dest="verb", metavar="VERB")
    verbs.add_parser("check", parents=[common], help="report every fault and everything doubtful")
    verbs.add_parser("show", parents=[common], help="every key with its value and origin; secrets are not shown")
    verbs.add_parser("schema", parents=[common], help="every key with its kind, default and meaning")


def run(args: argparse.Namespace) -> int:
    """Do the verb; `check` exits 1 where the config has a fault."""
    if args.verb is None:
        raise UsageError("config: say check, show or schema")
    if args.verb == "schema":
        return _schema(args.json)
    if args.verb == "show":
        return _show(open_config(args.config), args.json)
    return _check(args)


def _check(args: argparse.Namespace) -> int:
    path = find_config(args.config)
    problems: list[str] = []
    warnings: tuple[str, ...] = ()
    try:
        warnings = load_config(path).warnings
    except ConfigError as error:
        problems, warnings = error.problems, error.warnings
    if args.json:
        emit_json({"config": str(path), "ok": not problems, "problems": problems, "warnings": list(warnings)})
    else:
        for problem in problems:
            emit(f"error    {problem}")
        for warning in warnings:
            emit(f"warning  {warning}")
        counts = ((len(problems), "error"), (len(warnings), "warning"))
        talk(f"{path}: " + ", ".join(f"{count} {word}{'' if count == 1 else 's'}" for count, word in counts))
    return ExitCode.FAILED if problems else ExitCode.DONE


def _show(config: Config, as_json: bool) -> int:
    if as_json:
        values = {name: {"value": origin.shown, "origin": origin.source} for name, origin in config.origins.items()}
        emit_json({"config": str(config.path), "values": values, "warnings": list(config.warnings)})
        return ExitCode.DONE
    emit(f"# {config.path}")
    width = max(map(len, config.origins))
    for name, origin in config.origins.items():
        emit(f"{name:<{width}}  {origin.shown or '-'}  ({origin.source})")
    for warning in config.warnings:
        talk(f"warning: {warning}")
    return ExitCode.DONE


def _schema(as_json: bool) -> int:
    keys = [_described(section, kind) for section, kind in SECTIONS.items()]
    flat = [entry for section in keys for entry in section] + FREE_KEYS
    if as_json:
        emit_json({"keys": flat})
        return ExitCode.DONE
    for entry in flat:
        default = "required" if entry["required"] else f"default {entry['default']}"
        secret = "; may stand in a file: " + entry["key"] + "_file" if entry["secret"] else ""
        emit(f"{entry['key']}\n    {entry['kind']}, {default}{secret}\n    {entry['meaning']}")
    return ExitCode.DONE


def _described(section: str, kind: type[Any]) -> list[dict[str, Any]]:
    return [
        {
            "key": f"{section}.{word}",
            "kind": declared.kind,
            "required": declared.required,
            "default": declared.template or _plain(default),
            "secret": declared.secret,
            "meaning": declared.meaning,
        }
        for word, (declared, default) in declared_keys(kind).items()
    ]


def _plain(default: Any) -> Any:
    return default if default is None or isinstance(default, bool | int | float) else str(default)


def _free(key: str, kind: str, default: Any, meaning: str) -> dict[str, Any]:
    return {"key": key, "kind": kind, "required": False, "default": default, "secret": False, "meaning": meaning}


FREE_KEYS = [
    _free("source_files.ignore_runs", "list", "none", "runs and ranges (7, 9000-9999) out of plans, gaps, coverage"),
    _free("fhiclize_generate", "list", "all", "files to make FHiCL of; also a table with the list under `files`"),
    _free(
        "validation.patterns",
        "table",
        "components, config_name, sbndaq_commit_or_version",
        "regular expressions to be found exactly once in metadata.fcl by run-archiver --validate",
    ),
]
