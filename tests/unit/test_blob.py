"""The blob: as the older archiver makes it, without its faults."""

from __future__ import annotations

import itertools
import re
import tarfile
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runarchive.errors import ArchiveError, Code
from runarchive.model import Verdict
from runarchive.ucondb.blob import member_names, pack, packed_on_text, read_directory, unpack, write_directory
from runarchive.ucondb.frame import content_hash, same_content
from runarchive.ucondb.validation import validate_blob

GOLDEN = Path(__file__).parents[1] / "golden" / "blobs" / "reference_blobs.tar.xz"
MOMENT = datetime(2026, 11, 21, 7, 23, tzinfo=UTC)
LATER = datetime(2026, 12, 1, 0, 5, tzinfo=UTC)
PATTERNS = [(name, re.compile(rf"^\s*{name}\s*:", re.M)) for name in ("components", "config_name")]


@cache
def reference_blobs() -> dict[str, bytes]:
    """Blobs that the older archiver made, as the real UconDB server gave them back."""
    with tarfile.open(GOLDEN) as archive:
        return {
            member.name: file.read() for member in archive.getmembers() if (file := archive.extractfile(member))
        }


@pytest.mark.parametrize("name", sorted(reference_blobs()))
def test_a_blob_of_the_older_archiver_is_read_and_made_again_byte_for_byte(name: str) -> None:
    blob = reference_blobs()[name]
    unpacked = unpack(blob)
    assert unpacked.ambiguities == ()
    assert unpacked.files[-2][0] in ("RunHistory.fcl", "ranks.fcl")
    assert len(unpacked.files) > 20
    assert pack(list(reversed(unpacked.files)), unpacked.run, MOMENT) == blob


def test_the_frame_is_the_documented_one() -> None:
    blob = pack([("boot.fcl", b"b: 1\n"), ("a.fcl", b"a: 1 ")], 12000, MOMENT)
    assert blob == (
        b"Start of Record\nRun Number: 12000\nPacked on Nov 21 07:23 UTC\n"
        b"\n#####\na.fcl:\n#####\na: 1 "
        b"\n#####\nboot.fcl:\n#####\nb: 1\n"
        b"\nEnd of Record\nRun Number: 12000\nPacked on Nov 21 07:23 UTC\n"
    )


def test_months_are_english_whatever_the_locale_and_the_hour_is_utc() -> None:
    assert packed_on_text(LATER) == "Dec 01 00:05 UTC"
    assert packed_on_text(datetime.fromisoformat("2026-03-01T01:30:00+02:00")) == "Feb 28 23:30 UTC"


def test_x1_names_that_differ_in_case_or_folder_are_all_kept() -> None:
    paths = ["boot.fcl", "Boot.fcl", "EventBuilder1.fcl", "sub/EventBuilder1.fcl", "eventbuilder1.fcl", "sub/only.fcl"]
    names = member_names(paths)
    assert names == [
        "boot.fcl", "Boot.fcl", "EventBuilder1.fcl", "sub/EventBuilder1.fcl", "eventbuilder1.fcl", "only.fcl",
    ]
    files = [(name, f"x: {number}\n".encode()) for number, name in enumerate(names)]
    unpacked = unpack(pack(files, 1, MOMENT))
    assert unpacked.ambiguities == ()
    assert sorted(unpacked.files) == sorted(files)
    assert [name for name, _ in unpacked.files] == [
        "EventBuilder1.fcl", "eventbuilder1.fcl", "sub/EventBuilder1.fcl", "only.fcl", "boot.fcl", "Boot.fcl",
    ]


def test_x2_a_forged_marker_is_named_and_never_written_outside(tmp_path: Path) -> None:
    forged = b"x: 1\n\n#####\nmetadata.fcl:\n#####\nconfig_name: \"forged\"\n\nEnd of Record\nRun Number: 1\n"
    escape = b"\n#####\n../escape.fcl:\n#####\nx: 1"
    files = [("EventBuilder1.fcl", forged + escape), ("metadata.fcl", b'config_name: "real"\n')]
    blob = pack(files, 1030, MOMENT)
    unpacked = unpack(blob)
    assert any("../escape.fcl" in doubt for doubt in unpacked.ambiguities)
    assert any("footer" in doubt for doubt in unpacked.ambiguities)
    with pytest.raises(ArchiveError) as caught:
        write_directory(unpacked.files, tmp_path / "out")
    assert caught.value.code is Code.BAD_NAME
    assert not list(tmp_path.rglob("escape*"))
    resolved = unpack(blob, files)
    assert resolved.ambiguities == ()
    assert resolved.files == tuple(files)


