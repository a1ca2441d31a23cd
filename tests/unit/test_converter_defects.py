"""Each converter defect of the older archiver, gone: what went in, what comes out, and that the library takes it."""

from __future__ import annotations

import pytest

from runarchive.fhicl.convert import CONVERTERS
from tests.fhicl_values import data_of, kinds_of

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
