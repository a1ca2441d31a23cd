"""The library's rules of FHiCL, one by one: what it takes, what it makes of it, what it refuses and where."""

from __future__ import annotations

import pytest

from runarchive.errors import ArchiveError, Code
from runarchive.fhicl.changes import changed_on_reimport
from runarchive.fhicl.json_text import read_json
from runarchive.fhicl.pairs import Pairs, Value
from runarchive.fhicl.parser import FhiclError, parse
from runarchive.fhicl.printer import canonical, print_fhicl


def main(text: str | bytes) -> Pairs:
    return parse(text).data.table("main")


def kind(text: str, name: str = "a") -> str:
    return parse(text).metadata.table("main").table("children").table(name).text("type")


def child(text: str, *names: str) -> Pairs:
    found = parse(text).metadata.table("main")
    for name in names:
        found = found.table("children").table(name)
    return found


def refusal(text: str | bytes) -> FhiclError:
    with pytest.raises(FhiclError) as caught:
        parse(text)
    return caught.value


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("5", "number"),
        ("007", "number"),
        ("1.", "number"),
        (".5", "number"),
        ("+5", "number"),
        ("-4.2e-05", "number"),
        ("1E5", "number"),
        ("0X1f", "number"),
        ("0b101", "number"),
        ("+infinity", "number"),
        ("5#c", "number"),
        ("@nil", "nil"),
        ("true", "bool"),
        ("TRUE", "string_unquoted"),
        ("nil", "string_unquoted"),
        ("12abc", "string_unquoted"),
        ("0x", "string_unquoted"),
        ("1e", "string_unquoted"),
        ("abc#c", "string_unquoted"),
        ("true#c", "string_unquoted"),
        ("true//b", "string_unquoted"),
        ("@nil#c", "string_unquoted"),
        ("infinity#c", "string_unquoted"),
        ("@x.y", "string_unquoted"),
        ("x@y.z", "string_unquoted"),
        (".5x", "string_unquoted"),
        (".", "string_unquoted"),
        ("..", "string_unquoted"),
        (":", "string_unquoted"),
        (":x:y.z", "string_unquoted"),
        ("@local::a.b", "string_unquoted"),
        ("@id::aa", "string_unquoted"),
        ("@table::x", "string_unquoted"),
        ("!id::0123456789abcdef0123456789ABCDEF01234567", "tableid"),
        ("(1,2)", "complex"),
        ("'it\"s'", "string_singlequoted"),
        ('"x"', "string_doublequoted"),
        ("[]", "sequence"),
        ("{}#c", "table"),
    ],
)
def test_kinds_of_values(value: str, expected: str) -> None:
    assert kind(f"a: {value}\n") == expected


@pytest.mark.parametrize(
    "text",
    [
        'a: "x"#c\n',
        'a: "x"//c\n',
        "a: -infinity#c\n",
        "a: a.b",
        "a: a:b",
        "a: 1.x",
        "a: @l.x[1]",
        "a: !nil",
        "a: !db::x",
        "a: !local::x",
        "a: 2022-03-14",
        "a: /path",
        "a: a;",
        "x: a::b",
        "a @protect_ignore : 1",
        "a@protect_ignore: 1",
        "a @initial: 1",
        'a: "b\x01"',
        'a: "b\x0c"',
        'a: "\\x"',
        'a: "a\\\\"',
        "a: 'it''s'",
        "a: [1,]",
        "a: [,]",
        "a: (1,x)",
        "a: {b.c: 1}",
        "a[0]: 5",
        "a. : 5",
        "!table::x",
        "@table::x",
        "t: { @table::x }",
        "1a: 2",
        "a: 1 BEGIN_PROLOG b: 2 END_PROLOG",
        "BEGIN_PROLOGUE: 1",
        "#include'x.fcl'",
        "a: caf\u00e9",
        "# caf\u00e9\na: 1",
        "",
    ],
)
def test_refusals(text: str) -> None:
    assert refusal(text).code is Code.BAD_FHICL


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ("a: 1;", 1, 4),
        ("a: 1\n\n b: a.b", 3, 6),
        ("a: [1 2]", 1, 7),
        ("a: {\n b: 1\n c 2\n}", 3, 2),
        ("a: 'x\n\ny' b", 3, 4),
        ("a: 1 # \u00e9", 1, 6),
        ("a: (\n1,\nx)", 3, 1),
        ("BEGIN_PROLOG\na: 1\n", 3, 1),
        ("a: {", 2, 1),
        ("b @protect_error: {\n c @protect_ignore: 1\n}", 1, 1),
        ("t: { a @protect_error: 1\n  a: 2 }", 2, 3),
        ("a: 1\r\rb:", 4, 1),
    ],
)
def test_places_of_refusals(text: str, line: int, column: int) -> None:
    error = refusal(text)
    assert (error.line, error.column) == (line, column)
    assert str(error) == f"line {line}, column {column}: {error.reason}"


