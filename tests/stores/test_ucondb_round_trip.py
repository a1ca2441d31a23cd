"""Our client with our server, on SQLite and on PostgreSQL."""

from __future__ import annotations

import errno
import io
import json
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import threading
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runarchive.errors import ArchiveError, Code, ConfigError
from runarchive.ucondb.blob import pack
from runarchive.ucondb.body import Checksums, PutKind
from runarchive.ucondb.client import UconClient
from runarchive.ucondb.embedded import open_client
from runarchive.ucondb.listing import ListingCache, UconVersion, make_listing, merge, read_json_array
from runarchive.ucondb.server.app import UconApp
from runarchive.ucondb.server.running import RunningServer
from runarchive.ucondb.server.sqlite_storage import SqliteStorage
from runarchive.ucondb.server.storage import Storage
from runarchive.ucondb.server.users import Users


@pytest.fixture(params=["sqlite", "postgres"])
def served(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, str | None]]:
    """The URL of a server on an empty database without any folder, and the DSN if it is PostgreSQL."""
    dsn: str | None = None
    storage: Storage
    if request.param == "sqlite":
        storage = SqliteStorage(tmp_path / "u.sqlite")
    else:
        from runarchive.ucondb.server.postgres_storage import PostgresStorage

        dsn = request.getfixturevalue("postgres_database")
        storage = PostgresStorage(dsn)
    server = RunningServer(UconApp(storage, Users.single("writer", "secret")), host="127.0.0.1", port=0)
    yield server.start(), dsn
    server.stop()


def make(url: str, folder: str = "run_records", object_name: str = "configuration", **options: str) -> UconClient:
    return UconClient(url, folder, object_name, user="writer", password="secret", timeout=20, **options)


class FullDisk(io.BytesIO):
    """A file on a disk without room."""

    def write(self, data: object, /) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


def test_from_nothing_to_an_archive(served: tuple[str, str | None]) -> None:
    client = make(served[0])
    assert client.list_runs().exists is False
    assert client.objects() == ()
    assert client.version(1) is None
    with pytest.raises(ArchiveError) as caught:
        client.get(1)
    assert caught.value.code is Code.NOT_FOUND
    assert client.put(12000, b"first").kind is PutKind.STORED
    assert client.folders() == ("run_records",)
    assert client.objects() == ("configuration",)
    client.create_folder()
    client.put(12001, b"second", tags=["12001", "a,b", "µ &+="])
    client.put(12000, b"first, mended", override=True)
    client.tag(12001, "later")
    listing = client.list_runs()
    assert sorted(listing.runs) == [12000, 12001]
    assert listing.runs[12001].tags == ("12001", "a,b", "later", "µ &+=")
    assert [version.key for version in listing.others] == [None]
    assert client.get(12000) == b"first, mended"
    assert client.get_by("tag", "a,b") == b"second"
    assert client.get_by("id", str(listing.others[0].id)) == b"first"
    assert client.get_by("data_key", listing.runs[12001].data_key) == b"second"
    assert client.get_by("tv", "1") == b"first, mended"
    assert [version.key for version in client.lookup_range("12000", "12001")] == ["12000"]
    assert [version.key for version in client.lookup_range("12001", None)] == ["12001"]
    assert [version.key for version in client.lookup_range(None, "12001")] == ["12000"]
    assert set(client.lookup(["12000", "12001", "7"])) == {"12000", "12001"}
    client.close()


def test_an_object_with_odd_names_is_an_object(served: tuple[str, str | None]) -> None:
    client = make(served[0], folder="Mixed_Case", object_name="a b/c=d&e+µ,\"")
    client.put(1, b"x")
    assert client.get(1) == b"x"
    assert client.objects() == ("a b/c=d&e+µ,\"",)
    assert sorted(client.list_runs().runs) == [1]
    client.close()


