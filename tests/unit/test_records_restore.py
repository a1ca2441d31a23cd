"""`records restore` gives a record back from a real artdaqDB, as it was on disk."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from runarchive.cli.main import main
from runarchive.errors import ExitCode
from runarchive.fhicl.convert import convert_record
from runarchive.fhicl.printer import canonical
from runarchive.records_dir import read_record
from runarchive.records_dir.make import make_records
from runarchive.records_dir.restore import differences


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A whole archive of four made-up runs, imported and migrated."""
    place = tmp_path_factory.mktemp("archive")
    assert main(["demo", "--headless", "--runs", "4", "--dir", str(place), "--json"]) == ExitCode.DONE
    yield place
    for directory in (place / "records").iterdir():
        directory.chmod(0o755)


def test_a_restored_record_is_the_record(archive: Path, tmp_path: Path) -> None:
    out = tmp_path / "back"
    assert main(["-c", str(archive / "config.yaml"), "records", "restore", "1000", "--out", str(out)]) == ExitCode.DONE
    before, after = (read_record(path, 1000).files for path in (archive / "records" / "1000", out))
    assert list(differences(before, after)) == []


def test_what_convert_writes_is_what_the_archive_exports(archive: Path, tmp_path: Path) -> None:
    record = archive / "records" / "1001"
    config = str(archive / "config.yaml")
    assert main(["fhicl", "convert", str(record), "--out", str(tmp_path / "made")]) == ExitCode.DONE
    assert main(["-c", config, "artdaqdb", "export", "1001", "--out", str(tmp_path / "held")]) == ExitCode.DONE
    made = {path.name: path.read_bytes() for path in (tmp_path / "made").iterdir()}
    held = {path.name: path.read_bytes() for path in (tmp_path / "held").rglob("*.fcl")}
    assert made.keys() == held.keys() - {"schema.fcl", "originals.fcl"}
    assert len(made) == len(convert_record(read_record(record, 1001).files, 1001).entities)
    for name, data in made.items():
        assert canonical(data).encode() == held[name]


def test_a_run_that_is_not_there_is_named(archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = str(archive / "config.yaml")
    assert main(["-c", config, "records", "restore", "77", "--out", str(tmp_path / "x")]) == ExitCode.FAILED
    assert "run 77 is not in artdaqDB" in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


def test_nothing_is_restored_over_something(archive: Path, tmp_path: Path) -> None:
    make_records(tmp_path, runs=1, first=5)
    config = str(archive / "config.yaml")
    assert main(["-c", config, "records", "restore", "1000", "--out", str(tmp_path)]) == ExitCode.USAGE
    assert main(["-c", config, "--read-only", "records", "restore", "1000", "--out", str(tmp_path / "n")]) == (
        ExitCode.REFUSED
    )
    (tmp_path / "5").chmod(0o755)


def test_the_permanent_store_alone_gives_the_record_back(
    archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = (archive / "config.yaml").read_text().replace(f"{archive}/artdaqdb", f"{tmp_path}/emptied")
    (tmp_path / "config.yaml").write_text(config)
    words = ["-c", str(tmp_path / "config.yaml"), "records", "restore", "1001", "--json", "--out", str(tmp_path / "b")]
    assert main(words) == ExitCode.DONE
    assert json.loads(capsys.readouterr().out)["from"] == "ucondb"
    before, after = (read_record(path, 1001).files for path in (archive / "records" / "1001", tmp_path / "b"))
    assert list(differences(before, after)) == []
    assert main([*words[:-1], str(tmp_path / "c"), "--from", "artdaqdb"]) == ExitCode.FAILED


def test_originals_that_cannot_be_read_are_not_called_missing(
    archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(archive / "artdaqdb", tmp_path / "artdaqdb")
    for file in (tmp_path / "artdaqdb" / "RunHistory").glob("*.json"):
        if b'"originals"' in file.read_bytes() and file.name != "index.json":
            file.write_bytes(file.read_bytes()[:200])
    config = (archive / "config.yaml").read_text().replace(f"{archive}/artdaqdb", f"{tmp_path}/artdaqdb")
    (tmp_path / "config.yaml").write_text(config)
    words = ["-c", str(tmp_path / "config.yaml"), "records", "restore", "1001", "--out", str(tmp_path / "b")]
    assert main([*words, "--from", "artdaqdb"]) == ExitCode.FAILED
    assert "no readable originals" in capsys.readouterr().err
    assert main(words) == ExitCode.DONE, "UconDB has them"
