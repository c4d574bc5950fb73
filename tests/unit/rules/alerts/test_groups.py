"""What belongs together: what opens, joins, rises, leaves, comes back, settles and closes an alert."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from upkeep.model.verdicts import Severity
from upkeep.rules.alerts.groups import (
    CAUSES_APART,
    FLAPPING,
    FLAPPING_FOR,
    SETTLES_FOR,
    TELLS_EVERY,
    Board,
    JudgedAgain,
    NewAlertEvent,
)
from upkeep.rules.alerts.model import (
    ACCEPTED,
    ACKNOWLEDGED,
    CLOSED,
    FIRST,
    INCIDENT,
    JUDGED,
    MANY,
    OPEN,
    RECOVERED,
    REJUDGED,
    UNWATCHED,
    Alert,
    AlertTransition,
    Group,
    Member,
    Past,
)

NOW = datetime(2030, 6, 3, 12, tzinfo=UTC)
SITE = "/srv/site"
HOUR = timedelta(hours=1)


def transition(finding: int, kind: str = "opened", **values: Any) -> AlertTransition:
    """What happened to a finding; its subject is told by its number."""
    made: dict[str, Any] = {
        "event_id": finding * 100,
        "finding_id": finding,
        "kind": kind,
        "at": NOW,
        "host": "web1",
        "check": "disk_space",
        "subject": "/",
        "severity": Severity.HIGH,
        "message": "full",
        "run_id": 5,
        "procedure": "daily",
    }
    return AlertTransition(**{**made, **values})


@dataclass
class Shop:
    """A site's store, as far as a board needs one: each step begins from what the one before has written down."""

    alerts: dict[int, Alert] = field(default_factory=dict)
    members: dict[tuple[int, int], Member] = field(default_factory=dict)
    past: dict[str, Past] = field(default_factory=dict)
    causes: dict[int, set[str]] = field(default_factory=dict)
    now: datetime = NOW

    def board(self) -> Board:
        """A board as the alerter loads it: without what is closed."""
        here = [one for one in self.alerts.values() if one.status != CLOSED]
        known = {one.id for one in here}
        members = [one for (alert, _), one in self.members.items() if alert in known]
        past = lambda key: self.past.get(key, Past())  # noqa: E731 - two of them, side by side
        known_causes = lambda number: self.causes.get(number, set())  # noqa: E731
        return Board(SITE, self.now, here, members, past, causes=known_causes)

    def save(self, board: Board) -> None:
        """Write down what the board says has changed, and nothing else."""
        numbers = {number: number for number in self.alerts}
        for number in sorted(board.changed, key=abs):
            numbers[number] = number if number > 0 else len(self.alerts) + 1
            self.alerts[numbers[number]] = replace(board.alerts[number], id=numbers[number])
            if number < 0:
                key = board.alerts[number].group_key
                old = self.past.get(key, Past())
                self.past[key] = Past(old.openings + 1, old.recent + 1)
        for cause in board.new_causes:
            self.causes.setdefault(numbers[cause.alert_id], set()).add(cause.key)
        # What was put in and taken out again within one step is not there.
        for one in board.joined:
            if board.members[one.alert_id].get(one.finding_id) is not None:
                number = numbers[one.alert_id]
                self.members[number, one.finding_id] = replace(one, alert_id=number)
        for number, finding, _how in board.left:
            self.members.pop((numbers[number], finding), None)

    def step(
        self,
        *events: tuple[AlertTransition, int | None],
        after: timedelta = timedelta(),
        quiet: Iterable[int] = (),
        team: str = "ops",
    ) -> Board:
        """Take in what happened some time later; return the board as it was written down."""
        self.now += after
        board = self.board()
        for seen, severity in events:
            board.take(seen, severity, team, "look")
        silent = set(quiet)
        board.pass_time(lambda _alert, one: one.finding_id in silent)
        self.save(board)
        return board

    def acknowledge(self, number: int = 1, until: datetime | None = None) -> None:
        """As `upkeep alert ack` does it, once people were told."""
        self.tell(number)
        self.alerts[number] = replace(
            self.alerts[number],
            status=ACKNOWLEDGED,
            acknowledged_by="ada",
            acknowledged_until=until,
        )

    def tell(self, number: int = 1) -> None:
        """As the alerter writes down that people were told."""
        one = self.alerts[number]
        self.alerts[number] = replace(one, told_round=one.round, told_at=self.now)

    def opens(self) -> list[tuple[str, str, int, str]]:
        """What is not closed: kind, cause, severity, status."""
        return [
            (one.kind, one.cause, one.severity, one.status)
            for one in self.alerts.values()
            if one.status != CLOSED
        ]


