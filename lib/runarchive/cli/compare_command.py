"""`tui-archiver compare RUN…`: one run's files across the three stores."""

from __future__ import annotations

import argparse
import difflib
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from runarchive.archive import Archive, Comparison, FileComparison
from runarchive.clean import clean
from runarchive.cli.numbers import RUN
from runarchive.cli.opening import Selection, expand, look, marks_json, open_archive, parse_runs
from runarchive.cli.output import emit, emit_json, first_ten, talk
from runarchive.errors import ArchiveError, Code, ExitCode, UsageError
from runarchive.model import Mark, Store
from runarchive.ucondb.blob import write_directory

PAIRS = ((Store.FILESYSTEM, Store.ARTDAQDB), (Store.ARTDAQDB, Store.UCONDB))
TROUBLE = frozenset({Mark.DIFFERS, Mark.ERROR, Mark.MISSING, Mark.PARTIAL})


def configure(parser: argparse.ArgumentParser) -> None:
    """Add RUNS or a range, what a difference may be, and where to leave what was compared."""
    parser.add_argument("runs", nargs="*", metavar="RUN", help="run numbers and ranges")
    parser.add_argument("--start", type=RUN, metavar="N", help="with --end M: every run from N to M that is known")
    parser.add_argument("--end", type=RUN, metavar="M")
    parser.add_argument("--show-diff", action="store_true", help="print the lines that differ")
    parser.add_argument("--ignore-case", action="store_true")
    parser.add_argument("--ignore-all-space", action="store_true")
    parser.add_argument("--ignore-blank-lines", action="store_true")
    parser.add_argument("--ignore-matching-lines", metavar="RE", action="append", default=[])
    parser.add_argument("--ignore-files", metavar="A,B", default="", help="file names to leave out, by commas")
    parser.add_argument("--artdaqdb-dir", type=Path, metavar="DIR", help="leave artdaqDB's files in DIR/run_N")
    parser.add_argument("--ucondb-dir", type=Path, metavar="DIR", help="leave UconDB's files in DIR/run_N")
    parser.add_argument("--with-fhicl-dump", action="store_true", help="no effect: canonical texts are compared anyway")
    parser.add_argument("-v", "--verbose", action="store_true", help="say which run is being compared")


def run(args: argparse.Namespace) -> int:
    """Print the marks of every file; 1 where any store lacks or changes anything, 75 where one could not be asked."""
    view = View(args)
    selection = _selection(args)
    answers: list[dict[str, Any]] = []
    different: list[int] = []
    with open_archive(args) as archive:
        look(archive)
        numbers = expand(selection, archive)
        for place, number in enumerate(numbers, 1):
            if args.verbose:
                talk(f"[{place}/{len(numbers)}] run {number}")
            found = archive.compare(number)
            files = [view.judge(archive, found, file) for file in found.files if view.wants(file)]
            if found.problems or not files or not all(_is_fine(file, found) for file in files):
                different.append(number)
            answers.append(as_data(found, files))
            if not args.json:
                _print(archive, found, files, view)
            for store, directory in ((Store.ARTDAQDB, args.artdaqdb_dir), (Store.UCONDB, args.ucondb_dir)):
                if directory is not None:
                    _leave(archive, found, store, directory / f"run_{number}")
        unreachable = archive.unreachable()
    if args.json:
        emit_json(answers[0] if len(answers) == 1 else {"runs": answers})
    talk(_summary(len(answers), different))
    if unreachable is not None:
        return unreachable.exit_code
    return ExitCode.DONE if answers and not different else ExitCode.FAILED


def _selection(args: argparse.Namespace) -> Selection:
    """The runs that the arguments name, as ranges; raises UsageError where they name none, or name them twice."""
    both = args.start is not None and args.end is not None
    if both == bool(args.runs) or (args.start is None) != (args.end is None):
        raise UsageError("name runs, or a range by --start N --end M")
    return parse_runs([f"{args.start}-{args.end}"] if both else args.runs) or ()


def _leave(archive: Archive, found: Comparison, store: Store, directory: Path) -> None:
    """Write what one store holds of a run into a directory, in place of what an earlier comparison left there."""
    names = [file.name for file in found.files if file.marks.of(store) not in (Mark.MISSING, Mark.ERROR)]
    texts = [(name, archive.file_text(found.run, store, name)) for name in names]
    try:
        if directory.is_dir():
            shutil.rmtree(directory)
    except OSError as error:
        raise ArchiveError(Code.PERMISSION, f"{directory} cannot be written anew: {error}") from error
    write_directory([(name, text.encode("utf-8", "surrogateescape")) for name, text in texts], directory)


