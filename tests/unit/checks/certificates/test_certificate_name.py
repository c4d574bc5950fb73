"""Which names a certificate is for."""

from __future__ import annotations

import pytest
from made_certificates import BEGINS, make

from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation
from upkeep.checks.certificates._x509 import is_for
from upkeep.checks.certificates.certificate_name import Limits, judge
from upkeep.model.verdicts import Severity, Status, failed, passed


@pytest.mark.parametrize(
    ("name", "held", "right"),
    [
        ("portal.example.org", "portal.example.org", True),
        ("Portal.Example.ORG.", "portal.example.org", True),
        ("portal.example.org", "*.example.org", True),
        ("a.portal.example.org", "*.example.org", False),
        ("example.org", "*.example.org", False),
        ("portal.example.org", "p*.example.org", False),
        ("portal.example.org", "*.*.org", False),
        ("example.org", "*.org", False),
        ("portal.example.org", "portal.example.org\0.evil.example", False),
        ("b\u00fccher.example", "xn--bcher-kva.example", True),
        ("*.example.org", "*.example.org", True),
        ("", "", False),
        ("192.0.2.1", "192.0.2.1", False),
        ("a" * 64 + ".example.org", "a" * 64 + ".example.org", False),
        ("a" * 63 + ".example.org", "a" * 63 + ".example.org", True),
        ("a." * 126 + "a", "a." * 126 + "a", True),
        ("a." * 126 + "ab", "a." * 126 + "ab", False),
        ("a." * 126 + "a.", "a." * 126 + "a", True),
        ("a..example.org", "a..example.org", False),
        (".", "", False),
        ("a b.example.org", "a b.example.org", False),
        ("a\x7f.example.org", "a\x7f.example.org", False),
        ("a.b", "*.b", False),
        ("a.b.c", "*.b.c", True),
        ("a.b.c.d", "*.*.c.d", False),
        ("b.example.org", "a.example.org", False),
        ("\u2024.example.org", "x.example.org", False),
        ("portal.example.org", "PORTAL.example.org.", True),
    ],
)
def test_a_dns_name(name: str, held: str, right: bool) -> None:
    assert is_for(name, [held], []) is right


@pytest.mark.parametrize(
    ("name", "right"),
    [("192.0.2.1", True), ("[2001:db8::1]", True), ("2001:DB8:0::1", True), ("192.0.2.2", False)],
)
def test_an_address(name: str, right: bool) -> None:
    assert is_for(name, ["*.example.org"], ["192.0.2.1", "2001:db8::1"]) is right


def test_the_common_name_does_not_count() -> None:
    made = make("portal.example.org", names=["other.example.org", "192.0.2.7"])
    seen = Observation("portal", {"der": made.der, "names": ["portal.example.org", "192.0.2.7"]})

    assert judge(seen, Limits(), BEGINS) == failed(
        Severity.HIGH, "not for portal.example.org; it is for 'other.example.org', '192.0.2.7'"
    )


def test_a_certificate_without_any_name_says_so() -> None:
    seen = Observation("portal", {"der": make(names=[]).der, "names": ["portal.example.org"]})

    assert judge(seen, Limits(), BEGINS) == failed(
        Severity.HIGH, "not for portal.example.org; it is for no name at all"
    )


def test_the_right_one_passes_and_a_file_that_nobody_named_does_not_concern_it() -> None:
    made = make(names=["*.example.org"])
    named = Observation("portal", {"der": made.der, "names": ["a.example.org", "b.example.org"]})

    assert judge(named, Limits(), BEGINS) == passed("for a.example.org, b.example.org")
    assert judge(Observation("f", {"der": made.der, "names": []}), Limits(), BEGINS) is None


def test_so_many_names_are_told() -> None:
    made = make(names=[f"n{number}.example.org" for number in range(6)])
    missing = Observation("portal", {"der": made.der, "names": ["n0.example.org", "a.b", "c.d"]})
    five = make(names=[f"n{number}.example.org" for number in range(5)])

    found = judge(missing, Limits(), BEGINS)

    assert found.severity is Severity.HIGH
    assert found.message.startswith("not for a.b, c.d; it is for 'n0.example.org', ")
    assert found.message.endswith("'n4.example.org' and 1 more")
    whole = judge(Observation("portal", {"der": five.der, "names": ["a.b"]}), Limits(), BEGINS)
    assert whole.message.endswith("'n4.example.org'")


@pytest.mark.parametrize(
    "data",
    [{}, {"names": "a.b"}, {"names": ["a.b"]}, {"names": ["a.b"], "der": "MAA="}],
)
def test_what_was_not_told_or_cannot_be_read_is_unknown(data: dict[str, object]) -> None:
    assert judge(Observation("portal", data), Limits(), BEGINS).status is Status.UNKNOWN
