"""Silences on both databases: by one person, by two, as whichever user, and those that were there before."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from alert_samples import MONDAY, full, run, seen, site
from service.conftest import on_postgresql
from service.page import PASSWORD, Visitor, add_users, served
from store_samples import SITE

from upkeep.model.errors import UsageError
from upkeep.model.roles import Role
from upkeep.model.verdicts import Severity, Status
from upkeep.rules.silences import SilenceScope
from upkeep.services import silences as silencing
from upkeep.services.acts import By
from upkeep.services.alerts.alerter import Alerter
from upkeep.store import Store, acts, alerts, silences, users
from upkeep.store.silences import NewSilence
from upkeep.view.upcoming import Coming
from upkeep.web.routing import Setting

HOSTS = [f"web{n}" for n in range(1, 11)]
CHECKS = ("disk_space", "brute_force", "swap_used", "host_key")
DAY = timedelta(days=1)
PEOPLE = (
    ("ada", "ada", Role.OPERATOR), ("ada-admin", "ada", Role.ADMIN), ("bob", "bob", Role.APPROVER),
    ("who", "", Role.ADMIN), ("eve", "eve", Role.ADMIN),
)  # fmt: skip


@pytest.fixture
def watching(store: Store) -> Iterator[Alerter]:
    """Ten hosts with four checks each, that pass; and people, of whom the schedule knows ada and bob."""
    at = MONDAY - timedelta(hours=1)
    with store.begin() as db:
        for name, person, role in PEOPLE:
            users.add(db, name, role, "no password", MONDAY, person=person)
    results = [full(Status.PASS, check=check) for check in CHECKS]
    run(store, at, *(seen(*results, host=one, at=at, checks=CHECKS) for one in HOSTS))
    alerter = Alerter(store, site())
    alerter.step(at)
    return alerter


def by(store: Store, who: str) -> By:
    with store.read() as db:
        return By(users.get(db, who), acts.WEB)


def silence(
    store: Store,
    check: str,
    host: str,
    who: str = "ada",
    lasts: timedelta = DAY,
    now: datetime = MONDAY,
) -> bool:
    """Make a silence of severity 1; return whether it holds at once."""
    scope = SilenceScope(check, host, 1)
    made, _width = silencing.add(store, site(), scope, "x", now + lasts, by(store, who), now)
    return not made.waits


def told(
    store: Store,
    alerter: Alerter,
    check: str,
    host: str,
    now: datetime,
    severity: Severity = Severity.CRITICAL,
) -> bool:
    """Let a check fail on a host; return whether people are told."""
    bad = full(severity, check=check)
    run(store, now, seen(bad, host=host, at=now, checks=(check,)))
    alerter.step(now)
    with store.read() as db:
        (one,) = [one for one in alerts.open_alerts(db) if one.check_id == check]
    return not one.silenced


def test_everything_is_quiet_only_when_two_people_say_so_and_intruders_never(
    store: Store, watching: Alerter
) -> None:
    assert not silence(store, "*", "*")
    assert told(store, watching, "disk_space", "web1", MONDAY)

    silencing.approve(store, site(), 1, by(store, "bob"), MONDAY)

    later = MONDAY + timedelta(minutes=5)
    assert not told(store, watching, "swap_used", "web2", later)
    assert told(store, watching, "brute_force", "web3", later)
    with store.read() as db:
        (kept,) = silences.lasting(db, SITE, later)
        done = [(one.who, one.what, one.outcome) for one in acts.recent(db, 2)]
    assert (kept.made_by, kept.approved_by) == ("ada", "bob")
    assert done == [("bob", "approve silence", "done"), ("ada", "silence", "done")]


@on_postgresql
@pytest.mark.parametrize(
    ("who", "said"),
    [
        ("ada-admin", "the person who asked for a silence may not approve it"),
        ("who", "who is not a person in the schedule"),
        ("eve", "eve is not a person in the schedule"),
    ],
    ids=["the same person", "no person", "a person whom the schedule does not know"],
)
def test_the_second_is_somebody_else(store: Store, watching: Alerter, who: str, said: str) -> None:
    silence(store, "*", "*")

    with pytest.raises(UsageError, match=said):
        silencing.approve(store, site(), 1, by(store, who), MONDAY)

    assert told(store, watching, "disk_space", "web1", MONDAY)


def test_many_small_silences_are_a_large_one(store: Store, watching: Alerter) -> None:
    assert silence(store, "*", "web1")
    assert silence(store, "disk_space", "web2")
    assert not silence(store, "*", "web3")
    assert not silence(store, "*", "web3", "ada-admin")  # as another user of the same person
    assert silence(store, "*", "web3", "bob")  # another person has his own share


@on_postgresql
def test_a_silence_of_another_site_is_not_there(store: Store, watching: Alerter) -> None:
    silence(store, "*", "*")
    other = replace(site(), name="/srv/other")

    for act in (silencing.approve, silencing.end):
        with pytest.raises(UsageError, match="there is no active silence 1"):
            act(store, other, 1, by(store, "bob"), MONDAY)  # type: ignore[operator]


def test_one_of_before_holds_for_as_long_as_one_may_now(store: Store, watching: Alerter) -> None:
    """It was made by one person, for everything, without an end."""
    with store.begin() as db:
        silences.add(
            db, SITE, NewSilence(check="*", host="*", severity=1, reason="x", by="ada", at=MONDAY, begins=MONDAY,
            ends=datetime(9999, 1, 1, tzinfo=UTC)),
        )  # fmt: skip

    assert not told(store, watching, "disk_space", "web1", MONDAY + DAY)
    assert told(store, watching, "brute_force", "web1", MONDAY + DAY)
    assert not told(store, watching, "disk_space", "web1", MONDAY + 7 * DAY - timedelta(minutes=1))
    assert told(store, watching, "disk_space", "web1", MONDAY + 7 * DAY)
    with store.read() as db:
        longest = silencing.longest(site().schedule)
        assert silences.lasting(db, SITE, MONDAY + 7 * DAY, planned=True, longest=longest) == []


@on_postgresql
def test_the_site_s_own_limit_holds_for_one_of_before(store: Store, watching: Alerter) -> None:
    with store.begin() as db:
        silences.add(
            db, SITE, NewSilence(check="disk_space", host="web1", severity=1, reason="x", by="ada", at=MONDAY,
            begins=MONDAY, ends=MONDAY + 300 * DAY),
        )  # fmt: skip
    longer = Alerter(store, site(alerts={"team": "ops", "longest_silence": "30 d"}))

    assert not told(store, longer, "disk_space", "web1", MONDAY + 29 * DAY)
    assert told(store, longer, "disk_space", "web1", MONDAY + 30 * DAY)


@on_postgresql
def test_a_maintenance_window_does_not_hide_a_changed_host_key(
    store: Store, watching: Alerter
) -> None:
    in_window = datetime(2030, 6, 9, 3, tzinfo=UTC)

    assert not told(store, watching, "swap_used", "web1", in_window, Severity.HIGH)
    assert told(store, watching, "host_key", "web1", in_window, Severity.HIGH)


# --- on the page -----------------------------------------------------------------------------------------------------
@pytest.fixture
def where(store: Store, watching: Alerter) -> Iterator[str]:
    add_users(store, MONDAY)
    with store.begin() as db:
        for name, person in (("operator", "ada"), ("approver", "bob"), ("admin", "ada")):
            users.set_person(db, name, person)
    plan = site().schedule
    with served(Setting(store, SITE, lambda: plan, Coming(lambda: plan, None))) as url:
        yield url


@on_postgresql
def test_on_the_page_it_waits_for_somebody_else_too(store: Store, where: str) -> None:
    visitors = {}
    for name in ("operator", "admin", "approver"):
        visitors[name] = Visitor(where)
        assert visitors[name].sign_in(name, PASSWORD).status_code == 303
    form = {"check": "*", "severity": "1", "reason": "x"}

    long = visitors["operator"].act("/silences", **form, host="*", lasts="52 w")
    named = visitors["operator"].act(
        "/silences", **form | {"check": "brute_*"}, host="*", lasts="1 h"
    )
    wide = visitors["operator"].act("/silences", **form, host="*", lasts="1 h")
    own = visitors["admin"].act("/silences/1/approve")
    offered = [
        "/silences/1/approve" in visitors[one].get("/alerts").text for one in ("admin", "approver")
    ]
    said = visitors["approver"].act("/silences/1/approve")
    for one in visitors.values():
        one.close()

    assert (long.status_code, named.status_code, wide.status_code) == (409, 409, 303)
    assert "silence ends at most" in long.text
    assert "is silenced by its exact name" in named.text
    assert own.status_code == 409
    assert "he person who asked for a silence may not approve it" in own.text
    assert offered == [False, True]
    assert said.status_code == 303
    with store.read() as db:
        (kept,) = silences.lasting(db, SITE, datetime.now(UTC))
    assert (kept.made_by, kept.approved_by) == ("operator", "approver")
