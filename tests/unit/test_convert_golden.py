"""Our conversion of the golden records: the older archiver's keys and values where it is right, named defects else."""

from __future__ import annotations

from functools import cache

import pytest

from runarchive.errors import ArchiveError
from runarchive.fhicl.convert import Conversion, convert_record
from runarchive.fhicl.originals import FileKind
from runarchive.fhicl.pairs import Pairs, Value
from runarchive.fhicl.parser import parse
from runarchive.records_dir import read_record
from tests.golden_records import RUNS, golden_input, golden_output

DEFECTS: dict[tuple[int, str], str] = {
    **{(run, "settings"): "T1" for run in RUNS if run not in (1001, 1004, 1008, 1032, 1034)},
    (1002, "metadata"): "M3 M4",
    (1002, "boot"): "B6",
    (1002, "ranks"): "R1",
    (1004, "metadata"): "M1",
    (1006, "metadata"): "an empty document",
    (1006, "ranks"): "an empty document",
    (1006, "EventBuilder1"): "an empty document",
    (1007, "setup"): "N2",
    (1009, "EventBuilder1"): "not ASCII",
    (1010, "metadata"): "not ASCII",
    (1010, "boot"): "not ASCII",
    (1010, "setup"): "N1",
    (1010, "environment"): "N1",
    (1010, "known_boardreaders_list"): "not ASCII",
    (1010, "settings"): "not ASCII",
    (1010, "RunHistory"): "not ASCII",
    (1010, "RunHistory2"): "N1",
    (1012, "metadata"): "M8 M9",
    (1012, "boot"): "B8 B2",
    (1012, "environment"): "E2 E4",
    (1012, "known_boardreaders_list"): "K1 K3",
    (1012, "settings"): "M8",
    (1012, "RunHistory"): "M10",
    (1013, "metadata"): "M7 M13",
    (1013, "boot"): "B5",
    (1013, "environment"): "M13",
    (1013, "ranks"): "R3",
    (1013, "RunHistory"): "M13",
    (1013, "RunHistory2"): "H1",
    (1014, "setup"): "N2",
    (1014, "settings"): "T6",
    (1015, "metadata"): "M2",
    (1016, "boot"): "B9",
    (1016, "environment"): "E1",
    (1016, "known_boardreaders_list"): "K3",
    (1017, "realdir/inner"): "P9",
    (1017, "linkdir/inner"): "P9",
    (1018, "sub/EventBuilder1"): "P9",
    (1018, "sub/deeper/feb001"): "P9",
    (1020, "ranks"): "R3",
    (1021, "metadata"): "M5 M6",
    (1021, "boot"): "B3 B4 B7 B8",
    (1022, "boot"): "B1 B2",
    (1025, "metadata"): "M10",
    (1025, 'pm"t5'): "a name the library cannot query",
    (1025, "pmté"): "not ASCII",
    (1025, "known_boardreaders_list"): "K2",
    (1025, "ranks"): "R2 R3",
    (1025, "RunHistory"): "M10",
    (1026, "RunHistory"): "P6",
    (1026, "RunHistory2"): "P6",
    (1029, "settings"): "T2 T3 T4 T5 T6",
    (1030, "EventBuilder1"): "no FHiCL",
    (1031, "metadata"): "P13",
    (1031, "setup"): "N2",
    (1031, "environment"): "control character",
    (1031, "EventBuilder1"): "not ASCII",
    (1031, "RunHistory"): "P13",
    (1035, "metadata"): "M12",
}
"""Where our data differ from the older archiver's, and by which of its defects."""


@cache
def conversion(run: int) -> Conversion:
    return convert_record(read_record(golden_input(run), run).files, run)


def plain(value: Value) -> object:
    if isinstance(value, Pairs):
        return [(name, plain(child)) for name, child in value.items]
    return [plain(child) for child in value] if isinstance(value, list) else value


def types(value: Value) -> object:
    """The metadata without comments: which of them are attached differs by where they stand."""
    if isinstance(value, Pairs):
        return [(name, types(child)) for name, child in value.items if name not in ("comment", "annotation")]
    return value


