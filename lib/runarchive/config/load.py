"""Reading a config file into typed sections, with every problem reported at once."""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Mapping as MappingType
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml

from runarchive.config import sections as s
from runarchive.config.envfile import find_env_file, read_env
from runarchive.config.keys import Key
from runarchive.config.values import Origin, Values
from runarchive.errors import ConfigError

FILE_NAME = "config.yaml"
VARIABLE = "TUI_ARCHIVER_CONFIG"
LOG_LEVELS = frozenset({"DEBUG", "INFO", "WARNING", "WARN", "ERROR", "CRITICAL", "FATAL", "NOTSET"})
"""The names that the module logging gives to levels."""

_Section = TypeVar("_Section")

SECTIONS: dict[str, type[Any]] = {
    "app": s.App,
    "app_fuzz": s.AppFuzz,
    "source_files": s.SourceFiles,
    "artdaq_db": s.ArtdaqDb,
    "ucon_db": s.UconDb,
    "reporting.email": s.Email,
    "reporting.slack": s.Slack,
    "carbon": s.Carbon,
}
"""Each section that is a table of declared keys."""


@dataclass(frozen=True, slots=True)
class Config:
    """A whole config file, read and checked.

    `warnings` are sentences about keys that are unknown, deprecated or doubtful; `origins` tells where each value
    comes from; `environment` is what `archiver.env` adds for programs started from here.
    """

    path: Path
    app: s.App
    app_fuzz: s.AppFuzz
    source_files: s.SourceFiles
    artdaq_db: s.ArtdaqDb
    ucon_db: s.UconDb
    reporting: s.Reporting
    carbon: s.Carbon
    validation: s.Validation
    fhiclize_generate: frozenset[str] = s.CONVERTIBLE
    warnings: tuple[str, ...] = ()
    origins: MappingType[str, Origin] = dataclasses.field(default_factory=dict)
    environment: MappingType[str, str] = dataclasses.field(default_factory=dict, repr=False)

    @property
    def wanted(self) -> frozenset[str] | None:
        """What `fhiclize_generate` lets a conversion make; None where that is everything, rc_info too."""
        return None if self.fhiclize_generate >= s.CONVERTIBLE else self.fhiclize_generate


def find_config(given: str | None) -> Path:
    """The config file to use: the one given, `$TUI_ARCHIVER_CONFIG`, `./config.yaml`, or the one in the XDG directory.

    Raises ConfigError where none of these exists.
    """
    if given is not None:
        return Path(given)
    if named := os.environ.get(VARIABLE):
        return Path(named)
    places = (Path(FILE_NAME), user_config_file())
    for place in places:
        if place.is_file():
            return place
    looked = ", ".join(str(place.absolute()) for place in places)
    hint = "`tui-archiver demo` makes an archive to try"
    raise ConfigError([f"no config file: name one with -c or ${VARIABLE}; looked for {looked}; {hint}"])


def user_config_file() -> Path:
    """The config file in the user's XDG directory, whether it exists or not."""
    base = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(base).expanduser() / "tui-archiver" / FILE_NAME


