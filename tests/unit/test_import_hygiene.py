"""Commands that touch no network store load no driver, what only reads the ledger no converter, and none Textual."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from runarchive.cli.main import NOUNS
from tests.archiver_site import Site

CONVERTERS = ("runarchive.fhicl.convert", "runarchive.artdaqdb.importing", "runarchive.records_dir.make")
HEAVY = ("textual", "rich", "pymongo", "bson", "requests", "psycopg2", "cheroot", "watchfiles")


def loaded_by(*words: str) -> set[str]:
    program = (
        "import contextlib, io, sys\n"
        "from runarchive.cli.main import main\n"
        "with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):\n"
        f"    main({list(words)!r})\n"
        f"print(' '.join(name for name in {HEAVY + CONVERTERS!r} if name in sys.modules))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    return set(done.stdout.split())


@pytest.mark.parametrize("noun", sorted(NOUNS))
def test_help_of_each_command_loads_no_driver(noun: str) -> None:
    assert loaded_by(noun, "--help") == set()


def test_fhicl_print_loads_no_driver() -> None:
    assert loaded_by("fhicl", "print", "/dev/null") == set()


@pytest.mark.parametrize("words", [("runs",), ("status",), ("manifest",), ("run", "1000"), ("jobs",), ("locks",)])
def test_what_only_reads_the_ledger_loads_no_driver_and_no_converter(words: tuple[str, ...], tmp_path: Path) -> None:
    site = Site(tmp_path / "site")
    without_look = [] if words[0] in ("jobs", "locks") else ["--no-look"]
    assert loaded_by("-c", str(site.config_file), *words, *without_look) == set()
