"""Chains: whole, broken, in disorder, not trusted."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from made_certificates import BEGINS, Made, make

from ansible_collections.astral.upkeep.plugins.module_utils.results import Observation
from upkeep.certificate_issuers import signed
from upkeep.checks.certificate_chain import Params, judge
from upkeep.verdicts import Severity, Status, Verdict, unknown

NOW = BEGINS + timedelta(days=100)
YES = {"store": "the host's store", "trusted": True}
NO = {"store": "the host's store", "trusted": False, "code": 20, "reason": "no local issuer"}


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
    }


def look(
    made: dict[str, Made], names: list[str], trust: Any, params: Params | None = None, **more: Any
) -> Verdict:
    ders = [made[name].der for name in names]
    data = {"der": ders[0], "chain": ders[1:], "chain_seen": True, "trust": trust, **more}
    return judge(Observation("site.pem", data), params or Params(), NOW)


@pytest.mark.parametrize(
    ("names", "trust", "severity", "message"),
    [
        (["leaf", "middle"], YES, None, "2 certificates in order, trusted by the host's store"),
        (["leaf", "middle", "root"], YES, None, "3 certificates in order"),
        (["leaf", "root", "middle"], YES, Severity.LOW, "not in order"),
        (["leaf", "middle", "other"], YES, Severity.LOW, "1 certificates do not belong to it"),
        (["leaf"], NO, Severity.HIGH, "the certificate of 'CN=Middle' is missing"),
        (["leaf", "middle"], NO, Severity.HIGH, "the certificate of 'CN=Root' is missing"),
        (["leaf", "middle", "root"], NO, Severity.HIGH, "leads to the root 'Root', which the"),
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
        (["leaf", "leaf", "middle"], YES, Severity.LOW, "1 certificates do not belong to it"),
        (["leaf", "middle", "root", "root"], YES, Severity.LOW, "1 certificates do not belong"),
        (["leaf", "middle", "root", "other"], NO, Severity.HIGH, "leads to the root 'Root', which"),
        (["alone", "other"], YES, Severity.LOW, "trusted, but 1 certificates do not belong to it"),
        (["alone", "other"], NO, Severity.HIGH, "signed by itself: no client trusts it"),
        (["alone"], NO, Severity.HIGH, "signed by itself: no client trusts it"),
        (["alone"], YES, None, "signed by itself, and trusted by the host's store"),
    ],
)
def test_verdicts(
    names: list[str], trust: Any, severity: Severity | None, message: str, made: dict[str, Made]
) -> None:
    verdict = look(made, names, trust)

    assert verdict.message.startswith(message) or message in verdict.message
    assert verdict.severity is severity
    assert verdict.status is (Status.FAIL if severity else Status.PASS)


def test_a_site_may_accept_what_nobody_trusts(made: dict[str, Made]) -> None:
    assert look(made, ["alone"], NO, Params(self_signed=True)).status is Status.PASS
    accepted = look(made, ["leaf", "middle", "root"], NO, Params(private_root=True))
    assert accepted.status is Status.PASS
    # What lies beside a certificate makes it neither better nor worse.
    assert look(made, ["alone", "other"], NO, Params(self_signed=True)).status is Status.PASS
    assert look(made, ["alone", "other"], NO, Params(private_root=True)).status is Status.FAIL
    assert look(made, ["leaf", "middle"], NO, Params(private_root=True)).status is Status.FAIL


def test_what_was_not_seen_is_unknown(made: dict[str, Made]) -> None:
    unseen = {"store": "the host's store", "unseen": "openssl: no such program"}

    for names in (["leaf", "middle"], ["alone"]):
        assert look(made, names, unseen) == unknown(
            "trust could not be tried: openssl: no such program",
            remedy="install openssl on the host",
        )
        assert look(made, names, None) == unknown(
            "trust could not be tried: nothing was told", remedy="install openssl on the host"
        )
    assert look(made, ["leaf"], YES, chain_seen=False) == unknown(
        "only the first certificates could be seen",
        remedy="install openssl on the host, or Python 3.10 or later",
    )
    assert look(made, ["alone"], YES, chain_seen=False).status is Status.PASS


@pytest.mark.parametrize("der", [None, "no base64!", "MAA="])
def test_what_cannot_be_read_is_unknown(der: object, made: dict[str, Made]) -> None:
    for data in ({"der": der}, {"der": made["leaf"].der, "chain": [der]}):
        verdict = judge(Observation("a", {**data, "chain_seen": True, "trust": YES}), Params(), NOW)
        assert verdict.status is Status.UNKNOWN


@pytest.mark.parametrize(
    ("purpose", "text"),
    [
        ("server", "not for servers: the extended key usage of 'Clients' above it"),
        ("client", "2 certificates in order"),
        ("", "2 certificates in order"),
    ],
)
def test_an_authority_for_clients_is_above_no_server(purpose: str, text: str) -> None:
    clients = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
    above = make("Clients", authority=True, extensions=[clients])
    below = {"leaf": make("leaf.example.org", above), "above": above}
    trust = {"trusted": True, "store": "the store"}

    assert look(below, ["leaf", "above"], trust, Params(purpose=purpose)).message.startswith(text)


def test_a_signature_by_ecdsa_with_sha_1_is_verified() -> None:
    path = Path(__file__).parents[1] / "recorded" / "certificates" / "sha1-root-ecdsa.pem"
    root = x509.load_pem_x509_certificate(path.read_bytes())

    assert signed(root, root) is True
