"""Runs of other writers are known for what they are: held against blobs that the older archiver really made."""

from __future__ import annotations

import tarfile

import pytest

from runarchive.fhicl.convert import convert_record
from runarchive.fhicl.originals import OriginalFile
from runarchive.fhicl.other_writers import daqinterface, hashes_text, losses, older_archiver
from runarchive.fhicl.parser import parse
from runarchive.records_dir import read_record
from runarchive.ucondb.blob import unpack
from tests.golden_records import GOLDEN, golden_input

ARCHIVED = (1000, 1003, 1015, 1022)


def golden_blob(run: int, mode: str) -> dict[str, str]:
    with tarfile.open(GOLDEN / "reference_blobs.tar.xz") as archive:
        member = archive.extractfile(f"reference_blobs/{mode}/{run}.txt")
        assert member is not None
        blob = unpack(member.read())
    return {name.removesuffix(".fcl"): data.decode("ascii") for name, data in blob.files}


def files_of(run: int) -> tuple[OriginalFile, ...]:
    return read_record(golden_input(run), run).files


@pytest.mark.parametrize("mode", ["conftoolp", "tools"])
@pytest.mark.parametrize("run", ARCHIVED)
def test_every_document_of_the_older_archiver(run: int, mode: str) -> None:
    left = older_archiver(files_of(run), run, tools=mode == "tools")
    assert left is not None
    wanted = golden_blob(run, mode)
    del wanted["schema"]
    assert {**left.documents, **left.updates} == wanted
    assert ("hashes" in left.documents) == (mode == "conftoolp")
    assert left.update_suffix == ("v1" if mode == "conftoolp" else "")
    assert set(left.updates) <= {"RunHistory2"}
    assert not left.refused
    assert not left.doubtful


@pytest.mark.parametrize(
    ("run", "sentence"),
    [
        (1000, "the original files, with their modes, times and comments, are not kept"),
        (1000, "settings: other values of all_events_to_all_dispatchers"),
        (1015, "metadata: without components"),
        (1022, "boot: other values of subsystem_settings, artdaq_process_settings"),
        (1026, "not stored: rc_info_start, rc_info_stop"),
        (1012, "artdaqDB refuses RunHistory, boot, environment, known_boardreaders_list, metadata, settings"),
        (1004, "metadata: without routingmanager_logfiles"),
    ],
)
def test_what_was_lost_is_said(run: int, sentence: str) -> None:
    left = older_archiver(files_of(run), run)
    assert left is not None
    assert any(sentence in lost for lost in left.lost), left.lost


@pytest.mark.parametrize("run", [1008, 1009, 1032, 1033])
def test_a_record_it_did_not_take_left_nothing(run: int) -> None:
    assert older_archiver(files_of(run), run) is None


def test_names_that_stand_for_two_files_are_doubtful() -> None:
    left = older_archiver(files_of(1018), 1018)
    assert left is not None
    assert left.doubtful == {"EventBuilder1"}


def test_the_hash_of_hashes() -> None:
    text = hashes_text({"b": "x", "a": "y", "schema": "z"})
    assert text.splitlines() == [
        "a:415290769594460e2e485922904f345d",
        "b:9dd4e461268c8034f5c8564e155c67a6",
        "configuration:997d39279447518b3646c4ecf5a7a237",
    ]


def test_daqinterface_archives_before_the_times_are_known() -> None:
    left = daqinterface(files_of(1024), 1024)
    assert left is not None
    assert left.configuration == "common_00003_pds_00007_tpc_00021"
    metadata = parse(left.documents["metadata"]).data.table("main")
    assert "daqinterface_start_time" not in list(metadata)
    assert "routingmanager_logfiles" not in list(metadata)
    ours = parse(dict(convert_record(files_of(1024), 1024).entities)["metadata"]).data.table("main")
    assert [item for item in metadata.items if item not in ours.items] == []
    assert "DAQInterface_stop_time" in list(parse(left.updates["RunHistory2"]).data.table("main"))
    assert left.doubtful == {"boot", "DataflowConfiguration", "hashes"}
    assert not {"settings", "setup", "environment", "ranks"} & set(left.documents)
    assert "not stored: environment, ranks, settings, setup" in left.lost


def test_daqinterface_keeps_what_run_control_said() -> None:
    left = daqinterface(files_of(1026), 1026)
    assert left is not None
    history = parse(left.documents["RunHistory"]).data.table("main")
    assert list(history) == [
        "run_number",
        "config_name",
        "components",
        "Run_type",
        "Shifter__name_",
        "Beam_on_off",
        "Comment",
    ]
    assert history.get("Comment") == r"first run after \"access"
    assert parse(left.updates["RunHistory2"]).data.table("main").get("Events") == "120345"
    running = daqinterface(files_of(1003), 1003)
    assert running is not None
    assert not running.updates


def test_a_metadata_file_that_is_no_text_is_nothing_of_daqinterface() -> None:
    assert daqinterface(files_of(1033), 1033) is None


def test_equal_texts_lose_only_the_files() -> None:
    ours = convert_record(files_of(1000), 1000)
    assert losses(ours, dict(ours.entities)) == (
        "the original files, with their modes, times and comments, are not kept",
    )
