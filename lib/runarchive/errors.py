"""The failure taxonomy and the exit codes, one table each."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from pathlib import Path

from runarchive.model import Failure, Phase, Store


class ExitCode(IntEnum):
    """What a command's exit status says; every `--help` prints this table."""

    DONE = 0
    FAILED = 1
    UNEXPECTED = 2
    USAGE = 64
    UNREACHABLE = 75
    REFUSED = 77
    INTERRUPTED = 130


EXIT_CODE_MEANING: dict[ExitCode, str] = {
    ExitCode.DONE: "done",
    ExitCode.FAILED: "known failure, or some runs failed",
    ExitCode.UNEXPECTED: "unexpected failure (run-archiver: usage too)",
    ExitCode.USAGE: "usage",
    ExitCode.UNREACHABLE: "a store is out of reach",
    ExitCode.REFUSED: "refused: read-only or not armed",
    ExitCode.INTERRUPTED: "interrupted",
}


class Code(StrEnum):
    """Every kind of failure the archive can name."""

    BAD_CONFIG = "bad_config"
    BAD_FHICL = "bad_fhicl"
    BAD_NAME = "bad_name"
    UNREADABLE_FILE = "unreadable_file"
    DANGLING_LINK = "dangling_link"
    CHANGED_WHILE_READING = "changed_while_reading"
    CONNECTION_REFUSED = "connection_refused"
    CONNECTION_CUT = "connection_cut"
    TIMEOUT = "timeout"
    UNAVAILABLE = "unavailable"
    BAD_CERTIFICATE = "bad_certificate"
    WRONG_PASSWORD = "wrong_password"
    FOLDER_MISSING = "folder_missing"
    NOT_FOUND = "not_found"
    BAD_ANSWER = "bad_answer"
    CONFLICT = "conflict"
    TWO_CONFIGURATIONS = "two_configurations"
    PARTIAL = "partial"
    MISMATCH = "mismatch"
    CORRUPT = "corrupt"
    AMBIGUOUS_BLOB = "ambiguous_blob"
    TOO_LARGE = "too_large"
    TOOL_FAILED = "tool_failed"
    DISK_FULL = "disk_full"
    PERMISSION = "permission"
    LOCK_HELD = "lock_held"
    READ_ONLY = "read_only"
    CANCELLED = "cancelled"
    INTERNAL = "internal"


@dataclass(frozen=True, slots=True)
class Kind:
    """How a failure of one code is treated."""

    retryable: bool
    exit_code: ExitCode
    hint: str


TAXONOMY: dict[Code, Kind] = {
    Code.BAD_CONFIG: Kind(False, ExitCode.FAILED, "correct the config file; see `tui-archiver config check`"),
    Code.BAD_FHICL: Kind(False, ExitCode.FAILED, "`tui-archiver fhicl check FILE` shows the place"),
    Code.BAD_NAME: Kind(False, ExitCode.FAILED, "rename it: the stores cannot carry this name"),
    Code.UNREADABLE_FILE: Kind(True, ExitCode.FAILED, "give this account read permission, then retry"),
    Code.DANGLING_LINK: Kind(False, ExitCode.FAILED, "restore the link's target or remove the link, then retry"),
    Code.CHANGED_WHILE_READING: Kind(True, ExitCode.FAILED, "the record is still being written; it is tried again"),
    Code.CONNECTION_REFUSED: Kind(True, ExitCode.UNREACHABLE, "start the server or correct its address"),
    Code.CONNECTION_CUT: Kind(True, ExitCode.UNREACHABLE, "the network or the server broke off; retry"),
    Code.TIMEOUT: Kind(True, ExitCode.UNREACHABLE, "the server does not answer in time; retry, or raise its timeout"),
    Code.UNAVAILABLE: Kind(True, ExitCode.UNREACHABLE, "the server is overloaded or restarting; retry later"),
    Code.BAD_CERTIFICATE: Kind(False, ExitCode.UNREACHABLE, "set ucon_db.ca_file, or ucon_db.verify: false"),
    Code.WRONG_PASSWORD: Kind(False, ExitCode.FAILED, "correct the user and the password in the config"),
    Code.FOLDER_MISSING: Kind(False, ExitCode.FAILED, "have the folder made, or correct its name in the config"),
    Code.NOT_FOUND: Kind(False, ExitCode.FAILED, "check the run number and the store"),
    Code.BAD_ANSWER: Kind(True, ExitCode.FAILED, "the server's answer makes no sense; look at its log"),
    Code.CONFLICT: Kind(False, ExitCode.FAILED, "compare it, then waive, `import --add` or `migrate --supersede`"),
    Code.TWO_CONFIGURATIONS: Kind(False, ExitCode.FAILED, "compare it, then waive the run"),
    Code.PARTIAL: Kind(True, ExitCode.FAILED, "import the run again: what is missing is completed"),
    Code.MISMATCH: Kind(True, ExitCode.FAILED, "what was read back is not what was written; compare it"),
    Code.CORRUPT: Kind(False, ExitCode.FAILED, "`tui-archiver artdaqdb check` names the place and its mend"),
    Code.AMBIGUOUS_BLOB: Kind(False, ExitCode.FAILED, "unpack it with a config: artdaqDB tells which marker is meant"),
    Code.TOO_LARGE: Kind(False, ExitCode.FAILED, "the store refuses an entry of this size"),
    Code.TOOL_FAILED: Kind(True, ExitCode.FAILED, "look at the tool's own message; retry"),
    Code.DISK_FULL: Kind(True, ExitCode.FAILED, "make room on the disk; the work goes on by itself"),
    Code.PERMISSION: Kind(False, ExitCode.FAILED, "give this account the permission, then retry"),
    Code.LOCK_HELD: Kind(True, ExitCode.FAILED, "wait for the other job (`--wait S`), or see `tui-archiver locks`"),
    Code.READ_ONLY: Kind(False, ExitCode.REFUSED, "arm it with --write or :arm (never with read_only: true)"),
    Code.CANCELLED: Kind(True, ExitCode.INTERRUPTED, "start it again: it goes on where it stopped"),
    Code.INTERNAL: Kind(False, ExitCode.UNEXPECTED, "a defect of this program; please report the log"),
}


