"""Checks with history are judged as an answer is written down, on either database, and again with the same past."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import insert, select, update
from store_samples import NOW, SITE, begun

from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation
from upkeep.judging import check as checks
from upkeep.judging.check import Check, History, PastMoment, gone
from upkeep.judging.judge import judge_again
from upkeep.model.answer import Due, Observed, Outcome, Request, Seen
from upkeep.model.verdicts import (
    Measure,
    MeasureKind,
    Severity,
    Status,
    Verdict,
    failed,
    nothing_to_judge,
    passed,
)
from upkeep.store import Store, answers, findings, runs, tables
from upkeep.store.engine import retention

DAY = timedelta(days=1)
LOOKS = 5


@dataclass(frozen=True)
class Limits:
    """most: by which a number may have grown."""

    most: int = 5


def judge(
    seen: Observation, limits: Limits, now: datetime, history: Sequence[PastMoment]
) -> Verdict:
    if not history:
        return nothing_to_judge("seen for the first time")
    grown = seen.data["number"] - history[0].seen.data["number"]
    text = f"{[one.seen.data['number'] for one in history]}, then {seen.data['number']}"
    measure = Measure("grown", grown)
    return failed(Severity.LOW, text, measure) if grown > limits.most else passed(text, measure)


GROWTH = Check(
    title="Nothing grows",
    trouble="Growth",
    gather="file_systems",
    limits=Limits(),
    judge=judge,
    history=History(days=LOOKS, at_most=LOOKS),
    measures={"grown": MeasureKind.STATE},
    source="test",
    remedy="cut it",
    id="growth",
    family="site",
    absence={"file systems": gone()},
)


@pytest.fixture(autouse=True)
def known() -> Iterator[None]:
    checks.use({"growth": GROWTH})
    yield
    checks.use({})


def look(
    store: Store,
    day: float,
    *numbers: int,
    host: str = "web1",
    site: str = SITE,
    gather: str = "file_systems",
    **other: Any,
) -> int:
    """Return a run in which a host gave /srv0, /srv1 … with these numbers."""
    given = Observed(
        host=host,
        outcome=Outcome.OK,
        observed_at=NOW + day * DAY,
        requests=(Request(gather, {}),),
        due=(Due("growth", 0, {}),),
        seen=tuple(
            Seen(0, Observation(f"/srv{index}", {"number": number}, of="file systems"))
            for index, number in enumerate(numbers)
        ),
        deferred=("growth",),
        asked=("*",),
        uid=0,
        whole=((0, "file systems"),),
    )
    with store.begin() as db:
        run_id = runs.start(db, begun(day * 24 * 60, site=site))
        answers.add_host(db, run_id, replace(given, **other))
        runs.finish(db, run_id, "done", "", NOW + day * DAY)
    return run_id


def said(store: Store, run_id: int) -> list[tuple[str, str, str]]:
    with store.read() as db:
        found = answers.results_of(db, run_id)
        return sorted((one.subject, one.status.value, one.message) for one in found)


def test_an_answer_is_judged_with_those_before_it(store: Store) -> None:
    first = look(store, 0, 1, 100)
    look(store, 1, 2, 100)
    last = look(store, 2, 7, 101)

    assert said(store, first) == [
        (f"/srv{index}", "unknown", "seen for the first time") for index in (0, 1)
    ]
    assert said(store, last) == [
        ("/srv0", "fail", "[1, 2], then 7"),
        ("/srv1", "pass", "[100, 100], then 101"),
    ]
    with store.read() as db:
        (found,) = findings.open_ones(db, site=SITE)
        assert (found.check_id, found.subject, found.message) == (
            "growth",
            "/srv0",
            said(store, last)[0][2],
        )
        series = answers.series(db, SITE, "growth", "web1", "/srv0", "grown", NOW)
        assert [value for _at, value in series] == [1, 6]


def test_only_the_same_host_site_and_gather_in_its_days_is_its_past(store: Store) -> None:
    look(store, -LOOKS - 0.1, 1)
    look(store, -1, 2, host="web2")
    look(store, -1, 3, site="/srv/other")
    look(store, -1, 4, gather="swap")
    look(store, -LOOKS, 5)
    look(store, -1, 6, seen=(Seen(0, Observation("/srv0", {}, error="refused")),))
    look(store, 0.1, 7)

    assert said(store, look(store, 0, 8)) == [("/srv0", "pass", "[5], then 8")]


def test_of_many_looks_the_newest_of_each_part_of_the_time_is_taken(store: Store) -> None:
    for hour in range(24 * LOOKS):
        look(store, hour / 24 - LOOKS, hour)

    (found,) = said(store, look(store, 0, 24 * LOOKS))

    assert found[2] == "[23, 47, 71, 95, 119], then 120"


def judged_again(store: Store, run_id: int, **limits: int) -> list[tuple[str, str]]:
    with store.begin() as db:
        number = answers.begin_judgement(db, run_id, NOW)
        for one in list(answers.observed_in(db, run_id)):
            past = answers.past_of(db, run_id, one)
            again = judge_again(one, checks.load(), [Due("growth", 0, limits)], past)
            answers.add_judgement(db, run_id, number, again)
        found = answers.results_of(db, run_id, judgement=number)
        return sorted((one.status.value, one.message) for one in found)


def test_judged_again_it_has_the_past_that_it_had_whatever_came_since(store: Store) -> None:
    look(store, -3, 1)
    last = look(store, 0, 7)
    look(store, -1, 3)  # an answer that was late: it waited in the spool

    assert judged_again(store, last) == [("fail", "[1], then 7")]
    assert judged_again(store, last, most=6) == [("pass", "[1], then 7")]


def test_what_it_was_judged_with_is_not_kept_so_the_verdict_stays(store: Store) -> None:
    old = look(store, -3, 1)
    last = look(store, 0, 7)
    with store.begin() as db:
        retention._forget_observations(db, [old])

    assert judged_again(store, last, most=6) == [("fail", "[1], then 7")]
    assert said(store, look(store, 1, 8)) == [("/srv0", "pass", "[7], then 8")]


def test_an_answer_of_before_this_release_stays_as_it_is(store: Store) -> None:
    run_id = look(store, 0, 7)
    with store.begin() as db:
        db.execute(update(tables.report).values(judged_with=None))

    assert judged_again(store, run_id) == [("unknown", "seen for the first time")]


def test_several_hosts_at_once_are_judged_each_with_its_own(store: Store) -> None:
    for host, number in (("web1", 1), ("web2", 50)):
        look(store, -1, number, host=host)
    with store.begin() as db:
        run_id = runs.start(db, begun())
        given = [
            Observed(
                host=host,
                outcome=Outcome.OK,
                observed_at=NOW,
                requests=(Request("file_systems", {}),),
                due=(Due("growth", 0, {}),),
                seen=(Seen(0, Observation("/srv0", {"number": number})),),
                deferred=("growth",),
            )
            for host, number in (("web1", 7), ("web2", 51))
        ]
        added = answers.add_hosts(db, run_id, given)
        twice = answers.add_hosts(db, run_id, given)

    assert [(one.host, [each.status for each in one.results]) for one in added] == [
        ("web1", [Status.FAIL]),
        ("web2", [Status.PASS]),
    ]
    assert twice == []
    assert [message for _subject, _status, message in said(store, run_id)] == [
        "[1], then 7",
        "[50], then 51",
    ]


def test_a_check_that_is_not_known_here_is_unknown(store: Store) -> None:
    """An answer that waited, of a site whose own check is gone since."""
    checks.use({})

    assert said(store, look(store, 0, 7)) == [
        ("/srv0", "unknown", "there is no check 'growth' in this program")
    ]


def test_a_subject_that_is_gone_moves_its_finding(store: Store) -> None:
    look(store, -1, 1, 1)
    look(store, 0, 1, 9)
    look(store, 1, 1)

    with store.read() as db:
        table = tables.finding
        found = db.execute(select(table.c.subject, table.c.status)).all()
    assert [tuple(one) for one in found] == [("/srv1", "gone")]


def test_many_reports_are_found_by_their_host_and_time(store: Store) -> None:
    with store.begin() as db:
        run_id = runs.start(db, begun())
        rows = [
            {
                "run_id": run_id,
                "host": f"h{number}",
                "observed_at": NOW - number * timedelta(minutes=1),
                "requests": "[]",
                "due": "[]",
            }
            for number in range(500)
        ]
        db.execute(insert(tables.report), rows)

    assert said(store, look(store, 0, 7)) == [("/srv0", "unknown", "seen for the first time")]


def test_what_could_not_be_seen_has_a_next_step(store: Store) -> None:
    run_id = look(store, 0, seen=(Seen(0, Observation("/srv0", {}, error="refused")),))

    with store.read() as db:
        (found,) = answers.results_of(db, run_id)
    assert (found.message, found.remedy) == (
        "refused",
        f"upkeep doctor -i {SITE} --limit web1  # on the controller: see why",
    )
