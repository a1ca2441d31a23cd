"""Import: a run's directory into artdaqDB, read back and compared."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from runarchive.artdaqdb.export import Export, export_documents
from runarchive.artdaqdb.importing import (
    Assessment,
    ImportOutcome,
    ImportState,
    Rendering,
    compare,
    import_run,
)
from runarchive.artdaqdb.store import WHOLE_RUN, StoredDocument
from runarchive.errors import ArchiveError, Code
from runarchive.model import Phase, Stage, Store
from runarchive.pipeline.context import Context, StoreCall, sha256
from runarchive.pipeline.evidence import Evidence, HopEvidence, HopVerdict, artdaqdb_key
from runarchive.pipeline.wanted import Prepared, prepare
from runarchive.pipeline.writers import renderings


def export_hash(export: Export) -> str:
    """The hash of an export: every entity's name and text, in their order."""
    return sha256(*(part for file in export.files for part in (file.entity, file.text)))


def listing_entry(names: Iterable[str], documents: Iterable[StoredDocument]) -> str:
    """What artdaqDB lists of a run with these configurations, as far as these documents tell."""
    newest = dict.fromkeys(names, "")
    for document in documents:
        for name, assigned in document.configurations:
            if name in newest:
                newest[name] = max(newest[name], assigned)
    return artdaqdb_key(newest.items())


def run_import(context: Context, evidence: Evidence, *, add: bool = False) -> Evidence:
    """Import one run and return its evidence with the verdict of the hop.

    Raises ArchiveError where the run cannot be imported; a run that the store holds otherwise is a verdict, no
    failure.
    """
    prepared = prepare(context, evidence.run)
    store = context.stores.artdaqdb
    run = evidence.run

    def others() -> tuple[Rendering, ...]:
        return renderings(prepared.record.files, run)

    def written(done: int, total: int) -> None:
        context.progress.tell(run, Stage.IMPORT, done, total)

    try:
        with context.times.of(StoreCall.IMPORT):
            outcome = import_run(store, prepared.wanted, others, add=add, progress=written)
    except ArchiveError as error:
        if error.code not in (Code.CONFLICT, Code.TWO_CONFIGURATIONS, Code.PARTIAL):
            raise
        return _refused(context, evidence, prepared, error)
    return _with_verdict(context, evidence, prepared, outcome)


def _with_verdict(context: Context, evidence: Evidence, prepared: Prepared, outcome: ImportOutcome) -> Evidence:
    before = outcome.before
    other = before.state is ImportState.OTHER_WRITER and not outcome.written
    configuration = before.configuration
    documents = outcome.stored or context.stores.artdaqdb.documents(configuration)
    export = export_documents(documents)
    hop = HopEvidence(
        verdict=HopVerdict.OTHER_WRITER if other else HopVerdict.VERIFIED,
        key=listing_entry([configuration], documents),
        reason=_other_reason(before) if other else prepared.reason,
        writer=before.writer if other else "",
        input=prepared.hash,
        output=export_hash(export),
        record=prepared.facts.fingerprint,
        at=context.memory.clock(),
    )
    context.keep_export(evidence.run, hop.key, export)
    return _seen(evidence, prepared, hop)


def _other_reason(found: Assessment) -> str:
    return f"{found.writer}; lost: " + "; ".join(found.lost) if found.lost else found.writer


def _seen(evidence: Evidence, prepared: Prepared, hop: HopEvidence) -> Evidence:
    facts = replace(
        prepared.facts,
        start=prepared.conversion.start,
        stop=prepared.conversion.stop,
        configuration=prepared.conversion.configuration,
    )
    return replace(evidence, on_disk=True, artdaqdb=hop.key, record=facts, imported=hop, failed=None)


def _refused(context: Context, evidence: Evidence, prepared: Prepared, error: ArchiveError) -> Evidence:
    """What the store holds is not ours to change: the verdict says so, and nothing was written."""
    verdict = HopVerdict.PARTIAL if error.code is Code.PARTIAL else HopVerdict.CONFLICT
    hop = HopEvidence(
        verdict=verdict,
        key=listing_entry(context.stores.artdaqdb.configurations_of(evidence.run), ()),
        reason=error.message.removeprefix(f"run {evidence.run}: "),
        writer="another" if verdict is HopVerdict.PARTIAL else "",
        input=prepared.hash,
        record=prepared.facts.fingerprint,
        at=context.memory.clock(),
    )
    return _seen(evidence, prepared, hop)


_VERDICT_OF: dict[ImportState, HopVerdict] = {
    ImportState.SAME: HopVerdict.VERIFIED,
    ImportState.OTHER_WRITER: HopVerdict.OTHER_WRITER,
    ImportState.PARTIAL: HopVerdict.PARTIAL,
    ImportState.OTHER_PARTIAL: HopVerdict.PARTIAL,
    ImportState.GROWN: HopVerdict.OUTDATED,
    ImportState.CONFLICT: HopVerdict.CONFLICT,
    ImportState.TWO_CONFIGURATIONS: HopVerdict.CONFLICT,
}


