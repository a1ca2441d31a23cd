"""The older archiver's conversion, repeated byte for byte on everything it was recorded with."""

from __future__ import annotations

import pytest

from runarchive.errors import ArchiveError, Code
from runarchive.fhicl.convert import Dialect, convert_record
from runarchive.fhicl.reference_dialect import text_bytes
from runarchive.records_dir import read_record
from tests.golden_records import REFUSED_BY_THE_OLDER_ARCHIVER, RUNS, golden_input, golden_output, golden_records


@pytest.mark.parametrize("run", sorted(set(RUNS) - REFUSED_BY_THE_OLDER_ARCHIVER))
def test_every_file_it_made(run: int) -> None:
    conversion = convert_record(read_record(golden_input(run), run).files, run, dialect=Dialect.REFERENCE)
    made = {f"{entity}.fcl": text_bytes(text) for entity, text in conversion.entities}
    assert made == golden_output(run)
    out = golden_records() / "out" / str(run)
    assert conversion.configuration == (out / "config_name.txt").read_text("utf-8").rstrip("\n")
    assert ("RunHistory2.fcl" in made) == (out / "update" / "RunHistory2.fcl").exists()


@pytest.mark.parametrize(
    ("run", "why"),
    [(1008, "boot.txt is no UTF-8"), (1032, "dangling.fcl is a link"), (1033, "metadata.txt is no UTF-8")],
)
def test_what_it_did_not_take_is_refused_with_its_reason(run: int, why: str) -> None:
    with pytest.raises(ArchiveError, match=why) as caught:
        convert_record(read_record(golden_input(run), run).files, run, dialect=Dialect.REFERENCE)
    assert caught.value.code is Code.BAD_FHICL
    assert caught.value.run == run


def test_only_what_is_wanted_is_converted() -> None:
    files = read_record(golden_input(1000), 1000).files
    some = convert_record(files, 1000, wanted=frozenset({"boot", "RunHistory"}), dialect=Dialect.REFERENCE)
    names = {entity for entity, _ in some.entities}
    assert {"boot", "RunHistory", "tpc01"} <= names
    assert not names & {"metadata", "settings", "RunHistory2"}
    assert some.configuration == "BNBZeroBias-noSN-00031"
