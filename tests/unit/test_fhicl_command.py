"""`tui-archiver fhicl` as a script sees it: stdout, stderr and exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from runarchive.fhicl.convert import convert_record
from runarchive.fhicl.json_text import read_json, write_json
from runarchive.fhicl.printer import canonical
from runarchive.records_dir import read_record
from tests import golden_fhicl as golden
from tests.golden_records import golden_input

START = "import sys; from runarchive.cli.main import main; sys.exit(main())"


def call(*words: str | Path, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """The command in a process of its own."""
    command = [sys.executable, "-c", START, "fhicl", *map(str, words)]
    return subprocess.run(command, input=given, capture_output=True, check=False)


def write(place: Path, stem: str) -> Path:
    path = place / f"{stem}.fcl"
    path.write_bytes(golden.pair("in", stem, ".fcl"))
    return path


def test_print_writes_the_canonical_text_and_nothing_else(tmp_path: Path) -> None:
    done = call("print", write(tmp_path, "11_nested_tables"))
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == golden.pair("fcl_back", "11_nested_tables", ".fcl")


def test_print_takes_stdin_and_documents(tmp_path: Path) -> None:
    assert call("print", "-", given=b"a:1").stdout == b"\na: 1 \n"
    document = tmp_path / "document.json"
    document.write_bytes(golden.pair("json", "18_prolog", ".json"))
    assert call("print", document).stdout == golden.pair("fcl_back", "18_prolog", ".fcl")


def test_json_is_the_converters_document(tmp_path: Path) -> None:
    done = call("json", write(tmp_path, "15_comment_hash"))
    ours = read_json(done.stdout.decode("ascii"))
    recorded = read_json(golden.pair("json", "15_comment_hash", ".json").decode("ascii"))
    assert len(ours.table("origin").text("timestamp")) == len("2017-07-18T12:48:10.123-0500")
    ours.table("origin").set("timestamp", recorded.table("origin").text("timestamp"))
    assert write_json(ours) == write_json(recorded)


@pytest.mark.parametrize("action", ["print", "json", "check"])
def test_refusals_name_file_line_and_column_and_exit_1(action: str, tmp_path: Path) -> None:
    path = write(tmp_path, "45_syntax_error_key")
    done = call(action, path)
    assert done.returncode == 1
    said = done.stdout if action == "check" else done.stderr
    assert said.decode().startswith(f"{path}:1:1: ")
    assert action == "check" or done.stdout == b""


def test_check_looks_at_every_file_and_tells_what_an_export_changes(tmp_path: Path) -> None:
    good, bad, odd = (write(tmp_path, stem) for stem in ("01_integers", "45_syntax_error_key", "41_only_comment"))
    missing = tmp_path / "missing.fcl"
    done = call("check", good, bad, odd, missing, "--json")
    assert done.returncode == 1
    files = {Path(one["file"]).stem: one for one in json.loads(done.stdout)["files"]}
    assert files["01_integers"] == {"file": str(good), "ok": True, "line": 0, "column": 0, "reason": "", "changes": []}
    assert (files["45_syntax_error_key"]["line"], files["45_syntax_error_key"]["column"]) == (1, 1)
    assert files["41_only_comment"]["changes"]
    assert not files["missing"]["ok"]
    assert call("check", good).stdout.decode() == f"{good}: ok\n"


def test_convert_writes_what_an_import_would_store(tmp_path: Path) -> None:
    done = call("convert", golden_input(1000), "--out", tmp_path / "out")
    conversion = convert_record(read_record(golden_input(1000), 1000).files, 1000)
    assert done.returncode == 0
    written = {path.stem: path.read_text("ascii") for path in (tmp_path / "out").glob("*.fcl")}
    assert written == dict(conversion.entities)
    assert call("print", tmp_path / "out" / "boot.fcl").stdout.decode() == canonical(written["boot"])


def test_a_linked_record_is_the_run_that_its_link_is_called(tmp_path: Path) -> None:
    (tmp_path / "77").symlink_to(golden_input(1000))
    assert call("convert", tmp_path / "77", "--out", tmp_path / "out").returncode == 0
    assert "run_number: 77\n" in (tmp_path / "out" / "RunHistory.fcl").read_text()


def test_convert_needs_a_run_number_and_refuses_when_read_only(tmp_path: Path) -> None:
    (tmp_path / "record").mkdir()
    assert call("convert", tmp_path / "record", "--out", tmp_path / "out").returncode == 64
    assert call("convert", tmp_path / "record", "--run", "7", "--out", tmp_path / "out").returncode == 0
    refused = call("convert", tmp_path / "record", "--run", "7", "--out", tmp_path / "no", "--read-only")
    assert refused.returncode == 77
    assert not (tmp_path / "no").exists()


def test_a_reader_that_goes_away_is_no_failure_of_ours(tmp_path: Path) -> None:
    big = tmp_path / "big.fcl"
    big.write_text("".join(f"name{number}: {number}\n" for number in range(20000)))
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-c", START, "fhicl", "print", str(big)], stdout=writing, stderr=subprocess.PIPE, check=False
    )
    os.close(writing)
    assert done.returncode == 1
    assert b"Traceback" not in done.stderr


def test_a_place_that_is_not_there_is_said_and_nothing_is_written(tmp_path: Path) -> None:
    assert call("convert", tmp_path / "1000", "--out", tmp_path / "out").returncode == 64
    assert not (tmp_path / "out").exists()
    assert b"permission" not in call("print", tmp_path / "none.fcl").stderr


def test_no_name_of_a_file_reaches_the_terminal_raw(tmp_path: Path) -> None:
    file = tmp_path / "\x1b[31mred.fcl"
    file.write_text("a: [")
    for action in ("check", "print"):
        done = call(action, file)
        assert done.returncode == 1
        assert b"\x1b" not in done.stdout + done.stderr