def test_a_key_that_looks_like_a_marker_is_a_doubt() -> None:
    files = [("a.fcl", b"x: 1\n\n#####\nb.fcl:\n#####\n2\n"), ("c.fcl", b"y: 1\n")]
    assert unpack(pack(files, 5, MOMENT)).ambiguities == ("'b.fcl' does not begin like FHiCL",)


def test_another_store_settles_a_doubt_even_where_one_content_differs() -> None:
    in_a_string = b's: "\n#####\nb.fcl:\n#####\n"\n'
    files = [("a.fcl", in_a_string), ("b.fcl", b"x: 1\n"), ("c.fcl", b"y: 1\n")]
    blob = pack(files, 5, MOMENT)
    assert unpack(blob).ambiguities
    resolved = unpack(blob, [files[0], ("b.fcl", b"x: 2\n"), files[2]])
    assert resolved.ambiguities == ()
    assert resolved.files == tuple(files)


def test_a_doubt_that_the_other_store_does_not_settle_stays() -> None:
    files = [("a.fcl", b"x: 1\n"), ("b.fcl", b"y: 1\n")]
    blob = pack(files, 5, MOMENT)
    assert unpack(blob, [("a.fcl", b"x: 2\n")]).ambiguities


def test_x3_x4_every_byte_is_kept() -> None:
    files = [("a.fcl", bytes(range(256))), ("b.txt", b"one\r\ntwo\rthree\n\0"), ("empty.txt", b"")]
    blob = pack(files, 7, MOMENT)
    assert unpack(blob, files).files == tuple(files)
    assert unpack(pack(files[1:], 7, MOMENT)).files == tuple(files[1:])


def test_x5_two_blobs_of_one_run_are_equal_but_for_their_packed_on_lines() -> None:
    files = [("a.fcl", b"x: 1\nPacked on Nov 21 07:23 UTC\n")]
    early, late = pack(files, 7, MOMENT), pack(files, 7, LATER)
    assert early != late
    assert same_content(early, late)
    assert content_hash([early]) == content_hash([late])
    assert not same_content(early, pack(files, 8, MOMENT))
    assert not same_content(early, pack([("a.fcl", b"x: 1\nPacked on Dec 01 00:05 UTC\n")], 7, MOMENT))
    assert not same_content(b"not a blob", b"nor this")
    assert same_content(b"not a blob", b"not a blob")


@given(
    st.sampled_from([
        pack([], 7, MOMENT), pack([], 7, LATER), pack([("a.fcl", b"x" * 5000)], 7, MOMENT),
        pack([("a.fcl", b"x" * 5000)], 7, LATER), pack([("a.fcl", b"x" * 5000)], 8, LATER),
        pack([("a.fcl", b"x" * 900)], 7, MOMENT), pack([("a.fcl", b"x" * 900)], 7, MOMENT)[:-1],
        pack([("a.fcl", b"x" * 5000)], 7, MOMENT)[:-1], pack([("a.fcl", b"x" * 5000)], 7, MOMENT) + b"more",
        pack([], 7, MOMENT).replace(b"Record", b"record", 1), b"", b"no blob", b"no blob" * 1000,
    ]),
    st.lists(st.integers(1, 3000), min_size=1),
)
def test_the_content_hash_does_not_depend_on_how_a_blob_is_cut(blob: bytes, sizes: list[int]) -> None:
    pieces, position = [], 0
    for size in itertools.cycle(sizes):
        if position >= len(blob):
            break
        pieces.append(blob[position : position + size])
        position += size
    assert content_hash(pieces) == content_hash([blob])
    for other in (pack([("a.fcl", b"x" * 5000)], 7, MOMENT), pack([], 7, MOMENT)):
        assert (content_hash(pieces) == content_hash([other])) == same_content(blob, other)


def test_x6_a_pattern_is_anchored_and_the_verdict_is_a_verdict() -> None:
    def verdict(metadata: bytes, run: int | None = 7) -> Verdict:
        return validate_blob(pack([("metadata.fcl", metadata)], 7, MOMENT), run, PATTERNS).verdict

    good = b'components: ["a"] \n\nsub_components: ["b"] \n\nconfig_name: "x" \n'
    assert verdict(good) is Verdict.PASS
    assert verdict(good, 8) is Verdict.FAIL
    assert verdict(b'config_name: "x" \n') is Verdict.FAIL
    assert verdict(good + b'\nconfig_name: "y" \n') is Verdict.FAIL
    assert validate_blob(b"no blob", None, PATTERNS).verdict is Verdict.FAIL
    assert validate_blob(pack([("a.fcl", b"x: 1")], 7, MOMENT), 7, PATTERNS).verdict is Verdict.FAIL
    forged = pack([("a.fcl", b's: "\n#####\nb.fcl:\n#####\n'), ("metadata.fcl", good)], 7, MOMENT)
    assert validate_blob(forged, 7, PATTERNS).verdict is Verdict.UNKNOWN


