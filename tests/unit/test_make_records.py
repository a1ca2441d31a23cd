"""Made-up run records: deterministic, of the right size, and good material for the whole chain."""

from __future__ import annotations

import json
import re
import stat
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from runarchive.cli.main import main
from runarchive.errors import ArchiveError, ExitCode
from runarchive.fhicl.convert import convert_record
from runarchive.fhicl.originals import FileKind
from runarchive.fhicl.times import parse_date
from runarchive.records_dir import RunRecord, read_record, scan_records
from runarchive.records_dir.make import Outcome, Size, make_records


def contents(record: RunRecord) -> dict[str, tuple[int, int, bytes]]:
    return {file.name: (file.mode, file.mtime_ns, file.data) for file in record.files}


@pytest.mark.parametrize(("size", "files", "kilobytes"), [("small", 23, 75), ("medium", 43, 406), ("large", 64, 1286)])
def test_sizes_are_those_of_real_records(tmp_path: Path, size: str, files: int, kilobytes: int) -> None:
    made = make_records(tmp_path, runs=24, size=Size(size))
    records = [read_record(each.path, each.run) for each in made]
    counts = {sum(file.kind is FileKind.FILE for file in record.files) for record in records}
    assert counts == {files}
    mean = sum(record.size for record in records) / len(records) / 1000
    assert 0.85 * kilobytes < mean < 1.15 * kilobytes


def test_the_same_seed_gives_the_same_records_whatever_else_is_made(tmp_path: Path) -> None:
    make_records(tmp_path / "a", runs=10, first=500, seed=3, in_progress=0)
    make_records(tmp_path / "b", runs=2, first=504, seed=3, in_progress=0)
    make_records(tmp_path / "c", runs=10, first=500, seed=4, in_progress=0)
    same = [contents(read_record(tmp_path / where / "505", 505)) for where in "ab"]
    assert same[0] == same[1]
    assert same[0] != contents(read_record(tmp_path / "c" / "505", 505))


def test_modes_times_and_outcomes(tmp_path: Path) -> None:
    before = time.time_ns() - 5 * 10**9
    made = make_records(tmp_path, runs=200, seed=7)
    outcomes = {outcome: [each for each in made if each.outcome is outcome] for outcome in Outcome}
    assert all(outcomes.values())
    assert [each.run for each in outcomes[Outcome.IN_PROGRESS]] == list(range(1195, 1200))
    for each in made:
        record = read_record(each.path, each.run)
        assert {file.mode for file in record.files if file.kind is FileKind.FILE} == {0o444}
        assert stat.S_IMODE(each.path.stat().st_mode) == 0o555
        times = record.times
        assert (times.start is None) == (each.outcome is Outcome.DIED_AT_START)
        assert (times.stop is not None) == (each.outcome is Outcome.STOPPED)
        assert (record.newest_mtime_ns > before) == (each.outcome is Outcome.IN_PROGRESS)
        if times.stop:
            assert times.start is not None
            assert times.start < times.stop
            assert record.newest_mtime_ns == int(times.stop.timestamp()) * 10**9


def test_configurations_repeat_and_every_record_converts(tmp_path: Path) -> None:
    for experiment in ("sbnd", "icarus"):
        made = make_records(tmp_path / experiment, runs=30, experiment=experiment, components=8, in_progress=0)
        assert 1 < len({each.configuration for each in made}) < 6
        for each in made[::6]:
            conversion = convert_record(read_record(each.path, each.run).files, each.run)
            assert conversion.configuration == each.configuration
            assert not conversion.refused
            assert not conversion.problems
            assert len(conversion.components) == 8


def test_what_is_there_is_left_alone(tmp_path: Path) -> None:
    make_records(tmp_path, runs=3)
    before = contents(read_record(tmp_path / "1001", 1001))
    made = make_records(tmp_path, runs=5, seed=99)
    assert [each.run for each in made] == [1000, 1001, 1002, 1003, 1004]
    assert contents(read_record(tmp_path / "1001", 1001)) == before
    assert not scan_records(tmp_path).oddities


def test_what_a_killed_call_left_half_made_is_made_anew(tmp_path: Path) -> None:
    half = tmp_path / "half" / ".1000.making"
    half.mkdir(parents=True)
    (half / "stale.fcl").write_text("a: 1\n")
    (half / "boot.txt").touch(0o444)
    half.chmod(0o555)
    made = [make_records(tmp_path / name, runs=1, in_progress=0)[0] for name in ("half", "whole")]
    assert len({frozenset(contents(read_record(each.path, 1000)).items()) for each in made}) == 1
    assert list((tmp_path / "half").iterdir()) == [made[0].path]


def test_the_last_run_may_start_at_a_given_time(tmp_path: Path) -> None:
    until = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
    made = make_records(tmp_path, runs=30, until=until, in_progress=1)
    starts = [read_record(each.path, each.run).times.start for each in made]
    times = [start for start in starts if start]
    assert times == sorted(times)
    assert timedelta(0) < times[-1] - until < timedelta(minutes=5)


def test_more_components_than_there_are_names(tmp_path: Path) -> None:
    (made,) = make_records(tmp_path, runs=1, components=300)
    assert len(convert_record(read_record(made.path, made.run).files, made.run).components) == 300