def test_statements_need_no_line_ends_and_blanks_only_after_scalars() -> None:
    assert main("a:1 b:{c:2}d:[3]e:'f' g:h").items == [
        ("a", "1"),
        ("b", Pairs([("c", "2")])),
        ("d", ["3"]),
        ("e", "f"),
        ("g", "h"),
    ]


def test_blanks_and_comments_may_stand_around_the_dots_of_a_name() -> None:
    assert main("a . # why\n b : 1").items == [("a.b", "1")]


def test_a_name_that_comes_twice_stays_twice_and_the_first_metadata_serves() -> None:
    assert main('a: 1\na: "two"').items == [("a", "1"), ("a", "two")]
    assert canonical('a: 1\na: "two"') == "\na: 1 \n\na: two \n"
    assert canonical('a: 1\na: "x\\"y\nz"') == '\na: 1 \n\na: x\\\\\\"y\\nz \n'


def test_a_name_that_comes_twice_with_another_kind_cannot_be_printed() -> None:
    with pytest.raises(ArchiveError, match="a is not what its metadata says") as caught:
        canonical("a: [1]\na: 2")
    assert caught.value.code is Code.CORRUPT


def test_a_name_that_comes_twice_in_a_table_keeps_its_place_and_takes_the_last_value() -> None:
    assert main("t: { a: 1 b: 2 a: [3] }").table("t").items == [("a", ["3"]), ("b", "2")]


def test_protections() -> None:
    assert child("a @protect_ignore: 1", "a").text("protection") == "@protect_ignore"
    assert main("t: { a @protect_ignore: 1 a: 2 }").table("t").items == [("a", "1")]
    assert main("a @protect_error: 1\na: 2").items == [("a", "1"), ("a", "2")]
    assert canonical("a: 1\na @protect_error: 2") == "\na: 1 \n\na: 2 \n"
    assert main("t @protect_ignore: { a @protect_error: 1 }").table("t").items == [("a", "1")]
    for text in (
        "t: { a @protect_error: 1 a: 2 }",
        "t: { a: 1 a @protect_ignore: 2 }",
        "t @protect_error: { a @protect_ignore: 1 }",
        "t @protect_error: [ { a @protect_ignore: 1 } ]",
        "t: { a @protect_error: 1 a: !erase }",
        "BEGIN_PROLOG a @protect_error: 1 a: !erase END_PROLOG",
    ):
        refusal(text)


def test_prologs_are_merged_and_lose_what_comes_again_in_main() -> None:
    document = parse("BEGIN_PROLOG\na: 1\nb: 2\na: 3\nEND_PROLOG BEGIN_PROLOG c: 4 END_PROLOG\na: 5")
    assert document.data.table("prolog").items == [("b", "2"), ("c", "4")]
    assert document.data.table("main").items == [("a", "5")]


def test_end_prolog_is_an_ordinary_name() -> None:
    assert main("END_PROLOG: 1").items == [("END_PROLOG", "1")]


def test_an_indexed_name_is_refused_unless_main_replaces_it() -> None:
    assert main("BEGIN_PROLOG a[1]: 5 END_PROLOG\na: 1").items == [("a", "1")]
    assert "indexed" in refusal("a: 1\nb[0]: 2").reason