def load_config(path: Path, environment: MappingType[str, str] | None = None) -> Config:
    """Read and check a config file, with the variables of the `archiver.env` beside it.

    `environment` stands for the process's own, and for that file, where it is given.
    Raises ConfigError, whose `problems` lists every fault of the file, each one sentence that names its key.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise ConfigError([f"config file {path} does not exist"]) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([f"config file {path} cannot be read: {error}"]) from None
    if environment is not None:
        return parse_config(text, path, environment)
    added, remarks = _env_file(path)
    config = parse_config(text, path, {**os.environ, **added})
    return dataclasses.replace(config, environment=added, warnings=(*remarks, *config.warnings))


def open_config(given: str | None) -> Config:
    """The config that `find_config` finds. Raises ConfigError."""
    return load_config(find_config(given))


def _env_file(path: Path) -> tuple[dict[str, str], tuple[str, ...]]:
    place = find_env_file(path)
    if place is None:
        return {}, ()
    try:
        found, problems = read_env(place.read_text(encoding="utf-8-sig"), os.environ)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([f"{place} cannot be read: {error}"]) from None
    return found, tuple(f"{place} {problem}" for problem in problems)


def _place(error: yaml.YAMLError) -> str:
    """Where and what is wrong, by the lines of the file."""
    mark = getattr(error, "problem_mark", None)
    if not isinstance(error, yaml.MarkedYAMLError) or mark is None:
        return f": {' '.join(str(error).split())}"
    began = error.context_mark
    since = f" ({error.context}, line {began.line + 1})" if error.context and began is not None else ""
    return f", line {mark.line + 1}: {error.problem}{since}"


def parse_config(text: str, path: Path, environment: MappingType[str, str]) -> Config:
    """The config in this text; `path` is the name it is known by. Raises ConfigError."""
    try:
        values = Values(text, environment)
    except yaml.YAMLError as error:
        raise ConfigError([f"config file {path} is no valid YAML{_place(error)}"]) from None
    if values.empty:
        raise ConfigError([f"config file {path} is empty, or not a table of sections"])
    for name, kind in SECTIONS.items():
        values.declare(name, declared_keys(kind))
    for name in ("source_files", "artdaq_db", "ucon_db"):
        values.require_section(name)
    config = Config(
        path=path.absolute(),
        app=_app(values),
        app_fuzz=_section(values, "app_fuzz", s.AppFuzz),
        source_files=_source_files(values),
        artdaq_db=_artdaq_db(values),
        ucon_db=_ucon_db(values),
        reporting=_reporting(values),
        carbon=_carbon(values),
        validation=_validation(values),
        fhiclize_generate=_fhiclize(values),
        warnings=(),
        origins=values.origins,
    )
    values.warn_of_unknown_keys()
    if values.problems:
        raise ConfigError(values.problems, values.warnings)
    return dataclasses.replace(config, warnings=tuple(values.warnings))


def declared_keys(section: type[Any]) -> dict[str, tuple[Key, Any]]:
    """The keys of a section class: name → (declaration, default)."""
    return {
        item.name: (item.metadata["key"], item.default)
        for item in dataclasses.fields(section)
        if "key" in item.metadata
    }


def _section(values: Values, name: str, kind: type[_Section], quiet: bool = False, **extra: Any) -> _Section:
    """Read every declared key of a section; with `quiet`, its faults are warnings (a section that is switched off)."""
    found = {
        word: values.read(f"{name}.{word}", declared, default, quiet=quiet)
        for word, (declared, default) in declared_keys(kind).items()
    }
    return kind(**found, **extra)


def _app(values: Values) -> s.App:
    app = _section(values, "app", s.App)
    if app.log_level.upper() not in LOG_LEVELS:
        values.warn(f"app.log_level: {app.log_level!r} is no level; INFO is used")
        app = dataclasses.replace(app, log_level="INFO")
    return dataclasses.replace(app, log_level=app.log_level.upper())


def _source_files(values: Values) -> s.SourceFiles:
    ranges: list[tuple[int, int]] = []
    for item in values.words("source_files.ignore_runs") or ():
        match = re.fullmatch(r"\s*(\d+)\s*(?:-\s*(\d+)\s*)?", item)
        if match is None or (match[2] and int(match[2]) < int(match[1])):
            values.problem("source_files.ignore_runs", f"{item!r} is neither a run number nor a range like 12000-12500")
        else:
            ranges.append((int(match[1]), int(match[2] or match[1])))
    return _section(values, "source_files", s.SourceFiles, ignore_runs=tuple(ranges))


def _artdaq_db(values: Values) -> s.ArtdaqDb:
    section = _section(values, "artdaq_db", s.ArtdaqDb)
    uri = section.database_uri or ""
    if uri and not uri.startswith(("filesystemdb://", "mongodb://", "mongodb+srv://")):
        values.problem(
            "artdaq_db.database_uri", f"{s.redact_uri(uri)!r} starts with neither filesystemdb:// nor mongodb://"
        )
    if section.remote_host is None:
        host = values.environment.get("ARTDAQ_DATABASE_REMOTEHOST") or None
        section = dataclasses.replace(section, remote_host=host)
    return section


def _ucon_db(values: Values) -> s.UconDb:
    section = _section(values, "ucon_db", s.UconDb)
    url = section.server_url or ""  # None while the problem of its absence is reported
    if url and not url.startswith(("http://", "https://", "embedded:///")):
        values.problem("ucon_db.server_url", f"{s.redact_uri(url)!r} starts with neither https:// nor embedded:///")
    elif url.startswith("http") and not url.rstrip("/").endswith("/app"):
        values.warn(
            f"ucon_db.server_url: {s.redact_uri(url)} does not end in /app, as the addresses of UconDB servers do"
        )
    if not section.verify:
        values.warn("ucon_db.verify: false, so the server's certificate is not checked")
    return section


def _reporting(values: Values) -> s.Reporting:
    values.move_old_reporting_keys()
    email = _optional(values, "reporting.email", s.Email, ("recipient_email", "sender_email", "smtp_host"))
    slack = _optional(values, "reporting.slack", s.Slack, ("bot_token", "channel"))
    return s.Reporting(email, slack)


def _carbon(values: Values) -> s.Carbon:
    return _optional(values, "carbon", s.Carbon, ("host", "metric_prefix"))


def _optional(values: Values, name: str, kind: type[_Section], needed: tuple[str, ...]) -> _Section:
    """A section with a switch `enabled`: faults of a section that is off are only warnings."""
    declared, default = declared_keys(kind)["enabled"]
    enabled = values.read(f"{name}.enabled", declared, default)
    section = _section(values, name, kind, quiet=not enabled)
    for word in needed if enabled else ():
        if not getattr(section, word) and not values.has_problem(f"{name}.{word}"):
            values.problem(f"{name}.{word}", f"is required while {name}.enabled is true")
    return section


def _validation(values: Values) -> s.Validation:
    found = values.table_or_words("validation.patterns")
    if found is None:
        return s.Validation()
    patterns = []
    for name, pattern in found:
        try:
            patterns.append((name, re.compile(pattern, re.M)))
        except re.error as error:
            values.problem("validation.patterns", f"{pattern!r} is no regular expression: {error}")
    return s.Validation(tuple(patterns))


FHICLIZE_TABLE = ("files", "convert", "converters", "generate", "generators")
"""The keys of `fhiclize_generate` as a table; the older archiver documented all of them, and knew the first."""


def _fhiclize(values: Values) -> frozenset[str]:
    """The files to make FHiCL of: nothing = all, a list, or a table of lists; endings do not matter."""
    if values.is_table("fhiclize_generate"):
        lists = [values.names(f"fhiclize_generate.{word}") for word in FHICLIZE_TABLE]
        words = [word for found in lists for word in found or ()]
        if all(found is None for found in lists):
            values.warn(f"fhiclize_generate: is a table without {', '.join(FHICLIZE_TABLE)}; everything is converted")
            return s.CONVERTIBLE
    else:
        listed = values.words("fhiclize_generate")
        if listed is None:
            return s.CONVERTIBLE
        words = list(listed)
    names = [word[:-4] if word.endswith((".txt", ".fcl")) else word for word in words]
    for name in names:
        if name not in s.CONVERTIBLE:
            values.problem(
                "fhiclize_generate", f"{name!r} is unknown; known are {', '.join((*s.CONVERTERS, *s.GENERATORS))}"
            )
    return frozenset(names) & s.CONVERTIBLE
