"""Each converter defect of the older archiver, gone: what went in, what comes out, and that the library takes it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runarchive.artdaqdb.store import check_name
from runarchive.fhicl.convert import CONVERTERS, convert_record
from runarchive.fhicl.convert_metadata import configuration_name
from runarchive.fhicl.convert_text import carried, key_of, lines_of, quote, uncarried, unquote
from runarchive.fhicl.naming import entity_names, safe_name
from runarchive.fhicl.originals import FileKind, OriginalFile
from runarchive.fhicl.pairs import Pairs, Value
from runarchive.fhicl.parser import parse
from runarchive.fhicl.printer import canonical
from runarchive.fhicl.times import run_times


def plain(value: Value) -> object:
    if isinstance(value, Pairs):
        return {name: plain(child) for name, child in value.items}
    return [plain(child) for child in value] if isinstance(value, list) else value


def data_of(text: str) -> dict[str, object]:
    """The values of a FHiCL text as the library holds them: strings between their quotes, numbers as written."""
    main = plain(parse(text).data)
    assert isinstance(main, dict)
    found = main["main"]
    assert isinstance(found, dict)
    return found


def kinds_of(text: str) -> dict[str, str]:
    """The FHiCL type of each key."""
    children = parse(text).metadata.table("main").table("children")
    return {name: str(child.get("type")) for name, child in children.items if isinstance(child, Pairs)}


CASES = {
    "M1 a section at the end of the file": (
        "metadata",
        b"Config name: x\n\nroutingmanager logfiles: \nh:/a.log\n",
        {"config_name": "x", "routingmanager_logfiles": ["h:/a.log"]},
    ),
    "M2 components at the end of the file": (
        "metadata",
        b"Config name: x\nComponent #0: a",
        {"config_name": "x", "components": ["a"]},
    ),
    "M3 pmt logfile(s)": ("metadata", b"pmt logfile(s): h:/p-*.log\n", {"pmt_logfiles_wildcard": "h:/p-*.log"}),
    "M4 aggregator logfiles": (
        "metadata",
        b"aggregator logfiles: \nhost-1:/a\nhost-1:/b\n\nrouting: x\n",
        {"aggregator_logfiles": ["host-1:/a", "host-1:/b"], "routing": "x"},
    ),
    "M5 sections without blank lines": (
        "metadata",
        b"process manager logfiles: \n/p\nboardreader logfiles: \nh:/b\nDAQInterface start time: t\n",
        {"process_manager_logfiles": ["/p"], "boardreader_logfiles": ["h:/b"], "daqinterface_start_time": "t"},
    ),
    "M6 a path with a blank": (
        "metadata",
        b"boardreader logfiles: \nh:/a b.log\n",
        {"boardreader_logfiles": ["h:/a b.log"]},
    ),
    "M7 components apart": (
        "metadata",
        b"Component #0: a\nother: x\nComponent #1: b\n",
        {"components": ["a", "b"], "other": "x"},
    ),
    "M8 backslashes": ("metadata", b"a: C:\\temp\\new\nb: abc\\\n", {"a": r"C:\\temp\\new", "b": r"abc\\u005c"}),
    "M9 quotes that are not around the value": (
        "metadata",
        b'a: "a" and "b"\nb: [a, "b]\nc: "whole"\n',
        {"a": r"\"a\" and \"b\"", "b": r"[a, \"b]", "c": "whole"},
    ),
    "M10 quotes in names and lists": (
        "metadata",
        b'Config name: "q" x\nComponent #0: a"b\n',
        {"config_name": r"\"q\" x", "components": [r"a\"b"]},
    ),
    "M11 keys": ("metadata", b"a (b)/c.d#e\tf: 1x\n9lives: x\n: y\n", {"a_b_c_d_e_f": "1x", "_9lives": "x", "_": "y"}),
    "M12 numbers": (
        "metadata",
        b"Config name: 12345\nTotal events: 48123\na: .\nb: 5.\nc: 007\nd: -1\ne: 1e6\n",
        {"config_name": "12345", "total_events": "48123", "a": ".", "b": "5.", "c": "007", "d": "-1", "e": "1e6"},
    ),
    "M13 the same key again": (
        "metadata",
        b"DAQInterface start time: a\nDAQInterface stop time: b\n"
        b"DAQInterface start time: c\nDAQInterface stop time: d\n",
        {
            "daqinterface_start_time": "a",
            "daqinterface_start_time_repeated": ["c"],
            "daqinterface_stop_time": "d",
            "daqinterface_stop_time_repeated": ["b"],
        },
    ),
    "B1 several sources": (
        "boot",
        b"Subsystem id: 3\nSubsystem source: 1\nSubsystem source: 2\n",
        {"subsystem_settings": [{"id": "3", "source": ["1", "2"]}], "artdaq_process_settings": []},
    ),
    "B2 keys of blocks": (
        "boot",
        b"Subsystem id: 1\nSubsystem fragmentMode: False\n\nEventBuilder host: h\nEventBuilder label: E\n"
        b'EventBuilder allowed_processors: 0-3\nEventBuilder prepend: "numactl -N 0"\nEventBuilder target: DL\n',
        {
            "subsystem_settings": [{"id": "1", "fragmentMode": "False"}],
            "artdaq_process_settings": [
                {
                    "name": "EventBuilder",
                    "label": "E",
                    "host": "h",
                    "allowed_processors": "0-3",
                    "target": "DL",
                    "prepend": "numactl -N 0",
                }
            ],
        },
    ),
    "B3 blocks without a blank line": (
        "boot",
        b"EventBuilder host: h1\nEventBuilder label: E1\nEventBuilder host: h2\nEventBuilder label: E2\n",
        {
            "artdaq_process_settings": [
                {"name": "EventBuilder", "label": "E1", "host": "h1"},
                {"name": "EventBuilder", "label": "E2", "host": "h2"},
            ]
        },
    ),
    "B4 a block without a label leaks nothing": (
        "boot",
        b"DataLogger host: h3\nDataLogger subsystem: 2\n\nDispatcher label: D1\n",
        {
            "artdaq_process_settings": [
                {"name": "DataLogger", "label": "not set", "host": "h3", "subsystem": "2"},
                {"name": "Dispatcher", "label": "D1", "host": "not set"},
            ]
        },
    ),
    "B5 one label twice": (
        "boot",
        b"EventBuilder label: E\nEventBuilder host: a\n\nEventBuilder label: E\nEventBuilder host: b\n",
        {
            "artdaq_process_settings": [
                {"name": "EventBuilder", "label": "E", "host": "a"},
                {"name": "EventBuilder", "label": "E", "host": "b"},
            ]
        },
    ),
    "B6 RoutingMaster": (
        "boot",
        b"RoutingMaster host: h\nRoutingMaster port: 7296\nRoutingMaster label: R\n",
        {"artdaq_process_settings": [{"name": "RoutingMaster", "label": "R", "host": "h", "port": "7296"}]},
    ),
    "B7 a key that only begins like a block's": (
        "boot",
        b"EventBuilder hosts: [a, b]\n",
        {"EventBuilder_hosts": ["a", "b"], "artdaq_process_settings": []},
    ),
    "B8 ports and quotes": (
        "boot",
        b'EventBuilder host: "evb 09"\nEventBuilder label: "EB\\9"\nEventBuilder port: abc\n',
        {"artdaq_process_settings": [{"name": "EventBuilder", "label": r"EB\\9", "host": "evb 09", "port": "abc"}]},
    ),
    "B9 comments": (
        "boot",
        b"EventBuilder label: E1 # note\n# between\nEventBuilder port: 77 # p\n",
        {"artdaq_process_settings": [{"name": "EventBuilder", "label": "E1", "host": "not set", "port": "77"}]},
    ),
    "T1 comments behind values": (
        "settings",
        b"all_events_to_all_dispatchers: false #true\nl: [ a, b ] # c\nurl: http://h/x#y\n",
        {"all_events_to_all_dispatchers": "false", "l": ["a", "b"], "url": "http://h/x#y"},
    ),
    "T2 names in lists": (
        "settings",
        b'p: [ artdaq-core, "x-y", /a-b/c-d ]\n',
        {"p": ["artdaq-core", "x-y", "/a-b/c-d"]},
    ),
    "T3 a list without its end": ("settings", b"p: [ artdaq, sbndaq\n", {"p": ["artdaq", "sbndaq"]}),
    "T4 numbers in lists": ("settings", b"p: [ -1, -2 ]\n", {"p": ["-1", "-2"]}),
    "T5 quotes, brackets and blanks in lists": (
        "settings",
        b'a: [ "a, b", c ]\nb: [ [1, 2], [3, 4] ]\nc: [ a b, c:d ]\nd: [ a,\n  b ]\n',
        {"a": ["a, b", "c"], "b": [["1", "2"], ["3", "4"]], "c": ["a b", "c:d"], "d": ["a", "b"]},
    ),
    "T6 keys and line ends": (
        "settings",
        ": no key\n@local: x\nsplit\x0ckey: 1\nuni\u2028sep: 2\n".encode(),
        {"_": "no key", "_local": "x", "split_key": "1", "uni_sep": "2"},
    ),
    "E1 a comment behind a value": (
        "environment",
        b"export A=\"x\" # c\nexport B='it' # d\nexport C=1 # one\n",
        {"A": "x", "B": "it", "C": "1"},
    ),
    "E2 a value over lines": (
        "environment",
        b'export A=first\nsecond line\nexport B=1\nexport C="a\n# kept\nb"\n',
        {"A": r"first\nsecond line", "B": "1", "C": r"a\n# kept\nb"},
    ),
    "E3 quotes of the value itself": (
        "environment",
        b"export A=it's'\nexport B='\"x\"'\n",
        {"A": "it's'", "B": r"\"x\""},
    ),
    "E4 backslashes": ("environment", b"export X=C:\\p\\n\n", {"X": r"C:\\p\\n"}),
    "N1 characters outside ASCII": (
        "environment",
        "export A=Ørsted µ 李 😀\n".encode(),
        {"A": r"\\u00d8rsted \\u00b5 \\u674e \\U0001f600"},
    ),
    "N2 carriage returns and control characters": (
        "setup",
        b"#!/bin/sh\r\necho \x07\ta\rb\x00\xff\n",
        {"setup_script": "#!/bin/sh\\\\u000d\\necho \\\\u0007\ta\\\\u000db\\\\u0000\\\\xff\\n"},
    ),
    "R1 four columns": (
        "ranks",
        b"host\tport\tlabel\trank\n\nh1\t5\tE1\t0\n",
        {"ranks": {"header": ["host", "port", "label", "rank"], "rank0": ["h1", "5", "E1", "0"]}},
    ),
    "R2 a label with a blank": (
        "ranks",
        b"host port label subsystem rank\nh 1 pmt 04 1 90\n",
        {
            "ranks": {
                "header": ["host", "port", "label", "subsystem", "rank"],
                "rank90": ["h", "1", "pmt 04", "1", "90"],
            }
        },
    ),
    "R3 rank -1 and a rank twice": (
        "ranks",
        b"host port label subsystem rank\nh 1 a 1 -1\nh 1 b 1 0\nh 1 c 1 0\n",
        {
            "ranks": {
                "header": ["host", "port", "label", "subsystem", "rank"],
                "rank_1": ["h", "1", "a", "1", "-1"],
                "rank0": ["h", "1", "c", "1", "0"],
                "rank0_repeated": [["h", "1", "b", "1", "0"]],
            }
        },
    ),
    "K1 a label alone": ("known_boardreaders_list", b"q4\n", {"q4": []}),
    "K2 labels": (
        "known_boardreaders_list",
        b"pmt-01 h -1\npmt.02 h -1\n1pmt h\n",
        {"pmt_01": ["h", "-1"], "pmt_02": ["h", "-1"], "_1pmt": ["h"]},
    ),
    "K3 quotes and comments": (
        "known_boardreaders_list",
        b'a h -1 1 0-3 "a \\"b\\" c"\nb pre"fix x"y\nc "open quote\nd h # note\n',
        {
            "a": ["h", "-1", "1", "0-3", r"a \"b\" c"],
            "b": [r"pre\"fix", r"x\"y"],
            "c": [r"\"open", "quote"],
            "d": ["h"],
        },
    ),
    "K4 a label twice": (
        "known_boardreaders_list",
        b"a h1 -1\na h2 -1\n",
        {"a": ["h2", "-1"], "a_repeated": [["h1", "-1"]]},
    ),
    "M4 a section of processes nobody knows yet": (
        "metadata",
        b"eventmixer logfiles: \nh:/a b\nh:/c\nShift crew: A, B\nEventBuilder logfiles: h:/d\n",
        {
            "eventmixer_logfiles": ["h:/a b", "h:/c"],
            "Shift_crew": "A, B",
            "EventBuilder_logfiles": ["h:/d"],
        },
    ),
    "M5 log files that look like keys": (
        "metadata",
        b"process manager logfiles: \n/p/a b: c.log\nh: /x\nlast: one\n",
        {"process_manager_logfiles": ["/p/a b: c.log", "h: /x"], "last": "one"},
    ),
    "M9 quotes within quotes": (
        "metadata",
        b'a: "say \\"hi\\""\nb: "C:\\dir\\"\nc: "x\\\\"\n',
        {"a": r"say \"hi\"", "b": r"\"C:\\dir\\\"", "c": r"x\\\\u005c"},
    ),
    "M13 an empty time is none": (
        "metadata",
        b"DAQInterface start time: \n\nDAQInterface start time: t\n",
        {"daqinterface_start_time": "t"},
    ),
    "E2 what only looks like a comment or an assignment": (
        "environment",
        b"# about\nexport A=first\n# middle\nkey=value\n\n# about B\nexport B=1\nDAQINTERFACE_C=2\ndeclare -x D=3\n",
        {"A": r"first\n# middle\nkey=value", "B": "1"},
    ),
    "R1 rows without a header, rows of another width": (
        "ranks",
        b"h1\t5\tE1\t0\nh2 6 E2 1 1 # note\nno row\n",
        {"ranks": {"rank0": ["h1", "5", "E1", "0"], "rank1": ["h2", "6", "E2", "1", "1"]}},
    ),
    "R1 a short row below a long header": (
        "ranks",
        b"host port label subsystem rank\nh 1 a 0\n",
        {"ranks": {"header": ["host", "port", "label", "subsystem", "rank"], "rank0": ["h", "1", "a", "0"]}},
    ),
    "P6 rc_info": (
        "rc_info_start",
        b'Run type: Physics\nShifter (name): J. Doe\nBeam on/off: "on"\nComment: see #5 # and "this"\n',
        {
            "Run_type": "Physics",
            "Shifter__name_": "J. Doe",
            "Beam_on_off": "on",
            "Comment": r"see #5 # and \"this\"",
        },
    ),
    "P7 bytes that are no UTF-8": ("boot", b"a: \xe9\xff\n", {"a": r"\\xe9\\xff", "artdaq_process_settings": []}),
}


@pytest.mark.parametrize("case", CASES)
def test_defect_is_gone(case: str) -> None:
    kind, source, expected = CASES[case]
    text = CONVERTERS[kind](source)
    assert text.isascii()
    found = data_of(text)
    assert found == expected
    assert list(found) == list(expected)


def test_numbers_stay_numbers_and_names_stay_names() -> None:
    kinds = kinds_of(CONVERTERS["metadata"](CASES["M12 numbers"][1]))
    assert {key: kind for key, kind in kinds.items() if kind == "number"} == dict.fromkeys(
        ("total_events", "d", "e"), "number"
    )


def test_comments_of_metadata_stay_where_they_stood() -> None:
    text = CONVERTERS["metadata"](b"a: 1\n# about b\nb: 2\nboardreader logfiles: \n# inside\nh:/x\n\n# last\n")
    assert text == 'a: 1\n# about b\nb: 2\n\nboardreader_logfiles: ["h:/x"]\n# inside\n# last\n'


def test_a_comment_that_would_eat_the_text_stays_in_originals() -> None:
    text = CONVERTERS["metadata"]('# see #include stuff\n# µ\na: "x"\n'.encode())
    assert text == 'a: "x"\n'


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
