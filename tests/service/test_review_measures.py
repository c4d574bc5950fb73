"""The measures of a review, on both databases: whose due times count, which series are shown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

import pytest
from store_samples import NOW, SITE, answer, begun, result

from upkeep.model.answer import Observed
from upkeep.model.verdicts import Measure, Status, Unknown
from upkeep.site.schedule_file import Schedule
from upkeep.store import Store, review_measures, runs
from upkeep.store.answers import add_hosts

DAYS = 10
SINCE, UNTIL = NOW.replace(hour=12), NOW.replace(hour=12) + timedelta(days=DAYS)
USED = {"check": "disk_space", "name": "used", "at_most": 80.0}


def schedule(**procedures: Mapping[str, Any]) -> Schedule:
    return Schedule.model_validate(
        {"procedures": {name: {"title": name, **one} for name, one in procedures.items()}}
    )


def used(host: str, value: float, minutes: float, **other: Any) -> Observed:
    one = result(measures=(Measure("used", value, "%"),), host=host, minutes=minutes, **other)
    return answer(one, host=host, minutes=minutes)


def run(
    store: Store, procedure: str, day: float, hosts: Iterable[str], value: float = 70.0
) -> None:
    """Let a procedure see some hosts so many days after the period began."""
    minutes = (SINCE + timedelta(days=day) - NOW).total_seconds() / 60
    with store.begin() as db:
        started_at = NOW + timedelta(minutes=minutes)
        number = runs.start(db, begun(procedure=procedure, started_at=started_at))
        add_hosts(db, number, [used(host, value, minutes) for host in hosts])
        runs.finish(db, number, "done", "", started_at)


def collected(store: Store, those: Schedule, **change: Any) -> dict[str, dict[str, Any]]:
    with store.read() as db:
        (found,) = review_measures.collect(db, SITE, [{**USED, **change}], those, (SINCE, UNTIL))
    return {one["host"]: one for one in found["series"]}


def test_each_host_is_held_against_the_procedures_that_cover_it(store: Store) -> None:
    those = schedule(
        all={"rule": "daily 13:00", "checks": ["disk_space"]},
        databases={"rule": "hourly", "hosts": "db*", "checks": ["disk_space"]},
        elsewhere={"rule": "FREQ=MINUTELY;INTERVAL=5", "hosts": "nobody", "checks": ["disk_space"]},
        other={"rule": "hourly", "checks": ["swap_used"]},
        by_hand={"hosts": "all"},
    )
    run(store, "databases", 0.01, ["db1"])
    for day in range(DAYS):
        run(store, "all", day + 1 / 24 + 0.001, ["web1", "db1"])

    found = collected(store, those)

    assert (found["web1"]["meets"], found["web1"]["unseen"]) == (True, 0)
    assert found["db1"]["meets"] is None
    assert found["db1"]["unseen"] == pytest.approx(23 / 24, abs=0.01)


def test_a_procedure_that_asks_for_all_checks_asks_for_this_one(store: Store) -> None:
    run(store, "all", 1, ["web1"])

    assert collected(store, schedule(all={"rule": "hourly"}))["web1"]["unseen"] > 0.99
    assert (
        collected(store, schedule(other={"rule": "hourly", "checks": ["swap_used"]}))["web1"][
            "unseen"
        ]
        == 1
    )
    assert collected(store, schedule(by_hand={"checks": ["disk_space"]}))["web1"]["meets"] is None


@pytest.mark.parametrize(
    ("unknown", "meets", "unseen"),
    [(Unknown.CANNOT_SEE, None, 0.1), (Unknown.NOTHING_TO_JUDGE, True, 0.0)],
)
def test_the_number_of_a_look_without_a_verdict_is_not_what_was_seen(
    store: Store, unknown: Unknown, meets: bool | None, unseen: float
) -> None:
    for day in range(DAYS - 1):
        run(store, "all", day + 0.1, ["web1"])
    with store.begin() as db:
        at = (SINCE + timedelta(days=9.1) - NOW).total_seconds() / 60
        number = runs.start(db, begun(procedure="all", started_at=NOW + timedelta(minutes=at)))
        add_hosts(db, number, [used("web1", 99.0, at, status=Status.UNKNOWN, unknown=unknown)])

    found = collected(store, schedule(all={"rule": "daily 13:00"}))["web1"]

    assert (found["meets"], found["unseen"]) == (meets, pytest.approx(unseen))
    assert found["most"] == 99.0


@pytest.mark.parametrize("limit", [{"at_most": 80.0}, {"at_least": 60.0, "at_most": None}], ids=str)
def test_of_many_series_those_that_are_not_met_are_shown(
    store: Store, limit: dict[str, float | None]
) -> None:
    hosts = [f"web{number:03}" for number in range(60)]
    bad = 90.0 if limit["at_most"] else 50.0
    for day in range(DAYS):
        run(store, "all", day + 0.1, hosts[:57] + hosts[58:59] * (day < 5))
        run(store, "all", day + 0.2, hosts[59:], bad)
    run(store, "all", -1, hosts[57:58])

    found = collected(store, schedule(all={"rule": "daily 13:00"}), **limit)

    assert len(found) == 40
    assert list(found) == sorted(found)
    told = {host: found[host]["meets"] for host in hosts[57:]}
    assert told == {"web057": None, "web058": None, "web059": False}
    assert {one["meets"] for host, one in found.items() if host not in told} == {True}


def test_a_counter_counts_on_from_the_look_before(store: Store) -> None:
    for day, value in enumerate((5.0, 5.0, 9.0, 2.0)):
        run(store, "all", day - 0.5, ["web1"], value)

    found = collected(store, schedule(all={"rule": "daily 00:00"}), at_most=3.0, rule="total")[
        "web1"
    ]

    assert (found["figure"], found["meets"]) == (6.0, False)


def test_a_host_on_which_nothing_could_ever_be_seen_meets_no_target(store: Store) -> None:
    those = schedule(all={"rule": "daily 13:00", "checks": ["disk_space"]})
    for day in range(DAYS):
        run(store, "all", day + 1 / 24 + 0.001, ["web1"])
    with store.begin() as db:
        number = runs.start(db, begun(procedure="all", started_at=SINCE + timedelta(days=9)))
        minutes = (SINCE + timedelta(days=9) - NOW).total_seconds() / 60
        for host, why in (("ghost", Unknown.CANNOT_SEE), ("quiet", Unknown.NOTHING_TO_JUDGE)):
            unseen = result(
                Status.UNKNOWN, subject="*", host=host, minutes=minutes, measures=(), unknown=why
            )
            add_hosts(db, number, [answer(unseen, host=host, minutes=minutes)])
        runs.finish(db, number, "done", "", SINCE + timedelta(days=9))

    found = collected(store, those)

    assert sorted(found) == ["ghost", "web1"]
    assert (found["ghost"]["meets"], found["ghost"]["unseen"]) == (None, 1)
    assert found["web1"]["meets"] is True
