"""Severities of alerts, by tables: the site's rules, then ours, then what the check says."""

from __future__ import annotations

import pytest

from upkeep.judging.check import CONNECTION, SelfCheck, every, load
from upkeep.model.verdicts import Severity
from upkeep.rules.alerts.severities import (
    by_name_only,
    is_security,
    severity_of,
)
from upkeep.site.inventory import Place
from upkeep.site.schedule_file import SeverityRule

RULES = [
    {"check": "log_*", "environment": "staging", "is": 4},
    {"group": "database", "environment": "production", "is": 1},
    {"environment": "staging", "is": 3},
    {"check": "disk_space", "is": 2},
]
STAGING = Place(frozenset({"all", "database"}), "staging")
DATABASE = Place(frozenset({"all", "database"}), "production")
WEB = Place(frozenset({"all", "web"}), "production")
NOWHERE = Place()


@pytest.mark.parametrize(
    ("check", "place", "severity", "expected"),
    [
        ("log_errors", STAGING, Severity.CRITICAL, 4),
        (
            "memory_available",
            STAGING,
            Severity.CRITICAL,
            3,
        ),  # the first rule that fits, not the closest
        ("disk_space", STAGING, Severity.LOW, 3),
        ("log_errors", DATABASE, Severity.LOW, 1),
        ("log_errors", WEB, Severity.HIGH, 2),  # no rule fits: as the check says
        ("disk_space", WEB, Severity.CRITICAL, 2),
        ("disk_space", NOWHERE, Severity.LOW, 2),
        ("memory_available", NOWHERE, Severity.LOW, 4),
        ("memory_available", NOWHERE, Severity.CRITICAL, 1),
        ("failed_logins", NOWHERE, Severity.LOW, 2),
        ("login_after_failures", NOWHERE, Severity.MEDIUM, 1),
        ("failed_logins", STAGING, Severity.HIGH, 3),  # the site's rules come first
        ("login_after_failures", DATABASE, Severity.INFO, None),  # info alerts nobody
    ],
)
def test_the_first_rule_that_fits_says_how_bad_it_is(
    check: str, place: Place, severity: Severity, expected: int | None
) -> None:
    rules = [SeverityRule.model_validate(one) for one in RULES]
    assert severity_of(rules, check, place, severity) == expected


def test_only_checks_that_look_for_intruders_are_security() -> None:
    assert is_security("failed_logins")
    assert not is_security("disk_space")
    assert not is_security("no_such_check")


@pytest.mark.parametrize(
    ("check", "expected"),
    [
        ("brute_force", True),
        ("failed_logins", True),
        ("login_after_failures", True),
        ("password_spraying", True),
        ("host_key", True),
        ("host_unreachable", True),
        ("forged_result", True),
        ("occurrence_missed", True),
        ("inventory_source", True),
        ("channel", True),
        ("blind", True),
        ("of_a_later_version", True),
        ("disk_space", False),
        ("certificate_expiry", False),
        ("review_overdue", False),
    ],
)
def test_only_its_name_silences_what_detects_intruders_or_blindness(
    check: str, expected: bool
) -> None:
    assert by_name_only(check) is expected


@pytest.mark.parametrize("name", sorted(load()))
def test_each_check_that_looks_for_intruders_says_so(name: str) -> None:
    """By what it reads, and by the control that it is for: log-in monitoring, and response to incidents."""
    check = load()[name]
    controls = {"45 CFR 164.308(a)(5)(ii)(C)", "45 CFR 164.308(a)(6)(ii)"}

    looks = check.gather in ("auth_log", CONNECTION) or bool(controls & set(check.controls))
    assert check.detects_intruders is looks


def test_what_a_pattern_may_silence_of_our_own_says_nothing_of_being_blind_or_mute() -> None:
    told = [one for one in every().values() if isinstance(one, SelfCheck)]

    assert {one.id for one in told if one.harmless} == {
        "retention_waits",
        "review_overdue",
        "waiver_unused",
    }
    assert not any(one.detects_intruders for one in told)
