"""Chains: whole, broken, in disorder, not trusted."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from made_certificates import BEGINS, Made, make

from ansible_collections.astral.upkeep.plugins.module_utils.results import Observation
from upkeep.checks.certificate_chain import Params, judge
from upkeep.verdicts import Severity, Status, Verdict

NOW = BEGINS + timedelta(days=100)
YES = {"store": "the host's store", "trusted": True}
NO = {"store": "the host's store", "trusted": False, "code": 20, "reason": "no local issuer"}


@pytest.fixture(scope="module")
def made() -> dict[str, Made]:
    root = make("Root", authority=True, lifetime=timedelta(days=3650))
    middle = make("Middle", root, authority=True, lifetime=timedelta(days=1000))
    stale = make("Stale", root, authority=True, lifetime=timedelta(days=99))
    leaf = make("leaf.example.org", middle)
    return {
        "root": root,
        "middle": middle,
        "stale": stale,
        "leaf": leaf,
        "of stale": make("old.example.org", stale),
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


def test_what_was_not_seen_is_unknown(made: dict[str, Made]) -> None:
    unseen = {"store": "the host's store", "unseen": "openssl: no such program"}

    assert look(made, ["leaf", "middle"], unseen).status is Status.UNKNOWN
    assert look(made, ["leaf", "middle"], None).status is Status.UNKNOWN
    assert look(made, ["leaf"], YES, chain_seen=False).status is Status.UNKNOWN
