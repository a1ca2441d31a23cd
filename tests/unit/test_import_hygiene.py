"""Commands that touch no network store load no driver, and no headless command loads Textual."""

from __future__ import annotations

import subprocess
import sys

import pytest

from runarchive.cli.main import NOUNS

HEAVY = ("textual", "rich", "pymongo", "bson", "requests", "psycopg2", "cheroot", "watchfiles")


def loaded_by(*words: str) -> set[str]:
    program = (
        "import contextlib, io, sys\n"
        "from runarchive.cli.main import main\n"
        "with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):\n"
        f"    main({list(words)!r})\n"
        f"print(' '.join(name for name in {HEAVY!r} if name in sys.modules))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    return set(done.stdout.split())


@pytest.mark.parametrize("noun", sorted(NOUNS))
def test_help_of_each_command_loads_no_driver(noun: str) -> None:
    assert loaded_by(noun, "--help") == set()


def test_fhicl_print_loads_no_driver() -> None:
    assert loaded_by("fhicl", "print", "/dev/null") == set()
