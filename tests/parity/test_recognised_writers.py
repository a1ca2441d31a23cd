"""A run that another program put into artdaqDB is known as its work, at every stage it could have been put there."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from runarchive.artdaqdb.importing import ImportState, Rendering, Wanted, assess, import_run
from runarchive.artdaqdb.schema import schema_text
from runarchive.artdaqdb.store import ArtdaqStore, NewDocument, open_store
from runarchive.errors import ArchiveError, Code
from runarchive.fhicl.convert import Dialect, convert_record
from runarchive.fhicl.originals import OriginalFile, pack_originals
from runarchive.fhicl.other_writers import Leftover, daqinterface, hashes_text, older_archiver
from runarchive.pipeline.writers import earlier_stages, renderings
from runarchive.records_dir import read_record
from tests.golden_records import golden_input

SCHEMA, _ = schema_text(None)
TAKEN = (1000, 1003, 1004, 1005, 1007, 1011, 1013, 1015, 1016, 1018, 1020, 1022, 1023, 1024, 1026, 1027, 1034)


def files_of(run: int) -> tuple[OriginalFile, ...]:
    return read_record(golden_input(run), run).files


def wanted_of(run: int) -> Wanted:
    files = files_of(run)
    conversion = convert_record(files, run)
    return Wanted(run, conversion.configuration, conversion.entities, SCHEMA, pack_originals(files))


@pytest.fixture
def store(tmp_path: Path) -> ArtdaqStore:
    return open_store(f"filesystemdb://{tmp_path}/db")


def put(store: ArtdaqStore, run: int, left: Leftover, texts: Mapping[str, str], version: str = "") -> None:
    name = f"{run}/{left.configuration}"
    documents = [NewDocument("RunHistory", entity, name + version, name, run, text) for entity, text in texts.items()]
    store.insert([*documents, NewDocument("SystemLayout", "schema", name + version, name, run, SCHEMA)])


def sources_of(files: tuple[OriginalFile, ...], run: int, *, hashes: bool) -> dict[str, str]:
    """The texts that the older archiver gave to the library."""
    entities = convert_record(files, run, dialect=Dialect.REFERENCE).entities
    texts = {path.rpartition("/")[2]: text.replace("\r\n", "\n") for path, text in entities}
    if hashes:
        texts["hashes"] = hashes_text({entity: text for entity, text in texts.items() if entity != "RunHistory2"})
    return texts


@pytest.mark.parametrize("tools", [False, True])
@pytest.mark.parametrize("run", TAKEN)
def test_runs_of_the_older_archiver(store: ArtdaqStore, run: int, tools: bool) -> None:
    files = files_of(run)
    left = older_archiver(files, run, tools=tools)
    assert left is not None
    sources = sources_of(files, run, hashes=not tools)
    put(store, run, left, {entity: sources[entity] for entity in left.documents})
    if left.updates:
        put(store, run, left, {entity: sources[entity] for entity in left.updates}, left.update_suffix)
    found = assess(store, wanted_of(run), lambda: renderings(files, run))
    complete = {"metadata", "boot", "RunHistory"} <= set(left.documents)
    assert found.state is (ImportState.OTHER_WRITER if complete else ImportState.OTHER_PARTIAL), found
    assert found.writer == "older archiver"
    assert found.lost[0] == "the original files, with their modes, times and comments, are not kept"


@pytest.mark.parametrize("stage", [0, 1, 2])
def test_runs_that_were_put_there_before_they_ended(store: ArtdaqStore, stage: int) -> None:
    files = files_of(1000)
    then = tuple(earlier_stages(files))[stage]
    left = older_archiver(then, 1000)
    assert left is not None
    put(store, 1000, left, sources_of(then, 1000, hashes=False))
    found = assess(store, wanted_of(1000), lambda: renderings(files, 1000))
    assert found.state is ImportState.OTHER_WRITER
    assert found.writer == "older archiver"


@pytest.mark.parametrize("stopped", [False, True])
@pytest.mark.parametrize("run", [1000, 1024])
def test_runs_of_daqinterface(store: ArtdaqStore, run: int, stopped: bool) -> None:
    files = files_of(run)
    left = daqinterface(files, run)
    assert left is not None
    boot = dict(convert_record(files, run, dialect=Dialect.REFERENCE).entities)["boot"]
    texts = {**left.documents, "boot": boot, "DataflowConfiguration": boot}
    put(store, run, left, {**texts, **left.updates} if stopped else texts)
    found = assess(store, wanted_of(run), lambda: renderings(files, run))
    assert found.state is ImportState.OTHER_WRITER
    assert found.writer == "DAQInterface"


def test_a_changed_document_is_a_conflict_and_may_be_added_to(store: ArtdaqStore) -> None:
    files = files_of(1003)
    left = older_archiver(files, 1003)
    assert left is not None
    put(store, 1003, left, {**sources_of(files, 1003, hashes=False), "boot": "debug_level: 9\n"})
    wanted = wanted_of(1003)

    def others() -> tuple[Rendering, ...]:
        return renderings(files, 1003)

    assert assess(store, wanted, others).state is ImportState.CONFLICT
    with pytest.raises(ArchiveError) as caught:
        import_run(store, wanted, others)
    assert caught.value.code is Code.CONFLICT
    import_run(store, wanted, others, add=True)
    assert assess(store, wanted, others).state is ImportState.SAME


@pytest.mark.parametrize("run", [1008, 1032, 1033])
def test_what_no_other_writer_took_is_nobody_elses(run: int) -> None:
    files = files_of(run)
    assert all(each.writer != "older archiver" for each in renderings(files, run))


@pytest.mark.parametrize("run", [1002, 1029])
def test_an_import_that_broke_off_at_a_refused_document(store: ArtdaqStore, run: int) -> None:
    """Where all that is there is what we make of it, it is completed; where it is not, a person decides."""
    files = files_of(run)
    left = older_archiver(files, run)
    assert left is not None
    assert left.refused == {1002: ("metadata",), 1029: ("settings",)}[run]
    sources = sources_of(files, run, hashes=False)
    put(store, run, left, {entity: sources[entity] for entity in left.documents if entity != "hashes"})
    found = assess(store, wanted_of(run), lambda: renderings(files, run))
    if run == 1029:
        assert found.state is ImportState.PARTIAL
        import_run(store, wanted_of(run), lambda: renderings(files, run))
        assert assess(store, wanted_of(run)).state is ImportState.SAME
    else:
        assert found.state is ImportState.OTHER_PARTIAL
        assert found.writer == "older archiver"
        assert "artdaqDB refuses metadata: the import broke off there" in found.lost