@pytest.mark.parametrize(
    "name", ["../a.fcl", "/etc/passwd", "a//b.fcl", "./a.fcl", "", "a\nb.fcl", "a\\b.fcl", "a\0.fcl", "..", "x" * 256]
)
def test_a_name_that_a_blob_cannot_carry_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ArchiveError) as caught:
        pack([(name, b"")], 1, MOMENT)
    assert caught.value.code is Code.BAD_NAME
    with pytest.raises(ArchiveError):
        write_directory([(name, b"")], tmp_path / "out")


def test_a_name_twice_is_refused() -> None:
    with pytest.raises(ArchiveError) as caught:
        pack([("a.fcl", b""), ("a.fcl", b"")], 1, MOMENT)
    assert caught.value.code is Code.BAD_NAME


def test_unpacking_overwrites_nothing_and_follows_no_link(tmp_path: Path) -> None:
    out, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    out.mkdir()
    elsewhere.mkdir()
    (out / "sub").symlink_to(elsewhere)
    with pytest.raises(ArchiveError):
        write_directory([("sub/a.fcl", b"x")], out)
    assert not list(elsewhere.iterdir())
    (out / "there.fcl").write_bytes(b"old")
    with pytest.raises(ArchiveError):
        write_directory([("there.fcl", b"new")], out)
    assert (out / "there.fcl").read_bytes() == b"old"


@pytest.mark.parametrize("cut", [0, 10, 60, -1, -20, -60])
def test_a_torn_blob_is_corrupt(cut: int) -> None:
    blob = pack([("a.fcl", b"x: 1\n")], 1, MOMENT)
    with pytest.raises(ArchiveError) as caught:
        unpack(blob[:cut])
    assert caught.value.code is Code.CORRUPT


_words = st.sampled_from(
    ["\n#####\n", "a.fcl:", "b.fcl:", "metadata.fcl:", "\n", "End of Record\n", "Run Number: 7\n", "x", "#", "'", "{"]
)
_texts = st.lists(_words, max_size=12).map("".join)


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


_entries = st.one_of(
    st.integers(0, 9).map(lambda number: f"x: {number} \n"),
    _texts.map(lambda text: f"s: {_quoted(text)} \n"),
    _texts.map(lambda text: f"t: {{ s: {_quoted(text)} }}\n"),
    st.sampled_from(["\n#####\n", "# ##### \n", "\n", "\n#####\nb.fcl:\n#####\n2 \n"]),
)
_documents = st.lists(_entries, max_size=4).map("".join).map(str.encode)
_names = st.sampled_from(["a.fcl", "A.fcl", "b.fcl", "metadata.fcl", "sub/a.fcl", "z.fcl"])


@given(st.dictionaries(_names, _documents, min_size=1))
def test_fhicl_is_read_back_or_the_doubt_is_named(documents: dict[str, bytes]) -> None:
    files = list(documents.items())
    blob = pack(files, 7, MOMENT)
    unpacked = unpack(blob)
    assert unpacked.ambiguities or sorted(unpacked.files) == sorted(files)
    assert sorted(unpack(blob, files).files) == sorted(files)


@given(st.binary(max_size=400))
def test_no_bytes_make_unpacking_stumble(data: bytes) -> None:
    framed = b"Start of Record\nRun Number: 7\nPacked on X\n" + data + b"\nEnd of Record\nRun Number: 7\nPacked on X\n"
    unpack(framed)
    with pytest.raises(ArchiveError):
        unpack(data)


@given(st.dictionaries(_names, st.binary(max_size=60), min_size=1))
def test_a_directory_goes_through_a_blob_unchanged(
    tmp_path_factory: pytest.TempPathFactory, contents: dict[str, bytes]
) -> None:
    place = tmp_path_factory.mktemp("blob")
    write_directory(contents.items(), place / "in")
    files = read_directory(place / "in")
    write_directory(unpack(pack(files, 7, MOMENT), files).files, place / "out")
    written = {path.read_bytes() for path in (place / "out").rglob("*") if path.is_file()}
    assert written == set(contents.values())
