"""What holds for every text: nothing crashes, nothing changes unnamed; and for those that stay unchanged."""

from __future__ import annotations

import random
import time
from contextlib import suppress

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from runarchive.errors import ArchiveError
from runarchive.fhicl.changes import changed_on_reimport
from runarchive.fhicl.document import document_form, members_text
from runarchive.fhicl.json_text import read_json, write_json
from runarchive.fhicl.pairs import Pairs, Value
from runarchive.fhicl.parser import FhiclDocument, FhiclError, parse
from runarchive.fhicl.printer import canonical, print_fhicl
from tests import golden_fhicl as golden
from tests.fhicl_texts import SOUP, whole_texts


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(whole_texts())
@example("a: 1 # c\nb: { x: 'y' }\n")
def test_the_class_that_goes_through_unchanged(text: str) -> None:
    document = parse(text)
    once = canonical(text)
    assert canonical(once) == once
    again = parse(once)
    assert again.data == document.data
    assert again.metadata == document.metadata
    assert changed_on_reimport(text) == ()
    form = read_json(write_json(document_form(document, "x", "t")))
    stored = form.table("document")
    assert print_fhicl(stored.table("data"), stored.table("metadata")) == once
    assert (again.data, again.metadata) == (stored.get("data"), stored.get("metadata"))


@settings(deadline=None, max_examples=300)
@given(SOUP)
@example('c: {\n # see #include here\n t: 2\n }\nx: {\n y: 9\n z: "q"\n}\n')
@example('a: "end\\\\"\nb: " c"\n')
@example("#include \x00''")
def test_any_text_is_parsed_or_refused_with_a_place(text: str) -> None:
    check(text)


@settings(deadline=None)
@given(st.binary(max_size=60))
def test_any_bytes_are_parsed_or_refused_with_a_place(data: bytes) -> None:
    check(data)


def parsed_or_refusal(text: str | bytes) -> FhiclDocument | FhiclError:
    """The document, or why there is none."""
    try:
        return parse(text)
    except FhiclError as error:
        return error


def check(text: str | bytes) -> None:
    """All that must hold for whatever is given."""
    document = parsed_or_refusal(text)
    if isinstance(document, FhiclError):
        assert document.line >= 1
        assert document.column >= 1
        assert document.reason
        return
    _same_json(document)
    try:
        printed = canonical(text)
    except ArchiveError:
        assert changed_on_reimport(text)
        return
    assert print_fhicl(document.data, document.metadata) == printed
    changes = changed_on_reimport(text)
    if not changes:
        again = parse(printed)
        assert (again.data, again.metadata) == (document.data, document.metadata)


NAMES = st.sampled_from(
    ["a", "b", "0", "1", "type", "comment", "annotation", "protection", "children", "fhicl_pound_include_0"]
)
KINDS = st.sampled_from(["table", "sequence", "number", "string", "string_doublequoted", "bool", "nil", "complex", "x"])
LEAVES: st.SearchStrategy[Value] = (
    KINDS | st.text(max_size=4) | st.booleans() | st.integers(-9, 9) | st.none() | st.just(1.5)
)
FOREIGN: st.SearchStrategy[Value] = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.lists(st.tuples(NAMES, inner), max_size=5).map(Pairs),
    max_leaves=25,
)


@settings(deadline=None, max_examples=300)
@given(
    st.lists(st.tuples(NAMES, FOREIGN), max_size=3).map(Pairs),
    st.lists(st.tuples(NAMES, FOREIGN), max_size=3).map(Pairs),
)
def test_any_document_is_printed_or_refused(values: Pairs, children: Pairs) -> None:
    data = Pairs([("prolog", Pairs()), ("main", values)])
    metadata = Pairs([("prolog", Pairs([("children", Pairs())])), ("main", Pairs([("children", children)]))])
    with suppress(ArchiveError):
        assert isinstance(print_fhicl(data, metadata), str)


def _same_json(document: FhiclDocument) -> None:
    """The fast writer and the general one agree, and what is written is read back."""
    form = document_form(document, "x", "t")
    stored = Pairs([*form.table("document").items, ("search", [])])
    text = write_json(Pairs([("document", stored), ("comments", form.get("comments"))]))
    assert "{\n" + members_text(document) + "\n}" == text
    assert read_json(text).get("document") == stored


def test_real_texts_damaged_at_random_never_crash() -> None:
    """A time-boxed fuzz; bench/fuzz_fhicl.py runs as long as one likes."""
    dice = random.Random(20240229)
    texts = [one.source for one in golden.stored() if len(one.source) < 20_000]
    ends = time.monotonic() + 3
    while time.monotonic() < ends:
        check(damaged(dice, dice.choice(texts)))


def damaged(dice: random.Random, text: str) -> str:
    """The text with a few characters lost, doubled, exchanged or put in."""
    letters = list(text)
    for _ in range(dice.randint(1, 4)):
        place = dice.randrange(len(letters))
        letters[place] = dice.choice(
            ["", letters[place] * 2, dice.choice("{}[]():,\"'#/\\\n\r@!\t é\x0c"), dice.choice(text)]
        )
    return "".join(letters)
