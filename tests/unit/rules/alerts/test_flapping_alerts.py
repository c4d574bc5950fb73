"""How often people hear of what comes and goes: the board and the policy over a day, without a store."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from upkeep.model.verdicts import Severity
from upkeep.rules.alerts import policy
from upkeep.rules.alerts.groups import FLAPPING_FOR, Board
from upkeep.rules.alerts.model import CLOSED, Alert, AlertTransition, Member, Past
from upkeep.site.schedule_file import Alerts

POLICY = Alerts().policy
START = datetime(2030, 6, 3, tzinfo=UTC)


class Always:
    """Hours that never end, as where a team is on duty day and night: people hear of everything at once."""

    def opens(self, at: datetime) -> datetime:
        return at

    def add(self, at: datetime, seconds: float) -> datetime:
        return at + timedelta(seconds=seconds)

    def next_day(self, at: datetime) -> datetime:
        return at


TIMES = policy.Times(Always(), lambda _at: ("ada",), lambda at: at)


class Day:
    """The alerter's part in memory: alerts are kept, calls go out once by their number, recoveries are told."""

    def __init__(self) -> None:
        self.alerts: dict[int, Alert] = {}
        self.members: list[Member] = []
        self.sent: set[tuple[int, int, str]] = set()
        self.told: list[tuple[datetime, str, str]] = []

    def step(self, now: datetime, transitions: list[AlertTransition], severity: int) -> None:
        board = Board(
            "site",
            now,
            [one for one in self.alerts.values() if one.status != CLOSED],
            self.members,
            lambda key: self._past(key, now),
            lambda check, team: self._causes(check, team, now),
        )
        for one in transitions:
            board.take(one, severity, "ops")
        board.pass_time(lambda _alert, _member: False)
        number = {own: own if own > 0 else len(self.alerts) - own for own in board.alerts}
        for own, alert in board.alerts.items():
            self.alerts[number[own]] = replace(alert, id=number[own])
        self.members = [
            replace(member, alert_id=number[own])
            for own, members in board.members.items()
            if board.alerts[own].status != CLOSED
            for member in members.values()
        ]
        for own in board.alerts:
            self._tell(number[own], now, closed=own in board.closed)

    def _tell(self, number: int, now: datetime, *, closed: bool) -> None:
        alert = self.alerts[number]
        if closed:
            self.told.append((now, alert.group_key, "recovered"))
        if alert.status == CLOSED or alert.settles_at is not None:
            return
        calls = policy.calls(alert, POLICY[alert.severity], now, TIMES)
        new = [call for call in calls if (number, alert.round, call.number) not in self.sent]
        self.sent |= {(number, alert.round, call.number) for call in new}
        if new:
            self.told.append((now, alert.group_key, alert.round_why))
        if calls:
            self.alerts[number] = replace(alert, told_round=alert.round)

    def _past(self, key: str, now: datetime) -> Past:
        mine = [one for one in self.alerts.values() if one.group_key == key]
        return Past(len(mine), sum(one.opened_at >= now - FLAPPING_FOR for one in mine))

    def _causes(self, check: str, team: str, now: datetime) -> set[str]:
        return {
            one.group_key
            for one in self.alerts.values()
            if (one.check_id, one.team) == (check, team) and one.opened_at >= now - FLAPPING_FOR
        }


def transition(
    now: datetime, kind: str, subject: str, check: str = "failed_logins"
) -> AlertTransition:
    finding = sum(ord(one) << index for index, one in enumerate(check + subject))
    return AlertTransition(
        1, finding, kind, now, "web1", check, subject, Severity.HIGH, "x", 1, "daily"
    )


Rhythm = Callable[[int], bool]
"""Return whether it fails in this minute."""
RHYTHMS: dict[str, Rhythm] = {
    "every 2 minutes": lambda minute: minute % 4 < 2,
    "every 7 minutes": lambda minute: minute % 14 < 7,
    "a minute in ten": lambda minute: minute % 10 == 0,
    "nine minutes in ten": lambda minute: minute % 10 != 0,
    "every half hour": lambda minute: minute % 60 < 30,
    "a minute an hour": lambda minute: minute % 60 == 0,
    "a minute in 61": lambda minute: minute % 61 == 0,
    "a minute in 62": lambda minute: minute % 62 == 0,
    "every 61 minutes": lambda minute: minute % 122 < 61,
    "a minute in 121": lambda minute: minute % 121 == 0,
    "a minute in 123": lambda minute: minute % 123 == 0,
    "every other hour": lambda minute: minute % 240 < 120,
}


