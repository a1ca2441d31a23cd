"""Migrate: a run out of artdaqDB into UconDB as one blob, read back by key and compared."""

from __future__ import annotations

from dataclasses import dataclass, replace

from runarchive.artdaqdb.export import Export, export_configuration, export_documents, file_paths
from runarchive.errors import ArchiveError, Code
from runarchive.model import Phase, Stage, Store
from runarchive.pipeline.context import Context, StoreCall
from runarchive.pipeline.evidence import WHOLE, Evidence, HopEvidence, HopVerdict, configuration_names, ucondb_key
from runarchive.pipeline.import_stage import export_hash, judge_alone, judge_import, no_artdaqdb
from runarchive.ucondb.blob import pack
from runarchive.ucondb.body import PutKind
from runarchive.ucondb.frame import content_hash, same_content
from runarchive.ucondb.listing import UconVersion


@dataclass(frozen=True, slots=True)
class Packed:
    """One run as artdaqDB exports it and as UconDB should hold it."""

    configuration: str
    export: Export
    files: tuple[tuple[str, bytes], ...]
    blob: bytes
    hash: str


def pack_run(context: Context, evidence: Evidence, configuration: str) -> Packed:
    """Export one configuration and pack it; raises ArchiveError(PARTIAL) when a document does not export."""
    run = evidence.run
    export = context.take_export(run, evidence.artdaqdb)
    if export is None:
        export = export_configuration(context.stores.artdaqdb, configuration)
    placed, refused = file_paths(export, configuration, "flat")
    faults = [*export.failures, *refused]
    if faults:
        entity, reason = faults[0]
        more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        raise ArchiveError(
            Code.PARTIAL,
            f"run {run}: {entity} does not export: {reason}{more}",
            store=Store.ARTDAQDB,
            phase=Phase.READ,
            run=run,
            hint="`tui-archiver artdaqdb check` names the place and its mend",
        )
    files = tuple((name, one.text.encode("utf-8", "surrogateescape")) for name, one in placed)
    blob = pack(files, run, context.memory.clock())
    return Packed(configuration, export, files, blob, export_hash(export))


def judged(context: Context, evidence: Evidence) -> Evidence:
    """The evidence with a verdict on artdaqDB, which is asked where there is none yet."""
    if evidence.import_hop is not None:
        return evidence
    return judge_import(context, evidence) if evidence.on_disk else judge_alone(context, evidence)


def run_migrate(context: Context, evidence: Evidence, *, supersede: bool = False) -> Evidence:
    """Migrate one run and return its evidence with the verdict of the hop.

    Only a run that is whole in artdaqDB goes on; otherwise the verdict on artdaqDB is all that comes back. Nothing in
    UconDB is overridden unless `supersede`. Raises ArchiveError where the run cannot be migrated.
    """
    evidence = judged(context, evidence)
    hop, run = evidence.import_hop, evidence.run
    if hop is None:
        raise no_artdaqdb(run)
    if hop.verdict not in WHOLE or evidence.grown:
        return evidence
    with context.times.of(StoreCall.EXPORT):
        packed = pack_run(context, evidence, configuration_names(evidence.artdaqdb)[0])
    if hop.output and packed.hash != hop.output:
        evidence = judge_import(context, evidence) if evidence.on_disk else judge_alone(context, evidence)
        hop = evidence.import_hop
        if hop is None or hop.verdict not in WHOLE or hop.output != packed.hash:
            return replace(evidence, failed=None)

    def sent(size: int) -> None:
        context.progress.tell(run, Stage.MIGRATE, size, len(packed.blob))

    with context.times.of(StoreCall.PUT):
        outcome = context.stores.ucondb.put(run, packed.blob, override=supersede, sent=sent)
    version = outcome.version
    if version is None:
        raise ArchiveError(
            Code.BAD_ANSWER, f"run {run}: the server does not say what it stored", store=Store.UCONDB,
            phase=Phase.WRITE, run=run,
        )
    with context.times.of(StoreCall.GET):
        stored = context.stores.ucondb.get(run)
    if outcome.kind is not PutKind.DIFFERENT and not same_content(stored, packed.blob):
        raise ArchiveError(
            Code.MISMATCH, f"run {run}: UconDB gives back other bytes than were stored", store=Store.UCONDB,
            phase=Phase.VERIFY, run=run,
        )
    return with_blob(context, evidence, packed, stored, version)


