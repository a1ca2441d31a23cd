"""A whole record converted: its entities and their names, its configuration, and whatever bytes it holds."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runarchive.artdaqdb.store import check_name
from runarchive.fhicl.convert import CONVERTERS, convert_record
from runarchive.fhicl.convert_metadata import configuration_name
from runarchive.fhicl.convert_text import carried, key_of, lines_of, quote, uncarried, unquote
from runarchive.fhicl.naming import entity_names, safe_name
from runarchive.fhicl.originals import FileKind, OriginalFile
from runarchive.fhicl.parser import parse
from runarchive.fhicl.printer import canonical
from runarchive.fhicl.times import run_times
from runarchive.records_dir import read_record
from tests.fhicl_values import data_of, plain


def record(**files: bytes) -> list[OriginalFile]:
    root = OriginalFile(".", 0o555, 1, b"", FileKind.DIRECTORY)
    return [root, *(OriginalFile(name.replace("__dot__", "."), 0o444, 1, data) for name, data in files.items())]


def test_run_history_and_run_history2_as_daqinterface_makes_them() -> None:
    made = dict(
        convert_record(
            record(
                metadata__dot__txt=b'Config name: a"b c\nComponent #0: x\nDAQInterface start time: s"1\n'
                b"DAQInterface stop time: e1\nDAQInterface stop time: e2\n",
                rc_info_start__dot__txt=b"Run type: Physics\n",
                rc_info_stop__dot__txt=b"Stop reason: done\n",
            ),
            77,
        ).entities
    )
    assert data_of(made["RunHistory"]) == {
        "run_number": "77",
        "config_name": r"a\"b c",
        "components": ["x"],
        "Run_type": "Physics",
    }
    assert data_of(made["RunHistory2"]) == {
        "DAQInterface_start_time": r"s\"1",
        "DAQInterface_stop_time": "e2",
        "DAQInterface_stop_time_repeated": ["e1"],
        "Stop_reason": "done",
    }
    assert made["RunHistory2"].endswith("\n")


def test_what_run_control_says_twice_counts_alike_everywhere_and_never_as_the_run(tmp_path: Path) -> None:
    said = b"Run type: Test\nRun type: Physics\nrun_number: 5\nDAQInterface stop time: never\n"
    made = dict(
        convert_record(
            record(
                metadata__dot__txt=b"Config name: a\n" + b"".join(b"DAQInterface stop time: %c\n" % c for c in b"rst"),
                rc_info_start__dot__txt=said,
                rc_info_stop__dot__txt=said,
            ),
            77,
        ).entities
    )
    for entity in ("RunHistory", "RunHistory2", "rc_info_start", "rc_info_stop"):
        assert data_of(made[entity])["Run_type"] == "Physics"
        assert data_of(made[entity])["Run_type_repeated"] == ["Test"]
    assert data_of(made["RunHistory"])["run_number"] == "77"
    assert data_of(made["RunHistory2"])["DAQInterface_stop_time"] == "t"
    assert data_of(made["RunHistory2"])["DAQInterface_stop_time_repeated"] == ["r", "s", "never"]


@pytest.mark.parametrize("blank", ["  ", "\t", " \t "])
def test_blanks_within_keys_lead_no_two_parts_apart(blank: str) -> None:
    lines = "Config name: a\nComponent #0: x\nComponent #1: \nDAQInterface start time: s\nDAQInterface stop time: e\n"
    made = convert_record(record(metadata__dot__txt=lines.replace(" ", blank).encode()), 5)
    entities = {entity: data_of(text) for entity, text in made.entities}
    assert made.configuration == entities["metadata"]["config_name"] == entities["RunHistory"]["config_name"] == "a"
    assert entities["metadata"]["components"] == entities["RunHistory"]["components"] == ["x"] == list(made.components)
    for what in ("start_time", "stop_time"):
        assert entities["metadata"][f"daqinterface_{what}"] == entities["RunHistory2"][f"DAQInterface_{what}"]


def test_a_run_without_times_has_no_run_history2() -> None:
    made = convert_record(record(metadata__dot__txt=b"Config name: a\n"), 5)
    assert [entity for entity, _ in made.entities] == ["RunHistory", "metadata"]


def test_only_what_is_wanted_is_converted_and_generated() -> None:
    files = record(metadata__dot__txt=b"Config name: a\n", boot__dot__txt=b"debug level: 1\n", x__dot__fcl=b"a: 1\n")
    made = convert_record(files, 5, wanted=frozenset({"boot"}))
    assert [entity for entity, _ in made.entities] == ["boot", "x"]
    assert made.refused == (("metadata.txt", "fhiclize_generate does not name it"),)
    assert made.configuration == "a"


@pytest.mark.parametrize(
    ("name", "configuration"),
    [
        ("common_00003 pds_00007  tpc_00021", "common_00003_pds_00007_tpc_00021"),
        ("nd/full_run2 beam", "nd_full_run2_beam"),
        ('say "x"', "say_%22x%22"),
        ("a\\b*c%", "a%5Cb%2Ac%25"),
        ("Résumé_µ", "Résumé_µ"),
        ("\udcff", "%FF"),
        ("$(reboot)", "%24%28reboot%29"),
        ("..", "%2E%2E"),
        ("-x", "%2Dx"),
        ("run2-beam+x,y:z=@1.5", "run2-beam+x,y:z=@1.5"),
        ("", "unknown"),
    ],
)
def test_configuration_names(name: str, configuration: str) -> None:
    assert configuration_name(name) == configuration


def test_twins_are_all_kept() -> None:
    names = ["EventBuilder1.fcl", "eventbuilder1.fcl", "sub/EventBuilder1.fcl", "sub/deep/EventBuilder1.fcl"]
    names += ["boot.fcl", "schema.fcl", "sub/only.fcl", "sub__EventBuilder1.fcl", "link//x.fcl", "x.fcl", "..fcl"]
    assert entity_names(names, ["boot"]) == {
        "EventBuilder1.fcl": "EventBuilder1",
        "eventbuilder1.fcl": "eventbuilder1",
        "sub/EventBuilder1.fcl": "sub__EventBuilder1__2",
        "sub/deep/EventBuilder1.fcl": "sub__deep__EventBuilder1",
        "boot.fcl": "boot__2",
        "schema.fcl": "schema__2",
        "sub/only.fcl": "only",
        "sub__EventBuilder1.fcl": "sub__EventBuilder1",
        "link//x.fcl": "link__x",
        "x.fcl": "x",
        "..fcl": "%2E",
    }


NAMES = st.binary(min_size=1, max_size=12).map(lambda raw: raw.replace(b"\0", b"/").decode("utf-8", "surrogateescape"))


@given(st.lists(NAMES.map(lambda name: f"{name}.fcl"), unique=True, max_size=8), st.lists(NAMES, max_size=3))
def test_no_two_files_share_an_entity(names: list[str], taken: list[str]) -> None:
    found = entity_names(names, taken)
    assert list(sorted(found)) == sorted(names)
    assert len({*found.values(), *taken}) == len(found) + len(set(taken))
    for entity in found.values():
        assert entity.isascii()
        assert not set('/"\\\0') & set(entity)
        check_name("entity", entity)
        assert entity not in ("", ".", "..")


@given(st.text(st.characters(codec=None)) | st.text('\\uUx0123456789abcdef"#include \t\n'))
def test_carried_text_comes_back(text: str) -> None:
    assert uncarried(carried(text)) == text


@given(st.text(st.characters(codec=None)) | st.text("\\uUx0123456789abcdef\"'#include \t\r\n/"))
def test_any_value_passes_the_library_unchanged(text: str) -> None:
    source = f"a: {quote(text)}\nb: 1\n"
    for stage in (source, canonical(source)):
        found = data_of(stage)
        assert list(found) == ["a", "b"]
        assert unquote(f'"{found["a"]}"') == text


PIECES = [
    b": ",
    b'"',
    b"'",
    b"[",
    b"]",
    b",",
    b"\\",
    b"#",
    b"#include ",
    b"//",
    b"{",
    b"}",
    b"a",
    b"1",
    b"-1",
    b"\t",
    b" ",
]
LINES = ["Config name", "Component #0", "export A=", "Subsystem id", "EventBuilder host", "EventBuilder label"]
LINES += ["boardreader logfiles: \n", "DAQInterface stop time: x\n", "\u2028", "\ufeff", "\0", "\r", "\n", "\n\n"]
HOSTILE = st.binary(max_size=200) | st.lists(
    st.sampled_from([*PIECES, *map(str.encode, LINES), b"\xff"]), max_size=30
).map(b"".join)


@given(st.sampled_from(sorted(CONVERTERS)), HOSTILE)
def test_hostile_bytes_become_fhicl_or_nothing(kind: str, data: bytes) -> None:
    text = CONVERTERS[kind](data)
    assert text.isascii()
    if text.strip():
        before = parse(text)
        assert plain(parse(canonical(text)).data) == plain(before.data) or not before.data.table("main").items


@given(st.dictionaries(NAMES.filter(lambda name: name != "."), HOSTILE, max_size=5), HOSTILE)
def test_a_hostile_record_never_raises_and_loses_no_file(files: dict[str, bytes], metadata: bytes) -> None:
    entries = [OriginalFile(name, 0o444, 1, data) for name, data in {**files, "metadata.txt": metadata}.items()]
    made = convert_record(entries, 3)
    entities = [entity for entity, _ in made.entities]
    assert len(entities) == len(set(entities))
    generated = sum(entity in ("RunHistory", "RunHistory2") for entity in entities)
    refused = [name for name, _ in made.refused if name not in ("RunHistory", "RunHistory2")]
    assert len(entities) - generated + len(refused) == len(entries)


def test_keys_and_lines() -> None:
    assert key_of("daq.x.y", dotted=True) == "daq.x.y"
    assert key_of("daq.x-y", dotted=True) == "daq_x_y"
    assert key_of("µ") == "_"
    assert lines_of("a\r\nb\rc\n\x0b\u2028d") == ["a", "b", "c", "\x0b\u2028d"]
    assert safe_name('a"b/c%é') == "a%22b%2Fc%25%C3%A9"
    assert safe_name("a*b**") == "a*b*%2A"


def test_text_that_the_library_swallows_is_named() -> None:
    files = record(x__dot__fcl=b'# see #include stuff\na: "x"\nb: 1\n', y__dot__fcl=b'#include "z.fcl"\na: 1\n')
    made = convert_record(files, 5)
    assert [problem for problem in made.problems if "#include" in problem] == [
        "x.fcl: artdaqDB loses the text behind an `#include`; originals has it"
    ]


LONG = 200_000


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("metadata", b"Config name: x" + b" " * LONG + b"y"),
        ("metadata", b"boardreader logfiles:\n" + b"h:/x commit/version" * LONG),
        ("boot", b"EventBuilder " + b" " * LONG + b"host: h" + b' "' * LONG),
        ("settings", b"a: [ " + b'"x", ' * LONG + b"]"),
        ("settings", b"a: " + b"[" * LONG),
        ("settings", b"l: [ a,\n" + b"b,\n" * LONG),
        ("environment", b"export A=1\n" + b"more\n" * LONG),
        ("environment", b"export A=x" + b" " * LONG + b"y" + b" #" * LONG),
        ("ranks", b"host port label rank\n" + b"a " * LONG + b"\n"),
        ("known_boardreaders_list", b'a "' + b'"a" ' * LONG),
        ("setup", b"\\u" * LONG + b"#include "),
        ("rc_info_start", b'a: "' + b'" ' * LONG),
    ],
)
def test_long_hostile_lines_take_no_more_time_than_their_length(kind: str, data: bytes) -> None:
    assert CONVERTERS[kind](data).isascii()


def test_a_long_start_line_is_read_at_once() -> None:
    times = run_times(b"DAQInterface start time: x" + b"\t " * LONG + b"y\n")
    assert len(times.starts) == 1
    assert times.start is None


def test_what_the_library_takes_and_never_gives_back_stays_in_originals() -> None:
    files = (OriginalFile("kinds.fcl", 0o444, 0, b"a: 1\na: [1, 2]\n"), OriginalFile("a.fcl", 0o444, 0, b"a: 1\n"))
    conversion = convert_record(files, 1)
    assert [entity for entity, _ in conversion.entities if entity in ("kinds", "a")] == ["a"]
    assert [name for name, _ in conversion.refused] == ["kinds.fcl"]


def test_a_link_without_bytes_is_told_by_what_it_leads_to(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "x.fcl").write_text("a: 1\n")
    place = tmp_path / "5"
    (place / "sub" / "deep").mkdir(parents=True)
    (place / "empty.txt").touch()
    for name, target in {
        "in": "sub/deep",
        "sub/up": "..",
        "out": "../elsewhere",
        "none": "gone",
        "void": "empty.txt",
    }.items():
        (place / name).symlink_to(target)
    told = dict(convert_record(read_record(place, 5).files, 5).refused)
    assert told["in"] == told["sub/up"] == "a link to a directory of the record"
    assert told["out"] == "a link to a directory elsewhere; the files in it are kept"
    assert told["none"] == told["void"] == "a link to nothing, to an empty file, or to the record itself"
