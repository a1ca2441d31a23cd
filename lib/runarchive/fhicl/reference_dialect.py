"""What the older archiver makes of a whole run record, file by file and byte by byte."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence

from runarchive.errors import ArchiveError, Code
from runarchive.fhicl import reference_text
from runarchive.fhicl.convert import Conversion
from runarchive.fhicl.convert_metadata import components_of
from runarchive.fhicl.originals import FileKind, OriginalFile, file_name_bytes
from runarchive.fhicl.times import run_times
from runarchive.model import Phase


def convert_as_reference(files: Sequence[OriginalFile], run: int, *, wanted: frozenset[str] | None) -> Conversion:
    """The `.fcl` files that the older archiver prepared for this record, archive and update steps together.

    Entities are relative paths without `.fcl`, so that files of sub-directories keep theirs; bytes outside UTF-8 are
    surrogates (`text_bytes` gives the exact bytes). A record's own schema.fcl is not among them: the archiver's took
    its place.
    Raises ArchiveError(BAD_FHICL) for a record that it did not take: a text file that is no UTF-8, a dangling link.
    """
    copied = copied_files(files, run)
    documents = {name[:-4]: data.decode("utf-8", "surrogateescape") for name, data in copied.items() if _is_fhicl(name)}
    refused: list[tuple[str, str]] = []
    for name in copied:
        if _is_fhicl(name):
            continue
        stem = name.removesuffix(".txt")
        converter = reference_text.CONVERTERS.get(stem) if name.endswith(".txt") else None
        if converter is None or not (wanted is None or stem in wanted):
            refused.append((name, "the older archiver leaves it out"))
        else:
            documents[stem] = converter(_text(copied, name, run))
    if "metadata.txt" in copied:
        content = _text(copied, "metadata.txt", run)
        if wanted is None or "RunHistory" in wanted:
            documents["RunHistory"] = reference_text.run_history(content, run)
        update = reference_text.run_history2(content) if wanted is None or "RunHistory2" in wanted else ""
        if update:
            documents["RunHistory2"] = update
        configuration = reference_text.configuration_name(content)
    else:
        configuration = "standard"
    documents.pop("schema", None)
    metadata = copied.get("metadata.txt", b"")
    times = run_times(metadata)
    return Conversion(
        configuration,
        tuple(sorted(documents.items(), key=lambda document: file_name_bytes(document[0]))),
        tuple(refused),
        (),
        times.start,
        times.stop,
        components_of(metadata),
    )


def text_bytes(text: str) -> bytes:
    """The bytes of an entity's text in a file."""
    return text.encode("utf-8", "surrogateescape")


def _is_fhicl(name: str) -> bool:
    return name.endswith(".fcl") and not name.rpartition("/")[2].startswith(".fcl")


def copied_files(files: Sequence[OriginalFile], run: int) -> dict[str, bytes]:
    """Every regular file of the older archiver's working copy, by name: links are followed.

    Raises ArchiveError(BAD_FHICL) for a link that leads nowhere: the copy failed, and the run with it.
    """
    directories = {file.name for file in files if file.kind is FileKind.DIRECTORY}
    plain = {file.name: file.data for file in files if file.kind is FileKind.FILE and "//" not in file.name}
    found = dict(plain)
    for link in files:
        if link.kind is not FileKind.LINK:
            continue
        if link.data:
            found[link.name] = link.data
            continue
        inside = posixpath.normpath(posixpath.join(posixpath.dirname(link.name), link.target))
        behind = [file for file in files if file.kind is FileKind.FILE and file.name.startswith(f"{link.name}//")]
        if f"{link.name}/" in directories:
            found.update({file.name.replace("//", "/"): file.data for file in behind})
        elif inside in directories:
            below = f"{inside}/" if inside != "." else ""
            found.update({f"{link.name}/{name[len(below) :]}": plain[name] for name in plain if name.startswith(below)})
        elif inside in plain:
            found[link.name] = plain[inside]
        else:
            raise _not_taken(run, f"{link.name} is a link that leads nowhere")
    return dict(sorted(found.items(), key=lambda item: file_name_bytes(item[0])))


def _text(copied: dict[str, bytes], name: str, run: int) -> str:
    """The file's text as Python's text mode reads it: UTF-8, every line end a line feed."""
    try:
        text = copied[name].decode("utf-8")
    except UnicodeDecodeError as error:
        raise _not_taken(run, f"{name} is no UTF-8") from error
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _not_taken(run: int, why: str) -> ArchiveError:
    return ArchiveError(
        Code.BAD_FHICL,
        f"the older archiver did not take run {run}: {why}",
        phase=Phase.CONVERT,
        run=run,
        hint="convert it without --dialect reference",
    )
