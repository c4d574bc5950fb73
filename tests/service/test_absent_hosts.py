"""Hosts that leave an inventory: few at once have left, many at once have rather been lost."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest
from alert_samples import MONDAY, SITE, full, minutes, run, seen, site
from service.conftest import on_postgresql
from sqlalchemy import select

from upkeep.model.verdicts import Severity, Status
from upkeep.services.alerts.alerter import Alerter
from upkeep.store import Store, absent, findings, own_troubles, tables
from upkeep.store.absent import too_many

PERCENT = 20
TEN = [f"web{number}" for number in range(10)]


def look(
    store: Store,
    at: datetime,
    hosts: Sequence[str],
    *,
    percent: int = PERCENT,
    procedure: str = "daily",
    check: str = "disk_space",
) -> list[str]:
    """Make a whole run in which each host has a critical finding; return those that are kept though they are gone."""
    bad = full(Severity.CRITICAL, check=check)
    answers = [seen(bad, host=host, at=at, checks=(check,), asked=(check,)) for host in hosts]
    number = run(store, at, *answers, procedure=procedure)
    with store.begin() as db:
        return absent.settle(db, number, percent, at)


def still_open(store: Store) -> set[str]:
    with store.read() as db:
        return {one.host for one in findings.open_ones(db) if one.host != own_troubles.HOST}


def told(store: Store) -> dict[str, str]:
    with store.read() as db:
        return {
            one.subject: one.message
            for one in findings.open_ones(db)
            if (one.host, one.check_id) == (own_troubles.HOST, "hosts_absent")
        }


@pytest.mark.parametrize(
    ("gone", "known", "percent", "expected"),
    [
        (0, 10, 20, False), (1, 1, 20, False), (1, 10, 0, False),
        (2, 10, 20, False), (3, 10, 20, True), (2, 9, 20, True), (2, 2, 20, True),
        (2, 1000, 0, True), (200, 1000, 20, False), (201, 1000, 20, True), (10, 10, 100, False),
    ],
)  # fmt: skip
def test_how_many_are_too_many(gone: int, known: int, percent: int, expected: bool) -> None:
    assert too_many(gone, known, percent) is expected


def test_few_leave_at_once(store: Store) -> None:
    look(store, MONDAY, TEN)

    assert look(store, MONDAY + minutes(60), TEN[2:]) == []

    assert still_open(store) == set(TEN[2:])
    assert told(store) == {}


def test_many_stay_until_they_are_back(store: Store) -> None:
    look(store, MONDAY, TEN)

    assert look(store, MONDAY + minutes(60), TEN[3:]) == TEN[:3]
    assert still_open(store) == set(TEN)
    assert told(store) == {
        "daily": "3 of 10 hosts of daily are not in the inventory any more: web0, web1, web2; what was found on them stays open"
    }

    assert look(store, MONDAY + minutes(120), TEN) == []
    assert still_open(store) == set(TEN)
    assert told(store) == {}
    with store.read() as db:
        assert absent.waiting(db, SITE) == []
        assert {one.opening for one in findings.open_ones(db)} == {1}


def test_many_have_left_when_it_has_been_so_for_a_day(store: Store) -> None:
    look(store, MONDAY, TEN)
    for hours in (1, 12, 24):
        assert look(store, MONDAY + timedelta(hours=hours), TEN[5:]) == TEN[:5]

    assert look(store, MONDAY + timedelta(hours=25), TEN[5:]) == []

    assert still_open(store) == set(TEN[5:])
    assert told(store) == {}


@pytest.mark.parametrize("back", [4, 3, 2], ids=["all but one", "all but two", "all but three"])
def test_those_that_wait_are_not_let_go_because_others_are_back(store: Store, back: int) -> None:
    look(store, MONDAY, TEN)
    look(store, MONDAY + minutes(60), TEN[5:])

    still_gone = TEN[: 5 - back]
    assert look(store, MONDAY + minutes(120), TEN[5 - back :]) == still_gone
    assert still_open(store) == set(TEN)
    assert "not in the inventory any more" in told(store)["daily"]

    assert look(store, MONDAY + timedelta(hours=26), TEN[5 - back :]) == []
    assert still_open(store) == set(TEN) - set(still_gone)


def test_one_alone_is_told_of_in_good_english(store: Store) -> None:
    look(store, MONDAY, TEN)
    look(store, MONDAY + minutes(60), TEN[5:])
    look(store, MONDAY + minutes(120), TEN[1:])

    assert told(store) == {
        "daily": "1 of 10 hosts of daily is not in the inventory any more: web0; what was found on it stays open"
    }


def test_those_that_others_wait_for_are_waited_for(store: Store) -> None:
    """A procedure of few hosts loses one of those that vanish together from another one."""
    look(store, MONDAY, TEN)
    look(store, MONDAY, [TEN[0], *TEN[5:]], procedure="weekly", check="disk_inodes")
    look(store, MONDAY + minutes(60), TEN[5:])

    assert look(store, MONDAY + minutes(61), TEN[5:], procedure="weekly", check="disk_inodes") == [
        "web0"
    ]

    assert set(told(store)) == {"daily", "weekly"}
    assert look(store, MONDAY + minutes(62), TEN) == []
    assert look(store, MONDAY + minutes(63), TEN, procedure="weekly", check="disk_inodes") == []
    assert still_open(store) == set(TEN)
    assert told(store) == {}


@pytest.mark.parametrize(
    ("seconds", "kept"), [(86_400 - 3_600, TEN[:5]), (86_400 - 60, []), (86_400 + 60, [])]
)
def test_daily_runs_are_a_day_apart_though_one_begins_or_ends_earlier(
    store: Store, seconds: int, kept: list[str]
) -> None:
    look(store, MONDAY, TEN)
    look(store, MONDAY + timedelta(days=1), TEN[5:])

    assert look(store, MONDAY + timedelta(days=1, seconds=seconds), TEN[5:]) == kept


@on_postgresql
def test_one_that_comes_and_goes_is_missing_since_it_last_went(store: Store) -> None:
    look(store, MONDAY, TEN)
    for hours in range(4, 60, 4):
        look(store, MONDAY + timedelta(hours=hours), TEN if hours % 12 == 0 else TEN[5:])

    assert still_open(store) == set(TEN)


def test_those_that_follow_one_by_one_are_counted_with_those_that_wait(store: Store) -> None:
    look(store, MONDAY, TEN)
    look(store, MONDAY + minutes(1), TEN[3:])

    assert look(store, MONDAY + minutes(2), TEN[4:]) == TEN[:4]

    assert still_open(store) == set(TEN)


def test_a_person_says_that_they_have_left(store: Store) -> None:
    look(store, MONDAY, TEN)
    look(store, MONDAY + minutes(60), TEN[5:])

    with store.begin() as db:
        assert absent.accept(db, SITE, {"web0", "web1"}, MONDAY + minutes(61)) == 2
    assert still_open(store) == set(TEN[2:])
    assert told(store)["daily"].startswith("3 hosts of daily")

    with store.begin() as db:
        assert absent.accept(db, SITE, {"web2", "web3", "web4"}, MONDAY + minutes(62)) == 3
    assert still_open(store) == set(TEN[5:])
    assert told(store) == {}
    assert look(store, MONDAY + minutes(63), TEN[5:]) == []


def test_who_has_left_has_left_all_procedures(store: Store) -> None:
    look(store, MONDAY, TEN)
    look(store, MONDAY + minutes(1), TEN, procedure="weekly", check="disk_inodes")
    look(store, MONDAY + minutes(60), TEN[5:])

    with store.begin() as db:
        assert absent.accept(db, SITE, {"web0", "web1"}, MONDAY + minutes(61)) == 4

    assert still_open(store) == set(TEN[2:])
    assert look(store, MONDAY + minutes(62), TEN[2:], procedure="weekly", check="disk_inodes") == []
    assert set(told(store)) == {"daily"}


def test_what_a_later_run_has_seen_stays_though_somebody_says_that_they_have_left(
    store: Store,
) -> None:
    look(store, MONDAY, TEN)
    look(store, MONDAY + minutes(60), TEN[5:])
    run(store, MONDAY + minutes(70), seen(full(Status.PASS), host="web0", at=MONDAY + minutes(70)))
    run(
        store,
        MONDAY + minutes(71),
        seen(full(Severity.CRITICAL), host="web1", at=MONDAY + minutes(71)),
    )

    with store.begin() as db:
        absent.accept(db, SITE, set(TEN[:5]), MONDAY + minutes(72))

    assert still_open(store) == {"web1", *TEN[5:]}


def test_each_procedure_has_its_own_hosts(store: Store) -> None:
    look(store, MONDAY, TEN[:5])
    look(store, MONDAY + minutes(1), TEN[5:], procedure="weekly")

    assert look(store, MONDAY + minutes(2), TEN[:5]) == []
    assert still_open(store) == set(TEN)


@pytest.mark.long
@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_two_days_of_an_inventory_that_comes_and_goes_ends_nothing_and_is_told_seldom(
    store: Store,
) -> None:
    """A cloud that answers wholly, in part, not at all or with an error, anew each hour; test_flapping_week.py lives a week."""
    chance = random.Random(20261126)
    alerter = Alerter(store, site())
    look(store, MONDAY, TEN)
    alerter.step(MONDAY)
    for hour in range(1, 2 * 24):
        at = MONDAY + timedelta(hours=hour)
        state = chance.choice(["whole", "whole", "half", "empty", "error"])
        if state == "error":
            seen_now = [seen(full(Severity.CRITICAL), host="web0", at=at)]
            number = run(store, at, *seen_now)
            with store.begin() as db:
                own_troubles.tell_unread(db, SITE, ["/srv/site/inventory/cloud.sh"], number, at)
        else:
            there = {"whole": TEN, "half": chance.sample(TEN, 5), "empty": ["web0"]}[state]
            look(store, at, there)
            with store.begin() as db:
                own_troubles.tell_unread(db, SITE, [], 0, at)
        alerter.step(at)
        assert still_open(store) == set(TEN)
    end = MONDAY + timedelta(days=2)
    look(store, end, TEN)
    alerter.step(end)

    with store.read() as db:
        assert {one.opening for one in findings.open_ones(db) if one.host != own_troubles.HOST} == {
            1
        }
        assert absent.waiting(db, SITE) == []
        told_of = db.execute(
            select(tables.outbox.c.title).where(tables.outbox.c.recipient == "team:ops")
        )
        titles = [title for (title,) in told_of]
    assert told(store) == {}
    # Both come and go with the hours: what is told of them is told again at most once an hour.
    assert 0 < len([one for one in titles if one.startswith("[")]) <= 2 * 24
