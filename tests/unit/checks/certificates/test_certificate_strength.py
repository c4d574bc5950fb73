"""Keys, signatures, lifetimes and protocols at their limits."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa, x448, x25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ObjectIdentifier
from made_certificates import BEGINS, Made, make

from ansible_collections.astral.upkeep.plugins.module_utils.gather.certificates._files import (
    read_certificates,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host
from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation
from upkeep.checks.certificates._parts import leaves
from upkeep.checks.certificates.certificate_strength import Limits, judge
from upkeep.model.verdicts import Severity, Status, Verdict, failed, passed, unknown

SCT = ObjectIdentifier("1.3.6.1.4.1.11129.2.4.2")
PRIVATE = x509.CertificatePolicies([x509.PolicyInformation(ObjectIdentifier("2.23.140.2.1"), None)])
PUBLIC = x509.CertificatePolicies(
    [x509.PolicyInformation(ObjectIdentifier("2.23.140.1.2.1"), None)]
)


@cache
def root() -> Made:
    return make("Root", authority=True, lifetime=timedelta(days=9000))


def look(made: Made, params: Limits | None = None, **data: object) -> Verdict:
    return judge(Observation("site.pem", {"der": made.der, **data}), params or Limits(), BEGINS)


def test_keys() -> None:
    assert look(make(key=rsa.generate_private_key(65537, 2048))).message == (
        "RSA 2048, signed with SHA256"
    )
    short = look(make(key=rsa.generate_private_key(65537, 1024)))
    assert short == failed(Severity.HIGH, "RSA key of 1024 bits, at least 2048")
    small = look(make(key=ec.generate_private_key(ec.SECP224R1())))
    assert small == failed(Severity.HIGH, "key on secp224r1 with 224 bits, at least 256")
    assert look(make()) == passed("secp256r1, signed with SHA256")


@pytest.mark.parametrize(
    ("key", "verdict"),
    [
        (ed25519.Ed25519PrivateKey, passed("Ed25519, signed with SHA256")),
        (ed448.Ed448PrivateKey, passed("Ed448, signed with SHA256")),
        (
            x25519.X25519PrivateKey,
            unknown("a public key of an unknown type: X25519PublicKey"),
        ),
        (x448.X448PrivateKey, unknown("a public key of an unknown type: X448PublicKey")),
    ],
)
def test_keys_of_other_kinds(key: Any, verdict: Verdict) -> None:
    # Such keys cannot be told by their length, whatever length others must have.
    assert look(make(issuer=root(), key=key.generate()), Limits(curve_bits=512)) == verdict


def test_a_signature_without_a_hash_of_its_own() -> None:
    made = make(key=ed25519.Ed25519PrivateKey.generate())

    assert look(made) == passed("Ed25519, signed without a hash of its own")


CURVE = bytes.fromhex("2a8648ce3d030107")
"""The object identifier of P-256; the one that ends in 9 is of no curve."""


def of_no_curve(name: str) -> Made:
    """Return a certificate with a key on a curve that nobody knows."""
    return patched(make(name, root(), authority=True), CURVE, CURVE[:-1] + b"\x09")


def off_the_curve(name: str) -> Made:
    """Return a certificate with a key that is no point of its curve."""
    made = make(name, root(), authority=True)
    point = made.key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return patched(made, point, b"\x04" + b"\x01" * 64)


@pytest.mark.parametrize("spoiled", [of_no_curve, off_the_curve])
def test_a_key_that_cannot_be_read_is_unknown_and_hides_no_weakness(
    spoiled: Callable[[str], Made],
) -> None:
    one, other = spoiled("one.example"), spoiled("other.example")
    weak = make("weak.example", authority=True, key=rsa.generate_private_key(65537, 1024))
    own, above = look(one, chain=[other.der]), look(make(), chain=[other.der])
    start = "a public key of 'other.example' above it that cannot be read: "

    assert own.status is above.status is Status.UNKNOWN
    assert own.message.startswith("a public key that cannot be read: ")
    assert above.message.startswith(start)
    assert look(one, chain=[weak.der]) == failed(
        Severity.HIGH, "RSA key of 'weak.example' above it of 1024 bits, at least 2048"
    )


def test_a_weak_signature_counts() -> None:
    weak, middle = recorded("wildcard-sha1-2016.pem")

    assert judge(Observation("a", {"der": weak, "chain": [middle]}), Limits(), BEGINS) == failed(
        Severity.HIGH, "signature with SHA1; signature of 'PositiveSSL CA 2' above it with SHA1"
    )


@pytest.mark.parametrize("key", ["rsa", "ecdsa"])
def test_a_weak_signature_of_a_root_by_its_own_key_is_harmless(key: str) -> None:
    (root,) = recorded(f"sha1-root-{key}.pem")

    assert look(make(), chain=[root]) == passed("secp256r1, signed with SHA256")
    assert judge(Observation("a", {"der": root}), Limits(), BEGINS).status is Status.PASS


def test_a_weak_signature_of_a_leaf_by_its_own_key_counts() -> None:
    (leaf,) = recorded("basic_constraints_not_critical.pem")
    (authority,) = recorded("sha1-root-rsa.pem")
    weak = failed(Severity.HIGH, "signature with SHA1")

    assert judge(Observation("a", {"der": leaf}), Limits(), BEGINS) == weak
    # An authority by openssl's default that a server presents as its own is a leaf too.
    served = Observation("a", {"der": authority, "server": True})
    assert judge(served, Limits(), BEGINS) == weak


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({"old_protocol_unseen": "no answer in time"}, Status.UNKNOWN),
        ({"old_protocol_unseen": ""}, Status.PASS),
        (
            {"fault": "an ECDSA certificate, if there is one, was not read: no answer in time"},
            Status.UNKNOWN,
        ),
        ({"note": "an ECDSA certificate, if there is one, was not read: reset"}, Status.PASS),
    ],
    ids=["old-unseen", "old-seen", "fault", "note"],
)
def test_what_could_not_be_tried_is_told(more: dict[str, str], status: Status) -> None:
    verdict = look(make(), kind="endpoint", **more)

    assert verdict.status is status
    words = ("was not read", "could not be tested")
    assert any(one in verdict.message for one in words) is any(more.values())


def recorded(name: str) -> list[str]:
    """Return the certificates of a recorded file in base64."""
    host = Host()
    path = str(Path(__file__).parents[2] / "recorded" / "certificates" / name)
    return [b64encode(one).decode() for one in read_certificates(host, path).certificates]


@pytest.mark.parametrize(
    ("begins", "days"),
    [
        (datetime(2018, 3, 1, tzinfo=UTC), 825),
        (datetime(2020, 8, 31, 23, 59, 59, tzinfo=UTC), 825),
        (datetime(2020, 9, 1, tzinfo=UTC), 398),
        (datetime(2026, 3, 14, 23, 59, 59, tzinfo=UTC), 398),
        (datetime(2026, 3, 15, tzinfo=UTC), 200),
        (datetime(2027, 3, 14, 23, 59, 59, tzinfo=UTC), 200),
        (datetime(2027, 3, 15, tzinfo=UTC), 100),
        (datetime(2029, 3, 14, 23, 59, 59, tzinfo=UTC), 100),
        (datetime(2029, 3, 15, tzinfo=UTC), 47),
    ],
)
def test_a_public_certificates_lifetime(begins: datetime, days: int) -> None:
    longest = timedelta(days=days) - timedelta(seconds=1)  # its last second counts
    right = make(issuer=root(), begins=begins, lifetime=longest, extensions=[PUBLIC])
    longer = make(issuer=root(), begins=begins, lifetime=timedelta(days=days), extensions=[PUBLIC])

    assert look(right) == passed("secp256r1, signed with SHA256")
    assert look(longer) == failed(
        Severity.MEDIUM, f"valid for {days} days, at most {days} if issued on {begins:%Y-%m-%d}"
    )
    assert look(longer, Limits(private_pki=True)) == passed("secp256r1, signed with SHA256")


def test_a_public_certificate_of_before_the_first_limit_lives_as_long_as_it_likes() -> None:
    begins = datetime(2018, 2, 28, 23, 59, 59, tzinfo=UTC)
    made = make(issuer=root(), begins=begins, lifetime=timedelta(days=1900), extensions=[PUBLIC])

    assert look(made) == passed("secp256r1, signed with SHA256")


def test_a_private_authoritys_certificates_live_as_long_as_it_likes() -> None:
    made = make(issuer=root(), lifetime=timedelta(days=3650))

    assert look(made) == passed("secp256r1, signed with SHA256")


@pytest.mark.parametrize(
    ("data", "verdict"),
    [
        (
            {"protocol": "TLSv1.1", "old_protocol": "TLSv1.1"},
            failed(
                Severity.HIGH, "the server offers no more than TLSv1.1, expected TLSv1.2 or newer"
            ),
        ),
        (
            {"protocol": "TLSv1.3", "old_protocol": "TLSv1"},
            failed(Severity.MEDIUM, "the server accepts TLSv1, expected only TLSv1.2 or newer"),
        ),
        ({"protocol": "TLSv1.2", "old_protocol": ""}, passed("secp256r1, signed with SHA256")),
    ],
)
def test_protocols(data: dict[str, object], verdict: Verdict) -> None:
    made = make()

    assert look(made, **data) == verdict
    assert look(made, Limits(old_tls=True), **data) == passed("secp256r1, signed with SHA256")


def patched(made: Made, old: bytes, new: bytes) -> Made:
    """Return a certificate with other bytes, which nobody would make any more."""
    der = made.certificate.public_bytes(Encoding.DER)
    assert old in der
    return Made(x509.load_der_x509_certificate(der.replace(old, new)), made.key)


SHA256_WITH_RSA = bytes.fromhex("2a864886f70d01010b")


@pytest.mark.parametrize(
    ("algorithm", "verdict"),
    [
        ("2a864886f70d010104", failed(Severity.HIGH, "signature with MD5")),
        ("2a864886f70d010105", failed(Severity.HIGH, "signature with SHA1")),
        ("2a864886f70d01010c", passed("RSA 2048, signed with SHA384")),
    ],
    ids=["md5", "sha1", "sha384"],
)
def test_hashes_of_signatures(algorithm: str, verdict: Verdict) -> None:
    made = make(key=rsa.generate_private_key(65537, 2048))

    assert look(patched(made, SHA256_WITH_RSA, bytes.fromhex(algorithm))) == verdict


@pytest.mark.parametrize("algorithm", ["2a864886f70d010102", "2a864886f70d010103"])
def test_a_signature_that_no_library_knows_any_more_is_unknown(algorithm: str) -> None:
    made = make(key=rsa.generate_private_key(65537, 2048))

    verdict = look(patched(made, SHA256_WITH_RSA, bytes.fromhex(algorithm)))

    assert verdict.status is Status.UNKNOWN
    assert verdict.message.startswith("a signature of an unknown type: ")


def test_a_version_without_extensions_is_old() -> None:
    der = make().certificate.public_bytes(Encoding.DER)
    # The version is left out, and both sequences around it are five bytes shorter.
    assert (der[:2], der[4:6], der[8:13]) == (b"0\x82", b"0\x82", bytes.fromhex("a003020102"))
    outer, inner = (int.from_bytes(der[at : at + 2]) - 5 for at in (2, 6))
    first = b"0\x82" + outer.to_bytes(2) + b"0\x82" + inner.to_bytes(2) + der[13:]

    assert look(Made(x509.load_der_x509_certificate(first), None)) == failed(
        Severity.MEDIUM, "version 1, expected 3"
    )


def test_a_key_of_dsa_is_weak_also_above() -> None:
    (old,) = recorded("dsa_selfsigned_ca.pem")
    data = {"der": make().der, "chain": [old]}

    found = judge(Observation("a", data), Limits(), BEGINS)

    assert found.severity is Severity.HIGH
    assert found.message.startswith("DSA key of ")
    assert found.message.endswith(" above it, which no client accepts")


@pytest.mark.parametrize(
    ("extensions", "public"),
    [
        ([PUBLIC], True),
        ([x509.UnrecognizedExtension(SCT, bytes.fromhex("04020000"))], True),
        ([PRIVATE], False),
        ([], False),
    ],
    ids=["a policy of the forum", "a timestamp of a log", "a policy of somebody else", "neither"],
)
def test_what_only_public_authorities_put_in(
    extensions: list[x509.ExtensionType], public: bool
) -> None:
    made = make(issuer=root(), lifetime=timedelta(days=3650), extensions=extensions)

    assert look(made).status is (Status.FAIL if public else Status.PASS)
    # What signed itself is of no authority, whatever it says.
    alone = make(lifetime=timedelta(days=3650), extensions=extensions)
    assert look(alone).status is Status.PASS


def test_of_all_weaknesses_the_worst_counts_and_comes_first() -> None:
    made = make(
        key=rsa.generate_private_key(65537, 1024),
        issuer=root(),
        lifetime=timedelta(days=3650),
        extensions=[PUBLIC],
    )

    assert look(made, protocol="TLSv1.3", old_protocol="TLSv1") == failed(
        Severity.HIGH,
        "RSA key of 1024 bits, at least 2048; valid for 3650 days, at most 47 if issued on 2029-06-01; "
        "the server accepts TLSv1, expected only TLSv1.2 or newer",
    )


def test_old_tls_that_was_not_seen_matters_where_it_is_not_accepted() -> None:
    unseen = "whether the server accepts TLS 1.1 or older could not be tested: no answer"
    told = {"kind": "endpoint", "old_protocol_unseen": "no answer"}

    assert look(make(), **told) == unknown(
        unseen, remedy="decide: try again, or say `old_protocols: false` to leave it out"
    )
    assert look(make(), Limits(old_tls=True), **told).status is Status.PASS


def test_another_leaf_of_the_file_makes_the_first_no_weaker() -> None:
    weak = make("weak.example", key=rsa.generate_private_key(65537, 1024))
    first, second = leaves(Observation("f", {"der": make().der, "chain": [weak.der]}))

    assert judge(first, Limits(), BEGINS) == passed("secp256r1, signed with SHA256")
    assert judge(second, Limits(), BEGINS).severity is Severity.HIGH


def test_a_site_may_ask_for_more_or_less() -> None:
    made = make(key=rsa.generate_private_key(65537, 2048))

    assert look(made, Limits(rsa_bits=2049)).status is Status.FAIL
    assert look(made, Limits(rsa_bits=2048)).status is Status.PASS
    assert look(make(), Limits(curve_bits=257)).status is Status.FAIL
    assert look(make(), Limits(curve_bits=256)).status is Status.PASS


@pytest.mark.parametrize("der", [None, "no base64!", "MAA="])
def test_what_cannot_be_read_is_unknown(der: object) -> None:
    for data in ({"der": der}, {"der": make().der, "chain": [der]}):
        assert judge(Observation("a", data), Limits(), BEGINS).status is Status.UNKNOWN


@pytest.mark.parametrize(
    ("protocol", "severity"),
    [
        ("SSLv2", Severity.HIGH),
        ("SSLv3", Severity.HIGH),
        ("TLSv1", Severity.HIGH),
        ("TLSv1.1", Severity.HIGH),
        ("TLSv1.2", None),
        ("TLSv1.3", None),
        (None, None),
    ],
)
def test_each_protocol(protocol: str | None, severity: Severity | None) -> None:
    assert look(make(), protocol=protocol).severity is severity
