"""The rule of 30 days or a third, at its limits."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from made_certificates import BEGINS, Made, make

from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation
from upkeep.checks.certificates._parts import AUTHORITY, BUNDLE
from upkeep.checks.certificates.certificate_expiry import ABOVE, BUNDLED, Limits, judge
from upkeep.model.verdicts import Measure, Severity, Status, Verdict, failed, passed, unknown


@pytest.fixture(scope="module")
def certificate() -> Made:
    """A year long, ends 2030-06-01."""
    return make()


def left(days: float) -> Measure:
    return Measure("left", days, "d")


@pytest.mark.parametrize(
    ("time_left", "verdict"),
    [
        (timedelta(days=30), passed("valid for 30 more days", left(30))),
        (
            timedelta(days=29, hours=23),
            failed(Severity.HIGH, "expires in 29 days; renewal is due at 30", left(29.96)),
        ),
        (
            timedelta(0),
            failed(Severity.HIGH, "expires in 0 days; renewal is due at 30", left(0)),
        ),
        (timedelta(seconds=-1), failed(Severity.CRITICAL, "expired on 2030-06-01", left(-0.0))),
    ],
    ids=["at the limit", "just under it", "in its last second", "just expired"],
)
def test_days_left(time_left: timedelta, verdict: Verdict, certificate: Made) -> None:
    seen = Observation("site.pem", {"der": certificate.der})

    assert judge(seen, Limits(), now=certificate.ends - time_left) == verdict


@pytest.mark.parametrize(
    ("hours_left", "status"),
    [(16 * 24, Status.PASS), (15 * 24, Status.FAIL)],
    ids=["before a third is left", "after"],
)
def test_a_certificate_of_47_days_is_due_at_a_third_of_them(
    hours_left: int, status: Status
) -> None:
    made = make(lifetime=timedelta(days=47))
    seen = Observation("site.pem", {"der": made.der})

    assert judge(seen, Limits(), made.ends - timedelta(hours=hours_left)).status is status


SOON = "expires in 10 days; renewal is due at 30"
FIRST_OF_TWO = "; the first of 2 authorities to expire"
ONLY = "; the file's only authority"


@pytest.mark.parametrize(
    ("part", "params", "days", "verdict"),
    [
        ({"part": AUTHORITY}, {}, 10, failed(Severity.HIGH, SOON, left(10), remedy=ABOVE)),
        ({"part": AUTHORITY}, {}, 40, passed("valid for 40 more days", left(40))),
        (
            {"part": BUNDLE, "authorities": 2},
            {},
            10,
            failed(Severity.INFO, SOON + FIRST_OF_TWO, left(10), remedy=BUNDLED),
        ),
        (
            {"part": BUNDLE, "authorities": 1},
            {},
            10,
            failed(Severity.INFO, SOON + ONLY, left(10), remedy=BUNDLED),
        ),
        (
            {"part": BUNDLE, "authorities": 1},
            {"bundle": "judge"},
            10,
            failed(Severity.HIGH, SOON + ONLY, left(10), remedy=BUNDLED),
        ),
        (
            {"part": BUNDLE, "authorities": 2},
            {},
            40,
            passed("valid for 40 more days" + FIRST_OF_TWO, left(40)),
        ),
        (
            {"part": BUNDLE, "authorities": 2},
            {"bundle": "both"},
            10,
            unknown("bundle: found 'both'; expected info or judge"),
        ),
    ],
)
def test_authorities(
    part: dict[str, Any],
    params: dict[str, str],
    days: int,
    verdict: Verdict,
    certificate: Made,
) -> None:
    seen = Observation("site.pem", {"der": certificate.der, **part})
    now = certificate.ends - timedelta(days=days)

    assert judge(seen, Limits(**params), now) == verdict


def test_days_are_of_86400_seconds_also_where_there_are_many() -> None:
    seen = Observation("root.pem", {"der": make(lifetime=timedelta(days=9000)).der})

    assert judge(seen, Limits(), BEGINS) == passed("valid for 9000 more days", left(9000))


def test_one_is_valid_from_its_first_second_on() -> None:
    verdict = judge(Observation("a", {"der": make().der}), Limits(), BEGINS)

    assert verdict == passed("valid for 365 more days", left(365))


def test_one_that_is_not_valid_yet_fails() -> None:
    verdict = judge(Observation("a", {"der": make().der}), Limits(), BEGINS - timedelta(hours=1))

    assert verdict == failed(
        Severity.CRITICAL,
        "not valid before 2029-06-01 00:00 UTC",
        left(365.04),
        remedy="date -u  # see whether the host's clock is right",
    )


@pytest.mark.parametrize("der", [None, 7, "", "no base64!", "MAA=", "MIIB"])
def test_what_is_no_certificate_is_unknown(der: object) -> None:
    verdict = judge(Observation("a", {"der": der}), Limits(), datetime(2026, 1, 1).astimezone())

    assert verdict.status is Status.UNKNOWN
