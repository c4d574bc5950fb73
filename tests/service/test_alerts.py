"""Transitions → alerts → the outbox, on both databases: who is told of what, once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from alert_samples import MONDAY, SCHEDULE, full, minutes, run, seen, site
from service.conftest import on_postgresql
from sqlalchemy import select
from store_samples import result

from upkeep.model.answer import Observed, Outcome
from upkeep.model.errors import UsageError
from upkeep.model.roles import Role
from upkeep.model.verdicts import Severity, Status
from upkeep.rules.alerts.model import Alert
from upkeep.rules.waivers import WaiverScope
from upkeep.services import waivers
from upkeep.services.acts import By
from upkeep.services.alerts.alerter import Alerter
from upkeep.store import (
    Store,
    absent,
    alerts,
    findings,
    outbox,
    own_troubles,
    page_queries,
    silences,
    tables,
    users,
)
from upkeep.store.answers import add_judgement, begin_judgement, observed_in
from upkeep.store.silences import NewSilence

CRITICAL, HIGH, MEDIUM, LOW = Severity.CRITICAL, Severity.HIGH, Severity.MEDIUM, Severity.LOW
SITE = "/srv/site"


@pytest.fixture
def alerter(store: Store) -> Iterator[Alerter]:
    """One whose site has been looked at before, and all was well."""
    one = Alerter(store, site())
    hosts = [seen(full(Status.PASS), host=host, at=MONDAY - minutes(60)) for host in HOSTS]
    run(store, MONDAY - minutes(60), *hosts)
    one.step(MONDAY - minutes(59))
    return one


HOSTS = ("web1", "web2", "web3", "db1")


def now_open(store: Store) -> list[Alert]:
    with store.read() as db:
        return alerts.open_alerts(db)


def messages(store: Store) -> list[tuple[str, str, str, str]]:
    """What waits: recipient, channel, kind, title without since when."""
    table = tables.outbox
    with store.read() as db:
        rows = db.execute(select(table).where(table.c.state != "spare").order_by(table.c.id))
        return [
            (row.recipient, row.channel, row.kind, row.title.split(", since ")[0]) for row in rows
        ]


def titles(store: Store) -> list[str]:
    return [title for _to, _channel, _kind, title in messages(store)]


def fails(
    store: Store, at: datetime, severity: Severity = HIGH, host: str = "web1", **other: str
) -> int:
    return run(store, at, seen(full(severity, **other), host=host, at=at))


def mends(store: Store, at: datetime, host: str = "web1", **other: str) -> int:
    return run(store, at, seen(full(Status.PASS, **other), host=host, at=at))


def test_a_failure_is_told_once_to_who_is_on_call_and_the_team(
    store: Store, alerter: Alerter
) -> None:
    fails(store, MONDAY)

    alerter.step(MONDAY + minutes(1))
    alerter.step(MONDAY + minutes(2))

    (alert,) = now_open(store)
    assert (alert.severity, alert.team, alert.opening, alert.told_round) == (2, "ops", 1, 1)
    title = "[2] Low disk space on web1"
    assert messages(store) == [
        ("team:ops", "chat", "alert", title),
        ("person:ada", "pager", "alert", title),
    ]


@on_postgresql
def test_later_hosts_join_silently_and_a_worse_one_does_not(store: Store, alerter: Alerter) -> None:
    fails(store, MONDAY)
    alerter.step(MONDAY + minutes(1))
    before = messages(store)
    fails(store, MONDAY + minutes(2), host="web2")
    alerter.step(MONDAY + minutes(3))

    assert messages(store) == before

    fails(store, MONDAY + minutes(4), CRITICAL, host="web3")
    alerter.step(MONDAY + minutes(5))

    (alert,) = now_open(store)
    assert (alert.severity, alert.round, alert.opening) == (1, 2, 1)
    assert (
        titles(store)[len(before) :]
        == ["[1] Got worse: Low disk space on web1, web2, web3, 3 findings"] * 2
    )


def test_recovery_is_told_when_all_are_resolved_to_all_who_were_told(
    store: Store, alerter: Alerter
) -> None:
    fails(store, MONDAY)
    fails(store, MONDAY, host="web2")
    alerter.step(MONDAY + minutes(1))
    before = len(messages(store))
    mends(store, MONDAY + minutes(2))
    alerter.step(MONDAY + minutes(3))
    assert len(messages(store)) == before

    mends(store, MONDAY + minutes(4), host="web2")
    alerter.step(MONDAY + minutes(5))

    assert now_open(store) == []
    title = "recovered: [2] Low disk space on web1, web2, 2 findings"
    assert sorted(messages(store)[before:]) == [
        ("person:ada", "pager", "recovery", title),
        ("team:ops", "chat", "recovery", title),
    ]


def test_severity_one_repeats_and_reaches_the_next_person_until_somebody_acknowledges(
    store: Store, alerter: Alerter
) -> None:
    fails(store, MONDAY, CRITICAL)
    told = []
    for passed in range(0, 46, 5):
        alerter.step(MONDAY + minutes(passed))
        told.append(len(messages(store)))

    # at 0 ada and the team; ada every 15 minutes; bob from 15 on, every 15 minutes
    assert told == [2, 2, 2, 4, 4, 4, 6, 6, 6, 8]
    people = [to for to, *_rest in messages(store)]
    assert (people.count("person:ada"), people.count("person:bob")) == (4, 3)

    (alert,) = now_open(store)
    with store.begin() as db:
        alerts.acknowledge(db, alert.id, "ada", MONDAY + minutes(46), MONDAY + timedelta(hours=5))
    alerter.step(MONDAY + minutes(90))
    assert len(messages(store)) == 8

    alerter.step(MONDAY + timedelta(hours=5))
    (alert,) = now_open(store)
    assert (alert.status, alert.round_why) == ("open", "lapsed")
    assert len(messages(store)) == 10


@on_postgresql
def test_one_channel_for_all_is_told_once_at_a_time_and_again_all_the_same(store: Store) -> None:
    people = {who: {"name": who, "channels": ["chat"]} for who in ("ada", "bob")}
    one = Alerter(store, site(people=people))
    run(store, MONDAY - minutes(60), seen(full(Status.PASS), at=MONDAY - minutes(60)))
    one.step(MONDAY - minutes(59))
    fails(store, MONDAY, CRITICAL)

    told = []
    for passed in range(0, 46, 5):
        one.step(MONDAY + minutes(passed))
        told.append(len(messages(store)))

    assert told == [1, 1, 1, 2, 2, 2, 3, 3, 3, 4]


@on_postgresql
def test_what_an_alerter_has_missed_is_not_caught_up_call_by_call(
    store: Store, alerter: Alerter
) -> None:
    fails(store, MONDAY, CRITICAL)
    alerter.step(MONDAY)
    alerter.step(MONDAY + timedelta(hours=6))

    assert len(messages(store)) == 4  # ada and bob, once each


@on_postgresql
def test_a_closed_alert_cannot_be_acknowledged(store: Store, alerter: Alerter) -> None:
    fails(store, MONDAY)
    alerter.step(MONDAY)
    (alert,) = now_open(store)
    mends(store, MONDAY + minutes(1))
    alerter.step(MONDAY + minutes(1))

    with store.begin() as db, pytest.raises(UsageError, match="is closed: recovered"):
        alerts.acknowledge(db, alert.id, "ada", MONDAY, MONDAY + minutes(9))
    with store.begin() as db, pytest.raises(UsageError, match="there is no alert 99"):
        alerts.acknowledge(db, 99, "ada", MONDAY, MONDAY + minutes(9))


@on_postgresql
def test_40_flapping_is_one_incident_and_told_once_an_hour(store: Store, alerter: Alerter) -> None:
    at = MONDAY
    for _turn in range(8):
        fails(store, at)
        alerter.step(at)
        mends(store, at + minutes(2))
        alerter.step(at + minutes(2))
        at += minutes(5)

    with store.read() as db:
        found = alerts.recent(db, 10)
    assert [one.opening for one in found] == [2, 1]
    assert found[0].returns == 6
    kinds = [kind for _to, _channel, kind, _title in messages(store)]
    assert kinds.count("alert") == 2 * 2  # two openings, to ada and the team
    assert kinds.count("recovery") == 2  # the first; from then on it has to last

    alerter.step(at + minutes(116))
    assert [kind for _to, _channel, kind, _title in messages(store)] == kinds
    alerter.step(at + minutes(117))
    assert now_open(store) == []
    kinds = [kind for _to, _channel, kind, _title in messages(store)]
    assert kinds.count("recovery") == 2 * 2


@on_postgresql
@pytest.mark.parametrize("minutes_apart", [2, 7], ids=["every 2 minutes", "every 7 minutes"])
def test_what_comes_and_goes_for_a_day_is_told_once_an_hour_and_hides_nothing_else(
    store: Store, alerter: Alerter, minutes_apart: int
) -> None:
    """Severity 2, as too many failed logins are; in the middle another subject and another check fail for good."""
    hours = 3 if minutes_apart == 2 else 6
    turns = hours * 60 // minutes_apart
    told: dict[datetime, list[str]] = {}
    for turn in range(turns):
        at = MONDAY - timedelta(hours=2) + minutes(turn * minutes_apart)
        before = len(titles(store))
        (mends if turn % 2 else fails)(store, at)
        if turn == turns // 2:
            fails(store, at, host="web2", subject="/other")
            checks = {"check": "swap_used"}
            fails(store, at, host="web3", **checks)
        alerter.step(at)
        told[at] = [title for title in titles(store)[before:] if "(web1)" in title]
        if turn == turns // 2:
            new = titles(store)[before:]
            assert any("on web2" in title for title in new)
            assert any("web3" in title for title in new)

    moments = [at for at, new in told.items() if new]
    assert len(moments) <= hours + 2  # the first opening and its recovery, then once an hour
    assert all(len(new) == 2 for new in told.values() if new)  # ada and the team


@on_postgresql
def test_flapping_of_severity_three_is_told_as_one(store: Store, alerter: Alerter) -> None:
    at = MONDAY
    for _turn in range(8):
        fails(store, at, MEDIUM)
        alerter.step(at)
        mends(store, at + minutes(2))
        alerter.step(at + minutes(2))
        at += minutes(5)

    assert messages(store) == []  # over before the next business day began


@on_postgresql
def test_the_first_look_at_a_site_is_one_summary_and_one_page(store: Store) -> None:
    alerter = Alerter(store, site())
    hosts = [f"web{number}" for number in range(20)]
    number = run(
        store, MONDAY, *[seen(full(LOW), host=one, at=MONDAY) for one in hosts], ends=False
    )
    alerter.step(MONDAY)
    assert now_open(store) == []  # begins with what is open, when the run has ended

    with store.begin() as db:
        db.execute(tables.run.update().where(tables.run.c.id == number).values(status="done"))
    worse = [seen(full(CRITICAL), full(HIGH, "/x"), host=one, at=MONDAY) for one in ("a", "b")]
    run(store, MONDAY, *worse)
    alerter.step(MONDAY + minutes(1))

    found = now_open(store)
    assert [(one.kind, one.severity) for one in found] == [("first", 1), ("first", 2), ("first", 4)]
    assert (
        titles(store)
        == ["[1] New on a, b: 2 critical findings"] * 2 + ["[2] New on a, b: 2 high findings"] * 2
    )


@on_postgresql
def test_a_check_that_is_new_on_a_host_is_a_first_look_and_a_new_subject_is_not(
    store: Store, alerter: Alerter
) -> None:
    new = seen(
        full(HIGH, check="swap_used"),
        full(Status.PASS),
        at=MONDAY,
        checks=("disk_space", "swap_used"),
    )
    run(store, MONDAY, new, seen(full(HIGH, "/new"), full(Status.PASS), host="web2", at=MONDAY))
    alerter.step(MONDAY)

    assert sorted((one.kind, one.check_id) for one in now_open(store)) == [
        ("first", ""),
        ("incident", "disk_space"),
    ]


@on_postgresql
def test_history_wakes_nobody_when_alerts_begin(store: Store) -> None:
    for day in range(3):
        fails(store, MONDAY - timedelta(days=9 - day), host="old")
        mends(store, MONDAY - timedelta(days=9 - day) + minutes(5), host="old")
    fails(store, MONDAY - timedelta(days=5), host="still")

    Alerter(store, site()).step(MONDAY)

    assert titles(store) == ["[2] New on still: 1 high finding"] * 2


@on_postgresql
@pytest.mark.parametrize("outcome", [Outcome.UNREACHABLE, Outcome.TIMED_OUT, Outcome.FAILED])
def test_a_host_that_cannot_be_looked_at_is_one_transition_and_resolves_nothing(
    store: Store, alerter: Alerter, outcome: Outcome
) -> None:
    fails(store, MONDAY)
    for passed in (1, 2, 3):
        at = MONDAY + minutes(passed)
        run(store, at, seen(at=at, outcome=outcome))
        alerter.step(at)

    with store.read() as db:
        found = {(one.check_id, one.subject): one for one in findings.open_ones(db)}
        away = found["host_unreachable", "connection"]
        history = findings.history(db, away.id)
    assert away.remedy == f"upkeep doctor -i {SITE} --limit web1  # on the controller: see why"
    assert set(found) == {("disk_space", "/"), ("host_unreachable", "connection")}
    assert [kind for _at, kind, _message in history] == ["opened"]
    assert "[2] Connection failure on web1" in titles(store)


@on_postgresql
def test_a_run_that_ended_before_it_asked_a_host_says_nothing_of_the_way_to_it(
    store: Store, alerter: Alerter
) -> None:
    at = MONDAY + minutes(1)
    run(store, at, Observed("web1", Outcome.FAILED, at, "not begun: interrupted by SIGTERM"))
    alerter.step(at)

    with store.read() as db:
        assert findings.open_ones(db) == []

    mends(store, MONDAY + minutes(4))
    alerter.step(MONDAY + minutes(4))
    assert now_open(store) == []


@on_postgresql
def test_a_way_whose_fault_is_known_is_one_finding(store: Store) -> None:
    key = result(HIGH, check="host_key", subject="connection", message="its key has changed")
    away = replace(seen(at=MONDAY, outcome=Outcome.UNREACHABLE), results=(key,))
    run(store, MONDAY, away)

    with store.read() as db:
        assert [one.check_id for one in findings.open_ones(db)] == ["host_key"]


@on_postgresql
def test_our_own_troubles_alert_like_any_other_and_go_to_who_owns_the_procedure(
    store: Store, alerter: Alerter
) -> None:
    plan = SCHEDULE["procedures"] | {"mine": {"title": "Mine", "owner": "desk"}}
    teams = SCHEDULE["teams"] | {"desk": {"title": "Desk", "members": ["bob"]}}
    alerter.use(site(procedures=plan, teams=teams))
    with store.begin() as db:
        text = "Ansible ended early"
        own_troubles.tell(
            db, SITE, own_troubles.of("run_failed", "mine"), MONDAY, HIGH, text, "upkeep show 7"
        )
        own_troubles.tell(
            db,
            SITE,
            own_troubles.OwnTrouble("site_revision", "driver2"),
            MONDAY,
            HIGH,
            "another text",
            "copy it",
        )
    alerter.step(MONDAY)

    with store.read() as db:
        found = {one.check_id: one for one in alerts.open_alerts(db)}
        hosts = {one.host for one in alerts.members(db, [one.id for one in found.values()])}
    assert {check: one.team for check, one in found.items()} == {
        "run_failed": "desk",
        "site_revision": "ops",
    }
    assert hosts == {"controller"}
    assert "[2] Failed run on controller" in titles(store)

    with store.begin() as db:
        own_troubles.tell(db, SITE, own_troubles.of("run_failed", "mine"), MONDAY + minutes(5))
    alerter.step(MONDAY + minutes(5))
    assert [one.check_id for one in now_open(store)] == ["site_revision"]


@pytest.mark.parametrize(
    ("trouble", "team"),
    [
        (own_troubles.of("run_failed", "mine"), "desk"),
        (own_troubles.of("occurrence_missed", "mine", "web1"), "desk"),
        (own_troubles.of("occurrence_missed", "mine", own_troubles.MANY_HOSTS), "desk"),
        # A host, a file or a channel may be called as a procedure is.
        (own_troubles.OwnTrouble("site_revision", "mine"), "ops"),
        (own_troubles.OwnTrouble("channel", "mine on web1"), "ops"),
    ],
)
def test_what_is_about_a_procedure_is_its_owners(
    store: Store, alerter: Alerter, trouble: own_troubles.OwnTrouble, team: str
) -> None:
    plan = SCHEDULE["procedures"] | {"mine": {"title": "Mine", "owner": "desk"}}
    teams = SCHEDULE["teams"] | {"desk": {"title": "Desk", "members": ["bob"]}}
    alerter.use(site(procedures=plan, teams=teams))
    with store.begin() as db:
        own_troubles.tell(db, SITE, trouble, MONDAY, HIGH, "it is so", "look")
    alerter.step(MONDAY)

    with store.read() as db:
        assert [one.team for one in alerts.open_alerts(db)] == [team]


def test_a_subject_that_is_gone_closes_its_alert_as_gone_and_not_as_recovered(
    store: Store, alerter: Alerter
) -> None:
    run(store, MONDAY, seen(full(HIGH, "/data"), full(Status.PASS), at=MONDAY))
    alerter.step(MONDAY)
    before = len(messages(store))
    run(store, MONDAY + minutes(1), seen(full(Status.PASS), at=MONDAY + minutes(1)))
    alerter.step(MONDAY + minutes(1))

    with store.read() as db:
        (one,) = findings.open_ones(db, everything=True)
        (alert,) = alerts.recent(db, 9)
    assert (one.status, alert.closed_how) == ("gone", "gone")
    title = "gone: [2] Low disk space on web1"
    assert titles(store)[before:] == [title] * 2
    with store.read() as db:
        where = tables.outbox.c.title.like(f"{title}, since %")
        bodies = db.execute(select(tables.outbox.c.channel, tables.outbox.c.body).where(where))
        told = {row.channel: row.body for row in bodies}
        kinds = set(db.scalars(select(tables.outbox.c.kind).where(where)))
    assert kinds == {"ended"}  # receivers show a recovery as a success
    assert "/data: is not mounted any more" in told["mail"]
    for body in told.values():
        assert "It was not seen to pass: what failed is no longer there." in body
        assert "ecovered" not in body

    run(store, MONDAY + minutes(2), seen(full(HIGH, "/data"), at=MONDAY + minutes(2)))
    alerter.step(MONDAY + minutes(2))
    assert [one.opening for one in now_open(store)] == [2]


@on_postgresql
def test_what_is_waived_closes_its_alert_as_waived_and_opens_another_when_it_ends(
    store: Store, alerter: Alerter
) -> None:
    key = alerter.key
    run(store, MONDAY, seen(full(HIGH, "/data"), at=MONDAY), site=key)
    alerter.step(MONDAY)
    before = len(messages(store))
    with store.begin() as db:
        for who, role in (("ada", Role.OPERATOR), ("bob", Role.APPROVER)):
            users.add(db, who, role, "no password", MONDAY, person=who)
        ada, bob = users.get(db, "ada"), users.get(db, "bob")
    assert ada is not None
    assert bob is not None
    ends = MONDAY + timedelta(days=2)
    scope = WaiverScope("disk_space", "web1", "/data", HIGH)
    asked = waivers.request(store, alerter.site, scope, "grows", ends, By(ada), MONDAY)
    waivers.approve(store, alerter.site, asked.id, By(bob), MONDAY)
    alerter.step(MONDAY + minutes(1))

    with store.read() as db:
        (one,) = findings.open_ones(db)
        (alert,) = alerts.recent(db, 9)
    assert (one.status, alert.status, alert.closed_how) == ("open", "closed", "waived")
    told = messages(store)[before:]
    assert {title for _to, _channel, _kind, title in told} == {"waived: [2] Low disk space on web1"}
    table = tables.outbox
    with store.read() as db:
        where = table.c.title.startswith("waived")
        bodies = list(db.execute(select(table.c.body).where(where)).scalars())
    assert bodies
    assert all("It was not seen to pass: a waiver accepts it" in body for body in bodies)

    assert waivers.settle(store, key, ends) == 1
    alerter.step(ends)
    assert [one.opening for one in now_open(store)] == [2]


@on_postgresql
def test_the_inventory_says_in_which_group_and_environment_a_host_stands(
    store: Store, tmp_path: Path
) -> None:
    staging = {"hosts": {"web1": {}}, "vars": {"upkeep_environment": "staging"}}
    groups = {
        "staging": staging,
        "database": {"hosts": {"db1": {}}},
        "web": {"hosts": {"web2": {}}},
    }
    inventory = tmp_path / "hosts.yml"
    inventory.write_text(json.dumps({"all": {"children": groups}}))
    rules = [{"environment": "staging", "is": 4}, {"group": "database", "is": 1}]
    told = site(alerts={"team": "ops", "severities": rules})
    one = Alerter(store, replace(told, inventory=inventory))
    for host in ("web1", "web2", "db1"):
        mends(store, MONDAY - minutes(60), host)
    one.step(MONDAY - minutes(59))
    for number, host in enumerate(("web1", "web2", "db1")):
        fails(store, MONDAY, HIGH, host, subject=f"/data{number}")
    one.step(MONDAY)

    assert sorted((alert.cause, alert.severity) for alert in now_open(store)) == [
        ("/data0", 4),
        ("/data1", 2),
        ("/data2", 1),
    ]


TWO_TEAMS = {
    **SCHEDULE["teams"],
    "security": {"title": "Security", "members": ["bob"], "channels": ["mail"]},
}
"""Operations are called over the chat; the security team has a channel of its own."""


def all_day(store: Store, at: datetime, status: Severity | Status = HIGH) -> int:
    """A run of one procedure that finds a full disk and failed logins, or neither, on one host."""
    logins = result(status, check="failed_logins", subject="/var/log/auth.log")
    both = ("disk_space", "failed_logins")
    return run(store, at, seen(full(status), logins, host="web1", at=at, checks=both))


@on_postgresql
def test_one_run_pages_the_team_of_each_finding(store: Store) -> None:
    rules = [{"check": "failed_logins", "team": "security"}]
    one = Alerter(store, site(teams=TWO_TEAMS, alerts={"team": "ops", "owners": rules}))
    all_day(store, MONDAY - minutes(60), Status.PASS)
    one.step(MONDAY - minutes(59))
    all_day(store, MONDAY)

    one.step(MONDAY + minutes(1))

    assert sorted((alert.check_id, alert.team) for alert in now_open(store)) == [
        ("disk_space", "ops"),
        ("failed_logins", "security"),
    ]
    disk = [(to, channel) for to, channel, _kind, title in messages(store) if "disk" in title]
    logins = [(to, channel) for to, channel, _kind, title in messages(store) if "logins" in title]
    assert disk == [("team:ops", "chat"), ("person:ada", "pager")]
    assert logins == [("team:security", "mail"), ("person:bob", "pager-b")]


@on_postgresql
def test_the_first_look_at_a_host_is_a_summary_for_each_team(store: Store) -> None:
    rules = [{"family": "logins", "team": "security"}]
    one = Alerter(store, site(teams=TWO_TEAMS, alerts={"team": "ops", "owners": rules}))
    one.step(MONDAY - minutes(60))

    all_day(store, MONDAY)
    one.step(MONDAY + minutes(1))

    assert sorted((alert.kind, alert.team) for alert in now_open(store)) == [
        ("first", "ops"),
        ("first", "security"),
    ]


@on_postgresql
def test_an_open_alert_stays_with_its_team_when_the_owner_changes(store: Store) -> None:
    one = Alerter(store, site(teams=TWO_TEAMS))
    all_day(store, MONDAY - minutes(60), Status.PASS)
    one.step(MONDAY - minutes(59))
    all_day(store, MONDAY)
    one.step(MONDAY + minutes(1))
    before = messages(store)
    rules = [{"check": "failed_logins", "team": "security"}]
    one.use(site(teams=TWO_TEAMS, alerts={"team": "ops", "owners": rules}))

    all_day(store, MONDAY + minutes(2))  # the same again, worse nowhere
    one.step(MONDAY + minutes(3))
    assert {alert.team for alert in now_open(store)} == {"ops"}
    assert messages(store) == before

    # Whoever was told hears that it is over; what opens then is the new owner's.
    all_day(store, MONDAY + minutes(4), Status.PASS)
    one.step(MONDAY + minutes(5))
    assert now_open(store) == []
    assert {to for to, *_rest in messages(store)} == {"team:ops", "person:ada"}
    all_day(store, MONDAY + minutes(6))
    one.step(MONDAY + minutes(7))
    assert sorted((alert.check_id, alert.team) for alert in now_open(store)) == [
        ("disk_space", "ops"),
        ("failed_logins", "security"),
    ]


@on_postgresql
def test_an_open_alert_whose_team_has_left_the_schedule_goes_to_who_is_called_now(
    store: Store,
) -> None:
    rules = [{"check": "failed_logins", "team": "security"}]
    owned = site(teams=TWO_TEAMS, alerts={"team": "ops", "owners": rules})
    one = Alerter(store, owned)
    all_day(store, MONDAY - minutes(60), Status.PASS)
    one.step(MONDAY - minutes(59))
    all_day(store, MONDAY)
    one.step(MONDAY + minutes(1))
    before = messages(store)
    (logins,) = [alert for alert in now_open(store) if alert.team == "security"]
    one.use(site())

    one.step(MONDAY + minutes(2))
    one.step(MONDAY + minutes(3))

    (given,) = [alert for alert in now_open(store) if alert.check_id == "failed_logins"]
    assert (given.id, given.team, given.dedupe) == (logins.id, "ops", logins.dedupe)
    told = messages(store)[len(before) :]
    assert {(to, channel) for to, channel, *_rest in told} == {
        ("team:ops", "chat"),
        ("person:ada", "pager"),
    }
    assert len(told) == 2

    # The team comes back: what fails is the same alert still, on another host too.
    one.use(owned)
    logins_too = result(HIGH, check="failed_logins", subject="/var/log/auth.log")
    checks = ("failed_logins",)
    run(
        store,
        MONDAY + minutes(4),
        seen(logins_too, host="web2", at=MONDAY, checks=checks),
        ends=True,
    )
    one.step(MONDAY + minutes(5))
    assert [alert.id for alert in now_open(store) if alert.check_id == "failed_logins"][:1] == [
        given.id
    ]
    # All is over, and a new opening is the team's.
    all_day(store, MONDAY + minutes(6), Status.PASS)
    one.step(MONDAY + minutes(7))
    assert not [alert for alert in now_open(store) if alert.id == given.id]


@on_postgresql
def test_what_somebody_has_acknowledged_goes_to_another_team_without_a_word(store: Store) -> None:
    rules = [{"check": "failed_logins", "team": "security"}]
    one = Alerter(store, site(teams=TWO_TEAMS, alerts={"team": "ops", "owners": rules}))
    all_day(store, MONDAY - minutes(60), Status.PASS)
    one.step(MONDAY - minutes(59))
    all_day(store, MONDAY)
    one.step(MONDAY + minutes(1))
    (logins,) = [alert for alert in now_open(store) if alert.team == "security"]
    with store.begin() as db:
        alerts.acknowledge(db, logins.id, "bob", MONDAY + minutes(2), MONDAY + minutes(62))
    before = messages(store)
    one.use(site())

    one.step(MONDAY + minutes(3))
    assert messages(store) == before
    one.step(MONDAY + minutes(63))

    told = [(to, title) for to, _channel, _kind, title in messages(store)[len(before) :]]
    assert [to for to, title in told if "logins" in title][:1] == ["team:ops"]


@on_postgresql
@pytest.mark.parametrize(
    ("other", "limit"),
    [
        ({"asked": ()}, ""),  # by hand with -p
        ({}, "web1"),  # with --limit
        ({"asked": ("swap_used",), "checks": ("swap_used",)}, ""),  # a procedure of other checks
        ({"outcome": Outcome.FAILED}, ""),
        ({"outcome": Outcome.UNREACHABLE}, ""),
        ({"whole": False}, ""),
        ({"uid": 1000}, ""),
        ({"uid": None}, ""),
    ],
    ids=[
        "by hand",
        "limited",
        "other checks",
        "failed",
        "unreachable",
        "not all was seen",
        "as another user",
        "as nobody knows whom",
    ],
)
def test_what_did_not_look_ends_nothing(store: Store, other: dict[str, object], limit: str) -> None:
    run(store, MONDAY, seen(full(HIGH, "/data"), at=MONDAY))

    at = MONDAY + minutes(1)
    run(store, at, seen(at=at, **other), limit=limit)  # type: ignore[arg-type]

    with store.read() as db:
        (one,) = [one for one in findings.open_ones(db) if one.check_id == "disk_space"]
    assert one.status == "open"


@on_postgresql
def test_what_the_site_asks_for_no_more_is_retired(store: Store) -> None:
    run(store, MONDAY, seen(full(HIGH, "/data"), at=MONDAY))
    at = MONDAY + minutes(1)
    run(store, at, seen(at=at, asks="/srv"))

    with store.read() as db:
        (one,) = findings.open_ones(db, everything=True)
    assert one.status == "retired"


@on_postgresql
def test_what_a_program_of_before_found_ends_by_the_second_look(store: Store) -> None:
    run(store, MONDAY, seen(full(HIGH, "/data"), full(HIGH, "/"), at=MONDAY))
    with store.begin() as db:
        old = {"seen_of": None, "seen_by": "", "seen_as": None}
        db.execute(tables.finding.update().values(old))

    states = []
    for number in (1, 2, 3):
        at = MONDAY + minutes(number)
        run(store, at, seen(full(HIGH, "/"), at=at))
        with store.read() as db:
            found = {one.subject: one for one in findings.open_ones(db, everything=True)}
        states.append((found["/data"].status, found["/"].status, found["/"].seen_of))

    assert states == [
        ("open", "open", "file systems"),
        ("gone", "open", "file systems"),
        ("gone", "open", "file systems"),
    ]


@on_postgresql
def test_what_is_there_and_not_judged_any_more_is_retired(store: Store) -> None:
    run(store, MONDAY, seen(full(HIGH, "/data"), at=MONDAY))

    at = MONDAY + minutes(1)
    there = seen(full(HIGH, "/data"), at=at)
    run(store, at, replace(there, results=()))

    with store.read() as db:
        (one,) = findings.open_ones(db, everything=True)
        told = [message for _at, kind, message in findings.history(db, one.id) if kind == "retired"]
    assert told == ["still exists, but the check does not judge it any more"]


@on_postgresql
def test_an_unknown_of_the_same_check_retires_nothing_of_it(store: Store) -> None:
    run(store, MONDAY, seen(full(HIGH, "/data"), at=MONDAY))

    at = MONDAY + minutes(1)
    run(store, at, seen(full(Status.UNKNOWN, "/mnt"), at=at, whole=False))

    with store.read() as db:
        assert [one.subject for one in findings.open_ones(db)] == ["/data"]


@on_postgresql
def test_a_check_that_the_host_does_not_ask_for_any_more_is_retired(store: Store) -> None:
    run(store, MONDAY, seen(full(HIGH), at=MONDAY))

    at = MONDAY + minutes(1)
    run(store, at, seen(at=at, checks=(), outcome=Outcome.SKIPPED))

    with store.read() as db:
        assert [one.status for one in findings.open_ones(db, everything=True)] == ["retired"]


@on_postgresql
def test_a_check_that_no_procedure_names_any_more_is_retired(store: Store) -> None:
    fails(store, MONDAY)
    one = {"title": "Daily", "owner": "ops", "checks": ["swap_used"]}

    Alerter(store, site(procedures={"daily": one})).step(MONDAY + minutes(1))

    with store.read() as db:
        assert [one.status for one in findings.open_ones(db, everything=True)] == ["retired"]


def test_hosts_that_the_procedures_run_does_not_name_any_more_are_retired(store: Store) -> None:
    both = [seen(full(HIGH), host=host, at=MONDAY) for host in ("web1", "web2")]
    run(store, MONDAY, *both)
    at = MONDAY + minutes(1)
    other = run(store, at, seen(full(HIGH), host="db1", at=at), procedure="weekly")
    again = run(store, at, seen(full(HIGH), host="web2", at=at))

    with store.begin() as db:
        assert absent.settle(db, other, 20, at) == []
        assert absent.settle(db, again, 20, at) == []
    with store.read() as db:
        assert {one.host for one in findings.open_ones(db)} == {"web2", "db1"}
        assert (
            page_queries.stand(db, SITE).hosts == 2
        )  # of the one that is gone nothing is known now


def test_judging_again_moves_the_newest_and_leaves_as_one_digest(
    store: Store, alerter: Alerter
) -> None:
    old = run(store, MONDAY, *[seen(full(HIGH), host=host, at=MONDAY) for host in HOSTS[:3]])
    alerter.step(MONDAY)
    fails(store, MONDAY + minutes(1), host="web3")  # newer than what is judged again
    alerter.step(MONDAY + minutes(1))
    before = len(messages(store))

    with store.begin() as db:
        number = begin_judgement(db, old, MONDAY + minutes(2))
        for one in observed_in(db, old):
            judged = seen(full(Status.PASS), host=one.host, at=MONDAY)
            add_judgement(db, old, number, judged)
    alerter.step(MONDAY + minutes(3))

    (alert,) = now_open(store)
    with store.read() as db:
        assert [one.host for one in alerts.members(db, [alert.id])] == ["web3"]
    assert titles(store)[before:] == [f"run {old} was judged again: 0 now fail, 2 no longer fail"]


@on_postgresql
def test_judging_again_opens_one_alert_for_all_that_it_finds(
    store: Store, alerter: Alerter
) -> None:
    number = run(store, MONDAY, *[seen(full(Status.PASS), host=host, at=MONDAY) for host in HOSTS])
    with store.begin() as db:
        judgement = begin_judgement(db, number, MONDAY)
        for host in HOSTS:
            add_judgement(db, number, judgement, seen(full(HIGH), host=host, at=MONDAY))
    alerter.step(MONDAY + minutes(1))

    (alert,) = now_open(store)
    assert alert.kind == "judged"
    assert len(messages(store)) == 2


def test_a_silence_ends_and_then_what_still_fails_is_sent_once(
    store: Store, alerter: Alerter
) -> None:
    values = {"check": "disk_*", "host": "web*", "severity": 2, "reason": "moving", "by": "ada"}
    with store.begin() as db:
        silences.add(
            db,
            SITE,
            NewSilence(at=MONDAY, begins=MONDAY, ends=MONDAY + minutes(60), **values),  # type: ignore[arg-type]
        )
    fails(store, MONDAY + minutes(1))
    fails(store, MONDAY + minutes(1), MEDIUM, host="web2", subject="/data")
    mends(store, MONDAY + minutes(3), host="web2", subject="/data")
    for passed in (2, 30, 59):
        alerter.step(MONDAY + minutes(passed))
    assert messages(store) == []

    alerter.step(MONDAY + minutes(60))
    alerter.step(MONDAY + minutes(61))
    assert titles(store) == ["[2] Low disk space on web1"] * 2


@on_postgresql
def test_a_silence_has_an_end_and_a_reason(store: Store) -> None:
    values = {"check": "*", "host": "*", "severity": 2, "by": "ada", "at": MONDAY, "begins": MONDAY}
    with store.begin() as db, pytest.raises(UsageError, match="has to end later"):
        silences.add(db, SITE, NewSilence(reason="x", ends=MONDAY, **values))  # type: ignore[arg-type]
    with store.begin() as db, pytest.raises(UsageError, match="needs a reason"):
        silences.add(db, SITE, NewSilence(reason=" ", ends=MONDAY + minutes(1), **values))  # type: ignore[arg-type]


@on_postgresql
def test_severity_one_of_security_is_silenced_by_its_name_only(
    store: Store, alerter: Alerter
) -> None:
    run(
        store,
        MONDAY - minutes(5),
        seen(
            full(Status.PASS, "auth", check="login_after_failures"),
            at=MONDAY - minutes(5),
            checks=("login_after_failures",),
            asked=("login_after_failures",),
        ),
    )
    values = {"severity": 1, "reason": "a test", "by": "ada", "at": MONDAY, "begins": MONDAY}
    with store.begin() as db:
        for check, host in (("*", "*"), ("login_*", "web1"), ("login_after_failures", "web*")):
            silences.add(
                db, SITE, NewSilence(check=check, host=host, ends=MONDAY + minutes(9), **values)
            )  # type: ignore[arg-type]
    at = MONDAY + minutes(1)
    broken = seen(
        full(LOW, "auth", check="login_after_failures"),
        at=at,
        checks=("login_after_failures",),
        asked=("login_after_failures",),
    )
    run(store, at, broken)
    alerter.step(at)

    (alert,) = now_open(store)
    assert (alert.severity, alert.silenced, len(messages(store))) == (1, False, 2)

    with store.begin() as db:
        silences.add(
            db,
            SITE,
            NewSilence(
                check="login_after_failures", host="web1", ends=MONDAY + minutes(9), **values
            ),  # type: ignore[arg-type]
        )
    alerter.step(MONDAY + minutes(2))
    (alert,) = now_open(store)
    assert alert.silenced


@on_postgresql
def test_severity_four_waits_for_the_window_and_leaves_as_a_digest(
    store: Store, alerter: Alerter
) -> None:
    run(
        store,
        MONDAY,
        *[seen(full(LOW, f"/{host}"), full(Status.PASS), host=host, at=MONDAY) for host in HOSTS],
    )
    alerter.step(MONDAY)
    assert messages(store) == []

    window = datetime(2030, 6, 9, 2, 0, tzinfo=MONDAY.tzinfo)
    alerter.step(window - minutes(1))
    assert messages(store) == []
    alerter.step(window)
    at = window + minutes(1)
    run(store, at, seen(full(LOW, "/late"), at=at, asked=()))
    alerter.step(window + minutes(2))

    assert messages(store) == [("team:ops", "chat", "digest", "[4] 4 alerts on 4 hosts")]


@on_postgresql
def test_a_maintenance_window_keeps_two_and_three_quiet_and_never_one(
    store: Store, alerter: Alerter
) -> None:
    window = datetime(2030, 6, 9, 2, 0, tzinfo=MONDAY.tzinfo)
    at = window + minutes(1)
    run(store, at, seen(full(HIGH, "/a"), full(CRITICAL, "/b"), full(Status.PASS), at=at))
    alerter.step(at)

    assert set(titles(store)) == {"[1] Low disk space on web1"}


@on_postgresql
def test_what_was_bad_and_over_before_anybody_was_told_is_told_still(
    store: Store, alerter: Alerter
) -> None:
    fails(store, MONDAY, CRITICAL)
    mends(store, MONDAY + minutes(1))
    alerter.step(MONDAY + minutes(2))

    assert titles(store) == ["recovered: [1] Low disk space on web1"] * 2


@pytest.mark.parametrize(
    ("ada", "told"),
    [
        ("chat", [("person:ada", "chat")]),
        ("the same address", [("person:ada", "same")]),
        ("the same address, whole text", [("person:ada", "same"), ("team:ops", "chat")]),
        ("pager", [("person:ada", "pager"), ("team:ops", "chat")]),
    ],
)
def test_no_address_gets_the_same_text_twice(
    store: Store, ada: str, told: list[tuple[str, str]]
) -> None:
    """Who is on call has the team's channel, another one that leads to the same address, or one apart."""
    address = {"url_from": "UPKEEP_CHANNEL_CHAT", "phi": "whole" in ada}
    channel = "same" if "address" in ada else ada
    people = SCHEDULE["people"] | {"ada": {"name": "Ada", "channels": [channel]}}
    others = SCHEDULE["channels"] | {"same": address}
    alerter = Alerter(store, site(people=people, channels=others))
    run(store, MONDAY - minutes(60), seen(full(Status.PASS), at=MONDAY - minutes(60)))
    alerter.step(MONDAY - minutes(59))
    fails(store, MONDAY, CRITICAL)
    alerter.step(MONDAY + minutes(1))
    alerter.step(MONDAY + minutes(16))  # who is on call is called once more
    before = messages(store)
    assert {to for to, *_rest in before} == {"person:ada", "person:bob", "team:ops"}

    mends(store, MONDAY + minutes(17))
    alerter.step(MONDAY + minutes(18))

    over = messages(store)[len(before) :]
    assert {title for *_rest, title in over} == {"recovered: [1] Low disk space on web1"}
    assert [(to, channel) for to, channel, *_rest in over if to != "person:bob"] == told


