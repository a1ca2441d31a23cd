"""FilesystemDB on the disk: full, read-only, without locks; the caches beside it."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from runarchive.artdaqdb import files as files_module
from runarchive.artdaqdb.filesystemdb import FilesystemDB
from runarchive.errors import ArchiveError, Code
from tests.filesystem_databases import document, kinds, opened


class TestDisk:
    @pytest.mark.parametrize("call", ["write", "fsync", "rename", "fdatasync"])
    @pytest.mark.parametrize("after", range(0, 7, 2))
    def test_a_full_disk_leaves_nothing_half(
        self, db: FilesystemDB, monkeypatch: pytest.MonkeyPatch, call: str, after: int
    ) -> None:
        db.insert([document(1, "boot")])
        real, count = getattr(os, call), [0]

        def full(*args: object) -> object:
            count[0] += 1
            if count[0] > after:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return real(*args)

        run = [document(2, entity) for entity in ("boot", "RunHistory", "metadata", "schema")]
        caught = None
        with monkeypatch.context() as patched:
            patched.setattr(os, call, full)
            try:
                db.insert(run)
                db.fold()
            except ArchiveError as error:
                caught = error
        assert (caught is not None and caught.code is Code.DISK_FULL and caught.retryable) == (count[0] > after)
        assert list(db.path.glob(".archiver-*.tmp")) == []
        again = opened(db.path)
        assert len(again.documents("1/demo")) == 1
        again.insert(run)
        again.fold()
        assert len(opened(db.path).documents("2/demo")) == 4
        assert [kind for kind in kinds(again) if kind != "partial"] == []

    def test_where_a_directory_cannot_be_locked_a_file_in_it_is(
        self, db: FilesystemDB, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As on NFS, which locks only what is open for writing."""
        real = fcntl.flock

        def flock(descriptor: int, operation: int) -> None:
            if operation & fcntl.LOCK_EX and stat.S_ISDIR(os.fstat(descriptor).st_mode):
                raise OSError(errno.EBADF, os.strerror(errno.EBADF))
            real(descriptor, operation)

        monkeypatch.setattr(fcntl, "flock", flock)
        db.insert([document(1, "boot")])
        with files_module.locked(db.path, 1), pytest.raises(ArchiveError) as caught, files_module.locked(db.path, 0.01):
            pass
        assert caught.value.code is Code.LOCK_HELD
        db.fold()
        assert [one.name for one in opened(db.path).list_configurations()] == ["1/demo"]
        assert (db.path / files_module.LOCK_FILE).is_file()

    def test_a_directory_that_may_not_be_written_says_so(self, db: FilesystemDB) -> None:
        """As a user without rights; root is not refused, so the attempt is made by another account's process."""
        db.insert([document(1, "boot")])
        db.fold()
        subprocess.run(["chmod", "-R", "a+rX,a-w", str(db.path)], check=True)
        for directory in db.path.parents[:4]:
            directory.chmod(directory.stat().st_mode | 0o055)
        program = (
            "import os, sys\n"
            "from runarchive.artdaqdb.filesystemdb import FilesystemDB\n"
            "from runarchive.artdaqdb.store import NewDocument\n"
            "from runarchive.errors import ArchiveError\n"
            "if os.geteuid() == 0: os.setgid(65534); os.setuid(65534)\n"
            "db = FilesystemDB(sys.argv[1])\n"
            "assert len(db.documents('1/demo')) == 1\n"
            "try: db.insert([NewDocument('RunHistory', 'boot', '2/demo', '2/demo', 2, 'a: 1')])\n"
            "except ArchiveError as error: print(error.code, error.store, error.message)\n"
        )
        environment = os.environ | {"PYTHONPATH": str(Path(files_module.__file__).parents[2]), "HOME": "/nonexistent"}
        done = subprocess.run(
            [sys.executable, "-c", program, db.uri], capture_output=True, text=True, env=environment, check=False
        )
        subprocess.run(["chmod", "-R", "u+w", str(db.path)], check=True)
        assert done.stdout.startswith("permission artdaqdb cannot write to"), done.stderr

    def test_a_path_that_is_no_directory_is_told(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(ArchiveError):
            opened(tmp_path / "file" / "db").insert([document(1, "boot")])
        for uri in ("filesystemdb://", "filesystemdb:///", "filesystemdb://relative"):
            with pytest.raises(ArchiveError):
                FilesystemDB(uri)


class TestSystemMetadata:
    def test_a_database_cut_off_before_its_first_record_is_mended(self, db: FilesystemDB) -> None:
        (db.path / "SystemMetadata").mkdir(parents=True)
        db.insert([document(1, "boot")])
        (record,) = (db.path / "SystemMetadata").iterdir()
        assert json.loads(record.read_text())["document"]["database_format"] == 3
        db.insert([document(2, "boot")])
        assert len(list((db.path / "SystemMetadata").iterdir())) == 1


class TestRememberedListing:
    def test_a_new_process_need_not_read_a_large_index(
        self, db: FilesystemDB, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        monkeypatch.setattr("runarchive.artdaqdb.filesystemdb.CACHE_FROM", 1)
        db.insert([document(run, "boot") for run in range(1, 20)])
        db.fold()
        listing = opened(db.path).list_configurations()

        def unwanted(text: str) -> None:
            raise AssertionError("the index was read")

        monkeypatch.setattr("runarchive.artdaqdb.directory.parse_configurations", unwanted)
        assert opened(db.path).list_configurations() == listing
        monkeypatch.undo()
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        db.insert([document(20, "boot")])
        assert len(opened(db.path).list_configurations()) == 20

    def test_a_damaged_cache_is_not_believed(
        self, db: FilesystemDB, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        monkeypatch.setattr("runarchive.artdaqdb.filesystemdb.CACHE_FROM", 1)
        db.insert([document(1, "boot")])
        opened(db.path).list_configurations()
        (cache,) = (tmp_path / "cache/tui-archiver").iterdir()
        cache.write_text('{"token": 1, "configurations": [[1]]}')
        assert [one.name for one in opened(db.path).list_configurations()] == ["1/demo"]
