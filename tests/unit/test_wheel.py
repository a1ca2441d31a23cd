"""The built wheel, installed in a clean environment, starts both commands and carries its styles."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built of the source distribution."""
    out = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(CHECKOUT)],
        check=True,
        capture_output=True,
    )
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def clean_bin(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin directory of an environment that holds the wheel, and sees the dependencies but not the checkout."""
    home = tmp_path_factory.mktemp("clean")
    venv.create(home, with_pip=False, symlinks=True)
    (site,) = home.glob("lib/python*/site-packages")
    # A path named in a .pth is searched, but its own .pth files (the editable install) are not.
    (site / "dependencies.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    subprocess.run(
        [sys.executable, "-m", "pip", "--python", str(home), "install", "-q", "--no-deps", str(wheel)],
        check=True,
        capture_output=True,
    )
    return home / "bin"


def test_the_wheel_holds_engine_console_and_styles(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert "runarchive/model.py" in names
    assert "tui_archiver/app.py" in names
    assert {f"tui_archiver/styles/{style.name}" for style in (CHECKOUT / "styles").glob("*.tcss")} <= names
    assert not {name for name in names if name.startswith(("lib/", "styles/", "tests/"))}


@pytest.mark.parametrize("command", ["tui-archiver", "run-archiver"])
def test_installed_commands_start(clean_bin: Path, command: str) -> None:
    done = subprocess.run([str(clean_bin / command), "--help"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "130  interrupted" in done.stdout


CONSOLE = """
import asyncio, sys
import tui_archiver.app
from runarchive.archive import Archive

async def shown() -> str:
    with Archive.open(sys.argv[1]) as archive:
        app = tui_archiver.app.ConsoleApp(archive)
        async with app.run_test(size=(80, 24)) as pilot:
            while not app.loaded:
                await pilot.pause(0.05)
            return app.export_screenshot()

print(tui_archiver.app.ConsoleApp.CSS_PATH)
print("ARCHIVED" in asyncio.run(shown()))
"""


def test_installed_demo_and_console_work(clean_bin: Path, tmp_path: Path) -> None:
    demo = [str(clean_bin / "tui-archiver"), "demo", "--headless", "--runs", "3", "--dir", str(tmp_path / "demo")]
    subprocess.run(demo, check=True, capture_output=True, timeout=60)
    console = [str(clean_bin / "python"), "-c", CONSOLE, str(tmp_path / "demo" / "config.yaml")]
    done = subprocess.run(console, capture_output=True, text=True, timeout=60, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    styles, archived = done.stdout.split()[-2:]
    assert styles.startswith(str(clean_bin.parent)), styles
    assert archived == "True"