def test_listings_add_up(served: tuple[str, str | None]) -> None:
    url, dsn = served
    client = make(url)
    chance = random.Random(1)
    cache: ListingCache | None = None
    for _ in range(40):
        run = chance.randrange(1, 12)
        client.put(run, os.urandom(30), override=chance.random() < 0.7)
        if chance.random() < 0.5:
            listing = client.list_runs(cache)
            assert listing.incremental == (cache is not None)
            assert listing.cache is not None
            cache = ListingCache.from_json(listing.cache.as_json())
            whole = client.list_runs()
            assert listing.runs == whole.runs
            assert sorted(listing.others) == sorted(whole.others)
            if dsn is not None:
                direct = make(url, postgres_dsn=dsn)
                assert direct.list_runs().runs == whole.runs
                direct.close()
    assert cache is not None
    client.close()


def test_a_put_that_was_begun_before_the_last_look_and_ended_after_it_is_found(tmp_path: Path) -> None:
    client = open_client(f"embedded://{tmp_path}/u.sqlite", "f", "o")
    client.put(1, b"x")
    listing = client.list_runs()
    client.put(2, b"y")
    with sqlite3.connect(tmp_path / "u.sqlite") as connection:
        connection.execute("""update "public.f_versions" set tr = tr - 60 where key = '2'""")
    connection.close()
    assert sorted(client.list_runs(listing.cache).runs) == [1, 2]
    client.close()


def test_an_answered_put_is_on_disk(tmp_path: Path) -> None:
    """Full synchronisation of the write-ahead log: what is committed survives loss of power."""
    storage = SqliteStorage(tmp_path / "u.sqlite")
    connection = storage._connection()
    assert connection.execute("pragma journal_mode").fetchone() == ("wal",)
    assert connection.execute("pragma synchronous").fetchone() == (2,)
    storage.close()


NOT_ROOT = pytest.mark.skipif(os.geteuid() == 0 and shutil.which("setpriv") is None, reason="root may write everything")


@NOT_ROOT
def test_a_file_that_may_only_be_read_is_served_read_only(tmp_path: Path) -> None:
    place = tmp_path / "store"
    client = open_client(f"embedded://{place}/u.sqlite", "f", "o")
    client.put(1, b"x")
    client.close()
    place.chmod(0o555)
    (place / "u.sqlite").chmod(0o444)
    script = (
        "import sys; from runarchive.errors import ArchiveError; from runarchive.ucondb.embedded import open_client\n"
        "client = open_client(sys.argv[1], 'f', 'o')\n"
        "print(client.get(1), sorted(client.list_runs().runs))\n"
        "try: client.put(2, b'y')\n"
        "except ArchiveError as error: print(error.code)\n"
        "client.close()\n"
        "try: open_client(sys.argv[1] + '.none', 'f', 'o')\n"
        "except ArchiveError as error: print(error.code)\n"
    )
    command = [sys.executable, "-c", script, f"embedded://{place}/u.sqlite"]
    if os.geteuid() == 0:
        command = ["setpriv", "--inh-caps=-all", "--bounding-set=-all", *command]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    place.chmod(0o755)
    assert done.stdout.splitlines() == ["b'x' [1]", "permission", "permission"], done.stderr


def test_threads_share_their_connections(tmp_path: Path) -> None:
    client = open_client(f"embedded://{tmp_path}/u.sqlite", "f", "o")
    client.put(1, b"x")
    for _ in range(20):
        thread = threading.Thread(target=client.get, args=(1,))
        thread.start()
        thread.join()
    pools = client._transport._wire._adapter.poolmanager.pools
    [server] = list(pools.keys())
    assert pools[server].num_connections == 1
    client.close()


def test_a_cache_of_another_object_is_not_used(served: tuple[str, str | None]) -> None:
    client, other = make(served[0]), make(served[0], object_name="other")
    client.put(1, b"x")
    other.put(2, b"y")
    listing = other.list_runs(client.list_runs().cache)
    assert (sorted(listing.runs), listing.incremental) == ([2], False)
    client.close()
    other.close()


