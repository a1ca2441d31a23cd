"""A small run for tests of artdaqDB: its documents, what it should be in the store, what the store exports of it."""

from __future__ import annotations

from runarchive.artdaqdb.export import export_configuration
from runarchive.artdaqdb.importing import Wanted
from runarchive.artdaqdb.schema import DEFAULT_SCHEMA
from runarchive.artdaqdb.store import ArtdaqStore, NewDocument
from runarchive.fhicl.originals import OriginalFile, pack_originals

START = 'DAQInterface_start_time: "Sat Nov 21 06:29:33 UTC 2026"\n'
STOP = 'DAQInterface_stop_time: "Sat Nov 21 07:29:33 UTC 2026"\n'
METADATA_TXT = b"Config name: demo\nComponent #0: tpc01\n"
START_TXT = b"\nDAQInterface start time: Sat Nov 21 06:29:33 UTC 2026\n"
STOP_TXT = b"\nDAQInterface stop time: Sat Nov 21 07:29:33 UTC 2026\n"


def new(run: int, entity: str, text: str, *, name: str = "demo", version: str = "") -> NewDocument:
    """A document of RunHistory, or of SystemLayout for the schema."""
    configuration = f"{run}/{name}"
    collection = "SystemLayout" if entity == "schema" else "RunHistory"
    return NewDocument(collection, entity, version or configuration, configuration, run, text)


def wanted(run: int = 12, *, times: int = 0, originals: bool = True, **changed: str) -> Wanted:
    """A small run; `times` 0 none, 1 started, 2 stopped."""
    times_fcl, times_txt = ["", START, START + STOP][times], [b"", START_TXT, START_TXT + STOP_TXT][times]
    entities = {
        "RunHistory": f'run_number: {run}\nconfig_name: "demo"\n',
        "boot": "debug_level: 1 # low\n",
        "metadata": 'config_name: "demo"\n' + times_fcl,
        "tpc01": "daq: { board: 1 board: 2 }\nname: 1\nname: two\n",
    }
    if times_fcl:
        entities["RunHistory2"] = times_fcl
    files = [
        OriginalFile("metadata.txt", 0o444, 5, METADATA_TXT + times_txt),
        OriginalFile("tpc01.fcl", 0o444, 5, changed.get("tpc01", entities["tpc01"]).encode()),
    ]
    packed = pack_originals(files) if originals else None
    return Wanted(run, "demo", tuple((entities | changed).items()), DEFAULT_SCHEMA, packed)


def texts(store: ArtdaqStore, configuration: str = "12/demo") -> dict[str, str]:
    export = export_configuration(store, configuration)
    assert export.failures == ()
    return {file.entity: file.text for file in export.files}