def said(board: Board) -> list[tuple[str, str]]:
    return [(one.kind, one.text) for one in board.events]


def test_what_opens_is_an_alert_with_all_that_it_is_about() -> None:
    shop = Shop()
    group = Group(SITE, INCIDENT, "disk_space", "/", "ops")
    shop.past[group.key] = Past(openings=6, recent=1)

    board = shop.step((transition(1), 2))

    assert shop.alerts == {
        1: Alert(
            id=1,
            site=SITE,
            group_key=group.key,
            opening=7,
            kind=INCIDENT,
            check_id="disk_space",
            cause="/",
            team="ops",
            severity=2,
            worst=2,
            status=OPEN,
            opened_at=NOW,
            round=1,
            round_at=NOW,
            round_why="opened",
        )
    }
    assert shop.members == {(1, 1): Member(1, 1, "web1", "disk_space", "/", 2, "full", "look", NOW)}
    assert board.events == [NewAlertEvent(-1, "opened", "Low disk space on web1, /", actor="")]
    assert board.judged == {}


def test_the_limits_are_those_of_the_documentation() -> None:
    found = (CAUSES_APART, FLAPPING, FLAPPING_FOR, TELLS_EVERY, SETTLES_FOR)

    assert found == (3, 2, timedelta(days=1), HOUR, 2 * HOUR)


@pytest.mark.parametrize("values", [{"first": True}, {"judgement": 1}])
def test_what_is_one_alert_for_many_checks_is_of_none(values: dict[str, Any]) -> None:
    shop = Shop()
    shop.step((transition(1, **values), 2))

    assert shop.alerts[1].check_id == ""


@pytest.mark.parametrize(
    ("others", "expected"),
    [
        ([transition(2, host="web2")], [(INCIDENT, "/", 2, OPEN)]),
        (
            [transition(2, host="web2", subject="/var")],
            [(INCIDENT, "/", 2, OPEN), (INCIDENT, "/var", 2, OPEN)],
        ),
        (
            [transition(2, check="disk_inodes")],
            [(INCIDENT, "/", 2, OPEN), (INCIDENT, "/", 2, OPEN)],
        ),
        (
            [
                transition(2, first=True),
                transition(3, first=True, check="swap_used", subject="swap"),
            ],
            [(INCIDENT, "/", 2, OPEN), (FIRST, "run 5", 2, OPEN)],
        ),
        (
            [transition(2, judgement=1), transition(3, judgement=1, check="swap_used")],
            [(INCIDENT, "/", 2, OPEN), (JUDGED, "run 5 judged again, 1", 2, OPEN)],
        ),
        (
            [transition(2, judgement=1), transition(3, judgement=2)],
            [
                (INCIDENT, "/", 2, OPEN),
                (JUDGED, "run 5 judged again, 1", 2, OPEN),
                (JUDGED, "run 5 judged again, 2", 2, OPEN),
            ],
        ),
    ],
    ids=[
        "the same cause on another host",
        "another cause",
        "another check",
        "a first look is one",
        "a judging again is one",
        "two judgings are two",
    ],
)
def test_what_belongs_together(
    others: list[AlertTransition], expected: list[tuple[str, str, int, str]]
) -> None:
    shop = Shop()

    shop.step((transition(1), 2), *((one, 2) for one in others))

    assert shop.opens() == expected