def test_live_references() -> None:
    text = "BEGIN_PROLOG\np: { x: 1 }\ns: [1, 2]\nq.r: 7\nEND_PROLOG\n"
    assert main(text + "a: !local::p").items == [("a", Pairs([("x", "1")]))]
    assert main(text + "a: !local::q.r b: !local::s[1]").items == [("a", "7"), ("b", "2")]
    assert main(text + "a: [0, !sequence::s, 3]").items == [("a", ["0", "1", "2", "3"])]
    assert main(text + "a: { !table::p y: 2 }").items == [("a", Pairs([("x", "1"), ("y", "2")]))]
    assert main(text + "!table::p").items == [("x", "1")]
    assert main("a: 1 a: !erase b: 2").items == [("b", "2")]
    assert main("t: { a: 1 a: !erase b: 2 }").table("t").items == [("b", "2")]
    for bad in (
        "a: !local::p.x",
        "a: !local::none",
        "a: [!sequence::p]",
        "a: {!table::s}",
        "a: !local::s[2]",
        "a: !local::",
    ):
        refusal(text + bad)


def test_a_resolved_reference_belongs_to_the_line_of_the_reference() -> None:
    text = "BEGIN_PROLOG\np @protect_ignore: 1 # p\nEND_PROLOG\na: !local::p # a\n"
    assert child(text, "a").items == [("type", "number"), ("comment", ""), ("annotation", "# a")]


def test_complex_numbers_are_cut_at_the_first_blank_and_quoted_in_sequences() -> None:
    assert main("a: ( 1.5 , 2 )").items == [("a", "(")]
    assert main("a: (infinity, 0)").items == [("a", "(infinity,")]
    assert canonical("a: [(1,2)]") == '\na: ["(1,2)"] \n'


def test_line_ends() -> None:
    assert main("a: 1\r\nb: 2\r\n") == main("a: 1\nb: 2\n")
    assert main('a: "x\r\ny\rz"').items == [("a", "x\ny\nz")]
    assert parse("a: 1 # one\rb: 2").comments == ((1, "# one"),)
    assert child("a: 1 # one\rb: 2", "b").text("comment") == "# one"


def test_blank_lines_that_end_with_cr_and_lf_are_not_counted_for_comments() -> None:
    assert parse("a: 1 # one\r\n\r\nb: 2 # two\r\n").comments == ((1, "# one"), (2, "# two"))


def test_white_space_that_ends_no_bare_token_stays_in_it() -> None:
    assert main("a: 5\x0c\x0b b: x\x0c").items == [("a", "5\x0c\x0b"), ("b", "x\x0c")]


def test_comments_may_hold_control_characters() -> None:
    assert parse("# \x0c \x01\na: 1").comments == ((1, "# \x0c \x01"),)


def test_comments_above_and_beside() -> None:
    text = "# above\na: 1 // beside\n// slashes\nb: 2\n# far\n\nc: 3 # c\nd: [\n1,\n2] # lost\ne: { # open\nf: 4\n}"
    assert child(text, "a").items == [("type", "number"), ("comment", "# above"), ("annotation", "// beside")]
    assert child(text, "b").items == [("type", "number"), ("comment", ""), ("annotation", "")]
    assert child(text, "c").items == [("type", "number"), ("comment", ""), ("annotation", "# c")]
    assert child(text, "d").text("comment") == "# c"
    assert child(text, "d").text("annotation") == ""
    assert child(text, "e").items[:2] == [("type", "table"), ("comment", "# lost")]
    assert child(text, "e", "f").text("comment") == "# open"
    assert parse("a: 1").comments == ((0, "No comments"),)


def test_the_comment_scan_loses_its_way_after_an_empty_string() -> None:
    text = 'a: ""\nb: "x#y" # c\n'
    assert parse(text).comments == ((2, '#y" # c'),)
    assert child(text, "b").text("annotation") == '#y" # c'


def test_includes_become_names() -> None:
    text = '#include "x.fcl" # gone\na: 1\nt: {\n  #include "y.fcl"\n  b: 2\n}\n'
    assert main(text).items == [
        ("fhicl_pound_include_0", "x.fcl"),
        ("a", "1"),
        ("t", Pairs([("fhicl_pound_include_1", "y.fcl"), ("b", "2")])),
    ]
    assert canonical(text) == ' \n#include "x.fcl" \n\na: 1 \n\nt: {\n \n#include "y.fcl" \n\nb: 2 \n\n}'


def test_an_include_line_with_a_tab_comes_back_twice() -> None:
    assert canonical('#include\t"x"\na: 1') == ' \n#include "x" \n#include\t"x"\na: 1 \n'


