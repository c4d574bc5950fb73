"""What a waiver covers, when it holds, and who may ask for it, approve it and end it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from upkeep.model.roles import Role
from upkeep.model.verdicts import Severity
from upkeep.rules.waivers import (
    LONGEST,
    Waiver,
    WaiverScope,
    WaiverState,
    Who,
    covering,
    refuse_approval,
    refuse_request,
    refuse_revocation,
    refuse_width,
    together,
    width,
)
from upkeep.rules.width import Watched

NOW = datetime(2030, 6, 1, 6, 0, tzinfo=UTC)
DAY = timedelta(days=1)
SCOPE = WaiverScope("disk_space", "web*", "/var/*", Severity.MEDIUM)
ASKED = Waiver(3, "/srv/site", SCOPE, "moves in July", "ann", NOW - 2 * DAY, NOW + 30 * DAY)
HELD = replace(ASKED, approved_by="bob", approved_at=NOW - DAY)
ANN, BOB = Who("ann", Role.OPERATOR, "ann"), Who("bob", Role.APPROVER, "bob")


@pytest.mark.parametrize(
    ("check", "host", "subject", "severity", "covers"),
    [
        ("disk_space", "web1", "/var/log", Severity.MEDIUM, True),
        ("disk_space", "web1", "/var/log", Severity.LOW, True),
        ("disk_space", "web1", "/var/log", Severity.INFO, True),
        ("disk_space", "web1", "/var/log", Severity.HIGH, False),
        ("disk_inodes", "web1", "/var/log", Severity.LOW, False),
        ("disk_space", "db1", "/var/log", Severity.LOW, False),
        ("disk_space", "web1", "/home", Severity.LOW, False),
        ("disk_space", "WEB1", "/var/log", Severity.LOW, False),
    ],
    ids=[
        "at the ceiling", "under it", "far under it", "above it", "another check", "another host", "another subject",
        "case counts",
    ],
)  # fmt: skip
def test_all_four_must_fit(
    check: str, host: str, subject: str, severity: Severity, covers: bool
) -> None:
    assert SCOPE.covers(check, host, subject, severity) is covers


CAUSE = "auth_log: journal"


def blind_waiver(number: int, check: str = "failed_logins", **change: Any) -> Waiver:
    """Return a waiver on web1 that accepts all of a check up to high, and ends after so many days."""
    scope = WaiverScope(check, "web1", "*", Severity.HIGH)
    ends_at = NOW + number * DAY
    return replace(HELD, id=number, scope=replace(scope, **change), ends_at=ends_at)


@pytest.mark.parametrize(
    ("waivers", "blinds", "numbers"),
    [
        ([blind_waiver(1, "blind")], ("failed_logins", "brute_force"), (1,)),
        ([blind_waiver(1, "blind")], (), (1,)),
        ([blind_waiver(1), blind_waiver(2, "blind")], ("failed_logins",), (2,)),
        ([blind_waiver(1)], ("failed_logins",), (1,)),
        ([blind_waiver(1)], ("failed_logins", "brute_force"), ()),
        ([blind_waiver(5), blind_waiver(2, "brute_force")], ("failed_logins", "brute_force"), (2, 5)),
        ([blind_waiver(5), blind_waiver(9), blind_waiver(7, "brute_force")], ("brute_force", "failed_logins"), (7, 9)),
        ([blind_waiver(1)], (), ()),
        ([blind_waiver(1, host_pattern="web*")], ("failed_logins",), ()),
        ([blind_waiver(1, host_pattern="web2")], ("failed_logins",), ()),
        ([blind_waiver(1, subject_glob="auth_log: *")], ("failed_logins",), (1,)),
        ([blind_waiver(1, subject_glob="journal")], ("failed_logins",), ()),
        ([blind_waiver(1, severity=Severity.MEDIUM)], ("failed_logins",), ()),
        ([], ("failed_logins",), ()),
    ],
    ids=[
        "the finding itself", "the finding itself, of which nobody knows what it blinds", "both", "its only check",
        "one of two checks", "both checks, by two waivers", "of each check the one that ends last", "nothing is blinded",
        "a pattern of hosts", "another host", "a glob of the cause", "one subject of the check", "worse than accepted",
        "no waiver",
    ],
)  # fmt: skip
def test_blindness_is_waived_by_its_own_name_or_by_each_check_that_is_blind(
    waivers: list[Waiver], blinds: tuple[str, ...], numbers: tuple[int, ...]
) -> None:
    found = together(waivers, "blind", "web1", CAUSE, Severity.HIGH, blinds)

    assert tuple(one.id for one in found) == numbers


def test_a_subject_fits_itself_whatever_is_in_it() -> None:
    scope = WaiverScope("http_health", "web1", "https://[::1]:8443/health?deep=[a]", Severity.HIGH)

    assert scope.covers("http_health", "web1", scope.subject_glob, Severity.HIGH)
    assert not scope.covers("http_health", "web1", "https://[::1]:8443/health?deep=a", Severity.LOW)


@pytest.mark.parametrize(
    ("waiver", "at", "state"),
    [
        (ASKED, NOW, WaiverState.REQUESTED),
        (ASKED, ASKED.ends_at - timedelta(seconds=1), WaiverState.REQUESTED),
        (ASKED, ASKED.ends_at, WaiverState.LAPSED),
        (HELD, NOW - DAY - timedelta(seconds=1), WaiverState.REQUESTED),
        (HELD, NOW - DAY, WaiverState.HOLDS),
        (HELD, HELD.ends_at - timedelta(seconds=1), WaiverState.HOLDS),
        (HELD, HELD.ends_at, WaiverState.EXPIRED),
        (replace(HELD, revoked_at=NOW), NOW - timedelta(seconds=1), WaiverState.HOLDS),
        (replace(HELD, revoked_at=NOW), NOW, WaiverState.REVOKED),
        (replace(HELD, revoked_at=NOW), HELD.ends_at, WaiverState.REVOKED),
    ],
)
def test_it_holds_from_its_approval_to_its_end(
    waiver: Waiver, at: datetime, state: WaiverState
) -> None:
    assert waiver.state(at) is state
    assert waiver.holds(at) is (state is WaiverState.HOLDS)


def test_of_several_the_one_that_ends_last_covers() -> None:
    later = replace(HELD, id=4, ends_at=HELD.ends_at + DAY)
    failure = ("disk_space", "web1", "/var/log", Severity.MEDIUM)

    assert covering([later, HELD], *failure, NOW) == later
    assert covering([ASKED], *failure, NOW) is None
    assert covering([HELD], *failure, HELD.ends_at) is None


@pytest.mark.parametrize(
    ("waiver", "unused"),
    [
        (replace(HELD, approved_at=NOW - 30 * DAY), True),
        (replace(HELD, approved_at=NOW - 30 * DAY + timedelta(seconds=1)), False),
        (replace(HELD, approved_at=NOW - 50 * DAY, used_at=NOW - 30 * DAY), True),
        (replace(HELD, approved_at=NOW - 50 * DAY, used_at=NOW - 29 * DAY), False),
        (replace(HELD, approved_at=NOW - 50 * DAY, revoked_at=NOW), False),
        (replace(ASKED, requested_at=NOW - 50 * DAY), False),
    ],
    ids=[
        "never in 30 days",
        "not yet",
        "not since",
        "a while ago",
        "does not hold any more",
        "was never approved",
    ],
)
def test_unused(waiver: Waiver, unused: bool) -> None:
    assert waiver.unused(NOW) is unused


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({}, ""),
        ({"ends_at": NOW + LONGEST}, ""),
        (
            {"ends_at": NOW + LONGEST + timedelta(seconds=1)},
            "a waiver may last at most 90 days",
        ),
        ({"ends_at": NOW}, "a waiver must end in the future"),
        ({"reason": "  "}, "a waiver needs a reason"),
        (
            {"scope": replace(SCOPE, check_id="")},
            "a waiver without a check would cover too much",
        ),
        (
            {"scope": replace(SCOPE, host_pattern=" ")},
            "a waiver without a host pattern would cover too much",
        ),
        (
            {"scope": replace(SCOPE, subject_glob="")},
            "a waiver without a subject glob would cover too much",
        ),
        ({"scope": replace(SCOPE, host_pattern="*", subject_glob="*[0-9]db")}, ""),
        ({"scope": replace(SCOPE, host_pattern="web[12]", subject_glob="*")}, ""),
        ({"scope": replace(SCOPE, subject_glob="https://h/?token=*")}, ""),
        (
            {"scope": replace(SCOPE, subject_glob="https://u:pw@h/?token=abc")},
            "the subject seems to contain a secret; subjects are stored without secrets, as 'https://h/?token=*'",
        ),
        ({"scope": replace(SCOPE, host_pattern="*")}, ""),
        ({"scope": replace(SCOPE, subject_glob="*")}, ""),
        (
            {"by": replace(ANN, role=Role.VIEWER)},
            "to request waivers you need the role operator; ann is viewer",
        ),
        ({"by": replace(ANN, off=True)}, "ann is disabled"),
        (
            {"by": replace(ANN, shared=True)},
            "ann is shared by several people; to request waivers you need a user of your own",
        ),
    ],
)
def test_what_can_be_asked_for(change: dict[str, Any], said: str) -> None:
    asked: dict[str, Any] = {"scope": SCOPE, "reason": "moves in July", "ends_at": NOW + DAY}
    asked |= {"by": ANN, "longest": LONGEST, "now": NOW}

    assert refuse_request(**(asked | change)) == said


def watched(*subjects: str) -> list[Watched]:
    return [
        Watched("disk_space", *(part.strip() for part in one.split(":", 1))) for one in subjects
    ]


SITE = watched(
    *(f"{host}:{path}" for host in ("web1", "web2", "db1") for path in ("/", "/var", "/m"))
)
ONE = watched("web1:/")
URLS = [Watched("disk_space", "web1", f"https://a{n}.example.com/") for n in range(9)]
TOO_WIDE = "a waiver of more than 50% of what disk_space watches would disable the check"


@pytest.mark.parametrize(
    ("seen", "host", "subject", "refused"),
    [
        (SITE, "*", "*", True),
        (SITE, "*", "/*", True),
        (SITE, "?*", "**", True),
        (SITE, "*[0-9]", "/*", True),
        (SITE, "[a-z]*", "[!~]*", True),
        (SITE, "*b*", "/*", True),
        (SITE, "web*", "*", True),
        (SITE, "*", "/?*", True),
        (SITE, "*", "/var", False),
        (SITE, "web*", "/v*", False),
        (SITE, "web*", "/?*", False),
        (SITE, "web1", "*", False),
        (SITE, "*1", "/m", False),
        (URLS, "*", "*m*", True),
        (URLS, "web1", "*m*", False),
        (ONE, "*", "/*", True),
        (ONE, "*", "/", True),
        (ONE, "web*", "/*", False),
        ([], "*", "*", True),
        ([], "*", "/*", True),
        ([], "[!~]*", "/var", True),
        ([], "web*", "/*", False),
        ([], "web1", "/", False),
    ],
    ids=lambda one: str(len(one)) if isinstance(one, list) else None,
)
def test_its_width_is_measured_on_what_is_watched(
    seen: list[Watched], host: str, subject: str, refused: bool
) -> None:
    scope = WaiverScope("disk_space", host, subject, Severity.MEDIUM)

    said = refuse_width(scope, width(seen, scope), by_name=False)

    assert said.startswith(TOO_WIDE) if refused else not said


@pytest.mark.parametrize(
    ("host", "refused"), [("web1", False), ("web*", True), ("web[1]", True), ("*", True)]
)
def test_what_detects_intruders_is_waived_host_by_host(host: str, refused: bool) -> None:
    scope = WaiverScope("brute_force", host, "auth", Severity.HIGH)

    said = refuse_width(scope, width([], scope), by_name=True)

    assert ("a waiver for it must name one host" in said) is refused


OWN = "the person who asked for a waiver may not approve it"


@pytest.mark.parametrize(
    ("waiver", "by", "requester", "said"),
    [
        (ASKED, BOB, ANN, ""),
        (ASKED, replace(BOB, role=Role.ADMIN), ANN, ""),
        (
            ASKED,
            BOB,
            None,
            "ann is not a person in the schedule, so it is not certain that two people agree to a waiver",
        ),
        (
            ASKED,
            replace(BOB, person=""),
            ANN,
            "bob is not a person in the schedule, so it is not certain that two people agree to a waiver",
        ),
        (
            ASKED,
            BOB,
            replace(ANN, person=""),
            "ann is not a person in the schedule, so it is not certain that two people agree to a waiver",
        ),
        (
            ASKED,
            replace(BOB, role=Role.OPERATOR),
            ANN,
            "to approve waivers you need the role approver; bob is operator",
        ),
        (ASKED, Who("ann", Role.ADMIN), Who("ann", Role.ADMIN), OWN),
        (ASKED, Who("ann", Role.ADMIN), None, OWN),
        (ASKED, Who("ann-admin", Role.ADMIN, "ann"), ANN, OWN),
        (
            ASKED,
            Who("x", Role.ADMIN),
            Who("ann", Role.OPERATOR),
            "x is not a person in the schedule, so it is not certain that two people agree to a waiver",
        ),
        (HELD, BOB, ANN, "waiver 3 does not wait for approval: it is approved already"),
        (
            replace(ASKED, revoked_at=NOW),
            BOB,
            ANN,
            "waiver 3 does not wait for approval: it was revoked",
        ),
        (
            replace(ASKED, ends_at=NOW),
            BOB,
            ANN,
            "waiver 3 does not wait for approval: it ended before it was approved",
        ),
        (
            replace(ASKED, ends_at=NOW + LONGEST + DAY),
            BOB,
            ANN,
            "a waiver may last at most 90 days",
        ),
    ],
    ids=[
        "by an approver", "by an admin", "who asked is gone", "by no person", "asked for by no person", "by an operator", "their own", "their own, gone",
        "their own as another user", "two without a person", "twice", "a revoked one", "too late", "too long by now",
    ],
)  # fmt: skip
def test_who_may_approve(waiver: Waiver, by: Who, requester: Who | None, said: str) -> None:
    assert refuse_approval(waiver, requester, by, LONGEST, NOW) == said


@pytest.mark.parametrize(
    ("waiver", "by", "why", "said"),
    [
        (HELD, ANN, "done", ""),
        (ASKED, ANN, "not needed", ""),
        (HELD, ANN, " ", "revoking a waiver needs a reason"),
        (
            HELD,
            replace(ANN, role=Role.VIEWER),
            "done",
            "to revoke waivers you need the role operator; ann is viewer",
        ),
        (
            replace(HELD, ends_at=NOW),
            ANN,
            "done",
            "waiver 3 cannot be revoked: it has ended",
        ),
    ],
)
def test_who_may_revoke(waiver: Waiver, by: Who, why: str, said: str) -> None:
    assert refuse_revocation(waiver, by, why, NOW) == said


MASKED = "https://h/w?token=*"


@pytest.mark.parametrize(
    ("glob", "subject", "covered"),
    [
        (MASKED, MASKED, True),
        (MASKED, f"{MASKED} (2)", False),
        (MASKED, f"{MASKED}&scope=*", False),
        (MASKED, "https://h/wXtoken=*", False),
        ("https://h/w?*", "https://h/w?*", True),
        ("https://h/w?*", "https://h/w?a=*", False),
        ("https://h/w?a=*&b=*", "https://h/w?a=*&b=*", True),
        ("https://h/w?a=*&b=*", "https://h/w?a=*&c=*&b=*", False),
        (f"{MASKED}*", f"{MASKED} (2)", True),
        ("https://h/*", MASKED, True),
        ("https://[::1]/w?token=*", "https://[::1]/w?token=*", True),
        ("/var/log/*", "/var/log/a", True),
        ("/srv/?", "/srv/a", True),
    ],
)
def test_what_masks_a_url_is_no_wildcard(glob: str, subject: str, covered: bool) -> None:
    scope = WaiverScope("http_health", "web1", glob, Severity.CRITICAL)

    assert scope.names("http_health", "web1", subject) == covered
