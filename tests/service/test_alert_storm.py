"""A night in which much goes wrong at once: people get the few messages that are written down here, and no others.

Each part of the night is one of the kinds in which one trouble has many results. What is said of each is a line of the
table, as the receiver of the team's chat gets it; who is on call gets the same on a pager. All goes over the real
outbox to a real receiver.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from alert_samples import MONDAY, full, minutes, run, seen, site
from service.conftest import on_postgresql
from service.receivers import Posts, http_server
from sqlalchemy import select
from store_samples import result

from upkeep.model.answer import Observed, Outcome
from upkeep.model.verdicts import Severity, Status
from upkeep.rules.alerts.model import MANY
from upkeep.services.alerts.alerter import Alerter
from upkeep.services.alerts.sender import Sender
from upkeep.store import Store, alerts, tables

CRITICAL, HIGH, MEDIUM = Severity.CRITICAL, Severity.HIGH, Severity.MEDIUM
HOSTS = [f"web{number}" for number in range(40)]
SUNDAY = datetime(2030, 6, 9, 2, 0, tzinfo=MONDAY.tzinfo)
"""A maintenance window of two hours begins."""
DISK = "Low disk space"
UPDATES = "Pending security update"
SPRAYED = "Password spraying"
UNREACHABLE = "Connection failure"
UNITS = "Failed unit"

on_sqlite = pytest.mark.parametrize("url", ["sqlite"], indirect=True)
"""For what is much: it costs less there. How much a statement of PostgreSQL may hold is seen by the tests of the store."""


@pytest.fixture
def posts() -> Iterator[tuple[str, Posts]]:
    with http_server() as made:
        yield made


@pytest.fixture
def alerter(store: Store) -> Alerter:
    """One whose site has been looked at before, and all was well."""
    one = Alerter(store, site())
    begin = MONDAY - minutes(60)
    checks = ("disk_space", "security_updates", "password_spraying", "failed_units")
    well = [result(Status.PASS, check=check) for check in checks]
    run(store, begin, *(seen(*well, host=host, at=begin, checks=checks) for host in HOSTS))
    one.step(begin + minutes(1))
    return one


def told(store: Store) -> Counter[tuple[str, str]]:
    """What the outbox has for the chat of the team, and for the pager of who is on call; without since when."""
    table = tables.outbox
    with store.read() as db:
        rows = db.execute(select(table).where(table.c.state != "spare"))
        return Counter((row.channel, row.title.split(", since ")[0]) for row in rows)


def expected(*titles: tuple[str, int]) -> Counter[tuple[str, str]]:
    """Each title so often on both."""
    return Counter({(channel, title): n for title, n in titles for channel in ("chat", "pager")})


def many(check: str, severity: Severity, names: list[str], host: str, at: datetime) -> Observed:
    found = [result(severity, check=check, subject=one) for one in names]
    return seen(*found, host=host, at=at, checks=(check,))


def pass_hours(alerter: Alerter, begin: datetime, hours: float, every: float = 5) -> None:
    """Let the alerter look every few minutes."""
    for turn in range(int(hours * 60 / every) + 1):
        alerter.step(begin + minutes(turn * every))


@on_sqlite
def test_ten_thousand_sources_in_one_check(store: Store, alerter: Alerter) -> None:
    """Three alerts of their own, one for all others; those of which nobody had heard are one message an hour later."""
    sources = [f"source {number}" for number in range(10_000)]
    run(store, MONDAY, many("password_spraying", HIGH, sources, "web1", MONDAY))
    pass_hours(alerter, MONDAY, 1.75, every=15)

    title = f"{SPRAYED} on web1"
    with store.read() as db:
        (shared,) = [one.id for one in alerts.open_alerts(db) if one.cause == MANY]
    assert told(store) == expected(
        (f"[2] {title}", 3),
        (f"[2] {title}, 4997 findings", 1),
        (f"[2] 5000 new causes in alert {shared}: {SPRAYED} on web1", 1),
    )


@on_sqlite
def test_eighty_advisories_on_forty_hosts(store: Store, alerter: Alerter) -> None:
    """The same advisory on another host is no other cause."""
    names = [f"CVE-2030-{number:04}" for number in range(80)]
    for turn, host in enumerate(HOSTS):
        at = MONDAY + minutes(turn)
        run(store, at, many("security_updates", HIGH, names, host, at))
        # A driver that is started anew knows what was told.
        Alerter(store, site()).step(at)
    pass_hours(alerter, MONDAY + minutes(40), 1, every=15)

    title = f"[2] {UPDATES} on web0"
    assert told(store) == expected((title, 3), (f"{title}, 77 findings", 1))


@on_postgresql
@pytest.mark.parametrize("acknowledged", [False, True])
def test_a_new_critical_cause_is_heard_of_and_the_acknowledgement_stands(
    store: Store, alerter: Alerter, acknowledged: bool
) -> None:
    names = [f"CVE-2030-{number:04}" for number in range(5)]
    run(store, MONDAY, many("security_updates", CRITICAL, names, "web1", MONDAY))
    alerter.step(MONDAY)
    with store.begin() as db:
        (shared,) = [one.id for one in alerts.open_alerts(db) if one.cause == MANY]
        for one in alerts.open_alerts(db):
            if acknowledged or one.id != shared:
                until = MONDAY + timedelta(hours=9)
                alerts.acknowledge(db, one.id, "ada", MONDAY + minutes(1), until)
    before = told(store)
    for turn in range(1, 8):
        at = MONDAY + minutes(1 + turn)
        new = [*names, *(f"CVE-2031-{number:04}" for number in range(turn))]
        for host in ("web1", "web2"):
            run(store, at, many("security_updates", CRITICAL, new, host, at))
        alerter.step(at)
    assert told(store) == before

    pass_hours(alerter, MONDAY + minutes(15), 0.2)
    new_ones = told(store) - before
    with store.read() as db:
        (alert,) = [one for one in alerts.open_alerts(db) if one.id == shared]
        rows = list(db.execute(select(tables.outbox).order_by(tables.outbox.c.id)))
    told_on = {row.channel: row.body for row in rows if "7 new causes" in row.title + row.body}
    if acknowledged:
        title = f"[1] 7 new causes in alert {shared}: {UPDATES} on web1, web2"
        assert new_ones == expected((title, 1))
        assert (alert.status, alert.acknowledged_by) == ("acknowledged", "ada")
    else:
        # Who has not acknowledged hears of it with the next call.
        assert {title.split("web")[0] for _channel, title in new_ones} == {
            f"[1] Not acknowledged yet: {UPDATES} on "
        }
        assert "7 new causes since the last message, the worst first:" in told_on["mail"]


@on_postgresql
@pytest.mark.parametrize(
    "check", ["host_unreachable", "password_spraying"], ids=["unreachable", "intruders"]
)
def test_another_host_in_an_acknowledged_alert_is_heard_of_once(
    store: Store, alerter: Alerter, check: str
) -> None:
    """A connection and a log are each host's own: that one host is known is no word on the next."""

    def wrong(host: str, at: datetime) -> Observed:
        if check == "host_unreachable":
            return seen(host=host, at=at, outcome=Outcome.UNREACHABLE)
        return many(check, HIGH, ["/var/log/auth.log"], host, at)

    run(store, MONDAY, wrong("web1", MONDAY))
    alerter.step(MONDAY)
    with store.begin() as db:
        (alert,) = alerts.open_alerts(db)
        until = MONDAY + timedelta(hours=9)
        alerts.acknowledge(db, alert.id, "ada", MONDAY + minutes(1), until)
    before = told(store)
    for turn in range(1, 5):
        at = MONDAY + minutes(30 * turn)
        run(store, at, *(wrong(host, at) for host in ("web1", "web2")))
        Alerter(store, site()).step(at)

    title = UNREACHABLE if check == "host_unreachable" else SPRAYED
    told_once = (f"[2] 1 new cause in alert {alert.id}: {title} on web2", 1)
    assert told(store) - before == expected(told_once)
    with store.read() as db:
        (alert,) = alerts.open_alerts(db)
    assert (alert.status, alert.acknowledged_by) == ("acknowledged", "ada")