def test_an_include_in_a_comment_takes_everything_up_to_the_next_quote_and_that_is_named() -> None:
    text = '# see #include stuff\na: "x"\nb: 1'
    document = parse(text)
    assert document.data.table("main").items == [("b", "1")]
    assert document.swallowed == ("stuff\na: ",)
    assert any("stuff" in change for change in changed_on_reimport(text))


def test_an_include_in_a_string_is_named() -> None:
    assert any("#include" in change for change in changed_on_reimport('a: "see #include "\n'))


def test_tables_end_without_line_feed_and_glue_the_next_comment() -> None:
    assert canonical("a: { b: 1 }\n#after table\nc: 2\n") == "\na: {\n\nb: 1 \n\n}#after table\nc: 2 \n"


def test_a_text_of_comments_alone_exports_as_nothing() -> None:
    assert canonical("# only\n") == ""
    assert changed_on_reimport("# only\n") == ("the export is empty: it holds no names, and cannot be imported again",)
    refusal(canonical("# only\n"))


def test_bytes_and_text_are_the_same() -> None:
    assert parse(b'a: "x"').data == parse('a: "x"').data
    assert refusal("a: '\u00e9\u00e9' b".encode()).column == refusal("a: '\u00e9\u00e9' b").column


def test_deep_nesting_is_refused_and_does_no_harm() -> None:
    assert "deep" in refusal("a: " + "[" * 5000).reason
    with pytest.raises(ArchiveError):
        read_json('{"a":' * 5000)


META = '{"type":"table","comment":"#x","children":{%s}}'


def printed(main_data: str, children: str) -> str:
    data = read_json('{"prolog":{},"main":{' + main_data + "}}")
    metadata = read_json('{"prolog":' + META % "" + ',"main":' + META % children + "}")
    return print_fhicl(data, metadata)


def atom(kind: str, more: str = "") -> str:
    return f'{{"type":"{kind}","comment":"","annotation":""{more}}}'


SEQUENCE_OF_ONE = atom("sequence", ',"children":{"0":' + atom("number") + "}")
TABLE_OF_B = '{"type":"table","comment":"","children":{"b":' + atom("number") + "}}"


@pytest.mark.parametrize(
    ("data", "children", "expected"),
    [
        ('"a":true', f'"a":{atom("bool")}', "\na: true \n"),
        ('"a":5', f'"a":{atom("number")}', "\na: 5 \n"),
        ('"a":3.14159', f'"a":{atom("number")}', "\na: 3.142 \n"),
        ('"a":"x y"', f'"a":{atom("string")}', '\na: "x y" \n'),
        ('"a":"xy"', f'"a":{atom("string")}', "\na: xy \n"),
        ('"a":"x y"', f'"a":{atom("table")}', '\na: "x y"'),
        ('"a":["1","x y"]', f'"a":{SEQUENCE_OF_ONE}', "\na: [1] \n"),
        ('"a":"1"', '"a":{"type":"number","comment":"","annotation":"","protection":"@none"}', "\na: 1 \n"),
        ('"a":{"b":"1","c":"2"}', f'"a":{TABLE_OF_B}', "\na: {\n\nb: 1 \n\n}"),
    ],
)
def test_printing_of_documents_by_others(data: str, children: str, expected: str) -> None:
    assert printed(data, children) == expected


@pytest.mark.parametrize(
    ("data", "children"),
    [
        ('"a":"1"', ""),
        ('"a":"1"', '"a":{"type":"number","comment":""}'),
        ('"a":"1"', '"a":{"comment":"","annotation":""}'),
        ('"a":"1"', f'"a":{atom("weird")}'),
        ('"a":5', f'"a":{atom("string_doublequoted")}'),
        ('"a":true', f'"a":{atom("number")}'),
        ('"a":["1"]', f'"a":{atom("number")}'),
        ('"a":{}', f'"a":{atom("sequence")}'),
        ('"a":"1"', '"a":"number"'),
    ],
)
def test_documents_that_the_library_cannot_load(data: str, children: str) -> None:
    with pytest.raises(ArchiveError) as caught:
        printed(data, children)
    assert caught.value.code is Code.CORRUPT


def test_a_document_without_its_parts_cannot_be_printed() -> None:
    values: list[Value] = ["x"]
    for data in (Pairs(), Pairs([("prolog", Pairs())]), Pairs([("prolog", values), ("main", Pairs())])):
        with pytest.raises(ArchiveError):
            print_fhicl(data, parse("a: 1").metadata)
