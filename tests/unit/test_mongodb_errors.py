"""What the driver raises, in the archive's codes."""

from __future__ import annotations

import pytest
from bson.errors import BSONError, InvalidBSON
from pymongo import errors

from runarchive.artdaqdb.mongodb_errors import explain, told
from runarchive.errors import ArchiveError, Code
from runarchive.model import Phase, Store


def bulk(**details: object) -> errors.BulkWriteError:
    return errors.BulkWriteError(details)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.NotPrimaryError("not master"), Code.UNAVAILABLE),
        (errors.OperationFailure("not master", 10107), Code.UNAVAILABLE),
        (errors.OperationFailure("node is recovering", 13436), Code.UNAVAILABLE),
        (errors.OperationFailure("Authentication failed.", 18), Code.WRONG_PASSWORD),
        (errors.OperationFailure("not authorized", 13), Code.PERMISSION),
        (errors.OperationFailure("no space", 14031), Code.DISK_FULL),
        (errors.OperationFailure("?", 99999), Code.BAD_ANSWER),
        (errors.OperationFailure("?"), Code.BAD_ANSWER),
        (errors.ExecutionTimeout("too long", 50), Code.TIMEOUT),
        (errors.WTimeoutError("waiting for replication timed out", 64), Code.TIMEOUT),
        (errors.NetworkTimeout("timed out"), Code.TIMEOUT),
        (errors.AutoReconnect("connection closed"), Code.CONNECTION_CUT),
        (errors.AutoReconnect("h:1: connection pool paused"), Code.CONNECTION_CUT),
        (errors.AutoReconnect("[Errno 104] Connection reset by peer"), Code.CONNECTION_CUT),
        (errors.ServerSelectionTimeoutError("h:1: [Errno 111] Connection refused"), Code.CONNECTION_REFUSED),
        (errors.ServerSelectionTimeoutError("h:1: timed out"), Code.TIMEOUT),
        (errors.ServerSelectionTimeoutError("No replica set members found yet"), Code.UNAVAILABLE),
        (errors.ServerSelectionTimeoutError("SSL handshake failed: certificate verify failed"), Code.BAD_CERTIFICATE),
        (errors.DocumentTooLarge("BSON document too large"), Code.TOO_LARGE),
        (InvalidBSON("objsize too large"), Code.CORRUPT),
        (errors.ConfigurationError("wire version"), Code.BAD_CONFIG),
        (errors.InvalidURI("escape"), Code.BAD_CONFIG),
        (bulk(writeErrors=[{"code": 171}]), Code.CORRUPT),
        (bulk(writeErrors=[{"code": 10334}]), Code.TOO_LARGE),
        (bulk(writeErrors=[], writeConcernErrors=[{"code": 64}]), Code.TIMEOUT),
        (bulk(writeErrors=[{"code": 11000}]), Code.CONFLICT),
        (bulk(), Code.BAD_ANSWER),
    ],
)
def test_each_failure_has_its_code(error: errors.PyMongoError | BSONError, code: Code) -> None:
    assert explain(error)[0] is code


def test_what_is_told_names_the_server_and_hides_the_secret() -> None:
    with (
        pytest.raises(ArchiveError) as caught,
        told(Phase.WRITE, "mongodb://u:***@h/db", lambda text: text.replace("hidden", "***")),
    ):
        raise errors.OperationFailure("bad hidden, full error: {'much': 'more'}", 18)
    error = caught.value
    assert (error.store, error.phase, error.code) == (Store.ARTDAQDB, Phase.WRITE, Code.WRONG_PASSWORD)
    assert error.message == "MongoDB mongodb://u:***@h/db refuses the user or the password (bad ***)"
    assert error.__cause__ is None
