"""A certificate authority of the tests' own: server and client certificates, made anew for each directory."""

from __future__ import annotations

import datetime
import ipaddress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

CLIENT_SUBJECT = "CN=archiver,OU=Clients,O=Test Lab"
"""The client's subject as MongoDB names its user: RFC 2253, last part first."""


@dataclass(frozen=True)
class Certificates:
    """PEM files: `server` and `client` hold key and certificate together, `stranger` is of another authority,
    `unknown` names somebody who is no user."""

    ca: Path
    server: Path
    client: Path
    stranger: Path
    unknown: Path


def make_certificates(directory: Path) -> Certificates:
    """Make all files of `Certificates` in `directory`; the server's is good for 127.0.0.1 and localhost."""
    authority = _authority("Test authority")
    files = Certificates(*(directory / f"{name}.pem" for name in ("ca", "server", "client", "stranger", "unknown")))
    files.ca.write_bytes(authority[1].public_bytes(serialization.Encoding.PEM))
    _leaf(files.server, authority, _name("localhost", "Servers"), ExtendedKeyUsageOID.SERVER_AUTH)
    _leaf(files.client, authority, _name("archiver", "Clients"), ExtendedKeyUsageOID.CLIENT_AUTH)
    _leaf(files.stranger, _authority("Other"), _name("archiver", "Clients"), ExtendedKeyUsageOID.CLIENT_AUTH)
    _leaf(files.unknown, authority, _name("nobody", "Clients"), ExtendedKeyUsageOID.CLIENT_AUTH)
    return files


Authority = tuple[ec.EllipticCurvePrivateKey, x509.Certificate]


def _name(common: str, unit: str) -> x509.Name:
    parts = [(NameOID.ORGANIZATION_NAME, "Test Lab"), (NameOID.ORGANIZATIONAL_UNIT_NAME, unit)]
    return x509.Name([x509.NameAttribute(oid, text) for oid, text in [*parts, (NameOID.COMMON_NAME, common)]])


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=2))
    )


def _authority(common: str) -> Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name(common, "Authorities")
    builder = _builder(name, name, key.public_key())
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    return key, builder.sign(key, hashes.SHA256())


def _leaf(path: Path, authority: Authority, subject: x509.Name, usage: x509.ObjectIdentifier) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    builder = _builder(subject, authority[1].subject, key.public_key())
    builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    certificate = builder.sign(authority[0], hashes.SHA256())
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
