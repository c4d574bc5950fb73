"""Certificates, and the TLS that serves them, are as strong as clients demand.

Keys: RSA of 2048 bits or more, elliptic curves of 256 or more, Ed25519, Ed448; no DSA. Signatures: no MD5, no SHA-1, on
it and on those above it, except a root's by its own key. Version 3. A certificate of a public authority lives no
longer than browsers allow for its first day. The endpoint neither chooses nor accepts TLS 1.1 or older. An authority is
public if the certificate carries a policy of the CA/Browser Forum or timestamps of a public log; private ones may live
longer. Each leaf of a file is judged, and what a server presents for each kind of key.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa

from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation
from upkeep.checks.certificates._issuers import is_self_signed
from upkeep.checks.certificates._parts import BUNDLE, judge_parts, leaves
from upkeep.checks.certificates._x509 import (
    MOST_CERTIFICATES,
    CertificateError,
    extension,
    load,
    title,
    validity,
)
from upkeep.judging.check import Check, gone
from upkeep.judging.readings import short
from upkeep.model.verdicts import Severity, Verdict, failed, passed, unknown

# What is older (MD2, MD4) is of a kind that is not known any more.
WEAK_HASHES = ("md5", "sha1")
KNOWN_KEYS = (
    rsa.RSAPublicKey,
    ec.EllipticCurvePublicKey,
    ed25519.Ed25519PublicKey,
    ed448.Ed448PublicKey,
)
OLD_PROTOCOLS = ("SSLv2", "SSLv3", "TLSv1", "TLSv1.1")
FORUM_POLICIES = "2.23.140.1."
# Longest lifetime by first day. Source: CA/Browser Forum Baseline Requirements 6.3.2 (ballots 193, SC-31, SC-081v3).
LIFETIMES = (
    (datetime(2029, 3, 15, tzinfo=UTC), 47),
    (datetime(2027, 3, 15, tzinfo=UTC), 100),
    (datetime(2026, 3, 15, tzinfo=UTC), 200),
    (datetime(2020, 9, 1, tzinfo=UTC), 398),
    (datetime(2018, 3, 1, tzinfo=UTC), 825),
)


@dataclass(frozen=True)
class Limits:
    """What is strong enough.

    rsa_bits: the least length of an RSA key.
    curve_bits: the least length of a key on an elliptic curve.
    private_pki: no certificate here is of a public authority, whatever it carries.
    old_tls: TLS 1.0 and 1.1 are accepted, as for old devices.
    """

    rsa_bits: int = 2048
    curve_bits: int = 256
    private_pki: bool = False
    old_tls: bool = False


def judge(seen: Observation, limits: Limits, now: datetime) -> Verdict:
    """Judge each certificate with those above it."""
    return judge_parts(seen, leaves, lambda part: _judge(part, limits))


def _judge(seen: Observation, limits: Limits) -> Verdict:
    """Judge keys, signatures, version, lifetime and protocol; all weaknesses, the worst first.

    What cannot be read of one of them hides nothing of the others.
    """
    weak: list[tuple[Severity, str]] = []
    unread = []
    for look in _looks(seen, limits):
        try:
            weak += look()
        except CertificateError as exc:
            unread.append(str(exc))
    if not limits.old_tls:
        weak += _protocols(seen)
    if weak:
        weak.sort(key=lambda one: one[0].rank)
        return failed(weak[0][0], "; ".join(text for _severity, text in weak[:4]))
    if unread:
        return unknown(unread[0])
    if seen.data.get("old_protocol_unseen") and not limits.old_tls:
        unseen = short(seen.data["old_protocol_unseen"], 160)
        what = f"whether the server accepts TLS 1.1 or older could not be tested: {unseen}"
        return unknown(
            what, remedy="decide: try again, or say `old_protocols: false` to leave it out"
        )
    own = load(seen.data.get("der"))
    return passed(f"{_key_text(own)}, {_signature_text(own)}")


def _looks(seen: Observation, limits: Limits) -> Iterator[Callable[[], list[tuple[Severity, str]]]]:
    """Yield what is to be looked at, each for itself."""
    own, above, aside = (seen.data.get(name) for name in ("der", "chain", "aside"))
    yield lambda: _form(load(own), limits)
    others = above[:MOST_CERTIFICATES] if isinstance(above, list) else []
    for index, der in enumerate([own, *(one for one in others if one not in (aside or ()))]):
        yield partial(_key, der, index, limits)
        yield partial(_signature, der, index, seen.data.get("part") != BUNDLE)


def _key(der: Any, index: int, limits: Limits) -> list[tuple[Severity, str]]:
    """Return what is wrong with the key."""
    certificate = load(der)
    whose = "" if index == 0 else f" of {title(certificate)} above it"
    try:
        key = certificate.public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm) as exc:
        raise CertificateError(f"a public key{whose} that cannot be read: {short(exc)}") from exc
    if isinstance(key, rsa.RSAPublicKey) and key.key_size < limits.rsa_bits:
        text = f"RSA key{whose} of {key.key_size} bits, at least {limits.rsa_bits}"
    elif isinstance(key, ec.EllipticCurvePublicKey) and key.key_size < limits.curve_bits:
        text = (
            f"key{whose} on {key.curve.name} with {key.key_size} bits, at least {limits.curve_bits}"
        )
    elif isinstance(key, dsa.DSAPublicKey):
        text = f"DSA key{whose}, which no client accepts"
    elif isinstance(key, KNOWN_KEYS):
        return []
    else:
        raise CertificateError(f"a public key{whose} of an unknown type: {type(key).__name__}")
    return [(Severity.HIGH, text)]


def _signature(der: Any, index: int, led_by_leaf: bool) -> list[tuple[Severity, str]]:
    """Return what is wrong with the signature; that of a root by its own key is not what it is trusted for.

    led_by_leaf: the first is what a server or a client presents, which is no root even where it signed itself.
    """
    certificate = load(der)
    name = _hash_name(certificate)
    if name not in WEAK_HASHES:
        return []
    if (index > 0 or not led_by_leaf) and is_self_signed(certificate):
        return []
    whose = "" if index == 0 else f" of {title(certificate)} above it"
    return [(Severity.HIGH, f"signature{whose} with {name.upper()}")]


def _form(certificate: x509.Certificate, limits: Limits) -> list[tuple[Severity, str]]:
    """Return what is wrong with version and lifetime."""
    found = []
    if certificate.version is not x509.Version.v3:
        found.append((Severity.MEDIUM, f"version {certificate.version.value + 1}, expected 3"))
    valid = validity(certificate)
    # Both ends count: RFC 5280, section 4.1.2.5.
    lifetime = valid.ends - valid.begins + timedelta(seconds=1)
    days = next((days for since, days in LIFETIMES if valid.begins >= since), None)
    if (
        days is not None
        and lifetime > timedelta(days=days)
        and not limits.private_pki
        and _is_public(certificate)
    ):
        lives = f"valid for {lifetime / timedelta(days=1):.0f} days"
        found.append(
            (Severity.MEDIUM, f"{lives}, at most {days} if issued on {valid.begins:%Y-%m-%d}")
        )
    return found


def _is_public(certificate: x509.Certificate) -> bool:
    """Return whether it is of a public authority, by what only those put in."""
    if is_self_signed(certificate):
        return False
    if extension(certificate, x509.PrecertificateSignedCertificateTimestamps) is not None:
        return True
    policies = extension(certificate, x509.CertificatePolicies) or ()
    return any(one.policy_identifier.dotted_string.startswith(FORUM_POLICIES) for one in policies)


def _protocols(seen: Observation) -> list[tuple[Severity, str]]:
    """Return what is wrong with the TLS that an endpoint chooses and accepts; RFC 8996."""
    chosen, accepted = seen.data.get("protocol"), seen.data.get("old_protocol")
    if chosen in OLD_PROTOCOLS:
        return [
            (Severity.HIGH, f"the server offers no more than {chosen}, expected TLSv1.2 or newer")
        ]
    if accepted in OLD_PROTOCOLS:
        return [(Severity.MEDIUM, f"the server accepts {accepted}, expected only TLSv1.2 or newer")]
    return []


def _hash_name(certificate: x509.Certificate) -> str:
    """Return the signature's hash, empty where the algorithm has none of its own.

    Raises: CertificateError.
    """
    try:
        algorithm = certificate.signature_hash_algorithm
    except (ValueError, UnsupportedAlgorithm) as exc:
        raise CertificateError(f"a signature of an unknown type: {short(exc)}") from exc
    return algorithm.name if algorithm else ""


def _key_text(certificate: x509.Certificate) -> str:
    key = certificate.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        return f"RSA {key.key_size}"
    if isinstance(key, ec.EllipticCurvePublicKey):
        return str(key.curve.name)
    return "Ed25519" if isinstance(key, ed25519.Ed25519PublicKey) else "Ed448"


def _signature_text(certificate: x509.Certificate) -> str:
    name = _hash_name(certificate)
    return f"signed with {name.upper()}" if name else "signed without a hash of its own"


CHECK = Check(
    title="Certificate and TLS are strong enough",
    trouble="Weak certificate or TLS",
    gather="certificates",
    since="0.1.0",
    why=(
        "Clients refuse weak keys, signatures and protocols. Weak ones can be forged, or let "
        "others read the traffic."
    ),
    cannot_see=(
        "Which ciphers a server accepts, and bugs of its TLS library. Whether a key was "
        "copied, or a certificate revoked."
    ),
    limits=Limits(),
    judge=judge,
    parts=leaves,
    source="CA/Browser Forum Baseline Requirements 6.1.5, 6.3.2, 7.1.3; RFC 8996; NIST SP 800-131A",
    remedy="decide: make a new pair with an ECDSA key, and let the server speak TLS 1.2 and 1.3 only",
    controls=("45 CFR 164.312(e)(2)(ii)",),
    absence={"certificates": gone()},
)
