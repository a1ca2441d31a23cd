"""The entity `originals`: every byte in, every byte out, and no doubt hidden."""

from __future__ import annotations

import base64
import contextlib
import re
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runarchive.errors import ArchiveError, Code
from runarchive.fhicl.originals import (
    FileKind,
    OriginalFile,
    escape_name,
    pack_originals,
    same_originals,
    unescape_name,
    unpack_originals,
)
from runarchive.fhicl.parser import parse
from runarchive.fhicl.printer import print_fhicl

NAMES = st.binary(min_size=1, max_size=30).map(lambda raw: raw.replace(b"\0", b"x").decode("utf-8", "surrogateescape"))
ENTRIES = st.builds(
    OriginalFile,
    NAMES,
    st.integers(0, 0o7777),
    st.integers(-(2**62), 2**62),
    st.binary(max_size=300),
    st.just(FileKind.FILE),
)
LINKS = st.builds(
    OriginalFile, NAMES, st.just(0o777), st.integers(0, 2**62), st.binary(max_size=9), st.just(FileKind.LINK), NAMES
)
DIRECTORIES = st.builds(OriginalFile, NAMES, st.just(0o555), st.integers(), st.just(b""), st.just(FileKind.DIRECTORY))
RECORDS = st.lists(ENTRIES | LINKS | DIRECTORIES, max_size=6, unique_by=lambda entry: entry.name)


def by_name(files: list[OriginalFile]) -> tuple[OriginalFile, ...]:
    return tuple(sorted(files, key=lambda entry: entry.name.encode("utf-8", "surrogateescape")))


@given(RECORDS)
def test_what_is_packed_comes_back(files: list[OriginalFile]) -> None:
    text = pack_originals(files)
    assert text.isascii()
    assert unpack_originals(text) == by_name(files)


@given(RECORDS)
def test_the_text_is_canonical_and_survives_the_library(files: list[OriginalFile]) -> None:
    text = pack_originals(files)
    document = parse(text)
    assert print_fhicl(document.data, document.metadata) == text
    assert not document.comments or document.comments[0][0] == 0


@given(NAMES)
def test_names_are_escaped_reversibly(name: str) -> None:
    escaped = escape_name(name)
    assert re.fullmatch(r"[!-~]*", escaped)
    assert not re.search(r"[\"'#\\]|//", escaped)
    assert unescape_name(escaped) == name


@given(st.text())
def test_any_other_text_is_refused_not_believed(text: str) -> None:
    with pytest.raises(ArchiveError) as caught:
        unpack_originals(text)
    assert caught.value.code is Code.CORRUPT


@given(st.data())
def test_a_changed_character_never_gives_other_bytes(data: st.DataObject) -> None:
    files = [OriginalFile("boot.txt", 0o444, 7, b"debug level: 1\n" * 3)]
    text = pack_originals(files)
    start = text.index('data: "') + 7
    place = data.draw(st.integers(start, len(text) - 10))
    changed = text[:place] + data.draw(st.sampled_from("AZaz09-_")) + text[place + 1 :]
    with contextlib.suppress(ArchiveError):
        assert unpack_originals(changed) == tuple(files)


def test_other_compression_is_the_same_record() -> None:
    files = [OriginalFile("a.fcl", 0o444, 1, b"a: 1\n" * 40)]
    text = pack_originals(files)
    slower = base64.urlsafe_b64encode(zlib.compress(files[0].data, 1)).decode()
    other = re.sub(r'data: "[^"]*"', f'data: "{slower}"', text)
    assert other != text
    assert same_originals(text, other)
    assert not same_originals(text, pack_originals([OriginalFile("a.fcl", 0o444, 1, b"a: 2\n" * 40)]))


def test_an_unknown_format_is_named() -> None:
    text = pack_originals([]).replace("originals-1", "originals-9")
    with pytest.raises(ArchiveError, match="originals-9"):
        unpack_originals(text)


def test_a_record_without_data_in_an_entry_is_corrupt() -> None:
    text = re.sub(r"\ndata: \S+ \n", "", pack_originals([OriginalFile("a", 0o444, 1, b"x")]))
    with pytest.raises(ArchiveError, match="has no data"):
        unpack_originals(text)
