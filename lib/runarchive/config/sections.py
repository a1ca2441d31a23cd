"""The sections of the config file as typed data; each key is declared here and nowhere else."""

# ruff: noqa: RUF009 (`key` makes a dataclass field; it is no shared default)

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from runarchive.config.keys import (
    boolean,
    key,
    number,
    one_of,
    optional_path,
    optional_text,
    path,
    text,
    whole_number,
)

CONVERTERS = ("boot", "metadata", "known_boardreaders_list", "settings", "setup", "environment", "ranks")
GENERATORS = ("RunHistory", "RunHistory2")
CONVERTIBLE = frozenset((*CONVERTERS, *GENERATORS))

WORK_DIR = Path("/tmp/run_record_archiver")

_PASSWORD_IN_URI = re.compile(r"(?<=://)([^/@:]*):(.*)@")
"""Up to the last `@`: a password that is not encoded as it should be may hold `/` and `@` itself."""


def redact_uri(uri: str) -> str:
    """The URI with the password of `user:password@` replaced by `***`."""
    return _PASSWORD_IN_URI.sub(r"\1:***@", uri)


@dataclass(frozen=True, slots=True)
class App:
    """Section `app`: where the archive keeps its own files, and how it works."""

    work_dir: Path = key(path, "path", "directory of the archive's own files; made if missing", default=WORK_DIR)
    import_state_file: Path = key(
        path, "path", "state file of the import stage", template="${work_dir}/importer_state.json"
    )
    migrate_state_file: Path = key(
        path, "path", "state file of the migration stage", template="${work_dir}/migrator_state.json"
    )
    import_failure_log: Path = key(
        path, "path", "runs whose import failed, one number a line", template="${work_dir}/import_failures.log"
    )
    migrate_failure_log: Path = key(
        path, "path", "runs whose migration failed, one number a line", template="${work_dir}/migrate_failures.log"
    )
    lock_file: Path = key(
        path,
        "path",
        "held by whoever writes; removing it stops that job gracefully",
        template="${work_dir}/.archiver.lock",
    )
    ledger_file: Path = key(path, "path", "the ledger (SQLite, on a local disk)", template="${work_dir}/ledger.sqlite")
    batch_size: int = key(
        whole_number(0),
        "whole number",
        "runs a start of run-archiver: ×1 incremental, ×10 full, 0 = no limit",
        default=5,
    )
    parallel_workers: int = key(whole_number(1, 256), "whole number", "runs worked on at the same time", default=2)
    run_process_retries: int = key(
        whole_number(0), "whole number", "further attempts after a retryable failure", default=2
    )
    retry_delay_seconds: float = key(
        number(0), "seconds", "wait before the first further attempt; it doubles", default=3.0
    )
    exclude_most_recent_run: bool = key(
        boolean, "boolean", "leave out the highest run in the records directory", default=False
    )
    log_level: str = key(text, "word", "DEBUG, INFO, WARNING, ERROR or CRITICAL", default="INFO")
    log_file: Path | None = key(optional_path, "path", "log of run-archiver, beside standard output", default=None)
    settle_hours: float = key(
        number(0), "hours", "a run without stop time waits until its newest file is this old", default=24.0
    )
    quiet_seconds: float = key(number(0), "seconds", "a run waits until no file changed for this long", default=60.0)
    originals: str = key(
        one_of("always", "needed", "never"),
        "word",
        "keep the record's bytes: always, needed or never",
        default="always",
    )
    read_only: bool = key(boolean, "boolean", "refuse everything that writes to a store", default=False)
    disk_reserve_mb: float = key(
        number(0), "megabytes", "pause while less than this is free on a disk that is written to", default=100.0
    )


@dataclass(frozen=True, slots=True)
class AppFuzz:
    """Section `app_fuzz`: made-up failures, to try how a site copes; off in incremental mode."""

    random_skip_percent: int = key(whole_number(0, 100), "percent", "chance that a run is left out", default=0)
    random_skip_retry: bool = key(boolean, "boolean", "true: a run left out is not tried again", default=False)
    random_error_percent: int = key(whole_number(0, 100), "percent", "chance that a store call fails", default=0)
    random_error_retry: bool = key(boolean, "boolean", "true: such a failure is not tried again", default=False)


@dataclass(frozen=True, slots=True)
class SourceFiles:
    """Section `source_files`: the run records as the data acquisition left them."""

    run_records_dir: Path = key(path, "path", "directory with one directory a run, named by its number", required=True)
    ignore_runs: tuple[tuple[int, int], ...] = ()

    def ignores(self, run: int) -> bool:
        """Whether `ignore_runs` takes this run out of plans, gaps and coverage."""
        return any(first <= run <= last for first, last in self.ignore_runs)


