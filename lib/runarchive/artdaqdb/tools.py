"""artdaqDB through the site's own bulkloader and bulkdownloader, each of their answers checked against the database.

The tools write and export; listings, older versions and the checks read the database itself. What the tools are known
to get wrong without saying so (files lost, counted though refused, put into another collection) is found by reading
back, and what they cannot store at all, updates of a run above all, is stored without them.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from runarchive.artdaqdb.documents import canonical_text
from runarchive.artdaqdb.export import document_text
from runarchive.artdaqdb.files import locked
from runarchive.artdaqdb.mongodb_uri import parse_uri
from runarchive.artdaqdb.store import (
    NOT_PROVIDED,
    RUN_HISTORY,
    SCHEMA,
    SYSTEM_LAYOUT,
    ArtdaqStore,
    Finding,
    NewDocument,
    StoredConfiguration,
    StoredDocument,
    Written,
    check_new,
    nobody_counts,
    open_store,
    run_of,
)
from runarchive.artdaqdb.tool_programs import LocalPrograms, Programs, RemotePrograms, Setting, ToolRun
from runarchive.errors import ArchiveError, Code
from runarchive.fhicl.originals import ORIGINALS
from runarchive.fhicl.pairs import Pairs
from runarchive.model import Phase, Store

LOCK_SECONDS = 600.0
TIME_LIMITS = 10
"""The tools work on a whole run: they get ten times the limit of a single call."""

_LOADED = re.compile(r"^Loaded (\d+) files", re.MULTILINE)
_PLAIN_CONFIGURATION = re.compile(r"[A-Za-z0-9_.+=:,@-]+")
_SIGFPE = (136, -8)


class ToolsStore:
    """One database worked on by the two programs, on this host or on `remote_host`; see `ArtdaqStore`."""

    provider = "tools"

    def __init__(
        self, uri: str, *, timeout: float = 30.0, remote_host: str | None = None, tools_dir: str | None = None
    ) -> None:
        self._direct = open_store(uri, timeout=timeout)
        scrub = parse_uri(uri).scrub if uri.startswith("mongodb") else str
        setting = Setting(uri, timeout * TIME_LIMITS, tools_dir, scrub)
        host = remote_host or os.environ.get("ARTDAQ_DATABASE_REMOTEHOST")
        self._programs: Programs = RemotePrograms(setting, host) if host else LocalPrograms(setting)
        self._on_files = self._direct.provider == "filesystem"

    @property
    def direct(self) -> ArtdaqStore:
        """The database itself, without the tools."""
        return self._direct

    @property
    def uri(self) -> str:
        """The URI, with any password replaced."""
        return self._direct.uri

    def ping(self) -> str:
        """Where the programs are, and what the database itself answers."""
        return f"{self._programs.find()}; {self._direct.ping()}"

    def list_configurations(self, details: bool = False) -> tuple[StoredConfiguration, ...]:
        """As the database itself tells it."""
        return self._direct.list_configurations(details)

    def configurations_of(self, run: int) -> tuple[str, ...]:
        """As the database itself tells it."""
        return self._direct.configurations_of(run)

    def run_documents(self, run: int) -> dict[str, tuple[StoredDocument, ...]]:
        """What the tools read of each configuration of one run."""
        return {name: self.documents(name) for name in self.configurations_of(run)}

    def change_token(self) -> str | None:
        """As the database itself tells it."""
        return self._direct.change_token()

    def all_documents(self) -> Iterator[StoredDocument]:
        """As the database itself holds them."""
        return self._direct.all_documents()

    def collections(self) -> dict[str, int]:
        """As the database itself tells it."""
        return self._direct.collections()

    def damage(self) -> tuple[str, ...]:
        """As the database itself tells it."""
        return self._direct.damage()

    def advice(self) -> tuple[str, ...]:
        """As the database itself tells it."""
        return self._direct.advice()

    def unplaced(self) -> tuple[str, ...]:
        """As the database itself tells it."""
        return self._direct.unplaced()

    def inspect(self) -> Iterator[Finding]:
        """As the database itself tells it."""
        return self._direct.inspect()

    def insert_records(self, records: Sequence[Pairs]) -> None:
        """Whole records are stored directly: the tools know FHiCL files alone."""
        self._direct.insert_records(records)

    def fold(self) -> None:
        """Bring what was stored directly into view of the tools."""
        self._direct.fold()

    def close(self) -> None:
        """Release the database."""
        self._direct.close()

    @contextlib.contextmanager
    def _alone(self) -> Iterator[tuple[int, ...]]:
        """bulkloader rewrites the index of a FilesystemDB without a lock: nobody else of ours may write meanwhile.

        The descriptors are for the tool: if this process is killed, the lock stays until the tool ends too.
        """
        if not self._on_files:
            yield ()
            return
        self._direct.fold()
        path = Path(self._direct.uri.removeprefix("filesystemdb://"))
        path.mkdir(parents=True, exist_ok=True)
        with locked(path, LOCK_SECONDS) as descriptor:
            yield (descriptor,)

    def insert(self, documents: Sequence[NewDocument], written: Written = nobody_counts) -> None:
        """Store documents through bulkloader, one call a run, and read every one back from the database.

        Documents that are there with the same content are not sent again. Raises ArchiveError: TOOL_FAILED, TIMEOUT,
        MISMATCH where bulkloader says it is done and the database does not agree.
        """
        groups: dict[str, list[NewDocument]] = defaultdict(list)
        directly: list[NewDocument] = []
        for new in documents:
            check_new(new)
            (groups[new.configuration] if loadable(new) else directly).append(new)
        done = 0
        for configuration, group in groups.items():
            missing = self._missing(configuration, group)
            done += len(group) - len(missing)
            for part in _in_order(missing):
                self._load(configuration, part)
                done += len(part)
                written(done)
        if directly:
            self._direct.insert(directly)

    def _missing(self, configuration: str, group: Sequence[NewDocument]) -> list[NewDocument]:
        """Those that the database does not hold with their content."""
        held = {
            (one.collection, entity, one.version, _text(one))
            for one in self._direct.documents(configuration)
            for entity in one.entities
        }
        return [one for one in group if (one.collection, one.entity, one.version, canonical_text(one.text)) not in held]

    def _load(self, configuration: str, group: Sequence[NewDocument]) -> None:
        run, _, name = configuration.partition("/")
        files = {f"{new.entity}.fcl": new.text.encode("utf-8") for new in group}
        threads = "1" if self._on_files else "2"
        with self._alone() as held:
            done = self._programs.load(files, ["-r", run, "-c", name, "-t", threads], held)
        missing = self._missing(configuration, group)
        problem = loader_problem(done, len(group))
        if missing or problem:
            names = ", ".join(sorted(new.entity for new in missing)[:5])
            lost = f"; {len(missing)} of {len(group)} documents are not in the database: {names}" if missing else ""
            code = Code.TOOL_FAILED if problem else Code.MISMATCH
            message = f"bulkloader, run {run}: {problem or 'it reports success'}{lost}"
            raise ArchiveError(code, message, store=Store.ARTDAQDB, phase=Phase.WRITE, run=run_of(configuration))

    def documents(self, configuration: str) -> tuple[StoredDocument, ...]:
        """The documents of one configuration, once bulkdownloader's export of it agrees with them.

        A configuration whose name bulkdownloader cannot handle (it loses every file and says nothing) is read without
        it, and so is all on a host that lacks it, which the doctor says: no store is less readable for that.
        Raises ArchiveError(TOOL_FAILED, MISMATCH) where the tool's export is not what the database holds.
        """
        found = self._direct.documents(configuration)
        run, _, name = configuration.partition("/")
        plain = run.isdecimal() and str(int(run)) == run and _PLAIN_CONFIGURATION.fullmatch(name)
        if found and plain and not self._programs.lacks_downloader():
            self._compare(configuration, found)
        return found

    def _compare(self, configuration: str, documents: Sequence[StoredDocument]) -> None:
        run, _, name = configuration.partition("/")
        with self._alone() as held:
            done, files = self._programs.download(["-r", run, "-c", name, "-t", "1"], held)
        exported = {Path(path).name.removesuffix(".fcl"): data for path, data in files.items()}
        wanted = exportable(documents)
        lost = sorted(entity for entity in wanted if entity not in exported)
        other = sorted(entity for entity in wanted if entity in exported and exported[entity] not in wanted[entity])
        told = f"bulkdownloader, run {run}, ended with {done.exit_code}"
        if done.exit_code or lost or other:
            what = [f"it left out {', '.join(lost[:5])}"] if lost else []
            what += [f"it wrote {', '.join(other[:5])} otherwise than the database holds it"] if other else []
            what += [_last_line(done.errors)] if done.exit_code and _last_line(done.errors) else []
            code = Code.TOOL_FAILED if done.exit_code or lost else Code.MISMATCH
            message = f"{told}: {'; '.join(what) or 'no message'} ({len(exported)} of {len(wanted)} files)"
            raise ArchiveError(code, message, store=Store.ARTDAQDB, phase=Phase.READ, run=run_of(configuration))


def _in_order(group: Sequence[NewDocument]) -> list[list[NewDocument]]:
    """What must go in before and after the rest, each in a call of its own: bulkloader keeps no order.

    A run cut off in between is known by its `originals`, and not taken for whole by others, who look for the schema.
    """
    parts: list[list[NewDocument]] = [[], [], []]
    for new in group:
        parts[0 if new.entity == ORIGINALS else 2 if new.collection == SYSTEM_LAYOUT else 1].append(new)
    return [part for part in parts if part]


def loadable(new: NewDocument) -> bool:
    """Whether bulkloader can store this document as it is meant.

    It knows one version, equal to the configuration; every path with `schema.fcl` in it becomes the schema, all else
    goes to RunHistory; the entity is the file's name without its last extension.
    """
    run, _, name = new.configuration.partition("/")
    collection = SYSTEM_LAYOUT if "schema.fcl" in f"{new.entity}.fcl" else RUN_HISTORY
    return (
        new.version == new.configuration
        and run == str(new.run)
        and bool(_PLAIN_CONFIGURATION.fullmatch(name))
        and bool(_PLAIN_CONFIGURATION.fullmatch(new.entity))
        and not name.startswith("-")
        and new.collection == collection
        and (collection == RUN_HISTORY or new.entity == SCHEMA)
    )


def loader_problem(done: ToolRun, sent: int) -> str:
    """What bulkloader's own words and exit code say went wrong, or "" when they claim success."""
    refused = [line for line in done.errors.splitlines() if line.startswith("Failed loading file:")]
    loaded = _LOADED.search(done.output)
    if done.exit_code in _SIGFPE:
        return "it found no file to load (arithmetic exception)"
    if done.exit_code:
        said = refused[0] if refused else _last_line(done.errors)
        return f"it ended with {done.exit_code}: {said or 'no message'}"
    if refused:
        return f"it refused {len(refused)} files: {refused[0]}"
    if loaded is None:
        return "it did not say how many files it loaded"
    return "" if int(loaded[1]) == sent else f"it loaded {loaded[1]} files of {sent}"


def exportable(documents: Sequence[StoredDocument]) -> dict[str, set[bytes]]:
    """By entity the texts that a right export may hold: of the newest version, any of those stored twice."""
    newest: dict[tuple[str, str], str] = {}
    for one in documents:
        for entity in one.entities:
            place = (one.collection, entity)
            newest[place] = max(newest.get(place, ""), one.version)
    texts: dict[str, set[bytes]] = defaultdict(set)
    for one in documents:
        for entity in one.entities:
            if entity != NOT_PROVIDED and one.version == newest[one.collection, entity]:
                text = _text(one)
                if text:
                    texts[entity].add(text.encode("utf-8", "surrogateescape"))
    return dict(texts)


def _text(document: StoredDocument) -> str:
    """The document's canonical text, or "" for one the library could not load either."""
    try:
        return document_text(document)
    except ArchiveError:
        return ""


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1][:300] if lines else ""