def changes(fails: Rhythm, hours: int) -> Iterator[tuple[int, bool]]:
    before = False
    for minute in range(hours * 60):
        if fails(minute) != before:
            before = not before
            yield minute, before


@pytest.mark.parametrize(
    ("fails", "severity"),
    [
        pytest.param(fails, severity, id=f"{name}, severity {severity}")
        for name, fails in RHYTHMS.items()
        for severity in (1, 2)
        # What lasts for two hours is no longer only coming and going: of severity 1 it escalates.
        if severity == 2 or name != "every other hour"
    ],
)
def test_what_comes_and_goes_at_any_rhythm_is_told_at_most_once_an_hour(
    fails: Rhythm, severity: int
) -> None:
    """After its first opening and the recovery from it, which are told as they come.

    A failure of severity 1 is told again while it lasts, too; once it is known to come and go, after an hour.
    """
    day, turns = Day(), dict(changes(fails, 24))
    for minute in range(24 * 60):
        now = START + timedelta(minutes=minute)
        kinds = {True: "opened", False: "resolved", None: ""}
        kind = kinds[turns.get(minute)]
        day.step(now, [transition(now, kind, "auth.log")] if kind else [], severity)

    first, second = list(pairwise([*turns, 24 * 60]))[:3:2]
    lasting = sum((until - since) // 15 for since, until in (first, second)) if severity == 1 else 0
    moments = sorted({at for at, _key, _why in day.told})
    assert len(moments) <= 24 + 2 + lasting
    # From the end of its second failure on it is known to come and go.
    known = START + timedelta(minutes=second[1]) if severity == 1 else moments[1]
    for begin in [at for at in moments if at > known]:
        hours = [at for at in moments if begin <= at < begin + timedelta(hours=3)]
        assert len(hours) <= 3 + 1


@pytest.mark.parametrize("fails", RHYTHMS.values(), ids=RHYTHMS)
def test_one_cause_after_the_other_is_a_few_groups_each_told_once_an_hour(fails: Rhythm) -> None:
    day, turns = Day(), dict(changes(fails, 24))
    number = -1
    for minute in range(24 * 60):
        now = START + timedelta(minutes=minute)
        found = []
        if minute in turns:
            number += turns[minute]
            kind = "opened" if turns[minute] else "resolved"
            found = [transition(now, kind, f"log{number % 50}")]
        day.step(now, found, 2)

    groups = Counter(key for _at, key, _why in day.told)
    assert len(groups) <= 4
    assert max(groups.values()) <= 24 + 2


def test_what_lasts_after_it_came_and_went_is_told_within_the_hour_and_escalates() -> None:
    day = Day()
    for minute in range(6 * 60):
        now = START + timedelta(minutes=minute)
        found = []
        if minute % 2 == 0 and minute <= 120:
            found = [transition(now, "resolved" if minute % 4 else "opened", "auth.log")]
        day.step(now, found, 1)

    lasting = [at for at, _key, _why in day.told if at >= START + timedelta(minutes=120)]
    assert lasting[0] <= START + timedelta(minutes=180)
    apart = [later - earlier for earlier, later in pairwise(lasting)]
    assert apart[0] == timedelta(hours=1)
    assert set(apart[1:]) == {timedelta(minutes=15)}


@pytest.mark.parametrize("check", ["failed_logins", "disk_space"], ids=["same", "another"])
def test_another_finding_is_told_while_one_comes_and_goes(check: str) -> None:
    day = Day()
    for minute in range(3 * 60):
        now = START + timedelta(minutes=minute)
        found = [transition(now, "opened" if minute % 2 == 0 else "resolved", "auth.log")]
        if minute == 100:
            found.append(transition(now, "opened", "other", check))
        before = len(day.told)
        day.step(now, found, 2)
        if minute == 100:
            other = next(one for one in day.alerts.values() if one.cause == "other")
            assert (now, other.group_key, "opened") in day.told[before:]


def test_a_cause_that_joins_many_is_told_within_the_hour() -> None:
    day = Day()
    for minute in range(5 * 60):
        now = START + timedelta(minutes=minute)
        kind = "opened" if minute % 2 == 0 else "resolved"
        found = [transition(now, kind, f"log{minute // 2 % 5}")]
        if minute == 100:
            found.append(transition(now, "opened", "real"))
        day.step(now, found, 2)

    (many,) = {one.group_key for one in day.alerts.values() if one.cause == "*"}
    real = START + timedelta(minutes=100)
    assert any(real <= at <= real + timedelta(hours=1) for at, key, _why in day.told if key == many)
