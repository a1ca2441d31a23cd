"""How fast FHiCL is read, stored and printed: MB/s and documents/s, one core, nothing cached.

`python bench/bench_fhicl.py [DIR]` takes every .fcl below DIR, else made-up records of medium size.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from runarchive.fhicl.document import document_form, members_text
from runarchive.fhicl.json_text import read_json, write_json
from runarchive.fhicl.parser import FhiclDocument, FhiclError
from runarchive.fhicl.parser import parse_anew as parse
from runarchive.fhicl.printer import print_fhicl, print_tree
from runarchive.fhicl.tree import Tree

ROUNDS = 3


def texts(directory: Path | None) -> list[bytes]:
    """The FHiCL texts below a directory that the parser accepts."""
    if directory is None:
        from runarchive.records_dir.make import Size, make_records

        directory = Path(tempfile.mkdtemp(prefix="bench-fhicl-"))
        make_records(directory, runs=20, first=1000, size=Size.MEDIUM, seed=1)
    found = []
    for path in sorted(directory.rglob("*.fcl")):
        try:
            parse(data := path.read_bytes())
        except (FhiclError, OSError):
            continue
        found.append(data)
    return found


def report(what: str, sources: list[bytes], work: Callable[[], object]) -> None:
    """Do the work a few times, and print the best rate."""
    best = float("inf")
    for _ in range(ROUNDS):
        start = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - start)
    size = sum(map(len, sources))
    sys.stdout.write(f"{what:34} {size / best / 1e6:7.2f} MB/s {len(sources) / best:8.0f} docs/s\n")


def store(source: bytes) -> tuple[str, str]:
    """Everything that storing a document needs of its text: JSON and canonical text."""
    tree = parse(source)
    return members_text(FhiclDocument(tree)), print_tree(tree)


def main() -> None:
    """Measure on the texts that the command line names."""
    sources = texts(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
    if not sources:
        sys.exit("no FHiCL texts there")
    mean = sum(map(len, sources)) / len(sources)
    sys.stdout.write(f"{len(sources)} texts of {mean:.0f} bytes on average; rates in bytes of FHiCL\n")
    trees: list[Tree] = [parse(source) for source in sources]
    forms = [document_form(FhiclDocument(tree), "x", "t") for tree in trees]
    jsons = [write_json(form) for form in forms]
    documents = [form.table("document") for form in forms]
    report("parse", sources, lambda: [parse(source) for source in sources])
    report("JSON text from the tree", sources, lambda: [members_text(FhiclDocument(tree)) for tree in trees])
    report("canonical text from the tree", sources, lambda: [print_tree(tree) for tree in trees])
    report("parse + JSON text + canonical", sources, lambda: [store(source) for source in sources])
    report("document form as pairs", sources, lambda: [document_form(FhiclDocument(t), "x", "t") for t in trees])
    report("write_json", sources, lambda: [write_json(form) for form in forms])
    report("read_json", sources, lambda: [read_json(text) for text in jsons])
    report("print_fhicl", sources, lambda: [print_fhicl(one.table("data"), one.table("metadata")) for one in documents])


if __name__ == "__main__":
    main()