def with_blob(
    context: Context, evidence: Evidence, packed: Packed, stored: bytes, version: UconVersion
) -> Evidence:
    """The evidence with the verdict on a stored blob against what artdaqDB exports."""
    hop = evidence.import_hop
    other = hop is not None and hop.verdict is HopVerdict.OTHER_WRITER
    stored_hash = content_hash([stored])
    if same_content(stored, packed.blob):
        verdict = HopVerdict.OTHER_WRITER if other else HopVerdict.VERIFIED
        reason = hop.reason if hop is not None else ""
    elif hop is not None and hop.verdict is HopVerdict.CONFLICT:
        verdict, reason = HopVerdict.CONFLICT, "UconDB and artdaqDB hold different content"
    elif _is_older(context, evidence, packed.configuration, stored):
        verdict, reason = HopVerdict.OUTDATED, "UconDB is older than artdaqDB"
    else:
        verdict, reason = HopVerdict.CONFLICT, "other content in UconDB under this run"
    found = HopEvidence(
        verdict=verdict,
        key=ucondb_key(version),
        reason=reason,
        writer=hop.writer if hop is not None and other else "",
        input=packed.hash,
        output=stored_hash,
        at=context.memory.clock(),
    )
    imported = replace(hop, output=packed.hash) if hop is not None else evidence.imported
    return replace(evidence, ucondb=found.key, migrated=found, imported=imported, failed=None)


def _is_older(context: Context, evidence: Evidence, configuration: str, stored: bytes) -> bool:
    """Whether the blob is what artdaqDB exported before its latest update: known from last time, or packed again."""
    before = evidence.migrated
    if before is not None and before.verdict in WHOLE and before.output == content_hash([stored]):
        return True
    documents = context.stores.artdaqdb.documents(configuration)
    versions = sorted({document.version for document in documents})
    for end in range(1, len(versions)):
        export = export_documents(one for one in documents if one.version in versions[:end])
        placed, refused = file_paths(export, configuration, "flat")
        files = [(name, one.text.encode("utf-8", "surrogateescape")) for name, one in placed]
        if not refused and same_content(pack(files, evidence.run, context.memory.clock()), stored):
            return True
    return False


def judge_migrate(context: Context, evidence: Evidence) -> Evidence:
    """Compare what UconDB holds of a run with artdaqDB's export without writing; raises ArchiveError."""
    run = evidence.run
    hop = evidence.import_hop
    if hop is None or not evidence.artdaqdb:
        raise no_artdaqdb(run)
    version = context.stores.ucondb.version(run)
    if version is None:
        return replace(evidence, ucondb="")
    names = configuration_names(evidence.artdaqdb)
    if len(names) != 1:
        return replace(evidence, ucondb=ucondb_key(version))
    try:
        stored = _read_twice(context, run)
    except ArchiveError as error:
        if error.code is not Code.MISMATCH:
            raise
        return _with_damaged_blob(context, evidence, version, error)
    return with_blob(context, evidence, pack_run(context, evidence, names[0]), stored, version)


def _read_twice(context: Context, run: int) -> bytes:
    """The run's blob, asked for again if its checksum does not fit: the way there may have altered it once."""
    try:
        return context.stores.ucondb.get(run)
    except ArchiveError as error:
        if error.code is not Code.MISMATCH:
            raise
    return context.stores.ucondb.get(run)


def _with_damaged_blob(
    context: Context, evidence: Evidence, version: UconVersion, error: ArchiveError
) -> Evidence:
    """The evidence of a blob that the server no longer has as it was put: a person decides what takes its place."""
    reason = f"UconDB's copy is damaged: {error.message}"
    found = HopEvidence(HopVerdict.CONFLICT, ucondb_key(version), reason, at=context.memory.clock())
    return replace(evidence, ucondb=found.key, migrated=found, failed=None)
