"""What a record should be in artdaqDB: its entities, the schema, and its original bytes."""

from __future__ import annotations

from dataclasses import dataclass

from runarchive.artdaqdb.importing import Wanted
from runarchive.config import Config
from runarchive.errors import ArchiveError, Code
from runarchive.fhicl.convert import Conversion, convert_record
from runarchive.fhicl.originals import OriginalFile, pack_originals
from runarchive.model import Failure, Phase, Store
from runarchive.pipeline.context import Context, raise_failure, sha256
from runarchive.pipeline.evidence import RecordFacts
from runarchive.pipeline.glance import glance
from runarchive.records_dir import RunRecord, read_record


@dataclass(frozen=True, slots=True)
class Prepared:
    """One record, read and converted: `facts` were true when reading began, `hash` covers all that is wanted."""

    record: RunRecord
    facts: RecordFacts
    conversion: Conversion
    wanted: Wanted
    hash: str

    @property
    def reason(self) -> str:
        """What a shifter should know of this run although it is archived."""
        notes = ["no stop time"] if not self.facts.ended else []
        notes += self.conversion.problems
        notes += [f"{name} in originals only" for name, _ in self.conversion.refused]
        return ", ".join(notes[:3]) + (f" and {len(notes) - 3} more" if len(notes) > 3 else "")


def read_whole(context: Context, run: int) -> tuple[RunRecord, RecordFacts]:
    """One record and the glance taken before it was read.

    Raises ArchiveError for the first thing that could not be read, NOT_FOUND where there is no directory.
    """
    path = context.stores.record(run)
    facts = glance(path)
    if facts is None:
        raise ArchiveError(
            Code.NOT_FOUND, f"run {run} has no directory in {path.parent}", store=Store.FILESYSTEM, run=run
        )
    record = read_record(path, run)
    if record.problems:
        raise_failure(_with_count(record.problems), run)
    return record, facts


def _with_count(problems: tuple[Failure, ...]) -> Failure:
    first = problems[0]
    if len(problems) == 1:
        return first
    message = f"{first.message} (and {len(problems) - 1} more)"
    return Failure(first.store, first.phase, first.code, first.retryable, message, first.hint)


def convert(config: Config, files: tuple[OriginalFile, ...], run: int) -> Conversion:
    """The record's FHiCL, as far as `fhiclize_generate` lets it be made."""
    return convert_record(files, run, wanted=config.wanted)


def prepare(context: Context, run: int) -> Prepared:
    """Read and convert one record; raises ArchiveError where it is not whole."""
    record, facts = read_whole(context, run)
    if record.is_empty:
        raise ArchiveError(
            Code.NOT_FOUND, f"run {run}: its directory is empty", store=Store.FILESYSTEM, phase=Phase.READ, run=run
        )
    conversion = convert(context.config, record.files, run)
    keep = context.config.app.originals
    originals = pack_originals(record.files) if keep == "always" or (keep == "needed" and conversion.refused) else None
    wanted = Wanted(run, conversion.configuration, conversion.entities, context.schema, originals)
    texts = [part for entity, text in sorted(conversion.entities) for part in (entity, text)]
    return Prepared(record, facts, conversion, wanted, sha256(*texts, originals or ""))