def test_teams_have_alerts_of_their_own() -> None:
    shop = Shop()
    shop.step((transition(1), 2))
    shop.step((transition(2, host="web2"), 2), team="dba")

    assert [one.team for one in shop.alerts.values()] == ["ops", "dba"]


def test_what_is_critical_at_a_first_look_is_an_alert_apart() -> None:
    shop = Shop()
    shop.step(*((transition(number, first=True), number) for number in (1, 2, 4)))

    assert shop.opens() == [
        (FIRST, "run 5, critical", 1, OPEN),
        (FIRST, "run 5", 2, OPEN),
    ]


@pytest.mark.parametrize(
    ("since", "closed", "expected"),
    [
        (timedelta(), None, "*"),
        (FLAPPING_FOR, None, "*"),
        (FLAPPING_FOR + timedelta(seconds=1), None, "/4"),
        (timedelta(), "resolved", "/4"),
    ],
    ids=["at once", "within the hour", "after it", "one of them is over"],
)
def test_after_three_causes_of_a_check_the_next_share_an_alert(
    since: timedelta, closed: str | None, expected: str
) -> None:
    shop = Shop()
    shop.step(*((transition(number, subject=f"/{number}"), 2) for number in (1, 2, 3)))
    if closed:
        shop.step((transition(3, closed, subject="/3"), 2))
    shop.step((transition(4, subject="/4"), 2), after=since)

    assert [one.cause for one in shop.alerts.values()] == ["/1", "/2", "/3", expected]


def test_what_shares_an_alert_goes_on_to_and_what_has_its_own_stays_there() -> None:
    shop = Shop()
    shop.step(*((transition(number, subject=f"/{number}"), 2) for number in (1, 2, 3, 4)))
    shop.step((transition(5, subject="/5"), 2), after=2 * HOUR)
    shop.step((transition(6, subject="/1", host="web2"), 2))

    where = {finding: shop.alerts[number].cause for number, finding in shop.members}
    assert where == {1: "/1", 2: "/2", 3: "/3", 4: MANY, 5: MANY, 6: "/1"}


def test_what_joins_an_alert_of_days_ago_shares_no_other_alert() -> None:
    shop = Shop()
    shop.step((transition(1, subject="/1"), 2))
    then = NOW + 2 * FLAPPING_FOR
    later = [transition(number, subject=f"/{number}", at=then) for number in (2, 3, 4, 5)]
    shop.step(*((one, 2) for one in later), after=then - NOW)
    shop.step((transition(6, subject="/1", host="web2"), 2))

    assert {finding for number, finding in shop.members if number == 1} == {1, 6}
    assert [one.cause for one in shop.alerts.values()] == ["/1", "/2", "/3", "/4", MANY]


def test_as_long_as_causes_share_an_alert_the_next_joins_it() -> None:
    shop = Shop()
    shop.step(*((transition(number, subject=f"/{number}"), 2) for number in (1, 2, 3, 4)))
    shop.step((transition(5, subject="/5"), 2), after=2 * FLAPPING_FOR)

    assert shop.alerts[max(shop.alerts)].cause == MANY
    assert (max(shop.alerts), 5) in shop.members


@pytest.mark.parametrize(
    ("closed", "expected"),
    [
        (("/1", "/2"), "/9"),
        (("/1", "/2", "/3"), MANY),
        (("/1", "/2", MANY), "/9"),
        (("/1", "/2", "/3", "/9"), "/9"),
    ],
    ids=["two causes", "three", "two and many", "it is one of them"],
)
def test_causes_whose_alerts_are_closed_count_too(closed: tuple[str, ...], expected: str) -> None:
    keys = [Group(SITE, INCIDENT, "disk_space", cause, "ops").key for cause in closed]
    board = Board(SITE, NOW, [], [], lambda _key: Past(), lambda _check, _team: keys)

    board.take(transition(1, subject="/9"), 2, "ops")

    assert [one.cause for one in board.alerts.values()] == [expected]


