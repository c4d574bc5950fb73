"""Chains: whole, broken, in disorder, not trusted."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import ExtendedKeyUsageOID
from made_certificates import BEGINS, Made, make

from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation
from upkeep.checks.certificates._issuers import signed
from upkeep.checks.certificates.certificate_chain import (
    INSTALL,
    MAY_NOT,
    OTHER_KEY,
    PURPOSE,
    REFUSED,
    REORDER,
    TRUST,
    UNFIT,
    Limits,
    judge,
)
from upkeep.model.verdicts import Severity, Status, Verdict, failed, passed, unknown

NOW = BEGINS + timedelta(days=100)
YES = {"store": "the host's store", "trusted": True}
NO = {"store": "the host's store", "trusted": False, "code": 20, "reason": "no local issuer"}
OWN = {**NO, "code": 19, "reason": "self-signed", "private": {"trusted": True, "code": 0}}
"""With a root that came with it and is right in all else."""
CLIENTS = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
SERVERS = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
NEITHER = x509.KeyUsage(False, True, False, False, False, False, False, False, False)
"""A key that may do no more than sign contracts."""
CURVE = bytes.fromhex("2a8648ce3d030107")
"""The object identifier of P-256; the one that ends in 9 is of no curve."""


@pytest.fixture(scope="module")
def made() -> dict[str, Made]:
    root = make("Root", authority=True, lifetime=timedelta(days=3650))
    middle = make("Middle", root, authority=True, lifetime=timedelta(days=1000))
    stale = make("Stale", root, authority=True, lifetime=timedelta(days=99))
    leaf = make("leaf.example.org", middle)
    to_be = make("To Be", root, authority=True, begins=NOW + timedelta(seconds=1))
    narrow = make("Narrow", authority=True, path_length=0, lifetime=timedelta(days=3650))
    wide = make("Wide", authority=True, path_length=1, lifetime=timedelta(days=3650))
    of_narrow = make("Of Narrow", narrow, authority=True)
    of_wide = make("Of Wide", wide, authority=True)
    # A new key under the old name, signed with the old key: it does not count.
    renewed = make("Narrow", narrow, authority=True)
    ends_now = make("Ends Now", root, authority=True, lifetime=timedelta(days=100))
    begins_now = make("Begins Now", root, authority=True, begins=NOW)
    old_root = make("Old Root", authority=True, lifetime=timedelta(days=99))
    tight = make("Tight", root, authority=True, path_length=0)
    clients = make("Clients", root, authority=True, extensions=[CLIENTS])
    servers = make("Servers", root, authority=True, extensions=[SERVERS])
    # Two authorities that signed each other, and no root.
    ring = make("Ring", authority=True)
    back = make("Back", ring, authority=True)
    return {
        "root": root,
        "middle": middle,
        "stale": stale,
        "leaf": leaf,
        "of stale": make("old.example.org", stale),
        "to be": to_be,
        "of to be": make("new.example.org", to_be),
        "narrow": narrow,
        "wide": wide,
        "of narrow": of_narrow,
        "of wide": of_wide,
        "renewed": renewed,
        "below narrow": make("a.example.org", narrow),
        "below of narrow": make("b.example.org", of_narrow),
        "below of wide": make("c.example.org", of_wide),
        "below renewed": make("d.example.org", renewed),
        "ends now": ends_now,
        "of ends now": make("e.example.org", ends_now),
        "begins now": begins_now,
        "of begins now": make("f.example.org", begins_now),
        "old root": old_root,
        "of old root": make("g.example.org", old_root),
        "of leaf": make("forged.example.org", leaf),
        "alone": make("alone.example.org"),
        "other": make("Other", root, authority=True),
        "second": make("Middle", root, authority=True),
        "tight": tight,
        "below tight": make("h.example.org", tight),
        "clients": clients,
        "below clients": make("i.example.org", clients),
        "servers": servers,
        "below servers": make("j.example.org", servers, extensions=[SERVERS]),
        "client": make("k.example.org", middle, extensions=[CLIENTS]),
        "notary": make("l.example.org", middle, extensions=[NEITHER]),
        "claims": make("m.example.org", make("m.example.org")),
        "odd": odd(make("odd.example.org")),
        "odd root": odd(ring),
        "ring": make("Ring", back, authority=True, key=ring.key),
        "back": back,
        "other ring": make("Ring", authority=True),
        "below ring": make("n.example.org", ring),
    }


def odd(made: Made) -> Made:
    """Return the certificate with a key of a kind that nobody knows, so that what it signed cannot be verified."""
    data = made.certificate.public_bytes(serialization.Encoding.DER)
    changed = data.replace(CURVE, CURVE[:-1] + b"\x09")
    return Made(x509.load_der_x509_certificate(changed), made.key)


def refused(code: int | None, reason: str = "why", **more: Any) -> dict[str, Any]:
    return {**NO, "code": code, "reason": reason, **more}


def look(
    made: dict[str, Made], names: list[str], trust: Any, params: Limits | None = None, **more: Any
) -> Verdict:
    ders = [made[name].der for name in names]
    data = {"der": ders[0], "chain": ders[1:], "chain_seen": True, "trust": trust, **more}
    return judge(Observation("site.pem", data), params or Limits(), NOW)


@pytest.mark.parametrize(
    ("names", "trust", "severity", "message"),
    [
        (["leaf", "middle"], YES, None, "2 certificates in order, trusted by the host's store"),
        (["leaf", "middle", "root"], YES, None, "3 certificates in order"),
        (["leaf", "root", "middle"], YES, Severity.LOW, "not in order"),
        (
            ["leaf", "middle", "other"],
            YES,
            Severity.LOW,
            "1 certificates do not belong to the chain",
        ),
        (["leaf"], NO, Severity.HIGH, "the certificate of 'CN=Middle' is missing"),
        (["leaf", "middle"], NO, Severity.HIGH, "the certificate of 'CN=Root' is missing"),
        (["leaf", "middle", "root"], OWN, Severity.HIGH, "leads to the root 'Root', which the"),
        (["of stale", "stale"], YES, Severity.CRITICAL, "'Stale' above it expired on 2029-09-08"),
        (["of leaf", "leaf", "middle"], YES, Severity.HIGH, "'leaf.example.org' signed a cert"),
        (
            ["of to be", "to be"],
            YES,
            Severity.CRITICAL,
            "'To Be' above it is not valid before 2029",
        ),
        (["of ends now", "ends now"], YES, None, "2 certificates in order"),
        (["of begins now", "begins now"], YES, None, "2 certificates in order"),
        # A root's own dates are the business of those who trust it.
        (["of old root", "old root"], YES, None, "2 certificates in order"),
        (["below narrow", "narrow"], YES, None, "2 certificates in order"),
        (
            ["below of narrow", "of narrow", "narrow"],
            YES,
            Severity.HIGH,
            "'Narrow' allows 0 authorities below it, found 1",
        ),
        (["below of wide", "of wide", "wide"], YES, None, "3 certificates in order"),
        (["below renewed", "renewed", "narrow"], YES, None, "3 certificates in order"),
        (
            ["leaf", "leaf", "middle"],
            YES,
            Severity.LOW,
            "1 certificates do not belong to the chain",
        ),
        (["leaf", "middle", "root", "root"], YES, Severity.LOW, "1 certificates do not belong"),
        (
            ["leaf", "middle", "root", "other"],
            OWN,
            Severity.HIGH,
            "leads to the root 'Root', which",
        ),
        (
            ["alone", "other"],
            YES,
            Severity.LOW,
            "trusted, but 1 certificates do not belong to the chain",
        ),
        (["alone", "other"], OWN, Severity.HIGH, "self-signed: no client trusts it"),
        (["alone"], OWN, Severity.HIGH, "self-signed: no client trusts it"),
        (["alone"], YES, None, "self-signed, and trusted by the host's store"),
    ],
)
def test_verdicts(
    names: list[str], trust: Any, severity: Severity | None, message: str, made: dict[str, Made]
) -> None:
    verdict = look(made, names, trust)

    assert verdict.message.startswith(message) or message in verdict.message
    assert verdict.severity is severity
    assert verdict.status is (Status.FAIL if severity else Status.PASS)


ROOTED = ["leaf", "middle", "root"]
ACCEPTED = Limits(self_signed=True, private_root=True)
NO_WAY = failed(
    Severity.HIGH,
    "leads to the root 'Root', and openssl cannot build a chain to it: why",
    remedy=UNFIT,
)
UNTRUSTED = failed(
    Severity.HIGH,
    "leads to the root 'Root', which the host's store does not trust",
    remedy=TRUST,
)
ALONE = failed(Severity.HIGH, "self-signed: no client trusts it", remedy=TRUST)
ROOT = passed("leads to the root 'Root', which is accepted")
ITSELF = passed("self-signed, which is accepted")
BROKEN = failed(Severity.HIGH, "refused: permitted subtree violation", remedy=REFUSED)
SUBTREE = refused(47, "permitted subtree violation")
ANOTHER_KEY = failed(
    Severity.HIGH,
    "the certificate of 'CN=Middle' is present, but it did not sign 'leaf.example.org': "
    "it has another key, or the signature is damaged",
    remedy=OTHER_KEY,
)


def untried(why: str) -> Verdict:
    return unknown(f"trust in its own root could not be tested: {why}", remedy=INSTALL)


def missing(name: str) -> Verdict:
    text = f"the certificate of 'CN={name}' is missing, and the host's store does not have it (why)"
    return failed(Severity.HIGH, text)


def own(private: Any, **more: Any) -> dict[str, Any]:
    return {**OWN, "private": private, **more}


@pytest.mark.parametrize(
    ("names", "trust", "params", "verdict"),
    [
        (ROOTED, OWN, ACCEPTED, ROOT),
        (ROOTED, OWN, Limits(private_root=True), ROOT),
        (ROOTED, OWN, Limits(self_signed=True), UNTRUSTED),
        (ROOTED, OWN, Limits(), UNTRUSTED),
        (ROOTED, own(SUBTREE), ACCEPTED, BROKEN),
        (ROOTED, own(SUBTREE), Limits(), BROKEN),
        (ROOTED, SUBTREE, ACCEPTED, BROKEN),
        (["leaf", "middle"], SUBTREE, ACCEPTED, BROKEN),
        (ROOTED, own(refused(20)), ACCEPTED, NO_WAY),
        (ROOTED, own(refused(20)), Limits(), NO_WAY),
        (ROOTED, own({"unseen": "no openssl"}), ACCEPTED, untried("no openssl")),
        (ROOTED, own({"unseen": "no openssl"}), Limits(), UNTRUSTED),
        (ROOTED, refused(19), ACCEPTED, untried("no reason was given")),
        (ROOTED, own("yes"), ACCEPTED, untried("no reason was given")),
        (ROOTED, own("yes"), Limits(), UNTRUSTED),
        (ROOTED, own({"trusted": None}), ACCEPTED, untried("no reason was given")),
        (ROOTED, own({"trusted": 1}), ACCEPTED, untried("no reason was given")),
        (["alone"], OWN, ACCEPTED, ITSELF),
        (["alone"], OWN, Limits(self_signed=True), ITSELF),
        (["alone"], OWN, Limits(private_root=True), ALONE),
        # Its root is not known, however openssl says so.
        (["alone"], own(refused(20)), ACCEPTED, ITSELF),
        (["alone"], own(refused(20)), Limits(), ALONE),
        (["alone"], own(SUBTREE), ACCEPTED, BROKEN),
        (["alone"], own({"unseen": "no openssl"}), ACCEPTED, untried("no openssl")),
        (["alone"], refused(18), ACCEPTED, untried("no reason was given")),
        # What lies beside a certificate makes it neither better nor worse.
        (["alone", "other"], OWN, Limits(self_signed=True), ITSELF),
        (["alone", "other"], OWN, Limits(private_root=True), ALONE),
        (["leaf", "middle"], refused(20), ACCEPTED, missing("Root")),
        (
            ["odd"],
            OWN,
            ACCEPTED,
            unknown("the type of its signature is not supported"),
        ),
        (
            ["below ring", "odd root"],
            OWN,
            ACCEPTED,
            passed("leads to the root 'Ring', which is accepted"),
        ),
        (
            ["claims"],
            own(refused(7)),
            ACCEPTED,
            failed(
                Severity.HIGH,
                "'m.example.org' names itself as its issuer, but was not signed with its own key",
                remedy=OTHER_KEY,
            ),
        ),
        (["leaf", "second", "root"], refused(7), ACCEPTED, ANOTHER_KEY),
        (["leaf", "second"], refused(20), Limits(), ANOTHER_KEY),
        (["leaf", "second", "middle"], refused(20), Limits(), missing("Root")),
        (["below ring", "ring", "back"], refused(20), ACCEPTED, missing("Ring")),
        (["below ring", "ring", "back", "other ring"], refused(20), ACCEPTED, missing("Ring")),
        (
            ["leaf", "middle"],
            {"trusted": False, "code": 1},
            ACCEPTED,
            failed(Severity.HIGH, "refused: error 1", remedy=REFUSED),
        ),
        (
            ROOTED,
            {"trusted": False, "private": {"trusted": True}},
            ACCEPTED,
            failed(Severity.HIGH, "refused: error None", remedy=REFUSED),
        ),
    ],
)
def test_what_is_accepted_without_a_trusted_root(
    names: list[str], trust: Any, params: Limits, verdict: Verdict, made: dict[str, Made]
) -> None:
    assert look(made, names, trust, params) == verdict


@pytest.mark.parametrize("code", range(31))
def test_only_a_root_that_is_not_known_is_forgiven(code: int, made: dict[str, Made]) -> None:
    tried = refused(code, private={"trusted": True, "code": 0})
    forgiven = code in (2, 18, 19, 20, 21)
    expected = ROOT if forgiven else failed(Severity.HIGH, "refused: why", remedy=REFUSED)

    assert look(made, ROOTED, tried, ACCEPTED) == expected


UNSUITED = failed(Severity.HIGH, "refused: unsuitable", remedy=REFUSED)
FOR_OTHERS = failed(
    Severity.HIGH, "not for servers: its extended key usage has no serverAuth", remedy=PURPOSE
)
TWO = passed("2 certificates in order, trusted by the host's store")
UNSUITABLE = refused(26, "unsuitable")


@pytest.mark.parametrize(
    ("names", "trust", "purpose", "more", "verdict"),
    [
        (ROOTED, {**UNSUITABLE, "any_purpose": OWN}, "client", {}, ROOT),
        (ROOTED, {**UNSUITABLE, "any_purpose": OWN}, "", {}, UNSUITED),
        (ROOTED, {**UNSUITABLE, "any_purpose": OWN}, "server", {}, UNSUITED),
        (ROOTED, {**UNSUITABLE, "any_purpose": SUBTREE}, "client", {}, BROKEN),
        (ROOTED, UNSUITABLE, "client", {}, UNSUITED),
        (["leaf", "middle"], {**YES, "any_purpose": SUBTREE}, "server", {}, TWO),
        (
            ROOTED,
            None,
            "client",
            {},
            unknown("trust could not be tested: no reason was given", remedy=INSTALL),
        ),
        (
            ROOTED,
            {**UNSUITABLE, "any_purpose": {"unseen": "no openssl"}},
            "client",
            {},
            unknown("trust could not be tested: no openssl", remedy=INSTALL),
        ),
        (["client", "middle"], YES, "", {}, TWO),
        (["client", "middle"], YES, "", {"kind": "file", "server": False}, TWO),
        (["client", "middle"], YES, "", {"kind": "endpoint"}, FOR_OTHERS),
        (["client", "middle"], YES, "", {"kind": "file", "server": True}, FOR_OTHERS),
        (["client", "middle"], YES, "server", {}, FOR_OTHERS),
        (["client", "middle"], YES, "client", {"kind": "endpoint"}, TWO),
        (["client", "middle"], YES, "client", {"kind": "file", "server": True}, TWO),
        (
            ["leaf", "middle"],
            YES,
            "both",
            {},
            unknown("purpose: found 'both'; expected server or client"),
        ),
        (["leaf", "middle"], YES, "", {"kind": "endpoint"}, TWO),
        (["below servers", "servers"], YES, "server", {}, TWO),
        (
            ["notary", "middle"],
            YES,
            "server",
            {},
            failed(
                Severity.HIGH,
                "not for servers: its key usage has neither digitalSignature nor keyEncipherment",
                remedy=PURPOSE,
            ),
        ),
        (["notary", "middle"], YES, "client", {}, TWO),
        (
            ["below clients", "clients"],
            YES,
            "server",
            {},
            failed(
                Severity.HIGH,
                "not for servers: the extended key usage of 'Clients' above it has no serverAuth",
                remedy=PURPOSE,
            ),
        ),
        (["below clients", "clients"], YES, "client", {}, TWO),
        (["below clients", "clients"], YES, "", {}, TWO),
    ],
)
def test_what_it_is_for(
    names: list[str],
    trust: Any,
    purpose: str,
    more: dict[str, Any],
    verdict: Verdict,
    made: dict[str, Made],
) -> None:
    limits = Limits(private_root=True, purpose=purpose)

    assert look(made, names, trust, limits, **more) == verdict


@pytest.mark.parametrize(
    ("names", "trust", "verdict"),
    [
        (["below tight", "tight"], YES, TWO),
        (["leaf", "middle"], {"trusted": True}, TWO),
        (
            ["leaf", "middle"],
            {"trusted": True, "store": "/ca.pem"},
            passed("2 certificates in order, trusted by /ca.pem"),
        ),
        (
            ["leaf", "root", "middle"],
            YES,
            failed(Severity.LOW, "trusted, but not in order", remedy=REORDER),
        ),
        (
            ["of leaf", "leaf"],
            YES,
            failed(
                Severity.HIGH,
                "'leaf.example.org' signed a certificate, but is not allowed to",
                remedy=MAY_NOT,
            ),
        ),
        (
            ["below of narrow", "of narrow", "narrow"],
            YES,
            failed(
                Severity.HIGH, "'Narrow' allows 0 authorities below it, found 1", remedy=MAY_NOT
            ),
        ),
    ],
)
def test_what_is_said_of_it(
    names: list[str], trust: Any, verdict: Verdict, made: dict[str, Made]
) -> None:
    assert look(made, names, trust) == verdict


def test_what_was_not_seen_is_unknown(made: dict[str, Made]) -> None:
    unseen = {"store": "the host's store", "unseen": "openssl: no such program"}

    for names in (["leaf", "middle"], ["alone"]):
        assert look(made, names, unseen) == unknown(
            "trust could not be tested: openssl: no such program",
            remedy=INSTALL,
        )
        assert look(made, names, None) == unknown(
            "trust could not be tested: no reason was given", remedy=INSTALL
        )
    for names in (["leaf"], ["leaf", "middle", "root"]):
        assert look(made, names, YES, chain_seen=False) == unknown(
            "only the first certificates could be read",
            remedy=INSTALL,
        )
    assert look(made, ["alone"], YES, chain_seen=False).status is Status.PASS


@pytest.mark.parametrize("der", [None, "no base64!", "MAA="])
def test_what_cannot_be_read_is_unknown(der: object, made: dict[str, Made]) -> None:
    for data in ({"der": der}, {"der": made["leaf"].der, "chain": [der]}):
        verdict = judge(Observation("a", {**data, "chain_seen": True, "trust": YES}), Limits(), NOW)
        assert verdict.status is Status.UNKNOWN


def test_a_signature_by_ecdsa_with_sha_1_is_verified() -> None:
    path = Path(__file__).parents[2] / "recorded" / "certificates" / "sha1-root-ecdsa.pem"
    root = x509.load_pem_x509_certificate(path.read_bytes())

    assert signed(root, root) is True
