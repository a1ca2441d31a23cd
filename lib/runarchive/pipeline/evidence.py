"""What is known of one run: the glance at its directory, what the stores list, and the verdict of each hop."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from runarchive.model import Failure, Mark, Phase, Stage, Store
from runarchive.ucondb.listing import UconVersion


class HopVerdict(StrEnum):
    """What reading a hop back said; only the first two let a run go on."""

    VERIFIED = "verified"
    OTHER_WRITER = "other writer"
    PARTIAL = "partial"
    OUTDATED = "outdated"
    CONFLICT = "conflict"


WHOLE = frozenset({HopVerdict.VERIFIED, HopVerdict.OTHER_WRITER})

VERDICT_MARK: dict[HopVerdict, Mark] = {
    HopVerdict.VERIFIED: Mark.VERIFIED,
    HopVerdict.OTHER_WRITER: Mark.OTHER_WRITER,
    HopVerdict.PARTIAL: Mark.PARTIAL,
    HopVerdict.OUTDATED: Mark.DIFFERS,
    HopVerdict.CONFLICT: Mark.DIFFERS,
}


@dataclass(frozen=True, slots=True)
class RecordFacts:
    """A glance at a record's directory: nothing is read but metadata.txt.

    `size` in bytes, `newest_mtime_ns` over everything in it, `problems` name what could not be reached; `ended` tells
    whether there is a stop line, even one whose date `stop` cannot carry.
    """

    files: int
    size: int
    newest_mtime_ns: int
    start: datetime | None = None
    stop: datetime | None = None
    ended: bool = False
    configuration: str = ""
    problems: tuple[str, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether the directory holds nothing at all."""
        return self.files == 0 and not self.problems

    @property
    def fingerprint(self) -> str:
        """Equal while nothing was added, removed, grown or touched."""
        return f"{self.files}/{self.size}/{self.newest_mtime_ns}"