@on_postgresql
def test_many_causes_of_one_check_are_a_few_alerts(store: Store, alerter: Alerter) -> None:
    full_ones = [full(HIGH, f"/disk{number}") for number in range(40)]
    run(store, MONDAY, seen(*full_ones, full(Status.PASS), at=MONDAY))
    alerter.step(MONDAY)

    found = now_open(store)
    assert len(found) == 4
    assert "*" in {one.cause for one in found}
    assert len(messages(store)) == 8


def test_two_alerters_at_once_look_at_each_transition_once(store: Store, alerter: Alerter) -> None:
    for number in range(12):
        at = MONDAY + minutes(number / 60)
        by_hand = seen(full(HIGH, f"/{number}"), host=HOSTS[number % 4], at=at, asked=())
        run(store, at, by_hand)
    others = [Alerter(store, site()) for _ in range(4)]

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda one: one.step(MONDAY + minutes(1)), others * 3))

    with store.read() as db:
        member_rows = alerts.members(db, [one.id for one in alerts.open_alerts(db)])
        left = db.execute(
            select(tables.finding_event).where(tables.finding_event.c.handled_at.is_(None))
        ).all()
    assert (len(member_rows), left) == (12, [])
    assert (
        len(messages(store)) == 8
    )  # three causes apart and one for the others, to two recipients each