@pytest.mark.parametrize(
    ("severity", "told", "acknowledged", "expected"),
    [
        (2, True, False, (2, "joined", OPEN)),
        (2, True, True, (2, "joined", ACKNOWLEDGED)),
        (3, True, False, (1, "opened", OPEN)),
        (2, False, False, (1, "opened", OPEN)),
    ],
    ids=["as bad", "somebody has it", "less bad", "nobody was told"],
)
@pytest.mark.parametrize("late", [False, True])
def test_what_joins_what_comes_and_goes_is_told_an_hour_after_the_last(
    severity: int,
    told: bool,
    acknowledged: bool,
    expected: tuple[int, str, str],
    late: bool,
) -> None:
    shop = Shop()
    shop.step((transition(1), 2))
    shop.alerts[1] = replace(shop.alerts[1], returns=1)
    joins = transition(5, host="web2")
    number = max(shop.alerts)
    if acknowledged:
        shop.acknowledge(number)
    elif told:
        shop.tell(number)

    after = 3 * HOUR if late else timedelta(minutes=10)
    shop.step((joins, severity), after=after)

    one = shop.alerts[number]
    assert (number, 5) in shop.members
    assert (one.round, one.round_why, one.status) == expected
    due = shop.now if late else NOW + TELLS_EVERY
    assert one.round_at == (due if one.round == 2 else NOW)


@pytest.mark.parametrize("acknowledged", [False, True])
@pytest.mark.parametrize(
    ("joins", "severity", "news"),
    [
        (transition(5, subject="/5"), 2, True),
        (transition(5, subject="/5"), 3, None),
        (transition(5, subject="/4", host="web2"), 2, None),
        (transition(5, subject="/5", named_cause="/4"), 2, None),
        (transition(5, subject="/4", host="web2", named_cause="/5"), 2, True),
        (transition(4, "cause", subject="/4", named_cause="/5"), 2, True),
        (transition(4, "severity", subject="/4"), 2, None),
    ],
    ids=[
        "new",
        "less bad",
        "known, on another host",
        "known by its name",
        "new by its name",
        "the cause of what is there",
        "the same cause again",
    ],
)
def test_a_new_cause_that_joins_an_alert_is_news(
    joins: AlertTransition, severity: int, news: bool | None, acknowledged: bool
) -> None:
    shop = Shop()
    shop.step(*((transition(number, subject=f"/{number}"), 2) for number in (1, 2, 3, 4)))
    number = max(shop.alerts)
    shop.acknowledge(number) if acknowledged else shop.tell(number)
    board = shop.step((joins, severity), (joins, severity))

    found = [one.is_news for one in board.new_causes]
    assert found == ([] if news is None else [news])
    one = shop.alerts[number]
    assert (one.round, one.status) == (1, ACKNOWLEDGED if acknowledged else OPEN)


def test_a_cause_that_joins_before_anybody_was_told_is_told_with_the_round() -> None:
    shop = Shop()
    shop.step(*((transition(number, subject=f"/{number}"), 2) for number in (1, 2, 3, 4)))
    board = shop.step((transition(5, subject="/5"), 2))

    assert [one.is_news for one in board.new_causes] == [False]


def test_causes_of_another_check_another_team_or_another_kind_are_not_counted() -> None:
    shop = Shop()
    shop.step(
        (transition(1, subject="/1"), 2),
        (transition(2, subject="/2"), 2),
        (transition(3, check="disk_inodes"), 2),
        (transition(4, first=True), 2),
    )
    shop.step((transition(5, subject="/5"), 2), team="dba")
    shop.step((transition(6, subject="/6"), 2))

    assert shop.alerts[6].cause == "/6"