@on_postgresql
def test_forty_unreachable_hosts(store: Store, alerter: Alerter) -> None:
    for turn in range(6):
        at = MONDAY + minutes(10 * turn)
        away = [seen(host=host, at=at, outcome=Outcome.UNREACHABLE) for host in HOSTS]
        run(store, at, *away)
        alerter.step(at)

    title = f"[2] {UNREACHABLE} on web0, web1, web2, web3, web4 and 35 more, 40 findings"
    assert told(store) == expected((title, 1))


@on_postgresql
def test_a_flapping_check(store: Store, alerter: Alerter) -> None:
    """The first opening and its recovery are told, and the second opening; then once an hour that it fails."""
    for turn in range(24):
        at = MONDAY + minutes(5 * turn)
        status: Severity | Status = Status.PASS if turn % 2 else HIGH
        run(store, at, seen(full(status), at=at))
        alerter.step(at)
    pass_hours(alerter, MONDAY + minutes(120), 3)

    title = f"[2] {DISK} on web1"
    again = f"[2] Came back: {DISK} on web1"
    assert told(store) == expected((title, 2), (again, 1), (f"recovered: {title}", 2))


@on_sqlite
def test_an_upgrade_night(store: Store, alerter: Alerter) -> None:
    """In the window units of all hosts fail and come back: nobody hears of that. What is left is told when it ends."""
    for turn in range(8):
        at = SUNDAY + minutes(10 + 10 * turn)
        answers: list[Observed] = []
        for number, host in enumerate(HOSTS):
            bad = (turn + number) % 3 == 0 or (turn == 7 and host == "web7")
            status: Severity | Status = (
                HIGH if bad and (turn < 7 or host == "web7") else Status.PASS
            )
            one = result(status, check="failed_units", subject="systemd")
            answers.append(seen(one, host=host, at=at, checks=("failed_units",)))
        run(store, at, *answers)
        alerter.step(at)
    assert told(store) == Counter()

    pass_hours(alerter, SUNDAY + minutes(100), 30, every=60)
    assert told(store) == expected((f"[2] {UNITS} on web7", 1))


