"""What a silence covers, how long it lasts, how wide it may be for one person, and who says yes to a wider one."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from upkeep.model.roles import Role
from upkeep.rules.silences import (
    Known,
    Silence,
    SilenceScope,
    keep_quiet,
    needs_another,
    refuse,
    refuse_approval,
    width,
)
from upkeep.rules.waivers import Who
from upkeep.rules.width import Watched
from upkeep.site.schedule_file import Alerts

NOW = datetime(2030, 6, 1, 6, 0, tzinfo=UTC)
DAY = timedelta(days=1)
LONGEST = 7 * DAY
ANN, BOB = Who("ann", Role.OPERATOR, "ann"), Who("bob", Role.APPROVER, "bob")
BY_NAME = {"brute_force", "failed_logins", "host_key", "host_unreachable", "blind"}
PLAIN = [f"disk_{n}" for n in range(3)] + [f"cert_{n}" for n in range(7)]
CHECKS = {**dict.fromkeys(PLAIN, False), **dict.fromkeys(BY_NAME, True)}
MADE = Silence(
    1, "/srv/site", "*", "web*", 2, "moving", "ann", NOW, NOW, NOW + DAY, "", needs_approval=True
)


def is_by_name(check: str) -> bool:
    return check in BY_NAME


def site(hosts: int, checks: list[str] = PLAIN) -> list[Watched]:
    return [Watched(check, f"web{n}") for n in range(hosts) for check in checks]


# --- what it covers --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("check", "host", "covers"),
    [
        ("*", "*", False),
        ("brute_*", "web1", False),
        ("brute_force", "web*", False),
        ("brute_forc?", "web1", False),
        ("brute_force", "web[1]", False),
        ("brute_force", "web1", True),
        ("brute_force", "web2", False),
    ],
)
def test_what_is_silenced_by_name_only_is_covered_by_no_pattern(
    check: str, host: str, covers: bool
) -> None:
    one = Silence(1, "", check, host, 1, "x", "ann", NOW, NOW, NOW + DAY, "")

    for severity in (1, 2, 3, 4):
        assert one.covers("brute_force", "web1", severity, by_name=True) is covers
    assert one.covers("disk_0", "web1", 2, by_name=False) is (check == "*")


def quiet(check: str, host: str = "web1", severity: int = 2, *, waits: bool = False) -> Silence:
    return replace(
        MADE, check_pattern=check, host_pattern=host, severity=severity, needs_approval=waits
    )


@pytest.mark.parametrize(
    ("silences", "blinds", "kept"),
    [
        ([quiet("blind")], ("failed_logins", "brute_force"), True),
        ([quiet("blind")], (), True),
        ([quiet("failed_logins")], ("failed_logins",), True),
        ([quiet("failed_logins")], ("failed_logins", "brute_force"), False),
        ([quiet("failed_logins"), quiet("brute_force")], ("failed_logins", "brute_force"), True),
        ([quiet("failed_logins")], (), False),
        ([quiet("disk_space")], ("disk_space",), True),
        ([quiet("disk_*")], ("disk_space",), False),
        ([quiet("disk_space", "web*")], ("disk_space",), False),
        ([quiet("disk_space", "web2")], ("disk_space",), False),
        ([quiet("disk_space", severity=3)], ("disk_space",), False),
        ([quiet("disk_space", waits=True)], ("disk_space",), False),
        ([quiet("*", "*")], ("disk_space",), False),
        ([], ("disk_space",), False),
    ],
    ids=[
        "the finding itself", "the finding itself, of which nobody knows what it blinds", "its only check",
        "one of two checks", "both checks, by two silences", "nothing is blinded", "a harmless check",
        "a pattern of checks", "a pattern of hosts", "another host", "for what is less severe",
        "waits for a second person", "everything", "no silence",
    ],
)  # fmt: skip
def test_blindness_is_silenced_by_its_own_name_or_by_that_of_each_check_that_is_blind(
    silences: list[Silence], blinds: tuple[str, ...], kept: bool
) -> None:
    assert keep_quiet(silences, "blind", "web1", 2, by_name=True, blinds=blinds) is kept


def test_it_covers_nothing_until_somebody_else_has_said_yes() -> None:
    assert not MADE.covers("disk_0", "web1", 2, by_name=False)
    said = replace(MADE, approved_by="bob", approved_at=NOW)
    assert said.covers("disk_0", "web1", 2, by_name=False)
    assert not said.covers("disk_0", "web1", 1, by_name=False)


@pytest.mark.parametrize(
    ("began", "ends", "holds_until"),
    [
        (NOW, NOW + DAY, NOW + DAY),
        (NOW, NOW + 7 * DAY, NOW + 7 * DAY),
        (NOW, datetime.max.replace(tzinfo=UTC), NOW + 7 * DAY),
        (NOW - 10 * DAY, NOW + 300 * DAY, NOW - 3 * DAY),
    ],
    ids=["shorter", "as long", "without an end", "too long already"],
)
def test_one_of_before_holds_no_longer_than_the_limit_allows(
    began: datetime, ends: datetime, holds_until: datetime
) -> None:
    assert replace(MADE, begins_at=began, ends_at=ends).within(LONGEST).ends_at == holds_until


# --- what can be made ------------------------------------------------------------------------------------------------
INTRUDERS = "is silenced by its exact name on one host only"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({}, ""),
        ({"ends_at": NOW + LONGEST}, ""),
        (
            {"ends_at": NOW + LONGEST + timedelta(seconds=1)},
            "a silence ends at most 7 days from now",
        ),
        ({"ends_at": datetime(9999, 1, 1, tzinfo=UTC)}, "a silence ends at most 7 days from now"),
        ({"ends_at": NOW + 30 * DAY, "longest": 30 * DAY}, ""),
        ({"ends_at": NOW}, "a silence must end later than it begins"),
        ({"reason": " "}, "a silence needs a reason"),
        ({"scope": SilenceScope("", "web1")}, "a silence names a check and a host"),
        ({"scope": SilenceScope("disk_0", " ")}, "a silence names a check and a host"),
        ({"scope": SilenceScope("d" * 201, "web1")}, "a pattern is longer than"),
        ({"scope": SilenceScope("disk_0", "w" * 255 + "*")}, "a pattern is longer than"),
        ({"scope": SilenceScope("disk_0", "web1\x1b")}, "a pattern holds a control character"),
        ({"scope": SilenceScope("brute_force", "web1")}, ""),
        ({"scope": SilenceScope("blind", "controller")}, ""),
        ({"scope": SilenceScope("brute_force", "*")}, INTRUDERS),
        ({"scope": SilenceScope("brute_forc[e]", "web1")}, INTRUDERS),
        ({"scope": SilenceScope("host_*", "web1")}, INTRUDERS),
        ({"scope": SilenceScope("blin?", "controller")}, INTRUDERS),
        ({"scope": SilenceScope("*", "*")}, ""),
        (
            {"scope": SilenceScope("disk_O", "web1")},
            "there is no check 'disk_O'; did you mean 'disk_",
        ),
        ({"scope": SilenceScope("disc_*", "web1")}, "no check fits 'disc_*'"),
        ({"scope": SilenceScope("disk_?", "web1")}, ""),
        ({"scope": SilenceScope("disk_0", "wbe1")}, "no host 'wbe1' was ever checked"),
        ({"scope": SilenceScope("disk_0", "wbe1")}, "did you mean 'web1'?"),
        ({"scope": SilenceScope("disk_0", "wbe1*")}, ""),  # it takes a second person
        ({"scope": SilenceScope("disk_0", "wbe1"), "known": Known(CHECKS, set())}, ""),
        ({"by": replace(ANN, role=Role.VIEWER)}, "to silence findings you need the role operator"),
        ({"by": replace(ANN, off=True)}, "ann is disabled"),
        ({"by": replace(ANN, shared=True)}, ""),
    ],
)
def test_what_can_be_made(change: dict[str, Any], said: str) -> None:
    asked: dict[str, Any] = {
        "scope": SilenceScope("disk_0", "web*"),
        "reason": "x",
        "ends_at": NOW + DAY,
    }
    asked |= {
        "by": ANN,
        "longest": LONGEST,
        "now": NOW,
        "known": Known(CHECKS, {"web1", "web2", "controller"}),
    }

    found = refuse(**(asked | change))

    assert (said in found) if said else not found


@pytest.mark.parametrize(
    ("hosts", "check", "host", "before", "another"),
    [
        (20, "*", "*", [], True),
        (20, "?*", "*[0-9]", [], True),
        (20, "*", "*e*", [], True),
        (20, "*", "web1", [], False),
        (20, "*", "web1*", [], True),  # 11 of 20 hosts
        (20, "disk_*", "web[0-3]", [], False),
        (20, "disk_0", "*", [], True),  # a tenth of the results, and all hosts
        (20, "disk_0", "web[0-4]", [], True),
        (20, "disk_0", "web[0-3]", [], False),
        (
            20,
            "*",
            "web1",
            [SilenceScope("*", "web2"), SilenceScope("*", "web3"), SilenceScope("*", "web4")],
            False,
        ),
        (20, "*", "web1", [SilenceScope("*", f"web{n}") for n in (2, 3, 4, 5)], True),
        (20, "disk_0", "web1", [SilenceScope("*", f"web{n}") for n in (2, 3, 4, 5)], True),
        (1, "*", "web0", [], True),
        (1, "disk_0", "web0", [], False),
        (1, "disk_0", "*", [], False),
        (1, "disk_*", "*", [], True),
        (1, "cert_0", "web0", [SilenceScope("disk_0", "web0")], False),
        (
            1,
            "cert_0",
            "web0",
            [SilenceScope("disk_0", "web0"), SilenceScope("disk_1", "web0")],
            True,
        ),
        (0, "*", "*", [], True),
        (0, "[a-z]*", "[!~]*", [], True),
        (0, "disk_0", "*", [], True),
        (0, "disk_*", "web0", [], False),
        (0, "*", "web0", [], False),
    ],
)
def test_how_wide_it_may_be_for_one_person(
    hosts: int, check: str, host: str, before: list[SilenceScope], another: bool
) -> None:
    scope, watched = SilenceScope(check, host), site(hosts)
    alone = width(watched, [scope], is_by_name)
    together = width(watched, [scope, *before], is_by_name)

    assert needs_another(scope, alone, together, PLAIN) is another


@pytest.mark.parametrize("host", ["*", "web[0-9]*", "?*", "[!~]*[!~]"])
@pytest.mark.parametrize("check", ["disk_0", "disk_*"])
@pytest.mark.parametrize("watched", [[], site(3, ["cert_0", "cert_1"])], ids=["nothing", "others"])
def test_a_pattern_of_hosts_that_covers_nothing_yet_takes_a_second_person(
    check: str, host: str, watched: list[Watched]
) -> None:
    scope = SilenceScope(check, host)
    found = width(watched, [scope], is_by_name)

    assert needs_another(scope, found, found, PLAIN)


def test_one_check_on_one_host_is_never_too_wide() -> None:
    scope = SilenceScope("disk_0", "web0")
    watched = [Watched("disk_0", "web0", results=99)]
    found = width(watched, [scope], is_by_name)

    assert found.share == 1
    assert not needs_another(scope, found, found, PLAIN)


@pytest.mark.parametrize(
    ("silence", "by", "maker", "said"),
    [
        (MADE, BOB, ANN, ""),
        (
            MADE,
            replace(BOB, role=Role.OPERATOR),
            ANN,
            "you need the role approver; bob is operator",
        ),
        (
            MADE,
            replace(ANN, role=Role.ADMIN),
            ANN,
            "the person who asked for a silence may not",
        ),
        (
            MADE,
            Who("ann2", Role.ADMIN, "ann"),
            ANN,
            "the person who asked for a silence may not",
        ),
        (MADE, replace(BOB, person=""), ANN, "bob is not a person in the schedule"),
        (MADE, BOB, replace(ANN, person=""), "ann is not a person in the schedule"),
        (MADE, BOB, None, "ann is not a person in the schedule"),
        (MADE, replace(BOB, shared=True), ANN, "bob is shared by several people"),
        (MADE, replace(BOB, off=True), ANN, "bob is disabled"),
        (replace(MADE, needs_approval=False), BOB, ANN, "silence 1 needs no approval"),
        (replace(MADE, approved_at=NOW), BOB, ANN, "silence 1 needs no approval"),
        (replace(MADE, ends_at=NOW), BOB, ANN, "silence 1 ended before it was approved"),
        (replace(MADE, ends_at=NOW + 8 * DAY), BOB, ANN, "ends at most 7 days from now"),
    ],
)
def test_who_may_say_yes(silence: Silence, by: Who, maker: Who | None, said: str) -> None:
    found = refuse_approval(silence, maker, by, LONGEST, NOW)

    assert (said in found) if said else not found


# --- what the site chooses -------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("written", "days"),
    [({}, 7), ({"longest_silence": "14 d"}, 14), ({"longest_silence": "30 d"}, 30)],
)
def test_the_site_chooses_how_long(written: dict[str, str], days: int) -> None:
    assert timedelta(seconds=Alerts.model_validate(written).longest_silence) == days * DAY


@pytest.mark.parametrize("written", ["31 d", "721 h", "9999 w"])
def test_and_no_longer_than_30_days(written: str) -> None:
    with pytest.raises(ValidationError, match="at most 30 d"):
        Alerts.model_validate({"longest_silence": written})