@pytest.mark.parametrize(
    ("severity", "expected"),
    [
        (3, (2, 2, 1, "opened", OPEN)),
        (2, (2, 2, 1, "opened", OPEN)),
        (1, (1, 1, 2, "raised", OPEN)),
    ],
    ids=["less bad", "as bad", "worse"],
)
@pytest.mark.parametrize("acknowledged", [False, True])
@pytest.mark.parametrize("same", [False, True], ids=["another finding", "the same finding"])
def test_only_what_is_worse_begins_a_round_and_ends_an_acknowledgement(
    severity: int, expected: tuple[int, int, int, str, str], acknowledged: bool, same: bool
) -> None:
    shop = Shop()
    shop.step((transition(1), 2))
    shop.tell()
    if acknowledged:
        shop.acknowledge(until=NOW + timedelta(days=1))

    finding = transition(1, "severity") if same else transition(2, host="web2")
    shop.step((finding, severity), after=HOUR)

    one = shop.alerts[1]
    standing = ACKNOWLEDGED if acknowledged and severity > 1 else expected[-1]
    if same and severity == 3:
        expected = (3, *expected[1:])
    found = (one.severity, one.worst, one.round, one.round_why, one.status)
    assert found == (*expected[:-1], standing)
    assert one.round_at == (NOW + HOUR if severity == 1 else NOW)
    assert one.acknowledged_until == (NOW + timedelta(days=1) if standing != OPEN else None)


def test_what_gets_better_and_as_bad_again_begins_no_round() -> None:
    shop = Shop()
    shop.step((transition(1), 1))
    shop.step((transition(1, "severity"), 3), after=HOUR)
    assert (shop.alerts[1].severity, shop.alerts[1].worst) == (3, 1)

    shop.step((transition(1, "severity"), 1), after=HOUR)

    assert (shop.alerts[1].severity, shop.alerts[1].round) == (1, 1)


def test_worse_and_worse_in_one_step_is_one_round() -> None:
    shop = Shop()
    shop.step((transition(1), 4))

    board = shop.step(
        (transition(1, "severity"), 3),
        (transition(1, "severity"), 2),
        (transition(2, host="web2"), 1),
    )

    assert (shop.alerts[1].round, shop.alerts[1].severity) == (2, 1)
    assert said(board) == [
        ("raised", "severity 3"),
        ("raised", "severity 2"),
        ("joined", "Low disk space on web2, /"),
        ("raised", "severity 1"),
    ]


def test_history_names_each_finding_that_joins_or_leaves() -> None:
    shop = Shop()
    shop.step((transition(1), 2), (transition(2, host="web2"), 2))

    board = shop.step((transition(2, "resolved", host="web2"), 2))

    assert said(board) == [("left", "Low disk space on web2, /: resolved")]


def test_an_alert_that_opens_and_rises_in_one_step_is_in_its_first_round() -> None:
    shop = Shop()
    board = shop.step((transition(1), 4), (transition(1, "severity"), 1))

    assert (shop.alerts[1].round, shop.alerts[1].severity, shop.alerts[1].worst) == (1, 1, 1)
    assert said(board) == [("opened", "Low disk space on web1, /")]


def test_an_alert_has_the_severity_of_the_worst_that_is_left() -> None:
    shop = Shop()
    shop.step((transition(1), 1), (transition(2, host="web2"), 3))
    shop.step((transition(1, "resolved"), 1))

    assert (shop.alerts[1].severity, shop.alerts[1].worst, shop.alerts[1].status) == (3, 1, OPEN)


@pytest.mark.parametrize(
    ("kind", "severity", "closed_how", "left_how"),
    [
        ("resolved", 2, RECOVERED, "resolved"),
        ("resolved", None, RECOVERED, "resolved"),
        ("retired", 2, UNWATCHED, "retired"),
        ("waived", 2, ACCEPTED, "waived"),
        ("severity", None, RECOVERED, "info"),
    ],
)
def test_the_last_finding_that_leaves_closes_the_alert_and_says_how(
    kind: str, severity: int | None, closed_how: str, left_how: str
) -> None:
    shop = Shop()
    shop.step((transition(1), 2), (transition(2, host="web2"), 2))
    first = shop.step((transition(1, kind), severity), after=HOUR)
    assert (shop.alerts[1].status, first.closed) == (OPEN, [])

    board = shop.step((transition(2, kind, host="web2"), severity), after=HOUR)

    one = shop.alerts[1]
    assert (one.status, one.closed_how, one.closed_at) == (CLOSED, closed_how, NOW + 2 * HOUR)
    assert board.left == [(1, 2, left_how)]
    assert board.closed == [1]
    assert said(board) == [("closed", closed_how)]
    assert shop.members == {}
    assert (first.judged, board.judged) == ({}, {})