def test_an_unknown_experiment_is_named(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="d0"):
        make_records(tmp_path, runs=1, experiment="d0")


@pytest.mark.parametrize(
    ("text", "iso"),
    [
        ("Sat Nov 21 06:29:33 UTC 2026", "2026-11-21T06:29:33+00:00"),
        ("Fri Mar  7 00:46:50 UTC 2025", "2025-03-07T00:46:50+00:00"),
        ("Sat Nov 21 06:29:33 AM UTC 2026", "2026-11-21T06:29:33+00:00"),
        ("Sat Nov 21 12:00:00 AM UTC 2026", "2026-11-21T00:00:00+00:00"),
        ("Sat Nov 21 12:00:01 PM UTC 2026", "2026-11-21T12:00:01+00:00"),
        ("Sat 21 Nov 2026 06:29:33 PM UTC", "2026-11-21T18:29:33+00:00"),
        ("Sat 21 Nov 2026 18:29:33 UTC", "2026-11-21T18:29:33+00:00"),
        ("Sa 21. Nov 18:29:33 UTC 2026", "2026-11-21T18:29:33+00:00"),
        ("sam. 21 nov. 2026 18:29:33 UTC", "2026-11-21T18:29:33+00:00"),
        ("mar. 3 mars 2026 18:29:33 UTC", "2026-03-03T18:29:33+00:00"),
        ("Mo 2. Mär 08:09:10 UTC 2026", "2026-03-02T08:09:10+00:00"),
        ("2026-11-21T18:29:33+00:00", "2026-11-21T18:29:33+00:00"),
    ],
)
def test_dates_in_the_locales_of_bash(text: str, iso: str) -> None:
    parsed = parse_date(text)
    assert parsed is not None
    assert parsed.isoformat() == iso


@pytest.mark.parametrize(
    "text",
    ["", "yesterday", "Sat Feb 30 06:29:33 UTC 2026", "Sat Nov 21 06:29:33 CET 2026", "1 Nov 2 06:29:33 UTC 2026"],
)
def test_what_is_no_date_is_none(text: str) -> None:
    assert parse_date(text) is None


def test_the_command_makes_checks_and_complains(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "records"
    assert main(["records", "make", "--runs", "6", "--first", "70", "--out", str(out), "--json"]) == ExitCode.DONE
    made = json.loads(capsys.readouterr().out)
    assert [row["run"] for row in made["runs"]] == [70, 71, 72, 73, 74, 75]
    assert main(["records", "check", str(out), "--json"]) == ExitCode.DONE
    assert json.loads(capsys.readouterr().out) == {"runs": 6, "findings": []}
    (out / "72").chmod(0o755)
    (out / "72" / "bad.fcl").write_bytes(b"a: \xe9\n")
    (out / "72" / "gone.fcl").symlink_to("nowhere")
    (out / "073").mkdir()
    assert main(["records", "check", str(out)]) == ExitCode.FAILED
    found = capsys.readouterr().out
    assert "073: a run number has no leading zero" in found
    assert "72/bad.fcl: line 1: a byte outside ASCII (0xe9); kept in originals alone" in found
    assert "gone.fcl is a link to nowhere, which is not there" in found
    assert main(["records", "check", str(out / "72"), "--json"]) == ExitCode.FAILED
    assert {row["kind"] for row in json.loads(capsys.readouterr().out)["findings"]} == {"unreadable", "refused"}


@pytest.mark.parametrize(
    "words",
    [
        ["--components", "0"],
        ["--in-progress", "-3"],
        ["--first", "9223372036854775807", "--runs", "2"],
        ["--first", "99999999999999999999"],
        ["--runs", "-1"],
        ["--runs", "²"],
    ],
)
def test_numbers_that_make_no_record_are_refused(tmp_path: Path, words: list[str]) -> None:
    try:
        status: object = main(["records", "make", "--out", str(tmp_path / "none"), *words])
    except SystemExit as left:
        status = left.code
    assert status == ExitCode.USAGE
    assert not (tmp_path / "none").exists()


def test_a_file_is_no_place_for_records(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    assert main(["records", "make", "--out", str(tmp_path / "file")]) == ExitCode.FAILED
    assert f"{tmp_path}/file cannot be a directory" in capsys.readouterr().err


@pytest.mark.parametrize("experiment", ["sbnd", "icarus"])
def test_hosts_are_called_as_at_the_experiment(tmp_path: Path, experiment: str) -> None:
    (made,) = make_records(tmp_path, runs=1, components=40, experiment=experiment)
    hosts = {line.split()[0] for line in (made.path / "ranks.txt").read_text().splitlines()[2:]}
    parts = {re.fullmatch(rf"{experiment}-([a-z]+)[0-9][0-9]-daq", host) for host in hosts}
    assert {part and part[1] for part in parts} <= {
        "tpc",
        "pmt",
        "wib",
        "crt",
        "xarapuca",
        "mbb",
        "ntb",
        "ptb",
        "spectdc",
        "evb",
        "feb",
    }


def test_read_only_makes_nothing(tmp_path: Path) -> None:
    out = tmp_path / "none"
    assert main(["records", "make", "--out", str(out), "--read-only"]) == ExitCode.REFUSED
    assert not out.exists()