def test_a_file_goes_up_and_down_in_pieces(served: tuple[str, str | None], tmp_path: Path) -> None:
    client = make(served[0])
    file = tmp_path / "large"
    file.write_bytes(os.urandom(11 << 20))
    outcome = client.put(1, file)
    back = io.BytesIO(b"what was there before" * 1_000_000)
    sums = client.get_to(1, back)
    assert back.getvalue() == file.read_bytes()
    assert (outcome.kind, outcome.sha256) == (PutKind.STORED, sums.sha256)
    assert sums == Checksums.of([file.read_bytes()])
    assert client.put(1, file).kind is PutKind.SAME
    file.write_bytes(b"")
    assert client.put(2, file).kind is PutKind.STORED
    assert client.get(2) == b""
    with pytest.raises(ArchiveError) as caught:
        client.put(3, tmp_path / "missing")
    assert caught.value.code is Code.UNREADABLE_FILE
    client.close()


def test_a_large_blob_that_is_there_already_is_compared_in_bounded_memory(
    served: tuple[str, str | None], tmp_path: Path
) -> None:
    client = make(served[0])
    content = b"x: 1\n" * (6 << 20)
    first, later, other = (tmp_path / name for name in ("first", "later", "other"))
    first.write_bytes(pack([("a.fcl", content)], 7, datetime(2026, 11, 21, tzinfo=UTC)))
    later.write_bytes(pack([("a.fcl", content)], 7, datetime(2026, 12, 1, tzinfo=UTC)))
    other.write_bytes(first.read_bytes().replace(b"x: 1\n\nEnd", b"x: 2\n\nEnd"))
    del content
    assert client.put(7, first).kind is PutKind.STORED
    tracemalloc.start()
    try:
        assert client.put(7, later).kind is PutKind.SAME
        assert client.put(7, other).kind is PutKind.DIFFERENT
        assert tracemalloc.get_traced_memory()[1] < first.stat().st_size / 2
    finally:
        tracemalloc.stop()
    client.close()


def test_a_disk_that_is_full_is_no_broken_connection(served: tuple[str, str | None]) -> None:
    client = make(served[0])
    client.put(1, os.urandom(300_000))
    with pytest.raises(ArchiveError) as caught:
        client.get_to(1, FullDisk())
    assert caught.value.code is Code.DISK_FULL
    client.close()


@pytest.mark.parametrize("url", ["ftp://x", "nonsense", "http://user:hidden@host/app", "embedded://relative.sqlite"])
def test_an_address_that_is_none_is_said_so_without_its_password(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        open_client(url, "f", "o")
    assert "ucon_db.server_url" in caught.value.message
    assert "hidden" not in caught.value.message


_versions = st.builds(
    UconVersion, st.integers(1, 30), st.one_of(st.none(), st.sampled_from(["1", "2", "x"])), st.just(0.0),
    st.floats(1, 100), st.just(()), st.just(1), st.just("1"), st.just(1),
)


@given(st.lists(_versions, unique_by=lambda version: version.id))
def test_a_cache_comes_back_from_json(versions: list[UconVersion]) -> None:
    cache = ListingCache("here", {version.id: version for version in versions})
    assert ListingCache.from_json(cache.as_json()) == cache


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"source": "x", "versions": [[1]]}', '{"versions": 7}'])
def test_what_is_no_cache_is_none(text: str) -> None:
    assert ListingCache.from_json(text) is None


def test_a_key_belongs_to_the_newest_that_took_it() -> None:
    def version(number: int, key: str | None) -> UconVersion:
        return UconVersion(number, key, 0.0, float(number), (), 1, "1", 1)

    cache = ListingCache("here", {1: version(1, "7"), 2: version(2, "8")})
    listing = make_listing("here", merge(cache, [version(3, "7"), version(2, "8")]), exists=True, incremental=True)
    assert {run: one.id for run, one in listing.runs.items()} == {7: 3, 8: 2}
    assert listing.others == (version(1, None),)


@given(st.lists(st.dictionaries(st.text(max_size=5), st.text(max_size=20), max_size=3), max_size=8), st.integers(1, 9))
def test_an_array_is_read_however_it_is_cut(values: list[dict[str, str]], size: int) -> None:
    text = json.dumps(values)
    pieces = [text[start : start + size] for start in range(0, len(text), size)]
    assert list(read_json_array(pieces)) == values
    for cut in (pieces[:-1], pieces[: len(pieces) // 2]):
        with pytest.raises(ArchiveError):
            list(read_json_array(cut))