@pytest.mark.parametrize("kind", ["resolved", "retired", "waived", "severity"])
def test_what_was_in_no_alert_leaves_none(kind: str) -> None:
    shop = Shop()
    board = shop.step((transition(1, kind), None))

    assert (shop.alerts, board.events, board.left) == ({}, [], [])


def test_what_opens_and_is_over_in_one_step_is_an_alert_that_is_closed() -> None:
    shop = Shop()
    board = shop.step((transition(1), 2), (transition(1, "resolved"), 2))

    assert shop.alerts[1].status == CLOSED
    assert said(board) == [("opened", "Low disk space on web1, /"), ("closed", RECOVERED)]
    assert shop.members == {}


def test_what_comes_again_after_its_end_is_another_alert_with_the_next_number() -> None:
    shop = Shop()
    shop.step((transition(1), 2))
    shop.step((transition(1, "resolved"), 2))
    shop.step((transition(1, "reopened"), 2))

    assert [(one.opening, one.status) for one in shop.alerts.values()] == [(1, CLOSED), (2, OPEN)]
    # From then on it flaps: what goes and comes within one step is the same alert.
    shop.step((transition(1, "resolved"), 2), (transition(1, "reopened"), 2))
    assert [(one.opening, one.returns) for one in shop.alerts.values()] == [(1, 0), (2, 1)]


def flapping() -> Shop:
    """A shop in whose alert the second recovery within a day has just been, and of which people were told."""
    shop = Shop()
    for _ in range(FLAPPING):
        shop.step((transition(1, "reopened"), 2), after=HOUR)
        shop.step((transition(1, "resolved"), 2), after=HOUR)
    told = shop.alerts[FLAPPING]
    shop.alerts[FLAPPING] = replace(told, told_round=told.round)
    return shop


def test_from_the_second_time_on_a_recovery_has_to_last() -> None:
    shop = flapping()
    settling = shop.alerts[FLAPPING]

    assert [one.status for one in shop.alerts.values()] == [CLOSED, OPEN]
    assert settling.settles_at == shop.now + SETTLES_FOR

    shop.step(after=SETTLES_FOR - timedelta(seconds=1))
    assert shop.alerts[FLAPPING].status == OPEN
    board = shop.step(after=timedelta(seconds=1))

    one = shop.alerts[FLAPPING]
    assert (one.status, one.closed_how, one.settles_at) == (CLOSED, RECOVERED, None)
    assert board.closed == [FLAPPING]


@pytest.mark.parametrize(
    ("severity", "acknowledged", "expected"),
    [
        (1, False, (3, "raised", OPEN)),
        (2, False, (2, "came back", OPEN)),
        (2, True, (2, "came back", ACKNOWLEDGED)),
        (1, True, (3, "raised", OPEN)),
        (3, False, (1, "opened", OPEN)),
        (3, True, (1, "opened", ACKNOWLEDGED)),
    ],
)
def test_what_comes_back_while_it_settles_is_the_same_alert(
    severity: int, acknowledged: bool, expected: tuple[int, str, str]
) -> None:
    shop = flapping()
    if acknowledged:
        shop.acknowledge(FLAPPING)

    board = shop.step((transition(1, "reopened"), severity), after=timedelta(minutes=59))

    one = shop.alerts[FLAPPING]
    assert (one.round, one.round_why, one.status) == expected
    assert (one.settles_at, one.returns, len(shop.alerts)) == (None, 1, FLAPPING)
    assert said(board)[0] == ("came back", "Low disk space on web1, /")
    # Its next recovery has to last as well, also when the openings before are forgotten.
    shop.past.clear()
    shop.alerts[FLAPPING] = replace(one, returns=FLAPPING)
    shop.step((transition(1, "resolved"), severity), after=timedelta(days=2))
    assert shop.alerts[FLAPPING].settles_at == shop.now + SETTLES_FOR