@dataclass(frozen=True, slots=True)
class ArtdaqDb:
    """Section `artdaq_db`: the intermediate store."""

    database_uri: str = key(
        text, "URI", "filesystemdb:///ABS/PATH or mongodb://HOST:PORT/NAME", required=True, secret=True
    )
    fcl_conf_dir: Path = key(path, "path", "directory of schema.fcl", required=True)
    use_tools: bool = key(boolean, "boolean", "work through bulkloader and bulkdownloader", default=False)
    remote_host: str | None = key(
        optional_text, "host", "where the tools run, over ssh; else $ARTDAQ_DATABASE_REMOTEHOST", default=None
    )
    timeout_seconds: float = key(number(0.001), "seconds", "limit of one call to the store", default=30.0)

    @property
    def shown_uri(self) -> str:
        """The URI without its password."""
        return redact_uri(self.database_uri)


@dataclass(frozen=True, slots=True)
class UconDb:
    """Section `ucon_db`: the permanent store."""

    server_url: str = key(text, "URL", "https://HOST:PORT/INSTANCE/app, or embedded:///ABS/PATH.sqlite", required=True)
    folder_name: str = key(text, "name", "folder", required=True)
    object_name: str = key(text, "name", "object", required=True)
    writer_user: str = key(text, "name", "user that may write", required=True)
    writer_password: str = key(text, "password", "its password", required=True, secret=True)
    timeout_seconds: float = key(number(0.001), "seconds", "limit of one call to the server", default=10.0)
    verify: bool = key(boolean, "boolean", "check the server's TLS certificate", default=True)
    ca_file: Path | None = key(
        optional_path, "path", "certificates (PEM) to trust instead of the system's", default=None
    )
    client_cert: Path | None = key(
        optional_path, "path", "our certificate and key (PEM), if the server asks", default=None
    )
    postgres_dsn: str | None = key(
        optional_text, "DSN", "read-only access to the server's database, for listings", default=None, secret=True
    )

    @property
    def embedded(self) -> Path | None:
        """The SQLite file of a server inside this process, for `embedded:///ABS/PATH.sqlite`."""
        prefix = "embedded://"
        return Path(self.server_url[len(prefix) :]) if self.server_url.startswith(prefix) else None


@dataclass(frozen=True, slots=True)
class Email:
    """Section `reporting.email`."""

    enabled: bool = key(boolean, "boolean", "send mail about failed runs", default=False)
    recipient_email: str | None = key(optional_text, "address", "to whom; several by commas", default=None)
    sender_email: str | None = key(optional_text, "address", "from whom", default=None)
    smtp_host: str | None = key(optional_text, "host", "mail server", default=None)
    smtp_port: int = key(whole_number(1, 65535), "port", "its port", default=25)
    smtp_use_tls: bool = key(boolean, "boolean", "STARTTLS (port 465: TLS from the start)", default=False)
    smtp_verify: bool = key(boolean, "boolean", "check the mail server's TLS certificate", default=True)
    smtp_ca_file: Path | None = key(optional_path, "path", "certificates (PEM) to trust", default=None)
    smtp_user: str | None = key(optional_text, "name", "user, if the server asks", default=None)
    smtp_password: str | None = key(optional_text, "password", "its password", default=None, secret=True)


@dataclass(frozen=True, slots=True)
class Slack:
    """Section `reporting.slack`."""

    enabled: bool = key(boolean, "boolean", "post about failed runs", default=False)
    bot_token: str | None = key(optional_text, "token", "bot token with chat:write", default=None, secret=True)
    channel: str | None = key(optional_text, "channel", "channel name or id", default=None)
    mention_users: str | None = key(optional_text, "ids", "user ids to mention, by commas", default=None)
    api_url: str = key(text, "URL", "Slack's Web API", default="https://slack.com/api")


@dataclass(frozen=True, slots=True)
class Reporting:
    """Section `reporting`: who hears of failed runs."""

    email: Email = field(default_factory=Email)
    slack: Slack = field(default_factory=Slack)


@dataclass(frozen=True, slots=True)
class Carbon:
    """Section `carbon`: metrics to Graphite."""

    enabled: bool = key(boolean, "boolean", "send metrics", default=False)
    host: str | None = key(optional_text, "host", "Carbon server", default=None)
    port: int = key(whole_number(1, 65535), "port", "its port for plain-text lines", default=2003)
    metric_prefix: str | None = key(optional_text, "name", "what every metric's name starts with", default=None)


DEFAULT_PATTERNS = (
    ("components", r"^\s*components\s*:"),
    ("config_name", r"^\s*config_name\s*:"),
    ("sbndaq_commit_or_version", r"^\s*sbndaq_commit_or_version\s*:"),
)


@dataclass(frozen=True, slots=True)
class Validation:
    """Section `validation`: what `--validate` looks for in a blob's metadata.fcl, each exactly once."""

    patterns: tuple[tuple[str, re.Pattern[str]], ...] = field(
        default_factory=lambda: tuple((name, re.compile(pattern, re.M)) for name, pattern in DEFAULT_PATTERNS)
    )
