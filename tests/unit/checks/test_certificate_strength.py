"""Keys, signatures, lifetimes and protocols at their limits."""

from __future__ import annotations

from base64 import b64encode
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ObjectIdentifier
from made_certificates import BEGINS, Made, make

from ansible_collections.astral.upkeep.plugins.module_utils.certificate_files import (
    read_certificates,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host import Host
from ansible_collections.astral.upkeep.plugins.module_utils.results import Observation
from upkeep.checks.certificate_strength import Params, judge
from upkeep.verdicts import Severity, Verdict, failed, passed

PUBLIC = x509.CertificatePolicies(
    [x509.PolicyInformation(ObjectIdentifier("2.23.140.1.2.1"), None)]
)


@cache
def root() -> Made:
    return make("Root", authority=True, lifetime=timedelta(days=9000))


def look(made: Made, params: Params | None = None, **data: object) -> Verdict:
    return judge(Observation("site.pem", {"der": made.der, **data}), params or Params(), BEGINS)


def test_keys() -> None:
    assert look(make(key=rsa.generate_private_key(65537, 2048))).message == (
        "RSA 2048, signed with SHA256"
    )
    short = look(make(key=rsa.generate_private_key(65537, 1024)))
    assert short == failed(Severity.HIGH, "RSA key of 1024 bits, at least 2048")
    small = look(make(key=ec.generate_private_key(ec.SECP224R1())))
    assert small == failed(Severity.HIGH, "key on secp224r1 with 224 bits, at least 256")
    assert look(make()) == passed("secp256r1, signed with SHA256")


def test_a_weak_signature_counts_except_a_roots_own() -> None:
    weak, middle = recorded("wildcard-sha1-2016.pem")
    (weak_root,) = recorded("basic_constraints_not_critical.pem")

    assert judge(Observation("a", {"der": weak, "chain": [middle]}), Params(), BEGINS) == failed(
        Severity.HIGH, "signature with SHA1; signature of 'PositiveSSL CA 2' above it with SHA1"
    )
    assert look(make(), chain=[weak_root]) == passed("secp256r1, signed with SHA256")


def recorded(name: str) -> list[str]:
    """Return the certificates of a recorded file in base64."""
    host = Host()
    path = str(Path(__file__).parents[1] / "recorded" / "certificates" / name)
    return [b64encode(one).decode() for one in read_certificates(host, path).certificates]


@pytest.mark.parametrize(
    ("begins", "days"),
    [
        (datetime(2018, 3, 1, tzinfo=UTC), 825),
        (datetime(2020, 8, 31, 23, 59, 59, tzinfo=UTC), 825),
        (datetime(2020, 9, 1, tzinfo=UTC), 398),
        (datetime(2026, 3, 14, 23, 59, 59, tzinfo=UTC), 398),
        (datetime(2026, 3, 15, tzinfo=UTC), 200),
        (datetime(2027, 3, 15, tzinfo=UTC), 100),
        (datetime(2029, 3, 15, tzinfo=UTC), 47),
    ],
)
def test_a_public_certificates_lifetime(begins: datetime, days: int) -> None:
    longest = timedelta(days=days) - timedelta(seconds=1)  # its last second counts
    right = make(issuer=root(), begins=begins, lifetime=longest, extensions=[PUBLIC])
    longer = make(issuer=root(), begins=begins, lifetime=timedelta(days=days), extensions=[PUBLIC])

    assert look(right) == passed("secp256r1, signed with SHA256")
    assert look(longer) == failed(
        Severity.MEDIUM, f"lives {days} days, at most {days} if issued on {begins:%Y-%m-%d}"
    )
    assert look(longer, Params(private_pki=True)) == passed("secp256r1, signed with SHA256")


def test_a_private_authoritys_certificates_live_as_long_as_it_likes() -> None:
    made = make(issuer=root(), lifetime=timedelta(days=3650))

    assert look(made) == passed("secp256r1, signed with SHA256")


@pytest.mark.parametrize(
    ("data", "verdict"),
    [
        (
            {"protocol": "TLSv1.1", "old_protocol": "TLSv1.1"},
            failed(Severity.HIGH, "the server has no more than TLSv1.1, at least TLSv1.2"),
        ),
        (
            {"protocol": "TLSv1.3", "old_protocol": "TLSv1"},
            failed(Severity.MEDIUM, "the server accepts TLSv1, at least TLSv1.2"),
        ),
        ({"protocol": "TLSv1.2", "old_protocol": ""}, passed("secp256r1, signed with SHA256")),
    ],
)
def test_protocols(data: dict[str, object], verdict: Verdict) -> None:
    made = make()

    assert look(made, **data) == verdict
    assert look(made, Params(old_tls=True), **data) == passed("secp256r1, signed with SHA256")
