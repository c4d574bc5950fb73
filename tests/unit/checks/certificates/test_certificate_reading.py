"""Reading certificates that are odd: what cannot be read is told as such, and nothing is for a name that it has not."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtensionOID, NameOID
from made_certificates import BEGINS, make

from upkeep.checks.certificates._issuers import issued
from upkeep.checks.certificates._x509 import (
    MOST_CERTIFICATES,
    CertificateError,
    chain,
    extension,
    is_authority,
    is_for,
    load,
    public_key_der,
    title,
)

VERSION_3 = bytes.fromhex("a003020102")
CURVE = bytes.fromhex("2a8648ce3d030107")
"""The object identifier of P-256; the one that ends in 9 is of no curve."""


def changed(der: str, old: bytes, new: bytes) -> str:
    """A certificate with other bytes at the first place."""
    raw = b64decode(der)
    assert old in raw
    return b64encode(raw.replace(old, new, 1)).decode()


def without_extensions(*names: x509.NameAttribute[Any]) -> x509.Certificate:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name(names)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject)
    builder = builder.public_key(key.public_key()).serial_number(0xABC)
    builder = builder.not_valid_before(BEGINS).not_valid_after(BEGINS + timedelta(days=1))
    return builder.sign(key, hashes.SHA256())


@pytest.mark.parametrize(
    "spoil",
    [
        lambda der: None,
        lambda der: 7,
        lambda der: "",
        lambda der: der[:40] + "!" + der[40:],
        lambda der: der[:-1],
        lambda der: "ä" + der,
        lambda der: changed(der, VERSION_3, VERSION_3[:-1] + b"\x05"),
    ],
    ids=["none", "a number", "empty", "no base64", "cut", "no ASCII", "of another version"],
)
def test_what_is_no_certificate_is_told_as_such(spoil: Callable[[str], Any]) -> None:
    with pytest.raises(
        CertificateError, match=r"^(the observation has no certificate|a certificate that)"
    ):
        load(spoil(make().der))


def test_so_many_certificates_of_a_chain_are_read() -> None:
    der = make().der

    assert MOST_CERTIFICATES == 400
    assert (
        len(chain({"der": der, "chain": [der] * (MOST_CERTIFICATES + 1)})) == MOST_CERTIFICATES + 1
    )
    assert len(chain({"der": der, "chain": "none"})) == 1


def test_without_constraints_it_is_no_authority() -> None:
    assert is_authority(without_extensions()) is False
    assert is_authority(make(authority=True).certificate) is True
    assert is_authority(make().certificate) is False


@pytest.mark.parametrize("content", [b"", b"\x00", b"\x30\x80"])
def test_an_extension_that_cannot_be_read_is_no_extension_that_is_not_there(content: bytes) -> None:
    odd = x509.UnrecognizedExtension(ExtensionOID.SUBJECT_ALTERNATIVE_NAME, content)
    certificate = make(names=[], extensions=[odd]).certificate

    with pytest.raises(CertificateError, match=r"^an extension that cannot be read: "):
        extension(certificate, x509.SubjectAlternativeName)


def test_a_key_of_a_kind_that_is_not_known_is_neither_read_nor_verified() -> None:
    authority = make("root", authority=True)
    leaf = make(issuer=authority).certificate
    odd = load(changed(authority.der, CURVE, CURVE[:-1] + b"\x09"))

    with pytest.raises(CertificateError, match=r"^a public key that cannot be read: "):
        public_key_der(odd)
    assert issued(leaf, odd) is None
    assert issued(leaf, authority.certificate) is True
    assert issued(leaf, make("root", authority=True).certificate) is False
    assert issued(leaf, make("other", authority=True).certificate) is False


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ((), "'number abc'"),
        ((x509.NameAttribute(NameOID.COMMON_NAME, " "),), "'number abc'"),
        ((x509.NameAttribute(NameOID.ORGANIZATION_NAME, "A  B"),), "'A B'"),
        (
            (
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, "A"),
                x509.NameAttribute(NameOID.COMMON_NAME, "b.example"),
            ),
            "'b.example'",
        ),
    ],
    ids=["nothing", "a space", "an organisation", "both"],
)
def test_what_people_call_it(names: tuple[x509.NameAttribute[Any], ...], expected: str) -> None:
    assert title(without_extensions(*names)) == expected


@pytest.mark.parametrize(
    ("name", "held", "right"),
    [
        ("portal.example.com", ["*.example.org"], False),
        ("portal.example.org", ["*.other.org"], False),
        ("a.b.example.org", ["*.example.org", "*.b.other.org"], False),
        ("portal.*.org", ["*.*.org"], False),
        ("portal.example.org", ["a..b", "ü" * 64 + ".org", "", "portal.example.org"], True),
        ("portal.example.org", ["a..b", "ü" * 64 + ".org", ""], False),
        ("a!b.example.org", ["a!b.example.org"], True),
    ],
)
def test_a_star_stands_for_one_label_of_that_domain_only(
    name: str, held: list[str], right: bool
) -> None:
    assert is_for(name, held, []) is right
