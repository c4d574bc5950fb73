"""Certificates made for tests, with keys on elliptic curves, which are made in no time."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import NameOID

BEGINS = datetime(2029, 6, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Made:
    """A certificate with its key."""

    certificate: x509.Certificate
    key: Any

    @property
    def der(self) -> str:
        return b64encode(self.certificate.public_bytes(serialization.Encoding.DER)).decode()

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        return self.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )

    @property
    def ends(self) -> datetime:
        return self.certificate.not_valid_after_utc


def make(
    name: str = "portal.example.org",
    issuer: Made | None = None,
    names: Sequence[str] | None = None,
    authority: bool = False,
    path_length: int | None = None,
    begins: datetime = BEGINS,
    lifetime: timedelta = timedelta(days=365),
    key: Any = None,
    hash_algorithm: Any = None,
    extensions: Sequence[x509.ExtensionType] = (),
    issuer_name: x509.Name | None = None,
    critical: Sequence[x509.ExtensionType] = (),
) -> Made:
    """Return a certificate for names (default: its own), signed by issuer or by itself.

    issuer_name: what it calls its issuer, if not by its subject.
    """
    key = key or ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer_name or (issuer.certificate.subject if issuer else subject))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(begins + lifetime)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=path_length), critical=True)
    )
    held = [name] if names is None and not authority else list(names or ())
    if held:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([_general(one) for one in held]), critical=False
        )
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    for extension in critical:
        builder = builder.add_extension(extension, critical=True)
    signer = issuer.key if issuer else key
    plain = isinstance(signer, ed25519.Ed25519PrivateKey)
    return Made(builder.sign(signer, None if plain else hash_algorithm or hashes.SHA256()), key)


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)
