"""Which hosts were left behind with an old certificate, at the limit and beside it."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation
from upkeep.checks.certificates.certificate_left_behind import Limits, judge_site
from upkeep.model.verdicts import Severity, Status, Verdict, failed, passed

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
NAMES = ("portal.example.org", "www.portal.example.org")
KEY = ec.generate_private_key(ec.SECP256R1())


@cache
def certificate(days: float, names: Sequence[str] = NAMES) -> str:
    """Return a certificate that ends so many days from NOW, as base64 of DER."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "portal")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(KEY.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - timedelta(days=400))
        .not_valid_after(NOW + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(one) for one in names]), False)
        .sign(KEY, hashes.SHA256())
    )
    return base64.b64encode(made.public_bytes(serialization.Encoding.DER)).decode()


def file(
    days: float, *, path: str = "/etc/ssl/site.pem", names: Sequence[str] = NAMES
) -> Observation:
    return Observation(path, {"kind": "file", "der": certificate(days, names), "chain": []})


def judged(hosts: Mapping[str, Sequence[Observation]], **limits: float) -> dict[str, Verdict]:
    return judge_site(hosts, Limits(**limits), NOW)


def test_a_host_that_was_left_behind_is_named() -> None:
    hosts = {"web1": [file(90)], "web2": [file(20)], "web3": [file(90)]}

    assert judged(hosts) == {
        "portal.example.org, www.portal.example.org": failed(
            Severity.MEDIUM,
            "the newest certificate on 3 hosts expires on 2027-02-21 (web1); older: web2 on 2026-12-13; at most 7 days apart",
        )
    }


@pytest.mark.parametrize(
    ("apart", "status"), [(0, Status.PASS), (7, Status.PASS), (7.01, Status.FAIL)]
)
def test_the_limit(apart: float, status: Status) -> None:
    (verdict,) = judged({"web1": [file(90)], "web2": [file(90 - apart)]}).values()

    assert verdict.status is status


def test_agreement_states_value_and_limit() -> None:
    (verdict,) = judged({"web1": [file(90)], "web2": [file(90)]}, max_days_apart=3).values()

    assert verdict == passed(
        "the newest certificate on 2 hosts expires on 2027-02-21 (web1); at most 3 days apart"
    )


def test_old_files_beside_the_new_one_do_not_matter() -> None:
    """Certbot's archive has all of them."""
    old = [file(days, path=f"/etc/letsencrypt/archive/{days}.pem") for days in (5, 30, 90)]

    (verdict,) = judged({"web1": old, "web2": [file(90)]}).values()

    assert verdict.status is Status.PASS


@pytest.mark.parametrize(
    "hosts",
    [
        {},
        {"web1": [file(90)]},
        {"web1": [file(90)], "web2": []},
        {"web1": [file(90)], "web2": [file(20, names=("other.example.org",))]},
        {"web1": [file(90)], "web2": [file(20, names=NAMES[:1])]},
        {"web1": [file(90)], "web2": [Observation("/x.pem", {"kind": "file", "der": "no"})]},
        {
            "web1": [file(90)],
            "web2": [
                Observation("a:443", {"kind": "endpoint", "der": certificate(20), "chain": []})
            ],
        },
    ],
    ids=[
        "no host",
        "one host",
        "one has none",
        "other names",
        "fewer names",
        "what is no certificate",
        "what a server presents",
    ],
)
def test_what_only_one_host_has_is_not_judged(hosts: dict[str, list[Observation]]) -> None:
    assert judged(hosts) == {}


def test_many_names_and_many_hosts_are_cut() -> None:
    names = tuple(f"{letter}.example.org" for letter in "abcdefgh")
    hosts = {f"web{number}": [file(20, names=names)] for number in range(9)}

    found = judged(hosts | {"web9": [file(90, names=names)]})

    ((subject, verdict),) = found.items()
    assert subject == "a.example.org, b.example.org, c.example.org and 5 more"
    assert "; older: web0 on " in verdict.message
    assert " and 4 more; at most 7 days apart" in verdict.message
