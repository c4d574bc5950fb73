"""What retention removes, and what it never does."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from datetime import timedelta
from pathlib import Path

import pytest
from alert_samples import site as alert_site
from patience import PATIENCE_SECONDS
from sqlalchemy import func, select
from store_samples import NOW, SITE, answer, begun, result

from upkeep.judging.judge import evidence_hash
from upkeep.model import occurrence
from upkeep.model.verdicts import Severity, Status
from upkeep.services.alerts.alerter import Alerter
from upkeep.store import Store, findings, occurrences, open_store, runs, tables
from upkeep.store.answers import (
    add_host,
    begin_judgement,
    evidence_of,
    latest,
    observed_in,
    results_of,
    series,
)
from upkeep.store.engine.retention import Policy, Pruned, prune

DAY = 24 * 60
POLICY = Policy(runs_days=30, observations_days=10, measures_days=60, findings_days=90)


def run_on(
    store: Store, day: float, *verdicts: Status | Severity, raw: str = "", end: str = "done"
) -> int:
    """A run on that day after NOW, with a result of each verdict."""
    minutes = day * DAY
    given = [
        result(verdict, subject=f"/{number}", minutes=minutes)
        for number, verdict in enumerate(verdicts)
    ]
    with store.begin() as db:
        run_id = runs.start(db, begun(minutes))
        add_host(db, run_id, answer(*given, minutes=minutes, raw=raw or f"on day {day}"))
        if end:
            runs.finish(db, run_id, end, "", NOW + timedelta(minutes=minutes + 1))
    return run_id


def due(day: float, state: str) -> occurrence.NewOccurrence:
    at = NOW + timedelta(days=day)
    return occurrence.NewOccurrence("s", "daily", at, at, at, None, state=state)


def rows(store: Store) -> dict[str, int]:
    with store.read() as db:
        return {
            table.name: db.execute(select(func.count()).select_from(table)).scalar_one()
            for table in tables.metadata.sorted_tables
        }


def prune_on(store: Store, day: float) -> Pruned:
    """Prune at the end of a run on that day, which saw nothing: what is old is so by the newest run."""
    run_on(store, day)
    return prune(store, POLICY, NOW + timedelta(days=day))


def test_nothing_goes_before_its_time(store: Store) -> None:
    run_on(store, 0, Severity.HIGH)
    before = rows(store)

    assert prune_on(store, 9.9) == Pruned()
    assert rows(store) == {**before, "run": 2, "run_host": 2, "report": 2}


def test_each_kind_goes_at_its_own_time(store: Store) -> None:
    run_id = run_on(store, 0, Severity.HIGH, Status.PASS)
    with store.begin() as db:
        begin_judgement(db, run_id, NOW)

    assert prune_on(store, 10.1) == Pruned(observations=2, evidence=1)
    with store.read() as db:
        assert len(list(results_of(db, run_id))) == 2
        (given,) = observed_in(db, run_id)
        assert given.seen == ()
    assert prune_on(store, 30.1) == Pruned(runs=1)
    with store.read() as db:
        assert runs.get(db, run_id) is None
        assert len(series(db, SITE, "disk_space", "web1", "/0", "used", NOW)) == 1
        assert list(latest(db, SITE)) == []
    assert prune_on(store, 60.1) == Pruned(runs=1, measures=2)
    left = {name: count for name, count in rows(store).items() if count}
    newest = {"run": 2, "run_host": 2, "report": 2}
    assert left == {"finding": 1, "finding_event": 1, "watched": 1, **newest}
    assert prune_on(store, 9999) == Pruned(runs=2)  # the finding stays, for it is open


def test_a_resolved_finding_goes_with_its_story(store: Store) -> None:
    run_on(store, 0, Severity.HIGH)
    run_on(store, 1, Status.PASS)

    assert prune_on(store, 90.5).findings == 0
    assert prune_on(store, 91.5).findings == 1
    assert rows(store)["finding_event"] == 0


def test_of_what_flaps_the_beginning_stays_and_not_each_turn(store: Store) -> None:
    for hour in range(10):
        run_on(store, hour / 24, Severity.HIGH if hour % 2 == 0 else Status.PASS)
    assert rows(store)["finding_event"] == 10

    prune_on(store, 31)

    with store.read() as db:
        (one,) = findings.open_ones(db, everything=True)
        assert [kind for _at, kind, _message in findings.history(db, one.id)] == ["opened"]
    assert one.opening == 5


def test_a_closed_alert_goes_with_what_was_sent_of_it(store: Store) -> None:
    alerter = Alerter(store, alert_site())
    alerter.step(NOW)
    run_on(store, 0, Severity.CRITICAL)
    alerter.step(NOW + timedelta(minutes=5))
    assert rows(store)["outbox"] > 0

    prune_on(store, 200)
    assert rows(store)["alert"] == 1  # for it is open
    run_on(store, 200, Status.PASS)
    for day in (200.1, 201):
        alerter.step(NOW + timedelta(days=day))
    prune_on(store, 292)

    left = rows(store)
    assert [left[name] for name in ("alert", "alert_event", "alert_finding", "outbox")] == [0] * 4


def test_a_run_without_an_end_stays(store: Store) -> None:
    run_id = run_on(store, 0, Severity.HIGH, end="")

    assert prune_on(store, 99) == Pruned(measures=1)
    with store.read() as db:
        assert len(list(results_of(db, run_id))) == 1


def test_evidence_stays_as_long_as_an_observation_names_it(store: Store) -> None:
    run_on(store, 0, Status.PASS, raw="the same")
    run_on(store, 5, Status.PASS, raw="the same")

    assert prune_on(store, 10.1) == Pruned(observations=1)
    with store.read() as db:
        assert evidence_of(db, evidence_hash("the same")) == b"the same"
    assert prune_on(store, 15.1) == Pruned(observations=1, evidence=1)


def test_evidence_that_is_named_again_meanwhile_stays(store: Store) -> None:
    run_on(store, 0, Status.PASS, raw="the same")
    new = answer(result(), minutes=20 * DAY, raw="the same")

    with ThreadPoolExecutor(1) as pool:
        with store.begin() as db:
            run_id = runs.start(db, begun(20 * DAY))
            add_host(db, run_id, new)
            pruned = pool.submit(lambda: prune_on(store, 20))
            with pytest.raises(NotYet):
                pruned.result(timeout=0.5)
        assert pruned.result(timeout=PATIENCE_SECONDS) == Pruned(observations=1)

    with store.read() as db:
        assert list(observed_in(db, run_id)) == [new]


@pytest.mark.parametrize(
    "dates",
    [[0, 1, 2], [0, 26_000, 1, 2], [26_000, 0, 1, 2], [0, -20_000, 1, 2], [0, 1, 2, -20_000], [1, 0, 2]],
    ids=["in order", "one was ahead", "the first was ahead", "one was behind", "the newest is behind", "an hour twice"],
)  # fmt: skip
def test_what_is_young_by_the_newest_run_stays_whatever_the_clock_says(
    store: Store, dates: list[float]
) -> None:
    for day in dates:
        run_on(store, day, Severity.HIGH)
        run_on(store, day, Status.PASS)
    with store.begin() as db:
        occurrences.make(db, [due(day, "missed") for day in dates])
    before = rows(store)

    for now in (26_000, 2.1, -20_000):  # 2098, today, 1970
        assert prune(store, POLICY, NOW + timedelta(days=now)) == Pruned()
        assert rows(store) == before


@pytest.mark.parametrize(
    ("dates", "kept"),
    [
        ([0, 1, 100], [100]),
        ([0, 26_000, 1, 100], [100]),
        ([0, 90, 26_000, 100], [90, 26_000, 100]),
        ([0, 90, -20_000, 100], [90, -20_000, 100]),
        ([-20_000, 0, 100], [100]),
    ],
    ids=["in order", "ahead among the old", "ahead among the young", "behind among the young", "behind among the old"],
)  # fmt: skip
def test_what_was_dated_by_a_wrong_clock_goes_with_its_neighbours(
    store: Store, dates: list[float], kept: list[float]
) -> None:
    for day in dates:
        run_on(store, day, Status.PASS)
    with store.begin() as db:
        occurrences.make(db, [due(day, "missed") for day in dates])

    prune(store, POLICY, NOW + timedelta(days=100))

    with store.read() as db:
        found = [one.started_at for one in reversed(runs.recent(db, 99))]
        query = select(tables.occurrence.c.due_at).order_by(tables.occurrence.c.id)
        dues = list(db.execute(query).scalars())
    assert found == dues == [NOW + timedelta(days=day) for day in kept]


def test_many_runs_go_a_few_at_a_time(store: Store) -> None:
    for number in range(23):
        run_on(store, number / 100, Status.PASS)

    assert prune_on(store, 200) == Pruned(23, 23, 23, 23, 0)


def test_12_the_file_stays_bounded_over_many_runs(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/upkeep.db")
    sizes = []
    policy = Policy(runs_days=10, observations_days=4, measures_days=20, findings_days=30)
    for day in range(40):
        run_on(store, day, *[Severity.HIGH, Status.PASS] * 10, raw=f"{day} " + "é0" * 5000)
        prune(store, policy, NOW + timedelta(days=day))
        with store.read() as db:
            pages = db.exec_driver_sql("PRAGMA page_count").scalar_one()
        sizes.append(pages)

    assert rows(store)["run"] == 11
    assert rows(store)["observation"] == 5 * 20
    assert max(sizes[30:]) <= 1.2 * max(sizes[20:30])
    assert len(list(tmp_path.iterdir())) <= 3
    store.close()


def test_freed_space_is_given_back(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/upkeep.db")
    for number in range(20):
        run_on(store, number / 100, *[Status.PASS] * 200)
    with store.read() as db:
        before = db.exec_driver_sql("PRAGMA page_count").scalar_one()

    prune_on(store, 200)

    with store.read() as db:
        after = db.exec_driver_sql("PRAGMA page_count").scalar_one()
        assert findings.open_ones(db) == []
    assert after < before / 3
    store.close()


def test_occurrences_that_have_ended_go_with_their_runs(store: Store) -> None:
    with store.begin() as db:
        occurrences.make(db, [due(0, "missed"), due(1, "due"), due(200, "done")])

    run_on(store, 201)
    assert prune(store, Policy(runs_days=100), NOW + timedelta(days=201)) == Pruned(occurrences=1)
    with store.read() as db:
        left = occurrences.between(db, "s", NOW - timedelta(days=1), NOW + timedelta(days=300))
    assert [one.state for one in left] == ["done", "due"]