@on_sqlite
def test_what_leaves_over_a_real_receiver(
    store: Store, alerter: Alerter, posts: tuple[str, Posts]
) -> None:
    """All of it in one night: what arrives is what the outbox had, each once."""
    names = [f"CVE-2030-{number:04}" for number in range(80)]
    away = [seen(host=host, at=MONDAY, outcome=Outcome.UNREACHABLE) for host in HOSTS]
    run(store, MONDAY, *away)
    alerter.step(MONDAY)
    at = MONDAY + minutes(1)
    missing = {host: names if host in HOSTS[:10] else [] for host in HOSTS}
    run(store, at, *(many("security_updates", HIGH, missing[host], host, at) for host in HOSTS))
    alerter.step(at)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("UPKEEP_")}
    environ = kept | {f"UPKEEP_CHANNEL_{name}": posts[0] for name in ("PAGER", "CHAT")}

    sender = Sender(store, alerter.site, environ)
    for _turn in range(20):
        sender.step(at)

    unreachable = f"[2] {UNREACHABLE} on web0, web1, web2, web3, web4 and 35 more, 40 findings"
    updates = f"[2] {UPDATES} on web0, web1, web2, web3, web4 and 5 more,"
    by_hand = {
        unreachable: 2,
        f"recovered: {unreachable}": 2,
        f"{updates} 10 findings": 2 * 3,
        f"{updates} 770 findings": 2,
    }
    assert Counter(one["title"].split(", since ")[0] for one in posts[1].got) == by_hand
