"""Scanning, reading and restoring run records on a real disk."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runarchive.errors import ArchiveError, Code
from runarchive.fhicl.originals import FileKind, OriginalFile, pack_originals, unpack_originals
from runarchive.records_dir import newest_mtime_ns, read_record, scan_records, whole
from runarchive.records_dir import read as reading
from runarchive.records_dir.restore import differences, restore_record
from tests.golden_records import RUNS, UNREADABLE, golden_input

PATHS = {"PYTHONPATH": os.pathsep.join(sys.path), "TMPDIR": "/tmp"}
"""The environment of a Python that another user runs."""


def test_only_plain_decimal_directories_are_runs(tmp_path: Path) -> None:
    for name in ("1", "0", "12000", "0012", "²", "-5", "1.5", " 7", "99999999999999999999", "nine"):
        (tmp_path / name).mkdir()
    (tmp_path / ".record_directory_info").write_text("inode: 1\n")
    (tmp_path / "44").write_text("a file")
    (tmp_path / "45").symlink_to("12000")
    (tmp_path / "46").symlink_to("nowhere")
    os.mkdir(os.fsencode(tmp_path) + b"/\xff\xfe")
    scan = scan_records(tmp_path)
    assert list(scan.runs) == [0, 1, 45, 12000]
    assert scan.runs[12000] == tmp_path / "12000"
    reasons = dict(scan.oddities)
    assert reasons["0012"] == "a run number has no leading zero"
    assert reasons["44"] == "a file, not a directory"
    assert reasons["46"] == "a link that leads to no directory"
    assert "DAQInterface" in reasons[".record_directory_info"]
    assert "too large" in reasons["99999999999999999999"]
    assert len(reasons) == 11


def test_a_scan_looks_at_no_entry_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for run in range(100):
        (tmp_path / str(run)).mkdir()

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("an entry was looked at by itself")

    monkeypatch.setattr(os, "stat", refuse)
    monkeypatch.setattr(os, "lstat", refuse)
    monkeypatch.setattr(os, "listdir", refuse)
    assert len(scan_records(tmp_path).runs) == 100


@pytest.mark.parametrize(("name", "code"), [("missing", Code.NOT_FOUND), ("file", Code.NOT_FOUND)])
def test_a_directory_that_is_none_is_named(tmp_path: Path, name: str, code: Code) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ArchiveError, match=name) as caught:
        scan_records(tmp_path / name)
    assert caught.value.code is code


@pytest.mark.parametrize("run", RUNS)
def test_every_golden_record_comes_back_through_originals(run: int, tmp_path: Path) -> None:
    record = read_record(golden_input(run), run)
    restore_record(unpack_originals(pack_originals(record.files)), tmp_path / "back")
    again = read_record(tmp_path / "back", run)
    left, right = ([file for file in files if file.name != "outside.fcl"] for files in (record.files, again.files))
    assert list(differences(left, right)) == []


def test_a_link_out_of_the_record_keeps_the_bytes_behind_it() -> None:
    record = read_record(golden_input(1017), 1017)
    files = {file.name: file for file in record.files}
    assert files["outside.fcl"].kind is FileKind.LINK
    assert files["outside.fcl"].target == "../outside_target.txt"
    assert files["outside.fcl"].data == (golden_input(1017) / "../outside_target.txt").read_bytes()
    assert files["EventBuilder1_link.fcl"].data == files["EventBuilder1.fcl"].data
    assert files["linkdir"].target == "realdir"
    assert not record.problems


def test_a_directory_linked_from_elsewhere_is_kept_as_evidence(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "inner.fcl").write_text("a: 1\n")
    (elsewhere / "loop").symlink_to(elsewhere)
    record_path = tmp_path / "5"
    record_path.mkdir()
    (record_path / "linked").symlink_to(elsewhere)
    (record_path / "self").symlink_to(record_path)
    (record_path / "root").symlink_to("/")
    record = read_record(record_path, 5)
    data = {file.name: file.data for file in record.files}
    assert data["linked//inner.fcl"] == b"a: 1\n"
    assert not any(name.startswith(("self/", "root/")) for name in data)
    restore_record(record.files, tmp_path / "back")
    assert sorted(os.listdir(tmp_path / "back")) == ["linked", "root", "self"]
    assert os.readlink(tmp_path / "back" / "linked") == str(elsewhere)


def test_a_dangling_link_is_a_problem_with_its_name() -> None:
    (problem,) = read_record(golden_input(1032), 1032).problems
    assert problem.code == Code.DANGLING_LINK
    assert not problem.retryable
    assert "dangling.fcl is a link to gone.fcl, which is not there" in problem.message


def test_a_link_that_leads_in_a_circle_is_a_problem_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "here").symlink_to("there")
    (tmp_path / "there").symlink_to("here")
    problems = read_record(tmp_path, 12).problems
    assert [problem.message for problem in problems] == [
        "run 12: here is a link to there, which leads in a circle",
        "run 12: there is a link to here, which leads in a circle",
    ]
    assert not any(problem.retryable for problem in problems)


def test_an_unreadable_file_is_a_problem_as_a_normal_user() -> None:
    code = (
        "import os, sys\n"
        "from pathlib import Path; from runarchive.records_dir import read_record\n"
        "if os.geteuid() == 0: os.setgid(65534); os.setuid(65534)\n"
        "r = read_record(Path(sys.argv[1]), 1019)\n"
        "print(*((p.code, p.message) for p in r.problems))"
    )
    golden = golden_input(1019)
    for parent in (golden.parent, golden.parent.parent, golden.parent.parent.parent):
        parent.chmod(0o755)
    (golden / UNREADABLE).chmod(0)
    done = subprocess.run(
        [sys.executable, "-c", code, str(golden)],
        capture_output=True,
        text=True,
        env=PATHS,
        check=False,
    )
    (golden / UNREADABLE).chmod(0o400)
    assert done.returncode == 0, done.stderr
    assert "unreadable_file" in done.stdout
    assert "run 1019: EventBuilder1.fcl cannot be read: permission denied" in done.stdout


def test_a_directory_that_cannot_be_entered_is_a_problem_at_a_glance_too(tmp_path: Path) -> None:
    code = (
        "import os, sys\n"
        "from pathlib import Path; from runarchive.records_dir import read_record\n"
        "from runarchive.pipeline.glance import glance\n"
        "place = Path(sys.argv[1]); closed = place / 'closed'\n"
        "closed.mkdir(); (closed / 'a.fcl').touch(); closed.chmod(0o444)\n"
        "if os.geteuid() == 0:\n"
        "    [os.chown(path, 65534, 65534) for path in (place, closed)]; os.setgid(65534); os.setuid(65534)\n"
        "print(*glance(place).problems, *(p.message for p in read_record(place, 7).problems), sep='\\n')\n"
        "closed.chmod(0o755); place.chmod(0o300); print(*glance(place).problems); place.chmod(0o700)"
    )
    with tempfile.TemporaryDirectory() as place:
        command = [sys.executable, "-c", code, place]
        done = subprocess.run(command, capture_output=True, text=True, env=PATHS, check=False)
    assert done.stdout.splitlines() == [
        "closed/a.fcl: Permission denied",
        "run 7: closed/a.fcl cannot be read: permission denied",
        "its directory: Permission denied",
    ], done.stderr


def test_a_pipe_does_not_block_and_is_named(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "boot.txt").write_text("debug level: 1\n")
    record = read_record(tmp_path, 7)
    assert [file.name for file in record.files] == [".", "boot.txt"]
    assert "pipe" in record.problems[0].message


def test_a_record_that_is_gone_is_a_problem_not_a_traceback(tmp_path: Path) -> None:
    record = read_record(tmp_path / "gone", 8)
    assert record.files == ()
    assert record.problems[0].retryable
    with pytest.raises(ArchiveError) as caught:
        whole(record)
    assert caught.value.run == 8


@pytest.mark.parametrize("change", ["grow", "new file", "vanish"])
def test_a_change_while_reading_is_seen(tmp_path: Path, change: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "metadata.txt").write_text("Config name: a\n")
    (tmp_path / "ranks.txt").write_text("host\n")
    real = os.fstat
    done = False

    def between(descriptor: int) -> os.stat_result:
        nonlocal done
        status = real(descriptor)
        if not done:
            done = True
            if change == "grow":
                with (tmp_path / "metadata.txt").open("a") as file:
                    file.write("DAQInterface stop time: now\n")
            elif change == "new file":
                (tmp_path / "rc_info_stop.txt").write_text("x: y\n")
            else:
                (tmp_path / "ranks.txt").unlink()
        return status

    monkeypatch.setattr(os, "fstat", between)
    problems = read_record(tmp_path, 9).problems
    assert problems
    assert {problem.code for problem in problems} == {Code.CHANGED_WHILE_READING}
    assert all(problem.retryable for problem in problems)


def test_a_record_too_large_is_refused_not_read(tmp_path: Path) -> None:
    with (tmp_path / "core").open("wb") as file:
        file.truncate(reading.LARGEST_RECORD + 1)
    record = read_record(tmp_path, 3)
    assert record.problems[0].code == Code.TOO_LARGE


def test_newest_time_and_size(tmp_path: Path) -> None:
    record_path = tmp_path / "4"
    record_path.mkdir()
    (record_path / "a.fcl").write_bytes(b"12345")
    os.utime(record_path / "a.fcl", ns=(5, 5))
    os.utime(record_path, ns=(99_000, 99_000))
    record = read_record(record_path, 4)
    assert (record.size, record.newest_mtime_ns) == (5, 99_000)
    assert newest_mtime_ns(record_path) == 99_000
    os.utime(record_path / "a.fcl", ns=(100_001, 100_001))
    assert newest_mtime_ns(record_path) == 100_001
    assert newest_mtime_ns(tmp_path / "none") is None


def test_an_empty_directory_is_empty(tmp_path: Path) -> None:
    assert read_record(tmp_path, 1).is_empty
    assert not read_record(tmp_path / "gone", 1).is_empty
    assert read_record(golden_input(1028), 1028).is_empty


def entry(name: str, kind: FileKind = FileKind.FILE, data: bytes = b"x", target: str = "") -> OriginalFile:
    return OriginalFile(name, 0o755 if kind is FileKind.DIRECTORY else 0o444, 1, data, kind, target)


@pytest.mark.parametrize(
    "files",
    [
        [entry("../escape")],
        [entry("/etc/escape")],
        [entry("a/../../escape"), entry("a", FileKind.DIRECTORY)],
        [entry("a//b")],
        [entry("")],
        [entry("a\0b")],
        [entry("same"), entry("same")],
        [entry("link", FileKind.LINK, b"", ".."), entry("link/escape")],
        [entry("file"), entry("file/below")],
        [entry("nowhere/file")],
    ],
)
def test_restore_never_leaves_its_directory(tmp_path: Path, files: list[OriginalFile]) -> None:
    out = tmp_path / "deep" / "out"
    with pytest.raises(ArchiveError) as caught:
        restore_record(files, out)
    assert caught.value.code is Code.CORRUPT
    assert not [path for path in tmp_path.rglob("*") if "escape" in path.name]


def test_restore_overwrites_nothing(tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("kept")
    with pytest.raises(ArchiveError, match="not empty"):
        restore_record([entry("kept")], tmp_path)
    assert (tmp_path / "kept").read_text() == "kept"


def test_restore_gives_read_only_directories_back(tmp_path: Path) -> None:
    record_path = tmp_path / "6"
    (record_path / "sub").mkdir(parents=True)
    (record_path / "sub" / "a.fcl").write_text("a: 1\n")
    for path, mode in (("sub/a.fcl", 0o444), ("sub", 0o555), (".", 0o555)):
        (record_path / path).chmod(mode)
    record = read_record(record_path, 6)
    restore_record(record.files, tmp_path / "back")
    assert stat.S_IMODE((tmp_path / "back" / "sub").stat().st_mode) == 0o555
    assert list(differences(record.files, read_record(tmp_path / "back", 6).files)) == []
    for made in (record_path, record_path / "sub", tmp_path / "back", tmp_path / "back" / "sub"):
        made.chmod(0o755)


PARTS = st.binary(min_size=1, max_size=12).filter(lambda raw: not set(raw) & set(b"\0/") and raw not in (b".", b".."))


@settings(max_examples=25, deadline=None)
@given(
    files=st.dictionaries(PARTS, st.tuples(st.binary(max_size=60), st.integers(0o400, 0o777), st.integers(0, 2**60)))
)
def test_any_directory_comes_back(
    tmp_path_factory: pytest.TempPathFactory, files: dict[bytes, tuple[bytes, int, int]]
) -> None:
    place = tmp_path_factory.mktemp("any")
    record_path = place / "1"
    record_path.mkdir()
    for name, (data, mode, changed) in files.items():
        path = os.path.join(os.fsencode(record_path), name)
        with open(path, "wb") as file:
            file.write(data)
        os.chmod(path, mode)
        os.utime(path, ns=(changed, changed))
    record = read_record(record_path, 1)
    assert not record.problems
    restore_record(unpack_originals(pack_originals(record.files)), place / "back")
    assert list(differences(record.files, read_record(place / "back", 1).files)) == []
