"""`archiver.env` is read as a shell would source it, but for what would run something."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from runarchive.config.envfile import read_env

OUTSIDE = {"HOME": "/home/daq", "PATH": "/nowhere", "A": "from outside", "EMPTY": ""}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A=1", {"A": "1"}),
        ("export A='x y' # note", {"A": "x y"}),
        ('A="x $HOME ${NONE:-d}"', {"A": "x /home/daq d"}),
        ("A='$HOME'", {"A": "$HOME"}),
        ("A=1\nB=${A}2\n# c\n\n", {"A": "1", "B": "12"}),
        (r'A="say \"hi\""', {"A": 'say "hi"'}),
        (r"A=a\ b", {"A": "a b"}),
        (r'A="pa\$HOME"', {"A": "pa$HOME"}),
        (r"A=pa\$HOME\`", {"A": "pa$HOME`"}),
        (r'A="a\b\\c"', {"A": r"a\b\c"}),
        ("A=x'y z'\"$HOME\"#w", {"A": "xy z/home/daq#w"}),
        ("A=", {"A": ""}),
        ("A= # nothing", {"A": ""}),
        ("A=~/x\nB=/a:~/b\nC='~'\nD=a~", {"A": "/home/daq/x", "B": "/a:/home/daq/b", "C": "~", "D": "a~"}),
        ("A=${X:-${HOME}/d}\nB=${EMPTY-d}${EMPTY:-e}", {"A": "/home/daq/d", "B": "e"}),
        ("A=${X:-~}\nB=${X:-/a:~/b}\nC=${X:-~ d}", {"A": "/home/daq", "B": "/a:/home/daq/b", "C": "~ d"}),
        ("A=\"${X:-~:'d'}\"\nB=\"${X:-a\\b\\}}\"", {"A": "~:'d'", "B": r"a\b}"}),
        ("A=1 B=$A\nexport A=2 C=$A", {"A": "2", "B": "1", "C": "1"}),
        ("export A=1 B='2 3'; C=4\nexport D\n", {"A": "1", "B": "2 3", "C": "4"}),
        ("A='two\nlines'\nB=\"and\nmore\"\nC=a\\\nb", {"A": "two\nlines", "B": "and\nmore", "C": "ab"}),
        ("LD_LIBRARY_PATH=/a\nLD_LIBRARY_PATH+=:/b", {"LD_LIBRARY_PATH": "/a:/b"}),
        ("A=1\r\nexport B=2\r\n", {"A": "1", "B": "2"}),
        ("A=$HOMEé", {"A": "/home/daqé"}),
    ],
)
def test_it_means_what_a_shell_would_make_of_it(text: str, expected: dict[str, str]) -> None:
    assert read_env(text, OUTSIDE) == (expected, ())


@pytest.mark.parametrize(
    "line",
    [
        *("A=$(rm -rf /)", "A=`id`", 'A="open', "A=a b", "rm -rf /", "2A=1", "A=1 rm x", "A=a&b", "source other.env"),
        *("A=${B%/}", "A=${#B}", "A=$'x'", "A=$$", "A=$((1 + 1))", "A=${B:?must be set}", "A=${B:-open"),
    ],
)
def test_what_is_no_assignment_is_passed_over_and_said(line: str) -> None:
    found, problems = read_env(f"B=1\n{line}\n", {})
    assert found == {"B": "1"}
    assert problems[0].startswith("line 2: ")


@pytest.mark.parametrize("line", ["PASSWORD = hunter2", "PASSWORD='hunter2", "set PASSWORD hunter2", "P: hunter2"])
def test_what_is_said_of_a_line_quotes_no_value(line: str) -> None:
    _, problems = read_env(line, {})
    assert problems
    assert "hunter2" not in "".join(problems)


@given(st.text(max_size=40))
def test_no_text_makes_it_fail(text: str) -> None:
    found, problems = read_env(text, {})
    assert isinstance(found, dict)
    assert all(problem.startswith("line ") for problem in problems)


PIECES = [
    *("A=", "B=", "export C=", "+=", "'", '"', "\\", "$", "$A", "${A}", "${B:-", "${C-", "}", "~", "~/x", ":", "/"),
    *(" ", "\n", "#", " #c", "x", "é", "\t", "$HOME", "a b", "-", "|", "(", "`", "*", "?", "'q q'", '"$A q"', "\\n"),
]


@given(st.sampled_from(["A=", "A=1\nB=", "export C="]), st.lists(st.sampled_from(PIECES), max_size=10))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.filter_too_much], max_examples=300)
def test_what_it_takes_is_what_bash_makes_of_it(tmp_path: Path, start: str, pieces: list[str]) -> None:
    text = start + "".join(pieces)
    # bash continues a line within a name, too, and at the very end of a file it may drop a backslash
    assume("\\\n" not in text and not text.endswith("\\"))
    found, problems = read_env(text, OUTSIDE)
    assume(not problems)
    (tmp_path / "archiver.env").write_text(text)
    show = "for name in A B C; do printf '%s=%s\\0' $name \"${!name-unset}\"; done"
    done = subprocess.run(
        ["/bin/bash", "-c", f"set -a; source {tmp_path}/archiver.env; set +a; {show}"],
        capture_output=True,
        text=True,
        env=OUTSIDE,
        check=True,
    )
    expected = {"A": OUTSIDE["A"], "B": "unset", "C": "unset", **found}
    assert done.stdout.split("\0")[:-1] == [f"{name}={expected[name]}" for name in "ABC"]
