"""Our client against the answers recorded from the real server: what was noted then, or better."""

from __future__ import annotations

import base64
import gzip
import json
from functools import cache
from typing import Any

import pytest

from runarchive.errors import ArchiveError, Code
from runarchive.ucondb.body import PutKind
from runarchive.ucondb.client import UconClient
from tests.http_faults import ScriptedServer
from tests.ucondb_exchanges import GOLDEN, PASSWORD, TWO_MEGABYTES, USER

RUN_1001 = b"Start of Record\nrun 1001\nEnd of Record\n"


@cache
def raw_answers() -> dict[str, list[bytes]]:
    """The recorded answers of each scenario as they came over the wire."""
    with gzip.open(GOLDEN / "exchanges.jsonl.gz", "rt", encoding="utf-8") as file:
        records = [json.loads(line) for line in file]
    return {record["name"][:3]: [_raw(exchange) for exchange in record["exchanges"]] for record in records}


def _raw(exchange: dict[str, Any]) -> bytes:
    body = exchange["resp_body"]
    if body is None:
        return base64.b64decode(exchange["resp_head"]) + TWO_MEGABYTES
    return base64.b64decode(exchange["resp_head"]) + base64.b64decode(body)


def play(*parts: str | bytes) -> ScriptedServer:
    """A server that gives these answers: `006` all of a scenario, `006.2` one of it, bytes as they are."""
    answers: list[bytes] = []
    for part in parts:
        if isinstance(part, bytes):
            answers.append(part)
        elif "." in part:
            scenario, _, index = part.partition(".")
            answers.append(raw_answers()[scenario][int(index) - 1])
        else:
            answers += raw_answers()[part]
    return ScriptedServer(answers)


def client_of(server: ScriptedServer, folder: str = "test01", object_name: str = "configuration") -> UconClient:
    return UconClient(server.url, folder, object_name, user=USER, password=PASSWORD, timeout=10)


def failure(server: ScriptedServer, call: Any) -> ArchiveError:
    """The failure that a call ends with, every answer used."""
    with server, pytest.raises(ArchiveError) as caught:
        call(client_of(server))
    assert server.left == 0
    return caught.value


def test_the_plain_reads() -> None:
    with play("001", "002", "100", "004") as server:
        client = client_of(server)
        assert client.ping() == "UconDB 3.9.7"
        assert client.folders() == ("test01",)
        assert client.objects() == ("cal", "configuration")
        assert client.objects() == ()


def test_what_does_not_exist_yet_is_empty() -> None:
    with play("005", "112", "111", "092", "093", "018") as server:
        client = client_of(server)
        for _ in range(2):
            listing = client.list_runs()
            assert (listing.runs, listing.exists) == ({}, False)
        assert client.objects() == ()
        for _ in range(3):
            assert client.version(1) is None


def test_a_listing_holds_the_runs_and_the_others_apart() -> None:
    with play("010", "029", "155") as server:
        client = client_of(server)
        first = client.list_runs()
        assert sorted(first.runs) == [1001, 1002, 1003]
        assert [version.key for version in first.others] == [None]
        assert first.runs[1001].adler32 == 24841315
        assert client.list_runs().runs[1003].tags == ("1003", "second")
        last = client.list_runs()
        assert sorted(last.runs)[-1] == 6100
        assert {"40+03", "40é10", "", None} <= {version.key for version in last.others}


