"""Limits of security_updates."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation
from upkeep.checks.hosts.security_updates import Limits, judge
from upkeep.model.verdicts import Measure, Severity, Status, failed, passed, unknown

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


DAY = 86400.0


def apt(security: object, age: object = 0.0, lists: object = 1) -> Observation:
    return Observation(
        "apt",
        {
            "manager": "apt",
            "security": security,
            "lists_age_seconds": age,
            "security_lists": lists,
            "security_updates": [{"package": "openssl"}, {"package": "libssl3"}],
        },
    )


@pytest.mark.parametrize(
    ("seen", "verdict"),
    [
        (
            apt(0, 7 * DAY),
            passed("0 security updates pending, at most 0; lists 7.0 d old", Measure("pending", 0)),
        ),
        (
            apt(0, 8 * DAY),
            unknown(
                "package lists are 8 d old, at most 7 d",
                remedy="apt-get update  # refresh the lists",
            ),
        ),
        (
            apt(0, None),
            unknown("the host has no package lists", remedy="apt-get update  # refresh the lists"),
        ),
        (
            apt(2, 90 * DAY),
            failed(
                Severity.HIGH,
                "2 security updates pending, at most 0: openssl, libssl3",
                Measure("pending", 2),
            ),
        ),
        (
            apt(0, lists=0),
            unknown(
                "none of the package lists is a list of security updates",
                remedy="decide: name the distribution's security archive in /etc/apt/sources.list.d, and refresh the lists",
            ),
        ),
        (
            apt(0, 7 * DAY + 1),
            unknown(
                "package lists are 7 d old, at most 7 d",
                remedy="apt-get update  # refresh the lists",
            ),
        ),
        (
            apt(1),
            failed(
                Severity.HIGH,
                "1 security updates pending, at most 0: openssl, libssl3",
                Measure("pending", 1),
            ),
        ),
        (
            apt(6),
            failed(
                Severity.HIGH,
                "6 security updates pending, at most 0: openssl, libssl3, …",
                Measure("pending", 6),
            ),
        ),
        (
            apt(5),
            failed(
                Severity.HIGH,
                "5 security updates pending, at most 0: openssl, libssl3",
                Measure("pending", 5),
            ),
        ),
        (
            apt(0, lists=None),
            passed("0 security updates pending, at most 0; lists 0.0 d old", Measure("pending", 0)),
        ),
        (apt("2"), unknown("no number of updates was given")),
    ],
)
def test_updates(seen: Observation, verdict: object) -> None:
    assert judge(seen, Limits(), NOW) == verdict


@pytest.mark.parametrize("odd", ["0", -1, True])
def test_a_number_of_lists_that_was_told_and_is_none_does_not_pass(odd: object) -> None:
    with pytest.raises(ValueError, match=r"security_lists: found .*; expected a number"):
        judge(apt(0, lists=odd), Limits(), NOW)


def test_a_site_may_let_some_wait() -> None:
    assert judge(apt(2), Limits(max_updates=2), NOW).status is Status.PASS
    assert judge(apt(3), Limits(max_updates=2), NOW).status is Status.FAIL


def test_lists_are_refreshed_by_the_manager_that_has_them() -> None:
    seen = apt(0, None)
    dnf = Observation("dnf", {**seen.data, "manager": "dnf"})

    assert judge(dnf, Limits(), NOW).remedy == "dnf makecache  # refresh the lists"


@pytest.mark.parametrize("names", [None, "openssl", [None, {"package": "openssl"}]])
def test_odd_names_do_not_matter(names: object) -> None:
    seen = apt(1)

    found = judge(Observation("apt", {**seen.data, "security_updates": names}), Limits(), NOW)

    assert found.severity is Severity.HIGH
