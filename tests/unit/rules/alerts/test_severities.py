"""Severities of alerts, by tables: the site's rules, then ours, then what the check says."""

from __future__ import annotations

import pytest

from upkeep.judging.check import CONNECTION, SelfCheck, every, load
from upkeep.model.verdicts import Severity
from upkeep.rules.alerts.severities import (
    by_name_only,
    is_security,
    needs_places,
    severity_of,
    team_of,
)
from upkeep.site.inventory import Place
from upkeep.site.schedule_file import Schedule, SeverityRule

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


@pytest.mark.parametrize(
    ("rule", "expected"),
    [({"check": "x", "is": 1}, False), ({"group": "x", "is": 1}, True), (RULES[2], True)],
)
def test_the_inventory_is_read_only_for_rules_that_ask_where_a_host_stands(
    rule: dict[str, object], expected: bool
) -> None:
    assert needs_places([SeverityRule.model_validate(rule)]) is expected


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


def schedule(team: str | None = None, **teams: dict[str, str]) -> Schedule:
    """Return a site with three procedures, of which one has no owner."""
    return Schedule.model_validate(
        {
            "procedures": {
                "daily": {"title": "Daily", "owner": "ops", "checks": ["disk_space"]},
                "databases": {
                    "title": "D",
                    "owner": "dba",
                    "checks": ["database_pool", "disk_space"],
                },
                "orphan": {"title": "Orphan", "checks": ["swap_used"]},
                "everything": {"title": "All", "owner": "dba"},
            },
            "teams": teams or {"web": {"title": "W"}, "ops": {"title": "O"}, "dba": {"title": "D"}},
            "alerts": {"team": team},
        }
    )


@pytest.mark.parametrize(
    ("procedure", "check", "team", "expected"),
    [
        ("daily", "database_pool", None, "ops"),
        ("everything", "swap_used", None, "dba"),
        ("orphan", "disk_space", None, "web"),
        ("orphan", "disk_space", "dba", "dba"),
        ("", "database_pool", None, "dba"),
        ("", "disk_space", None, "ops"),
        ("gone", "disk_space", "web", "ops"),
        ("", "swap_used", None, "web"),
        ("", "swap_used", "dba", "dba"),
        ("", "memory_available", "dba", "dba"),
        ("", "memory_available", None, "web"),
    ],
    ids=[
        "its owner's, whatever the check",
        "its owner's, without a list of checks",
        "nobody's: the first team",
        "nobody's: the team of alerts",
        "by hand: who owns the check",
        "by hand: the first who owns it",
        "a procedure that is gone",
        "by hand, of a procedure that is nobody's",
        "the same, with a team of alerts",
        "a check that no procedure names",
        "the same, without a team of alerts",
    ],
)
def test_who_is_told(procedure: str, check: str, team: str | None, expected: str) -> None:
    assert team_of(schedule(team), procedure, check) == expected


def test_a_site_without_teams_tells_nobody() -> None:
    empty = Schedule.model_validate({"procedures": {"daily": {"title": "Daily"}}})

    assert team_of(empty, "daily", "disk_space") == ""
