"""The config file: typed, `${…}` expanded, every problem reported at once."""

from __future__ import annotations

from runarchive.config.load import (
    Config,
    declared_keys,
    find_config,
    load_config,
    open_config,
    parse_config,
    user_config_file,
)
from runarchive.config.sections import (
    CONVERTERS,
    CONVERTIBLE,
    GENERATORS,
    App,
    AppFuzz,
    ArtdaqDb,
    Carbon,
    Email,
    Reporting,
    Slack,
    SourceFiles,
    UconDb,
    Validation,
    redact_uri,
)
from runarchive.config.values import Origin

__all__ = [
    "CONVERTERS",
    "CONVERTIBLE",
    "GENERATORS",
    "App",
    "AppFuzz",
    "ArtdaqDb",
    "Carbon",
    "Config",
    "Email",
    "Origin",
    "Reporting",
    "Slack",
    "SourceFiles",
    "UconDb",
    "Validation",
    "declared_keys",
    "find_config",
    "load_config",
    "open_config",
    "parse_config",
    "redact_uri",
    "user_config_file",
]