def _summary(count: int, different: Sequence[int]) -> str:
    same = f"{count} run{'s' if count != 1 else ''} compared: {count - len(different)} the same"
    if not different:
        return same
    return f"{same}, {len(different)} differ{'s' if len(different) == 1 else ''} ({first_ten(different)})"


def _is_fine(file: FileComparison, found: Comparison) -> bool:
    """Whether no store that holds the run lacks the file or has it otherwise; another writer's is its own affair."""
    if Mark.OTHER_WRITER in (file.marks.artdaqdb, found.marks.artdaqdb):
        return file.marks.ucondb is not Mark.DIFFERS
    marks = [file.marks.artdaqdb, file.marks.ucondb]
    return not any(mark in TROUBLE for mark in marks)


def as_data(found: Comparison, files: Sequence[FileComparison]) -> dict[str, Any]:
    """A comparison as scripts read it."""
    return {
        "run": found.run,
        "configuration": found.configuration,
        "marks": marks_json(found.marks),
        "files": [{"name": file.name, "marks": marks_json(file.marks), "note": file.note} for file in files],
        "problems": list(found.problems),
        "packed_on": found.packed_on,
    }


class View:
    """What counts as a difference, from the command line."""

    def __init__(self, args: argparse.Namespace) -> None:
        self._case = args.ignore_case
        self._space = args.ignore_all_space
        self._blank = args.ignore_blank_lines
        self._names = frozenset(filter(None, map(str.strip, args.ignore_files.split(","))))
        self.show_diff = args.show_diff
        try:
            self._matching = [re.compile(pattern) for pattern in args.ignore_matching_lines]
        except re.error as error:
            raise UsageError(f"--ignore-matching-lines: {error}") from error

    @property
    def _lenient(self) -> bool:
        return bool(self._case or self._space or self._blank or self._matching)

    def wants(self, file: FileComparison) -> bool:
        """Whether this file is compared."""
        return file.name not in self._names and file.name.removesuffix(".fcl") not in self._names

    def lines(self, text: str) -> list[str]:
        """The lines of a text as far as they count."""
        found = text.splitlines()
        if self._matching:
            found = [line for line in found if not any(pattern.search(line) for pattern in self._matching)]
        if self._space:
            found = ["".join(line.split()) for line in found]
        if self._case:
            found = [line.lower() for line in found]
        return [line for line in found if line.strip()] if self._blank else found

    def judge(self, archive: Archive, found: Comparison, file: FileComparison) -> FileComparison:
        """The file with its differences taken away where they do not count."""
        if not self._lenient:
            return file
        marks = file.marks
        for earlier, later in PAIRS:
            if marks.of(later) is Mark.DIFFERS and not self.difference(archive, found.run, file.name, earlier, later):
                changed = {store.value: marks.of(store) for store in Store} | {later.value: Mark.VERIFIED}
                marks = type(marks)(**changed)
        return FileComparison(file.name, marks, file.note)

    def difference(self, archive: Archive, run: int, name: str, earlier: Store, later: Store) -> list[str]:
        """The unified diff of one file between two stores; empty where nothing that counts differs."""
        try:
            texts = [archive.file_text(run, store, name) for store in (earlier, later)]
        except ArchiveError as error:
            return [error.message]
        before, after = (f"{name} {store}" for store in (earlier, later))
        return list(difflib.unified_diff(self.lines(texts[0]), self.lines(texts[1]), before, after, lineterm=""))


def _print(archive: Archive, found: Comparison, files: Sequence[FileComparison], view: View) -> None:
    marks = " ".join(found.marks.of(store).glyph for store in Store)
    emit(f"run {found.run}  {marks}  {clean(found.configuration)}")
    problems = found.problems or (() if found.files else ("no store and no directory holds it",))
    for problem in problems:
        emit(f"  ! {clean(problem)}")
    for file in files:
        marks = " ".join(file.marks.of(store).glyph for store in Store)
        emit(f"  {marks}  {clean(file.name)}" + (f"  ({clean(file.note)})" if file.note else ""))
        if not view.show_diff:
            continue
        for earlier, later in PAIRS:
            if file.marks.of(later) is Mark.DIFFERS:
                for line in view.difference(archive, found.run, file.name, earlier, later):
                    emit(f"      {clean(line)}")
