"""Row 20: the flags of the older archiver's compare tool."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from runarchive.cli.main import main
from tests.archiver_site import Site


@pytest.fixture
def site(each_site: Site) -> Site:
    """Every test here runs on both native artdaqDB providers."""
    return each_site


def damage_blob(site: Site, run: int, name: str, old: bytes, new: bytes) -> None:
    """Put another version of a run's blob, in which one file says something else, into UconDB."""
    head, marker, rest = site.blob_bytes(run).partition(f"\n#####\n{name}:\n#####\n".encode())
    assert old in rest
    with site.ucondb() as client:
        client.put(run, head + marker + rest.replace(old, new, 1), override=True)


def test_row_020_the_compare_tools_flags(site: Site) -> None:
    site.make(2)
    site.run()
    cli = [str(Path(sys.executable).with_name("tui-archiver")), "-c", str(site.config_file)]
    flags = ["--show-diff", "--ignore-case", "--ignore-all-space", "--ignore-blank-lines"]
    lists = ["--ignore-matching-lines", "^x", "--ignore-files", "boot.fcl,setup.fcl"]
    done = subprocess.run([*cli, "compare", "1000-1001", *flags, *lists], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "boot.fcl" not in done.stdout


def test_row_020_the_compare_tools_range_and_directories(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    runs = site.make(3)
    site.run()
    damage_blob(site, runs[1], "setup.fcl", b"setup_script", b"setup_Script")
    artdaqdb, ucondb = site.root / "export1", site.root / "export2"

    def compare(*words: str) -> tuple[int, str, str]:
        code = main(["-c", str(site.config_file), "compare", *words])
        return code, *capsys.readouterr()

    flags = ["--with-fhicl-dump", "--artdaqdb-dir", str(artdaqdb), "--ucondb-dir", str(ucondb), "-v"]
    code, out, said = compare("--start", "1000", "--end", "1001", *flags)
    assert code == 1
    assert [line for line in out.splitlines() if line.startswith("run ")] == [
        "run 1000  ✓ ✓ ✓  " + out.split("✓  ")[1].split("\n")[0],
        "run 1001  ✓ ✓ ≠  " + out.split("≠  ")[1].split("\n")[0],
    ]
    assert "2 runs compared: 1 the same, 1 differs (1001)" in said
    assert "[1/2] run 1000" in said
    for run in runs[:2]:
        assert {path.stem: path.read_text() for path in (artdaqdb / f"run_{run}").iterdir()} == site.exported(run)
    assert (ucondb / "run_1001" / "setup.fcl").read_text().startswith("\nsetup_Script")
    assert compare("--start", "1000", "--end", "1001", "--artdaqdb-dir", str(artdaqdb))[0] == 1
    for lenient in (["--ignore-case"], ["--ignore-files", "boot, setup.fcl"], ["--ignore-matching-lines", "etup_"]):
        assert compare("1001", *lenient)[0] == 0, lenient
    assert compare("1001", "--ignore-all-space", "--ignore-blank-lines")[0] == 1
    diff = compare("1001", "--show-diff")[1]
    assert "-setup_script" in diff
    assert "+setup_Script" in diff


@pytest.mark.parametrize("words", ["", "--start 1000", "1000 --start 1 --end 2", "--start 2 --end 1", "x", "5-"])
def test_row_020_compare_wants_runs_or_a_range(site: Site, words: str) -> None:
    assert main(["-c", str(site.config_file), "compare", *words.split()]) == 64


def test_row_020_compare_of_runs_that_nothing_holds_fails_and_says_so(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["-c", str(site.config_file), "compare", "5"]) == 1
    assert "no store and no directory holds it" in capsys.readouterr().out
    assert main(["-c", str(site.config_file), "compare", "5-9"]) == 1
    assert "5-9: no such run is known" in capsys.readouterr().err