@pytest.mark.parametrize(
    ("before", "expected"), [(0, CLOSED), (1, OPEN), (2, OPEN)], ids=["once", "twice", "thrice"]
)
def test_openings_of_this_step_and_of_those_before_make_it_flap(before: int, expected: str) -> None:
    shop = Shop()
    for _ in range(before):
        shop.step((transition(1), 2), (transition(1, "retired"), 2))

    board = shop.step((transition(1, "reopened"), 2), (transition(1, "resolved"), 2))

    assert shop.alerts[before + 1].status == expected
    assert said(board)[-1] == (("settles", "") if before else ("closed", RECOVERED))


def test_what_is_retired_or_waived_while_others_flap_does_not_settle() -> None:
    shop = flapping()
    shop.step((transition(1, "reopened"), 2))
    shop.step((transition(1, "retired"), 2))

    assert shop.alerts[FLAPPING].closed_how == UNWATCHED


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        (HOUR - timedelta(seconds=1), (ACKNOWLEDGED, 1, "opened")),
        (HOUR, (OPEN, 2, "lapsed")),
    ],
    ids=["before", "at its end"],
)
def test_an_acknowledgement_lapses(after: timedelta, expected: tuple[str, int, str]) -> None:
    shop = Shop()
    shop.step((transition(1), 1))
    shop.acknowledge(until=NOW + HOUR)

    board = shop.step(after=after)

    one = shop.alerts[1]
    assert (one.status, one.round, one.round_why) == expected
    assert said(board) == ([("lapsed", "was acknowledged by ada")] if expected[1] == 2 else [])
    has_it = (one.acknowledged_by, one.acknowledged_until is None)
    assert has_it == (("", True) if expected[1] == 2 else ("ada", False))


def test_an_acknowledgement_without_an_end_stays() -> None:
    shop = Shop()
    shop.step((transition(1), 1))
    shop.acknowledge()
    board = shop.step(after=timedelta(days=900))

    assert (shop.alerts[1].status, board.changed) == (ACKNOWLEDGED, set())


@pytest.mark.parametrize(
    ("told", "acknowledged", "expected"),
    [
        (False, False, (1, "opened", NOW + 3 * HOUR)),
        (True, False, (2, "still fails", NOW + 3 * HOUR)),
        (True, True, (1, "opened", NOW)),
    ],
    ids=["nobody was told", "people were told", "somebody has it"],
)
def test_a_silence_ends_and_what_still_fails_is_told_once(
    told: bool, acknowledged: bool, expected: tuple[int, str, datetime]
) -> None:
    shop = Shop()
    shop.step((transition(1), 2))
    if told:
        shop.tell()
    if acknowledged:
        shop.acknowledge()

    begins = shop.step(after=HOUR, quiet=[1])
    assert (shop.alerts[1].silenced, said(begins)) == (True, [("silenced", "")])
    assert (shop.alerts[1].round, shop.alerts[1].round_at) == (1, NOW)
    assert shop.step(after=HOUR, quiet=[1]).changed == set()
    ends = shop.step(after=HOUR)

    one = shop.alerts[1]
    assert (one.silenced, said(ends)) == (False, [("silence ended", "")])
    assert (one.round, one.round_why, one.round_at) == expected


def test_an_alert_is_silent_only_if_all_in_it_is() -> None:
    shop = Shop()
    shop.step((transition(1), 2), (transition(2, host="web2"), 2), quiet=[1])
    assert shop.alerts[1].silenced is False

    shop.step(quiet=[1, 2])
    assert shop.alerts[1].silenced is True
    shop.step((transition(3, host="web3"), 2), quiet=[1, 2])
    assert shop.alerts[1].silenced is False


def test_what_opens_under_a_silence_is_told_first_when_it_ends() -> None:
    shop = Shop()
    shop.step((transition(1), 2), quiet=[1])
    shop.step(after=HOUR)

    assert (shop.alerts[1].round, shop.alerts[1].round_at) == (1, NOW + HOUR)