def judge_import(context: Context, evidence: Evidence) -> Evidence:
    """Compare a run's directory with artdaqDB without writing, and return the evidence with the verdict.

    Without a directory the run is judged by what a whole run must have, and by what was read back of it before.
    Raises ArchiveError where the record or the store cannot be read.
    """
    if not evidence.on_disk or (evidence.record is not None and evidence.record.empty):
        return judge_alone(context, evidence)
    prepared = prepare(context, evidence.run)
    store, run = context.stores.artdaqdb, evidence.run

    def others() -> tuple[Rendering, ...]:
        return renderings(prepared.record.files, run)

    held = store.run_documents(run)
    if not held:
        return replace(evidence, artdaqdb="", record=prepared.facts)
    names = tuple(held)
    if len(names) == 1:
        documents = held[names[0]]
        found = compare(prepared.wanted, names[0], documents, others)
    else:
        documents = ()
        found = Assessment(ImportState.TWO_CONFIGURATIONS, names[0], configurations=names)
    export = export_documents(documents)
    hop = HopEvidence(
        verdict=_VERDICT_OF[found.state],
        key=listing_entry(names, documents),
        reason=assessment_text(found, prepared),
        writer=found.writer,
        input=prepared.hash,
        output=export_hash(export) if documents else "",
        record=prepared.facts.fingerprint,
        at=context.memory.clock(),
    )
    if len(names) == 1:
        context.keep_export(run, hop.key, export)
    return _seen(evidence, prepared, hop)


def assessment_text(found: Assessment, prepared: Prepared) -> str:
    """An assessment as the reason that a shifter reads."""
    whole = len(found.same) + len(found.missing)
    match found.state:
        case ImportState.SAME:
            return prepared.reason
        case ImportState.PARTIAL:
            return f"{len(found.same)} of {whole} documents in artdaqDB; the next import completes it"
        case ImportState.OTHER_PARTIAL:
            return f"{found.writer} left it without {', '.join(found.missing)}"
        case ImportState.GROWN:
            return "the record grew after its import"
        case ImportState.TWO_CONFIGURATIONS:
            return "two configurations in artdaqDB: " + ", ".join(found.configurations)
        case ImportState.OTHER_WRITER:
            return _other_reason(found)
    different = ", ".join((*found.different, *found.extra)[:4])
    return f"other content in artdaqDB: {different}"


def judge_alone(context: Context, evidence: Evidence) -> Evidence:
    """Judge a run of which artdaqDB alone can tell: whole, if nothing it must have is missing and all of it exports."""
    held = context.stores.artdaqdb.run_documents(evidence.run)
    if not held:
        return replace(evidence, artdaqdb="")
    names = tuple(held)
    if len(names) > 1:
        reason = "two configurations in artdaqDB: " + ", ".join(names)
        hop = HopEvidence(HopVerdict.CONFLICT, listing_entry(names, ()), reason, at=context.memory.clock())
        return replace(evidence, artdaqdb=hop.key, imported=hop)
    documents = held[names[0]]
    key = listing_entry(names, documents)
    export = export_documents(documents)
    context.keep_export(evidence.run, key, export)
    return replace(evidence, artdaqdb=key, imported=_alone(context, evidence, key, export))


def _alone(context: Context, evidence: Evidence, key: str, export: Export) -> HopEvidence:
    before = evidence.imported
    output = export_hash(export)
    entities = {file.entity for file in export.files}
    missing = sorted(WHOLE_RUN - entities)
    hop = HopEvidence(HopVerdict.OTHER_WRITER, key, output=output, at=context.memory.clock())
    if before is not None and before.output == output and before.verdict in (
        HopVerdict.VERIFIED,
        HopVerdict.OTHER_WRITER,
    ):
        return replace(before, key=key, at=context.memory.clock())
    if export.failures:
        entity, reason = export.failures[0]
        return replace(hop, verdict=HopVerdict.PARTIAL, writer="another", reason=f"{entity} does not export: {reason}")
    if missing:
        return replace(hop, verdict=HopVerdict.PARTIAL, writer="another", reason=f"without {', '.join(missing)}")
    if before is not None and before.output:
        return replace(hop, verdict=HopVerdict.CONFLICT, reason="artdaqDB changed since it was compared")
    if "originals" in entities:
        return replace(hop, verdict=HopVerdict.VERIFIED, reason="its directory is gone")
    return replace(hop, writer="another writer", reason="as another writer left it; its directory is gone")


def no_artdaqdb(run: int) -> ArchiveError:
    """The failure of a run that artdaqDB does not hold."""
    return ArchiveError(
        Code.NOT_FOUND, f"run {run} is not in artdaqDB", store=Store.ARTDAQDB, phase=Phase.READ, run=run,
        hint="import it first",
    )
