"""Getting to a real MongoDB: passwords, TLS and X.509, replica sets, time limits; and what is said when it fails."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from pymongo import MongoClient

from runarchive.artdaqdb.mongodb import MongoDB
from runarchive.artdaqdb.mongodb_uri import CA_CERT_VARIABLE, CLIENT_CERT_VARIABLE
from runarchive.artdaqdb.store import NewDocument
from runarchive.errors import ArchiveError, Code
from runarchive.real_servers import MongodServer, TlsFiles
from tests import servers
from tests.certificates import CLIENT_SUBJECT, Certificates, make_certificates
from tests.cutting_proxy import CuttingProxy

PASSWORD = "pa ss@w/rd:%"
ENCODED = "pa%20ss%40w%2Frd%3A%25"


@dataclass(frozen=True)
class SecureServer:
    """A mongod that demands TLS and knows two users: one by certificate, one by password."""

    port: int
    files: Certificates

    def uri(self, options: str = "", user: str = "") -> str:
        return f"mongodb://{user}127.0.0.1:{self.port}/test_db{options}"


def started(**options: Any) -> MongodServer:
    """A mongod of this test module, or a skip with the reason."""
    try:
        return servers.start_mongod(**options)
    except ArchiveError as error:
        pytest.skip(f"{servers.NOT_RUN} {error.message}")


@pytest.fixture(scope="module")
def secure() -> Iterator[SecureServer]:
    directory = servers.temporary_directory("tls-")
    files = make_certificates(directory)
    server = started(tls=TlsFiles(files.server, files.ca), auth=True)
    options: dict[str, Any] = {"tls": True, "tlsCAFile": str(files.ca), "tlsCertificateKeyFile": str(files.client)}
    with MongoClient[dict[str, Any]](server.uri, **options) as client:
        roles = [{"role": "root", "db": "admin"}]
        client["$external"].command("createUser", CLIENT_SUBJECT, roles=roles)
        with_rights = {**options, "authMechanism": "MONGODB-X509"}
        with MongoClient[dict[str, Any]](server.uri, **with_rights) as admin:
            read_write = [{"role": "readWrite", "db": "test_db"}]
            admin.admin.command("createUser", "daq", pwd=PASSWORD, roles=read_write)
            admin.admin.command("createUser", "reader", pwd=PASSWORD, roles=[{"role": "read", "db": "test_db"}])
            resource, actions = {"db": "test_db", "collection": ""}, ["find", "collStats", "listCollections"]
            lists = {"resource": resource, "actions": actions}
            admin.admin.command("createRole", "lists", privileges=[lists], roles=[])
            admin.admin.command("createUser", "lister", pwd=PASSWORD, roles=["lists"])
    yield SecureServer(server.port, files)
    server.stop()


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(CLIENT_CERT_VARIABLE, raising=False)
    monkeypatch.delenv(CA_CERT_VARIABLE, raising=False)


def document(entity: str = "boot") -> NewDocument:
    return NewDocument("RunHistory", entity, "7/conf", "7/conf", 7, "a: 1\n")


def written(uri: str, timeout: float = 20) -> int:
    """How many documents there are after storing one."""
    store = MongoDB(uri, timeout=timeout)
    try:
        store.insert([document()])
        return sum(store.collections().values())
    finally:
        store.close()


def failure(uri: str, timeout: float = 1) -> ArchiveError:
    """What storing one document fails with."""
    with pytest.raises(ArchiveError) as caught:
        written(uri, timeout)
    error = caught.value
    for text in (error.message, error.hint, repr(error), str(error.__cause__), str(error.failure)):
        assert PASSWORD not in text
        assert ENCODED not in text
    return error


def test_x509_from_the_uri(secure: SecureServer) -> None:
    files = secure.files
    options = f"?tls=true&authMechanism=MONGODB-X509&tlsCertificateKeyFile={files.client}&tlsCAFile={files.ca}"
    assert written(secure.uri(options)) == 1


@pytest.mark.parametrize("options", ["", "?retryWrites=true"])
def test_x509_from_the_environment(secure: SecureServer, monkeypatch: pytest.MonkeyPatch, options: str) -> None:
    monkeypatch.setenv(CLIENT_CERT_VARIABLE, str(secure.files.client))
    monkeypatch.setenv(CA_CERT_VARIABLE, str(secure.files.ca))
    assert written(secure.uri(options)) == 1


def test_a_password_over_tls_with_the_certificates_of_the_environment(
    secure: SecureServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(CLIENT_CERT_VARIABLE, str(secure.files.client))
    monkeypatch.setenv(CA_CERT_VARIABLE, str(secure.files.ca))
    assert written(secure.uri("?authSource=admin", f"daq:{ENCODED}@")) == 1


def tls(secure: SecureServer) -> str:
    return f"?tls=true&authSource=admin&tlsCertificateKeyFile={secure.files.client}&tlsCAFile={secure.files.ca}"


def test_a_wrong_password_is_named(secure: SecureServer) -> None:
    error = failure(secure.uri(tls(secure), "daq:wr0ng-and-secret@"))
    assert error.code is Code.WRONG_PASSWORD
    assert not error.retryable
    assert "wr0ng-and-secret" not in str(error)


def test_an_unknown_certificate_user_is_named(secure: SecureServer) -> None:
    options = f"?tls=true&authMechanism=MONGODB-X509&tlsCAFile={secure.files.ca}"
    error = failure(secure.uri(f"{options}&tlsCertificateKeyFile={secure.files.unknown}"))
    assert error.code is Code.WRONG_PASSWORD


def test_a_reader_may_not_write_but_lists(secure: SecureServer) -> None:
    written(secure.uri(tls(secure), f"daq:{ENCODED}@"))
    uri = secure.uri(tls(secure), f"reader:{ENCODED}@")
    assert failure(uri).code is Code.PERMISSION
    store = MongoDB(uri, timeout=10)
    assert [one.name for one in store.list_configurations()] == ["7/conf"]
    assert len(store.documents("7/conf")) == 1
    assert store.change_token() == store.change_token() is not None
    assert "1 collections" in store.ping()
    store.close()


def test_who_may_not_see_the_indexes_lists_and_gets_no_advice(
    secure: SecureServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runarchive.artdaqdb.mongodb_care.MANY_DOCUMENTS", 1)
    written(secure.uri(tls(secure), f"daq:{ENCODED}@"))
    with contextlib.closing(MongoDB(secure.uri(tls(secure), f"reader:{ENCODED}@"))) as store:
        assert store.change_token()
        assert ["configurations.name" in one for one in store.advice()] == [True]
    with contextlib.closing(MongoDB(secure.uri(tls(secure), f"lister:{ENCODED}@"))) as store:
        assert store.change_token()
        assert store.advice() == ()


def test_an_authority_the_server_does_not_show_is_a_bad_certificate(secure: SecureServer) -> None:
    options = f"?tls=true&tlsCertificateKeyFile={secure.files.client}"
    error = failure(secure.uri(options))
    assert error.code is Code.BAD_CERTIFICATE
    assert "tlsCAFile" in error.hint


def test_a_certificate_of_another_authority_is_refused(secure: SecureServer) -> None:
    error = failure(secure.uri(f"?tls=true&tlsCAFile={secure.files.ca}&tlsCertificateKeyFile={secure.files.stranger}"))
    assert error.code in (Code.BAD_CERTIFICATE, Code.CONNECTION_CUT)


def test_a_server_that_demands_tls_is_told_from_one_that_is_down(secure: SecureServer) -> None:
    error = failure(secure.uri())
    assert error.code is Code.CONNECTION_CUT
    assert "TLS" in error.hint


def test_a_missing_certificate_file_is_a_config_fault(secure: SecureServer) -> None:
    error = failure(secure.uri("?tls=true&tlsCertificateKeyFile=/nowhere/client.pem"))
    assert error.code is Code.BAD_CONFIG
    assert "client.pem" in error.message


def test_an_option_that_is_none_is_a_config_fault() -> None:
    error = failure("mongodb://h/db?timeoutMS=soon")
    assert error.code is Code.BAD_CONFIG


def test_a_replica_set_is_written_with_majority() -> None:
    try:
        uri = servers.with_database(servers.replica_set_uri(), servers.new_database_name())
    except servers.NotRun as reason:
        pytest.skip(str(reason))
    assert written(uri) == 1
    store = MongoDB(uri, timeout=10)
    assert "replica set rs0" in store.ping()
    before = store.change_token()
    store.insert([document("more")])
    assert before != store.change_token() is not None
    store.close()


def test_a_wrong_replica_set_name_is_unavailable() -> None:
    try:
        uri = servers.with_database(servers.replica_set_uri(), "db").replace("rs0", "other")
    except servers.NotRun as reason:
        pytest.skip(str(reason))
    error = failure(uri)
    assert error.code is Code.UNAVAILABLE
    assert error.retryable


def test_a_server_that_accepts_and_says_nothing_ends_in_time() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        before = time.monotonic()
        error = failure(f"mongodb://127.0.0.1:{silent.getsockname()[1]}/db", timeout=0.5)
        assert time.monotonic() - before < 30
    assert error.code is Code.TIMEOUT
    assert error.retryable


def test_a_name_that_does_not_resolve_is_no_connection() -> None:
    assert failure("mongodb://no-such-host.invalid/db", timeout=0.5).code is Code.CONNECTION_REFUSED


def test_a_server_that_stops_answering_ends_in_time(tmp_path: Path) -> None:
    server = started()
    store = MongoDB(f"{server.uri}/db", timeout=1)
    store.insert([document()])
    assert server.pid is not None
    os.kill(server.pid, signal.SIGSTOP)
    try:
        with pytest.raises(ArchiveError) as caught:
            store.list_configurations()
        assert caught.value.code is Code.TIMEOUT
    finally:
        os.kill(server.pid, signal.SIGCONT)
    assert len(store.list_configurations()) == 1
    store.close()
    server.stop()


def test_a_server_that_comes_back_is_used_again() -> None:
    server = started()
    store = MongoDB(f"{server.uri}/db", timeout=20)
    store.insert([document()])
    server.stop()
    with pytest.raises(ArchiveError) as caught:
        MongoDB(f"{server.uri}/db", timeout=0.5).insert([document("more")])
    assert caught.value.code is Code.CONNECTION_REFUSED
    server.start()
    store.insert([document("more")])
    assert store.collections() == {"RunHistory": 2}
    store.close()
    server.stop()


def test_many_threads_share_one_store(mongodb_database: str) -> None:
    store = MongoDB(mongodb_database, timeout=20)
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for place in range(20):
                store.insert([document(f"e{number}_{place}"), document(f"shared_{place}")])
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert store.collections() == {"RunHistory": 6 * 20 + 20}
    with contextlib.closing(MongoClient[dict[str, Any]](mongodb_database)) as client:
        assert client.get_default_database()["SystemMetadata"].count_documents({}) == 1
    store.close()


def test_what_was_acknowledged_survives_the_death_of_the_server() -> None:
    server = started()
    for number in range(3):
        store = MongoDB(f"{server.uri}/db", timeout=20)
        store.insert([document(f"e{number}_{place}") for place in range(30)])
        assert server.pid is not None
        os.kill(server.pid, signal.SIGKILL)
        with pytest.raises(ArchiveError) as caught:
            MongoDB(f"{server.uri}/db", timeout=0.3).insert([document("lost")])
        assert caught.value.retryable
        server.stop()
        server.start()
        assert sum(1 for _ in store.all_documents()) == 30 * (number + 1)
        store.close()
    server.stop()


def test_a_connection_cut_in_the_middle_is_retryable_and_repeating_doubles_nothing() -> None:
    server = started()
    documents = [document(f"e{place}") for place in range(400)]
    store = MongoDB(f"{server.uri}/db", timeout=2)
    assert server.pid is not None
    killer = threading.Timer(0.0, os.kill, (server.pid, signal.SIGKILL))
    failed = 0
    try:
        killer.start()
        for first in range(0, 400, 10):
            store.insert(documents[first : first + 10])
    except ArchiveError as error:
        failed = 1 if error.retryable else 2
    assert failed == 1
    killer.join()
    server.stop()
    server.start()
    store.insert(documents)
    assert [one.entities[0] for one in store.documents("7/conf")].count("e7") == 1
    assert store.collections() == {"RunHistory": 400}
    store.close()
    server.stop()


def test_a_new_election_is_waited_for() -> None:
    try:
        uri = servers.with_database(servers.replica_set_uri(), servers.new_database_name())
    except servers.NotRun as reason:
        pytest.skip(str(reason))
    store = MongoDB(uri, timeout=30)
    store.insert([document()])
    with MongoClient[dict[str, Any]](uri) as client:
        client.admin.command("replSetStepDown", 1, secondaryCatchUpPeriodSecs=0, force=True)
    store.insert([document("later")])
    assert [one.entities for one in store.documents("7/conf")] == [("boot",), ("later",)]
    store.close()


def test_a_unique_index_of_the_site_is_not_taken_for_what_is_there(mongodb_database: str) -> None:
    store = MongoDB(mongodb_database, timeout=10)
    with MongoClient[dict[str, Any]](mongodb_database) as client:
        client.get_default_database()["RunHistory"].create_index("version", unique=True)
    store.insert([document()])
    store.insert([document()])
    with pytest.raises(ArchiveError) as caught:
        store.insert([document("other")])
    assert caught.value.code is Code.CONFLICT
    store.close()


def test_single_cut_connections_are_no_failures(mongodb_database: str) -> None:
    port = urlsplit(mongodb_database).port
    assert port is not None
    proxy = CuttingProxy(port, every=4)
    store = MongoDB(mongodb_database.replace(f":{port}", f":{proxy.port}", 1), timeout=5)
    for place in range(20):
        store.insert([document(f"e{place}")])
    assert len(store.documents("7/conf")) == 20
    assert proxy.cuts > 3
    store.close()
    proxy.close()


def test_the_time_to_find_a_server_is_the_uris_and_not_a_whole_calls() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        before = time.monotonic()
        error = failure(f"mongodb://127.0.0.1:{closed.getsockname()[1]}/db?serverSelectionTimeoutMS=200", timeout=300)
        assert time.monotonic() - before < 60
    assert error.code is Code.CONNECTION_REFUSED


def test_a_process_does_not_wait_for_threads_of_the_driver_that_sleep(mongodb_database: str) -> None:
    program = (
        "import sys\n"
        "from pymongo.periodic_executor import PeriodicExecutor\n"
        "from runarchive.artdaqdb.mongodb import MongoDB\n"
        "store = MongoDB(sys.argv[1])\n"
        "store.ping()\n"
        "store.close()\n"
        "PeriodicExecutor.join = lambda *_: print('waits')\n"
    )
    command = [sys.executable, "-c", program, mongodb_database]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout == ""
