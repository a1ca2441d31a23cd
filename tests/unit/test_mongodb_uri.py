"""What of a MongoDB URI may be shown, and what follows from it for the driver."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runarchive.artdaqdb.mongodb import MongoDB
from runarchive.artdaqdb.mongodb_uri import CA_CERT_VARIABLE, CLIENT_CERT_VARIABLE, client_options, parse_uri
from runarchive.errors import ArchiveError, Code

SITE = "mongodb://sbnddaq:pa%20ss@h2.fnal.gov:27039,h1.fnal.gov:27040/sbnd_db_archive?replicaSet=rs0&authSource=admin"


@pytest.mark.parametrize(
    ("uri", "database", "shown"),
    [
        (SITE, "sbnd_db_archive", SITE.replace("pa%20ss", "***")),
        ("mongodb://h/db", "db", "mongodb://h/db"),
        ("mongodb://bob@h:1/db?tls=true", "db", "mongodb://bob@h:1/db?tls=true"),
        ("mongodb://[::1]:27017/db", "db", "mongodb://[::1]:27017/db"),
        ("mongodb+srv://u:p@cluster.example/db", "db", "mongodb+srv://u:***@cluster.example/db"),
        ("mongodb://u:p@h/db?tlsCertificateKeyFilePassword=q;x=y", "db",
         "mongodb://u:***@h/db?tlsCertificateKeyFilePassword=***&x=y"),
    ],
)  # fmt: skip
def test_what_is_shown(uri: str, database: str, shown: str) -> None:
    parsed = parse_uri(uri)
    assert (parsed.database, parsed.shown, parsed.given) == (database, shown, uri)


@pytest.mark.parametrize(
    "uri",
    [
        "mongodb://h",
        "mongodb://h/",
        "mongodb://h/?a=b",
        "mongodb://h/a/b",
        "mongodb://h/db/",
        "mongodb://h/a b",
        "mongodb://h/a.b",
        "mongodb://h:port/db",
        "mongodb://u:s3cret?x@h/db",
        "mongodb://u:s3cret@h:no/db",
        f"mongodb://h/{'x' * 64}",
    ],
)
def test_what_the_library_or_the_server_refuses(uri: str) -> None:
    with pytest.raises(ArchiveError) as caught:
        MongoDB(uri)
    assert caught.value.code is Code.BAD_CONFIG
    assert "s3cret" not in caught.value.message


passwords = st.text(st.sampled_from("abcXYZ019 @:/?#[]%&=+*$'\"µ"), min_size=4, max_size=12)


@given(passwords, st.sampled_from([quote, quote_plus, lambda text: quote(text, safe=""), str]))
def test_no_password_is_ever_shown(secret: str, encode: object) -> None:
    password = f"Q7{secret}7Q"
    spelt = encode(password) if callable(encode) else password
    try:
        parsed = parse_uri(f"mongodb://u:{spelt}@h1:1,h2:2/db?replicaSet=rs0")
        texts = [parsed.shown, repr(parsed), parsed.scrub(f"user u, password {spelt} or {password}!")]
    except ArchiveError as error:
        texts = [error.message, repr(error)]
    assert all("Q7" not in text for text in texts)


def test_time_limits_are_set_where_the_uri_says_none() -> None:
    options = client_options(parse_uri("mongodb://h/db?socketTimeoutMS=5"), 2.5, {})
    assert options["timeoutMS"] == options["serverSelectionTimeoutMS"] == options["connectTimeoutMS"] == 2500
    assert "socketTimeoutMS" not in options
    assert client_options(parse_uri("mongodb://h/db"), 60, {})["serverSelectionTimeoutMS"] == 10000


def test_certificates_of_the_environment(tmp_path: Path) -> None:
    certificate, authority = tmp_path / "client.pem", tmp_path / "ca.pem"
    certificate.touch()
    variables = {CLIENT_CERT_VARIABLE: str(certificate), CA_CERT_VARIABLE: str(authority)}
    options = client_options(parse_uri("mongodb://h/db"), 1, variables)
    assert (options["tls"], options["authMechanism"]) == (True, "MONGODB-X509")
    assert options["tlsCertificateKeyFile"] == str(certificate)
    assert "tlsCAFile" not in options
    authority.touch()
    assert client_options(parse_uri("mongodb://h/db"), 1, variables)["tlsCAFile"] == str(authority)
    with_password = client_options(parse_uri("mongodb://u:p@h/db"), 1, variables)
    assert "authMechanism" not in with_password
    given_tls = client_options(parse_uri("mongodb://h/db?tls=true&tlsCertificateKeyFile=/x.pem"), 1, variables)
    assert "tlsCertificateKeyFile" not in given_tls
    assert "tls" not in client_options(parse_uri("mongodb://h/db"), 1, {CLIENT_CERT_VARIABLE: "/no/such.pem"})
