"""Made-up FHiCL for property tests: the class that goes through artdaqDB unchanged, and soup that may be anything."""

from __future__ import annotations

from hypothesis import strategies as st

NAME = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True).filter(
    lambda name: not name.startswith(("BEGIN_PROLOG", "fhicl_pound_include"))
)
DOTTED = st.lists(NAME, min_size=1, max_size=3).map(".".join)
NUMBERS = "0 007 42 +5 -17 1. .5 -0.45600E+3 1e9 1E-5 0xff 0X1F 0b101 infinity +infinity -infinity"
NUMBER = st.sampled_from(NUMBERS.split())
BARE = "true false @nil TRUE nil 12abc 5d379c97 @local::a.b @sequence::x @erase foo@bar"
WORD = NAME | st.sampled_from(BARE.split())
INSIDE = st.text("abcXYZ019 .,:;/|%$&()[]{}<>=+*-_!?@^~`", min_size=1, max_size=15).filter(
    lambda text: "//" not in text and "#" not in text
)
SINGLE_QUOTED = (
    st.text(r"ab .*\/$^(){}[]|+-", min_size=1, max_size=15).filter(lambda t: "//" not in t).map("'{}'".format)
)
DOUBLE_QUOTED = (
    st.lists(INSIDE | st.sampled_from([r"\\n", r"\n", r"\t", r"\\.", "'"]), min_size=1, max_size=4)
    .map(lambda parts: '"' + "".join(parts) + '"')
    .filter(lambda text: not text.endswith('\\"') and "//" not in text and text.count("'") % 2 == 0)
)
SCALAR = NUMBER | WORD | SINGLE_QUOTED | DOUBLE_QUOTED
ELEMENT = NUMBER | NAME | SINGLE_QUOTED | DOUBLE_QUOTED
COMMENT = st.text("abc XYZ 019 .,:;%=+*-_!?", max_size=20).map("#{}".format)


@st.composite
def atom(draw: st.DrawFn, name: str, depth: int) -> str:
    """One statement of the class, with a comment above or an annotation beside, in some layout."""
    layout = draw(st.sampled_from(["", " ", "\t", "  "]))
    above = draw(st.sampled_from(["\n", "\n\n"])) + draw(st.just("") | COMMENT.map(lambda text: text + "\n"))
    kind = draw(st.integers(0, 5 if depth else 3))
    if kind == 5:
        return f"{above}{layout}{name}: {draw(table(depth - 1))}\n"
    value = "[" + f"{layout},".join(draw(st.lists(ELEMENT, max_size=4))) + "]" if kind == 4 else draw(SCALAR)
    protection = draw(st.sampled_from(["", "", "", " @protect_ignore", " @protect_error"])) if depth == 2 else ""
    return f"{above}{layout}{name}{protection}:{layout}{value} {draw(st.just('') | COMMENT)}\n"


@st.composite
def table(draw: st.DrawFn, depth: int) -> str:
    """A table of the class."""
    names = draw(st.lists(NAME, max_size=4, unique=True))
    return "{" + "".join([draw(atom(name, depth)) for name in names]) + "}"


@st.composite
def whole_texts(draw: st.DrawFn) -> str:
    """A text of the class that docs/formats.md promises to be unchanged on its way through artdaqDB."""
    prolog = draw(st.lists(DOTTED, max_size=3, unique=True))
    main = draw(st.lists(DOTTED.filter(lambda name: name not in prolog), min_size=1, max_size=5, unique=True))
    text = "".join([draw(atom(name, 2)) for name in main])
    if prolog:
        text = "BEGIN_PROLOG\n" + "".join([draw(atom(name, 2)) for name in prolog]) + "\nEND_PROLOG\n" + text
    return text


WORDS = """a b a.b a[0] : { } [ ] ( ) , 1 -2.5e3 0x1 true @nil " ' "" '' "x" 'y' \\ \\" # // / include infinity (1, 2) é
BEGIN_PROLOG END_PROLOG @protect_ignore @protect_error @local::a !local::a !sequence::a !table::a !erase !id:: !db::x"""
LINES = ["# c\n", "// d\n", "#include ", '#include "f.fcl"\n', "a: 1\n", "b: { c: 2 }\n", "d: [1, 2]\n", "x\n", ": "]
PIECES = st.sampled_from([*WORDS.split(), *LINES, *"\n\r \t\x0c\x00\x7f", "\r\n"])
SOUP = st.lists(PIECES, max_size=25).map("".join) | st.text(max_size=40)
"""Anything at all, with a taste of FHiCL."""