def test_judging_again_resolves_in_one_digest_per_team() -> None:
    shop = Shop()
    shop.step(
        (transition(1, subject="/1"), 2),
        (transition(2, subject="/2"), 2),
        (transition(3, subject="/2", host="web2"), 2),
    )

    board = shop.step(
        (transition(1, "resolved", judgement=1), 2),
        (transition(2, "retired", judgement=1), 2),
    )

    assert (shop.alerts[1].closed_how, shop.alerts[2].status) == (REJUDGED, OPEN)
    assert list(board.judged.values()) == [
        JudgedAgain(run_id=5, judgement=1, team="ops", resolved=2, closed=[1])
    ]


def test_judging_again_opens_one_alert_for_all_and_takes_over_what_gets_worse() -> None:
    shop = Shop()
    shop.step((transition(1), 3), (transition(9, host="db1"), 3))
    board = shop.step(
        (transition(1, "severity", judgement=1, message="fuller"), 2),
        (transition(9, "severity", judgement=1, host="db1"), 4),
        (transition(2, judgement=1, check="swap_used"), 4),
    )

    assert shop.opens() == [(INCIDENT, "/", 4, OPEN), (JUDGED, "run 5 judged again, 1", 2, OPEN)]
    assert sorted(shop.members) == [(1, 9), (2, 1), (2, 2)]
    assert shop.members[2, 1].message == "fuller"
    assert board.left == [(1, 1, "moved")]
    assert list(board.judged.values()) == [
        JudgedAgain(run_id=5, judgement=1, team="ops", alert_id=-1, opened=2)
    ]


def test_judging_again_leaves_what_is_as_bad_where_it_is() -> None:
    shop = Shop()
    shop.step((transition(1), 2))
    board = shop.step((transition(1, "severity", judgement=1, message="fuller"), 2))

    assert shop.opens() == [(INCIDENT, "/", 2, OPEN)]
    assert (board.left, board.judged) == ([], {})


def test_judging_again_that_makes_the_only_finding_worse_closes_its_alert_as_judged() -> None:
    shop = Shop()
    shop.step((transition(1), 3))
    board = shop.step((transition(1, "severity", judgement=1), 2))

    assert (shop.alerts[1].status, shop.alerts[1].closed_how) == (CLOSED, REJUDGED)
    assert shop.opens() == [(JUDGED, "run 5 judged again, 1", 2, OPEN)]
    assert next(iter(board.judged.values())).closed == [1]


def test_a_step_in_which_nothing_happens_writes_nothing() -> None:
    shop = Shop()
    shop.step((transition(1), 2))
    board = shop.step(after=timedelta(days=30))

    assert (board.changed, board.events, board.joined, board.left) == (set(), [], [], [])


def test_what_is_told_again_of_a_finding_is_kept() -> None:
    shop = Shop()
    shop.step((transition(1), 2))
    shop.step((transition(1, "severity", message="fuller"), 2), after=HOUR)

    assert shop.members[1, 1] == Member(1, 1, "web1", "disk_space", "/", 2, "fuller", "look", NOW)


def test_steps_that_are_broken_off_are_as_if_they_had_not_been() -> None:
    whole, broken = Shop(), Shop()
    story: list[tuple[tuple[AlertTransition, int | None], ...]] = [
        ((transition(1), 3), (transition(2, host="web2"), 2)),
        ((transition(1, "severity"), 1),),
        ((transition(1, "resolved"), 1),),
        ((transition(2, "resolved"), 2), (transition(2, "reopened"), 2)),
        ((transition(2, "waived"), 2),),
    ]
    for events in story:
        whole.step(*events, after=HOUR)
        # The process ends before it has written anything; the next one takes the same transitions again.
        before = broken.now
        lost = broken.board()
        for seen, severity in events:
            lost.take(seen, severity, "ops", "look")
        broken.now = before
        broken.step(*events, after=HOUR)

    assert (broken.alerts, broken.members) == (whole.alerts, whole.members)
    assert [one.closed_how for one in whole.alerts.values()] == [RECOVERED, ACCEPTED]