def test_an_acknowledgement_is_not_lost_to_an_alerter_at_work(
    store: Store, alerter: Alerter
) -> None:
    fails(store, MONDAY)
    alerter.step(MONDAY)
    (alert,) = now_open(store)

    def acknowledge(_number: int) -> None:
        with store.begin() as db:
            alerts.acknowledge(db, alert.id, "ada", MONDAY, MONDAY + timedelta(hours=9))

    with ThreadPoolExecutor(4) as pool:
        steps = [pool.submit(alerter.step, MONDAY + minutes(1)) for _ in range(6)]
        fails(store, MONDAY + minutes(1), host="web2")
        acks = [pool.submit(acknowledge, number) for number in range(2)]
        for one in steps + acks:
            one.result()
    alerter.step(MONDAY + minutes(2))

    (alert,) = now_open(store)
    assert (alert.status, alert.acknowledged_by) == ("acknowledged", "ada")


@on_postgresql
def test_a_site_without_teams_keeps_alerts_and_tells_nobody(store: Store) -> None:
    alone = Alerter(store, site(teams={}, alerts={}, procedures={"daily": {"title": "Daily"}}))
    fails(store, MONDAY)
    alone.step(MONDAY)

    assert [one.team for one in now_open(store)] == [""]
    assert messages(store) == []


def test_health_of_channels_is_kept(store: Store) -> None:
    with store.begin() as db:
        assert outbox.channels(db, SITE) == []
        assert outbox.channel_failed(db, SITE, "mail", "no", MONDAY).failures == 1
        assert outbox.channel_failed(db, SITE, "mail", "no", MONDAY).failures == 2