def test_blobs_are_bytes_and_checked_against_what_is_announced() -> None:
    with play("011", "042", "045", "047", "049", "050.3") as server:
        client = client_of(server)
        assert client.get(1001) == RUN_1001
        assert client.get(3001) == TWO_MEGABYTES
        assert client.get(3002) == bytes(range(256)) * (len(client_bytes := raw_body("045")) // 256)
        assert len(client_bytes) > 0
        assert client.get(3003) == b""
        assert "µs" in client.get(3004).decode()
        assert client.get(3005) == "host: µBooNE\n".encode()


def raw_body(scenario: str) -> bytes:
    return raw_answers()[scenario][-1].partition(b"\r\n\r\n")[2]


def test_other_ways_to_a_blob() -> None:
    with play("079", "078", "081", "074", "070") as server:
        client = client_of(server, object_name="cal")
        assert client.get_by("id", "1") == RUN_1001
        assert client.get_by("data_key", "1") == RUN_1001
        assert client.get_by("tag", "v1") == b"cal tv200"
        assert client.get_by("tv", "250") == b"cal tv150"


@pytest.mark.parametrize("scenario", ["015", "109", "110", "072", "082"])
def test_what_is_not_there_is_not_found_at_once(scenario: str) -> None:
    assert failure(play(scenario), lambda client: client.get(999999)).code is Code.NOT_FOUND


def test_the_first_put_takes_two_exchanges_and_the_next_one() -> None:
    with play("006", "009.2") as server:
        client = client_of(server)
        outcome = client.put(1001, RUN_1001)
        assert (outcome.kind, outcome.version and outcome.version.id) == (PutKind.STORED, 1)
        assert client.put(1003, RUN_1001).kind is PutKind.STORED
    assert [bool(request.header("Authorization")) for request in server.requests] == [False, True, True]
    assert 'nc=00000002' in server.requests[2].header("Authorization")
    assert all(request.header("Content-Length") == "39" for request in server.requests)


def test_a_known_realm_makes_the_first_put_one_exchange() -> None:
    with play("010", "009.2") as server:
        client = client_of(server)
        client.list_runs()
        assert client.put(1003, RUN_1001).kind is PutKind.STORED
    assert 'realm="public.test01"' in server.requests[1].header("Authorization")


def test_a_key_that_is_taken_is_compared_at_once() -> None:
    same = play("006.1", "026.2", "016", "011")
    with same:
        assert client_of(same).put(1001, RUN_1001).kind is PutKind.SAME
    other = play("006.1", "026.2", "016", "011")
    with other:
        assert client_of(other).put(1001, RUN_1001.replace(b"1001", b"1002")).kind is PutKind.DIFFERENT
    longer = play("006.1", "026.2", "016")
    with longer:
        assert client_of(longer).put(1001, b"of another size").kind is PutKind.DIFFERENT
    assert other.left == same.left == longer.left == 0


def test_the_form_of_a_lost_race_is_a_taken_key_too() -> None:
    heading = (
        b"<html><body><h2>Application error</h2>\n            <h3>duplicate key value violates unique constraint "
        b'"test01_object_key_inx"\nDETAIL:  Key (object, key)=(race, r1) already exists.\n</h3>'
    )
    lost = b"HTTP/1.1 500 Application Error\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n" + heading
    with play("006.1", lost, "016", "011") as server:
        assert client_of(server).put(1001, RUN_1001).kind is PutKind.SAME


@pytest.mark.parametrize("scenario", ["030", "031"])
def test_wrong_credentials_are_said_so_and_not_tried_again(scenario: str) -> None:
    found = failure(play(scenario), lambda client: client.put(2001, b"x"))
    assert found.code is Code.WRONG_PASSWORD
    assert not found.retryable
    assert PASSWORD not in str(found)


def test_a_read_only_server_refuses() -> None:
    answer = raw("HTTP/1.1 405 Method Not Allowed", b"Read-only instance")
    assert failure(play(answer), lambda client: client.put(1, b"x")).code is Code.PERMISSION


def test_a_server_without_authentication_stores_at_the_first_exchange() -> None:
    stored = b'{"object": "configuration", "folder": "public.test01", "tv": 0.0, "tr": 1795243720.637432, "tags": [], '
    stored += b'"adler32": 7929977, "uadler32": 7929977, "data_size": 1, "data_key": "90", "id": 93, "key": "1"}'
    with play(raw("HTTP/1.1 200 OK", stored)) as server:
        assert client_of(server).put(1, b"x").kind is PutKind.STORED


def test_a_missing_folder_is_made_by_the_first_put() -> None:
    with play("107", "128", "006") as server:
        assert client_of(server).put(1001, RUN_1001).kind is PutKind.STORED
    made = server.requests[1:3]
    assert all("/create_folder?folder=test01&drop=no" in request.line for request in made)


def test_a_folder_that_may_not_be_made_is_said_so() -> None:
    found = failure(play("107", "128.1", "133.2"), lambda client: client.put(1, b"x"))
    assert found.code is Code.FOLDER_MISSING


def test_a_folder_that_others_must_make_is_said_so_and_not_taken_for_a_wrong_password() -> None:
    found = failure(play("107", "131"), lambda client: client.put(1, b"x"))
    assert found.code is Code.FOLDER_MISSING
    assert "folder test01 does not exist and cannot be made" in found.message
    assert "refuses the credentials of writer" in found.message
    assert not found.retryable


def test_a_name_that_may_be_mistyped_is_said_before_a_second_archive_is_begun() -> None:
    with play("111", "002", "100", "100", "004", "002") as server:
        assert client_of(server, "run_recrods").doubt() == (
            "there is no folder run_recrods yet (the server has test01)"
        )
        assert client_of(server).doubt() == ""
        assert client_of(server, object_name="configuratoin").doubt() == (
            "folder test01 has no object configuratoin yet, only cal, configuration"
        )
        assert client_of(server).doubt() == ""
    assert server.left == 0


def test_what_the_server_stored_is_held_against_what_was_sent() -> None:
    assert failure(play("006"), lambda client: client.put(1001, b"x" * 39)).code is Code.MISMATCH


def test_a_comma_never_goes_out_bare() -> None:
    with play("006") as server:
        client_of(server).put(1001, RUN_1001, tags=["a,b", "µ &=+#"])
    assert "tag=a%2Cb&tag=%C2%B5%20%26%3D%2B%23" in server.requests[0].line
    assert "," not in server.requests[0].line


def test_another_server_is_recognised() -> None:
    for answer in (raw("HTTP/1.1 404 Not Found", b"nope"), raw("HTTP/1.1 200 OK", b"<html>hello</html>")):
        assert failure(play(answer), lambda client: client.ping()).code is Code.BAD_ANSWER
    assert failure(play("120"), lambda client: client.list_runs()).code is Code.BAD_ANSWER


def test_a_listing_that_ends_early_is_not_taken_for_a_short_one() -> None:
    cut = raw_answers()["155"][0][:-200]
    found = failure(play(cut, cut, cut, cut), lambda client: client.list_runs())
    assert found.code is Code.CONNECTION_CUT


def test_an_answer_cut_between_two_records_is_not_taken_for_a_short_one() -> None:
    record = b'\x1e{"id": 1, "key": "1", "tv": 0, "tr": 1, "tags": [], "data_size": 1, "data_key": "1", "adler32": 1}\n'
    whole = raw("HTTP/1.1 200 OK", record * 2)
    cut = whole.removesuffix(record)
    with play(cut, cut, whole) as server:
        assert len(client_of(server).lookup_range("1", "2")) == 2


def raw(line: str, body: bytes) -> bytes:
    headers = f"Content-Type: text/html; charset=UTF-8\r\nContent-Length: {len(body)}\r\nConnection: close"
    return f"{line}\r\n{headers}\r\n\r\n".encode() + body