class ArchiveError(Exception):
    """A failure with its code, store, phase and run; its text is one clear sentence."""

    def __init__(
        self,
        code: Code,
        message: str,
        *,
        store: Store | None = None,
        phase: Phase = Phase.READ,
        run: int | None = None,
        hint: str | None = None,
        retryable: bool | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.store = store
        self.phase = phase
        self.run = run
        kind = TAXONOMY[code]
        self.hint = kind.hint if hint is None else hint
        self.retryable = kind.retryable if retryable is None else retryable

    @property
    def exit_code(self) -> ExitCode:
        """The exit status of a command that ends with this failure."""
        return TAXONOMY[self.code].exit_code

    @property
    def failure(self) -> Failure:
        """The same as data, for the ledger and the screens."""
        return Failure(self.store, self.phase, self.code.value, self.retryable, self.message, self.hint)


_DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
_NO_DIRECTORY = (errno.EEXIST, errno.ENOTDIR, errno.ENOENT)


def cannot_write(place: Path, error: OSError, store: Store | None = None) -> ArchiveError:
    """The failure to write a directory: DISK_FULL, NOT_FOUND where there can be none, else PERMISSION."""
    if error.errno in _NO_DIRECTORY:
        message, hint = f"{place} cannot be a directory: {error.strerror}", "name another directory"
        return ArchiveError(Code.NOT_FOUND, message, store=store, phase=Phase.WRITE, hint=hint)
    code = Code.DISK_FULL if error.errno in _DISK_FULL else Code.PERMISSION
    return ArchiveError(code, f"{place} cannot be written: {error.strerror or error}", store=store, phase=Phase.WRITE)


def with_next_step(sentence: str, hint: str) -> str:
    """What is wrong and, after a semicolon, what mends it."""
    return f"{sentence.removesuffix('.')}; {hint}" if hint else sentence


class ConfigError(ArchiveError):
    """The config file is wrong; `problems` lists every fault found, `warnings` what is doubtful beside them."""

    def __init__(self, problems: list[str], warnings: Sequence[str] = ()) -> None:
        super().__init__(Code.BAD_CONFIG, "; ".join(problems))
        self.problems = problems
        self.warnings = tuple(warnings)


class UsageError(ArchiveError):
    """The command line asks for something that is not offered."""

    def __init__(self, message: str) -> None:
        super().__init__(Code.BAD_CONFIG, message, hint="see --help")

    @property
    def exit_code(self) -> ExitCode:
        """Always USAGE."""
        return ExitCode.USAGE