@dataclass(frozen=True, slots=True)
class HopEvidence:
    """The verdict of one hop and what it is about; it holds as long as `key` is what the store lists.

    `key` is the store's listing entry, `input` the hash of what went in (import: the record's content; migrate:
    the export), `output` the hash of what was read back, `record` the record's fingerprint at that time.
    """

    verdict: HopVerdict
    key: str
    reason: str = ""
    writer: str = ""
    input: str = ""
    output: str = ""
    record: str = ""
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class FailureEvidence:
    """The last failure of a run: at which stage, how often in a row, and with which record."""

    stage: Stage
    failure: Failure
    attempts: int
    record: str = ""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything that decides a run's state, but the clock and people's decisions.

    `artdaqdb` and `ucondb` are the listing entries as they were last seen, empty where the store has nothing.
    """

    run: int
    on_disk: bool = False
    artdaqdb: str = ""
    ucondb: str = ""
    record: RecordFacts | None = None
    imported: HopEvidence | None = None
    migrated: HopEvidence | None = None
    failed: FailureEvidence | None = None
    in_hand: Stage | None = None

    @property
    def is_nothing(self) -> bool:
        """Whether nothing holds the run and nothing was ever done with it."""
        held = self.on_disk or self.artdaqdb or self.ucondb
        return not held and self.imported is None and self.migrated is None and self.failed is None

    @property
    def has_record(self) -> bool:
        """Whether its directory is there and, as far as is known, holds anything."""
        return self.on_disk and (self.record is None or not self.record.empty)

    @property
    def import_hop(self) -> HopEvidence | None:
        """The verdict on artdaqDB, if it is about what artdaqDB lists now."""
        hop = self.imported
        return hop if hop is not None and self.artdaqdb and same_listing(hop.key, self.artdaqdb) else None

    @property
    def migrate_hop(self) -> HopEvidence | None:
        """The verdict on UconDB, if it is about what UconDB lists now."""
        hop = self.migrated
        return hop if hop is not None and hop.key == self.ucondb and self.ucondb else None

    @property
    def grown(self) -> bool:
        """Whether the directory changed since its content was compared with artdaqDB."""
        hop = self.import_hop
        return bool(
            hop is not None and hop.record and self.record is not None and hop.record != self.record.fingerprint
        )


def artdaqdb_key(names: Iterable[tuple[str, str]]) -> str:
    """The listing entry of a run from its (configuration name, newest assigned) pairs, in any order."""
    return "\x1e".join(sorted(f"{name}\x1f{assigned}" for name, assigned in names))


def configuration_names(key: str) -> tuple[str, ...]:
    """The configuration names in a listing entry of artdaqDB, sorted."""
    return tuple(entry.partition("\x1f")[0] for entry in key.split("\x1e")) if key else ()


def same_listing(one: str, other: str) -> bool:
    """Whether two listing entries of artdaqDB say the same; a large database lists no times, which says nothing."""
    if one == other:
        return True
    if not one or not other:
        return False
    pairs = [entry.partition("\x1f")[::2] for entry in one.split("\x1e")]
    others = [entry.partition("\x1f")[::2] for entry in other.split("\x1e")]
    return len(pairs) == len(others) and all(
        name == named and (not time or not timed or time == timed)
        for (name, time), (named, timed) in zip(pairs, others, strict=True)
    )


def ucondb_key(version: UconVersion) -> str:
    """The listing entry of a version in UconDB: its id, and what the server says of its bytes."""
    return f"{version.id}:{version.data_size}:{version.adler32:08x}"


# --- as text, for the ledger


def _failure_to_json(failure: Failure) -> list[Any]:
    store = failure.store.value if failure.store else None
    return [store, failure.phase.value, failure.code, failure.retryable, failure.message, failure.hint]


def _failure_from_json(value: list[Any]) -> Failure:
    store, phase, code, retryable, message, hint = value
    return Failure(Store(store) if store else None, Phase(phase), code, bool(retryable), message, hint)


def time_to_text(at: datetime | None) -> str | None:
    """ISO 8601 in UTC, or None."""
    return at.astimezone(UTC).isoformat() if at else None


def time_from_text(text: str | None) -> datetime | None:
    """The time that `time_to_text` wrote."""
    return datetime.fromisoformat(text) if text else None


def _hop_to_json(hop: HopEvidence | None) -> list[Any] | None:
    if hop is None:
        return None
    return [hop.verdict.value, hop.key, hop.reason, hop.writer, hop.input, hop.output, hop.record, time_to_text(hop.at)]


def _hop_from_json(value: list[Any] | None) -> HopEvidence | None:
    if value is None:
        return None
    verdict, key, reason, writer, input_, output, record, at = value
    return HopEvidence(HopVerdict(verdict), key, reason, writer, input_, output, record, time_from_text(at))


def to_text(evidence: Evidence) -> str:
    """Evidence as compact JSON, but for the run number and the three listing columns."""
    record, failed = evidence.record, evidence.failed
    value: dict[str, Any] = {}
    if record is not None:
        times = (time_to_text(record.start), time_to_text(record.stop))
        value["r"] = [
            record.files, record.size, record.newest_mtime_ns, *times, record.ended, record.configuration,
            list(record.problems),
        ]  # fmt: skip
    if evidence.imported is not None:
        value["i"] = _hop_to_json(evidence.imported)
    if evidence.migrated is not None:
        value["m"] = _hop_to_json(evidence.migrated)
    if failed is not None:
        value["f"] = [failed.stage.value, _failure_to_json(failed.failure), failed.attempts, failed.record]
    if evidence.in_hand is not None:
        value["h"] = evidence.in_hand.value
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def from_text(run: int, on_disk: bool, artdaqdb: str, ucondb: str, text: str) -> Evidence:
    """The evidence that `to_text` wrote; an empty text is no evidence yet. Raises ValueError for another text."""
    evidence = Evidence(run, on_disk, artdaqdb, ucondb)
    if not text or text == "{}":
        return evidence
    try:
        value = json.loads(text)
        record = failed = None
        if "r" in value:
            files, size, newest, start, stop, ended, configuration, problems = value["r"]
            times = (time_from_text(start), time_from_text(stop))
            record = RecordFacts(files, size, newest, *times, bool(ended), configuration, tuple(problems))
        if "f" in value:
            stage, failure, attempts, fingerprint = value["f"]
            failed = FailureEvidence(Stage(stage), _failure_from_json(failure), attempts, fingerprint)
        return replace(
            evidence,
            record=record,
            imported=_hop_from_json(value.get("i")),
            migrated=_hop_from_json(value.get("m")),
            failed=failed,
            in_hand=Stage(value["h"]) if "h" in value else None,
        )
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"run {run}: the ledger's evidence makes no sense") from error