def content(text: str | bytes) -> tuple[object, object] | str:
    try:
        document = parse(text)
    except ArchiveError:
        return "refused by the library"
    return plain(document.data), types(document.metadata)


@pytest.mark.parametrize("run", RUNS)
def test_keys_and_values_are_the_same_where_the_older_archiver_is_right(run: int) -> None:
    ours = dict(conversion(run).entities)
    different = set()
    for name, data in golden_output(run).items():
        entity = name.removesuffix(".fcl")
        if entity == "schema":
            continue
        theirs = content(data)
        if entity not in ours or theirs != content(ours[entity]):
            different.add(entity)
    assert different == {entity for number, entity in DEFECTS if number == run and golden_output(run)}


@pytest.mark.parametrize("run", RUNS)
def test_everything_converted_is_fhicl_that_the_library_takes(run: int) -> None:
    for entity, text in conversion(run).entities:
        assert text.isascii(), entity
        assert content(text) != "refused by the library", entity


REFUSED: dict[int, tuple[str, ...]] = {
    1006: ("EventBuilder1.fcl", "metadata.txt", "ranks.txt"),
    1009: ("EventBuilder1.fcl",),
    1017: ("linkdir",),
    1018: ("sub/metadata.txt",),
    1025: ("pmté.fcl",),
    1030: ("EventBuilder1.fcl",),
    1031: ("EventBuilder1.fcl",),
    1032: ("dangling.fcl",),
}
"""For each case with any, what is in `originals` alone; everything else is in FHiCL and in `originals`."""

RENAMED: dict[int, dict[str, str]] = {
    1018: {"sub/EventBuilder1.fcl": "sub__EventBuilder1"},
    1025: {
        "boot.fcl": "boot__2",
        "metadata.fcl": "metadata__2",
        "schema.fcl": "schema__2",
        'pm"t5.fcl': "pm%22t5",
    },
}
"""Files whose entity is not their base name, because another file has it or a store cannot carry it."""


@pytest.mark.parametrize("run", RUNS)
def test_what_is_in_fhicl_and_what_in_originals_alone(run: int) -> None:
    """Every file of every case is in one or the other: nothing is dropped."""
    record = read_record(golden_input(run), run)
    made = conversion(run)
    assert tuple(name for name, _ in made.refused) == REFUSED.get(run, ())
    assert all(reason for _, reason in made.refused)
    expected = set()
    for file in record.files:
        if file.kind is FileKind.DIRECTORY or file.name in REFUSED.get(run, ()):
            continue
        base = file.name.rpartition("/")[2].removesuffix(".txt").removesuffix(".fcl")
        expected.add(RENAMED.get(run, {}).get(file.name, base))
    generated = {"RunHistory"} | ({"RunHistory2"} if made.start or made.stop or run == 1010 else set())
    assert {entity for entity, _ in made.entities} == expected | generated


CONFIGURATIONS = {
    1002: "np04_WibsReal_Ssps00045",
    1005: "unknown",
    1006: "unknown",
    1010: "Résumé_µBooNE_run2-beam-noSN-00012",
    1012: "%22q%22_BNBZeroBias-noSN-00031",
    1013: "first_00001",
    1014: "opsFullTriggerMenu00007",
    1023: "nd_full_run2_beam_v3",
    1024: "common_00003_pds_00007_tpc_00021",
    1028: "unknown",
    1031: "BNBZeroBias-noSN-00031",
    1035: "12345",
}


@pytest.mark.parametrize(("run", "name"), CONFIGURATIONS.items())
def test_the_configuration_is_called_as_daqinterface_calls_it(run: int, name: str) -> None:
    assert conversion(run).configuration == name


@pytest.mark.parametrize(
    ("run", "problem"),
    [
        (1005, "metadata.txt is missing"),
        (1006, "names no configuration"),
        (1010, "start time cannot be read"),
        (1013, "2 configurations"),
        (1013, "stop time lies before"),
        (1018, "sub/EventBuilder1.fcl is kept as entity sub__EventBuilder1"),
    ],
)
def test_what_is_odd_is_said(run: int, problem: str) -> None:
    assert any(problem in sentence for sentence in conversion(run).problems)
