"""The key table: nothing means two things on one screen, users may change it, the sheet is made from it."""

from __future__ import annotations

from pathlib import Path

import pytest

from runarchive.cli.main import main
from runarchive.errors import ConfigError
from runarchive.keymap import KEYMAP, clashes, key_sheet, load_keymap


def test_no_key_means_two_things_on_one_screen() -> None:
    assert clashes({}) == ()
    assert len({key.id for key in KEYMAP}) == len(KEYMAP)


def test_own_keys(tmp_path: Path) -> None:
    path = tmp_path / "keymap.yaml"
    path.write_text('runs.import: I\nruns.filter: ["&", "/"]\n')
    assert load_keymap(path) == {"runs.import": ("I",), "runs.filter": ("&", "slash")}
    assert load_keymap(tmp_path / "none.yaml") == {}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("runs.fly: x", "no action is called 'runs.fly'"),
        ("runs.import: m", "'m' is both"),
        ("- a", "is not a list of"),
        ("{", "expected"),
    ],
)
def test_own_keys_that_cannot_be(text: str, problem: str, tmp_path: Path) -> None:
    path = tmp_path / "keymap.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=problem):
        load_keymap(path)


def test_the_sheet_holds_every_key(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["keys"]) == 0
    sheet = capsys.readouterr().out
    kept = (Path(__file__).parents[2] / "docs" / "keys.md").read_text("utf-8")
    assert sheet.strip() in kept, "tui-archiver keys makes the second half of docs/keys.md"
    assert sheet.strip() == key_sheet().strip()
    assert all(f"| {key.id} |" in sheet for key in KEYMAP)
