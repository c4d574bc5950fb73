"""Checks of the site in the store: judged once a run, kept, moved, retired, and judged again, on either database."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select
from store_samples import NOW, SITE, begun

from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation
from upkeep.judging import check as checks
from upkeep.judging.check import Check, gone
from upkeep.judging.judge import EVERYTHING
from upkeep.model.answer import SITE_HOST, Due, Observed, Outcome, Request, Seen
from upkeep.model.verdicts import Severity, Status, Verdict, failed, passed
from upkeep.store import Store, absent, answers, page_queries, runs, site_results, tables

DAY = timedelta(days=1)


@dataclass(frozen=True)
class Limits:
    """most: by which numbers may differ."""

    most: int = 0


def judge_site(
    seen_by_host: Mapping[str, Sequence[Observation]], limits: Limits, now: datetime
) -> dict[str, Verdict]:
    numbers: dict[str, dict[str, int]] = {}
    for host, seen in seen_by_host.items():
        for one in seen:
            numbers.setdefault(one.subject, {})[host] = one.data["number"]
    return {
        subject: failed(Severity.LOW, str(known))
        if max(known.values()) - min(known.values()) > limits.most
        else passed(str(known))
        for subject, known in numbers.items()
        if len(known) > 1
    }


DRIFT = Check(
    title="Hosts agree",
    trouble="Drift",
    gather="file_systems",
    limits=Limits(),
    judge=judge_site,
    of_site=True,
    source="test",
    remedy="make them the same",
    id="drift",
    family="site",
    absence={"site": gone()},
)


@pytest.fixture(autouse=True)
def known() -> Iterator[None]:
    checks.use({"drift": DRIFT})
    yield
    checks.use({})


def host(name: str, day: float, **numbers: int) -> Observed:
    return Observed(
        host=name,
        outcome=Outcome.OK,
        observed_at=NOW + day * DAY,
        requests=(Request("swap", {}), Request("file_systems", {})),
        due=(Due("drift", 1, {}),),
        seen=(
            Seen(0, Observation("/other", {"number": hash(name)})),
            *(Seen(1, Observation(one, {"number": number})) for one, number in numbers.items()),
        ),
        deferred=("drift",),
        asked=("*",),
        uid=0,
    )


def away(name: str, day: float, *, asked: bool = True) -> Observed:
    due = (Due("drift", 1, {}),) if asked else ()
    return Observed(name, Outcome.UNREACHABLE, NOW + day * DAY, "no route", due=due)


def run(
    store: Store, day: float, *given: Observed, spoken: Sequence[str] = (EVERYTHING,), **other: Any
) -> int:
    """Return a run of which the site's checks were judged at its end, as agent.py does it."""
    at = NOW + day * DAY
    with store.begin() as db:
        run_id = runs.start(db, begun(day * 24 * 60, **other))
        answers.add_hosts(db, run_id, given)
        found = site_results.judge_run(db, run_id, SITE, checks.load(), at, spoken)
        if found is not None:
            answers.add_host(db, run_id, found)
        runs.finish(db, run_id, "done", "", at)
        absent.settle(db, run_id, 20, at)
    return run_id


def said(store: Store, run_id: int) -> list[tuple[str, str, str]]:
    with store.read() as db:
        found = answers.results_of(db, run_id, SITE_HOST)
        return sorted((one.subject, one.status.value, one.message) for one in found)


def open_ones(store: Store) -> list[tuple[str, str, str]]:
    table = tables.finding
    with store.read() as db:
        rows = db.execute(select(table.c.host, table.c.subject, table.c.status)).all()
    return sorted((one.host, one.subject, one.status) for one in rows)


def test_the_site_is_judged_once_and_belongs_to_no_host(store: Store) -> None:
    run_id = run(store, 0, host("web1", 0, a=1, b=1), host("web2", 0, a=2, b=1))

    assert said(store, run_id) == [
        ("a", "fail", "{'web1': 1, 'web2': 2}"),
        ("b", "pass", "{'web1': 1, 'web2': 1}"),
    ]
    assert (SITE_HOST, "a", "open") in open_ones(store)
    with store.read() as db:
        assert [one.host for one in runs.hosts(db, run_id)] == ["web1", "web2"]
        (report,) = db.execute(
            select(tables.report.c.id).where(tables.report.c.host == SITE_HOST)
        ).scalars()
        (data,) = db.execute(
            select(tables.observation.c.data).where(
                tables.observation.c.report_id == report, tables.observation.c.subject == "a"
            )
        ).scalars()
        evidence = dict(db.execute(select(tables.report.c.host, tables.report.c.id)).all())
    del evidence[SITE_HOST]
    assert json.loads(data) == {"answers": evidence}


def test_a_run_that_asks_for_none_says_nothing(store: Store) -> None:
    plain = replace(host("web1", 0, a=1), due=(Due("disk_space", 0, {}),), deferred=())

    assert said(store, run(store, 0, plain)) == []


def test_a_host_that_was_not_seen_makes_what_would_pass_unknown(store: Store) -> None:
    first = run(store, 0, host("web1", 0, a=1), host("web2", 0, a=1), host("web3", 0, a=1))
    no_way = run(store, 1, host("web1", 1, a=1), host("web2", 1, a=1), away("web3", 1))
    lost = run(store, 2, host("web1", 2, a=1), host("web2", 2, a=1), away("web3", 2, asked=False))
    stranger = run(
        store, 3, host("web1", 3, a=1), host("web2", 3, a=1), away("web9", 3, asked=False)
    )

    assert [said(store, one)[0][1] for one in (first, no_way, lost, stranger)] == [
        "pass",
        "unknown",
        "unknown",
        "pass",
    ]
    assert said(store, no_way)[0][2].endswith(
        "; not checked, or only in part: web3 (it returned nothing)"
    )


def test_the_finding_resolves_and_opens_again(store: Store) -> None:
    for day, number in enumerate((2, 1, 3)):
        run(store, day, host("web1", day, a=1), host("web2", day, a=number))
        status = "resolved" if number == 1 else "open"
        assert open_ones(store) == [(SITE_HOST, "a", status)]


def test_a_finding_goes_with_its_subject_but_not_unseen(store: Store) -> None:
    run(store, 0, host("web1", 0, a=1), host("web2", 0, a=2))
    run(store, 1, host("web1", 1), away("web2", 1))
    assert (SITE_HOST, "a", "open") in open_ones(store)

    run(store, 2, host("web1", 2), host("web2", 2))
    assert (SITE_HOST, "a", "gone") in open_ones(store)


def test_a_finding_retires_when_nobody_asks_for_its_check_any_more(store: Store) -> None:
    run(store, 0, host("web1", 0, a=1), host("web2", 0, a=2))
    quiet = [replace(host(name, 1, a=1), due=(), deferred=()) for name in ("web1", "web2")]
    run(store, 1, *quiet, spoken=("disk_space",), procedure="other")
    assert (SITE_HOST, "a", "open") in open_ones(store)

    run(store, 2, *quiet)
    assert (SITE_HOST, "a", "retired") in open_ones(store)


def test_another_site_in_the_store_is_another_site(store: Store) -> None:
    run(store, 0, host("web1", 0, a=1), host("web2", 0, a=2))
    with store.begin() as db:
        run_id = runs.start(db, begun(site="/srv/other"))
        answers.add_hosts(db, run_id, [replace(host("web1", 1, a=1), due=(), deferred=())])
        found = site_results.judge_run(db, run_id, "/srv/other", checks.load(), NOW, (EVERYTHING,))

    assert found is None


def test_judged_again_it_is_the_same(store: Store) -> None:
    run(store, 0, host("web1", 0, a=1), host("web2", 0, a=1), host("web3", 0, a=1))
    run_id = run(store, 1, host("web1", 1, a=1), host("web2", 1, a=2, b=1), away("web3", 1))
    run(store, 2, host("web1", 2, a=1), host("web2", 2, a=1), host("web4", 2, a=9))

    with store.begin() as db:
        at = site_results.judged_at(db, run_id)
        assert at == NOW + DAY
        again = site_results.judge_run(db, run_id, SITE, checks.load(), at)
        assert again is not None
        number = answers.begin_judgement(db, run_id, NOW)
        answers.add_judgement(db, run_id, number, again)
        found = answers.results_of(db, run_id, SITE_HOST, judgement=number)
        assert sorted((one.subject, one.status.value, one.message) for one in found) == (
            [("a", "fail", "{'web1': 1, 'web2': 2}")]
        )


def test_what_is_not_kept_is_not_judged_again(store: Store) -> None:
    run_id = run(store, 0, host("web1", 0, a=1), host("web2", 0, a=2))
    with store.begin() as db:
        db.execute(tables.run.update().values(observations_kept=False))
        assert site_results.judged_at(db, run_id) is None


def test_of_two_answers_of_a_host_the_last_counts(store: Store) -> None:
    """What is seen, and then the proof of a job."""
    first, second = host("web1", 0, a=1), replace(host("web1", 0, a=2), observed_at=NOW + DAY / 24)

    run_id = run(store, 1, first, host("web2", 0, a=2), second)

    assert said(store, run_id) == [("a", "pass", "{'web1': 2, 'web2': 2}")]


def test_judged_again_with_other_limits_it_takes_those(store: Store) -> None:
    run_id = run(store, 0, host("web1", 0, a=1), host("web2", 0, a=2))
    due = {name: [Due("drift", 1, {"most": 5})] for name in ("web1", "web2")}

    with store.begin() as db:
        at = site_results.judged_at(db, run_id)
        assert at is not None
        again = site_results.judge_run(db, run_id, SITE, checks.load(), at, due=due)

    assert again is not None
    assert [(one.subject, one.status) for one in again.results] == [("a", Status.PASS)]


def test_a_run_counts_the_site_beside_its_hosts(store: Store) -> None:
    run_id = run(store, 0, host("web1", 0, a=1, b=1), host("web2", 0, a=2, b=1))
    unseen = run(store, 1, host("web1", 1, b=1), host("web2", 1, b=1), away("web3", 1))

    with store.read() as db:
        found, later = runs.count(db, run_id), runs.count(db, unseen)
    assert found.hosts == {Outcome.OK: 2}
    assert (found.hosts_in_need, found.site_in_need, found.site_failing) == (0, 1, 1)
    assert (later.hosts_in_need, later.site_in_need, later.site_failing) == (1, 1, 0)


@pytest.mark.parametrize("broken", ["limits", "judge"])
def test_what_could_not_be_judged_ends_nothing(
    store: Store, broken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(store, 0, host("web1", 0, a=1), host("web2", 0, a=2))
    second = host("web2", 1, a=2)
    if broken == "limits":
        second = replace(second, due=(Due("drift", 1, {"most": 9}),))
    else:
        checks.use({"drift": replace(DRIFT, judge=lambda *_given: None)})

    last = run(store, 1, host("web1", 1, a=1), second)

    assert [one[:2] for one in said(store, last)] == [("*", "unknown")]
    assert (SITE_HOST, "a", "open") in open_ones(store)


def test_a_procedure_on_other_hosts_ends_nothing_of_another_ones(store: Store) -> None:
    """Both may ask for all that their hosts ask for; the hosts are other ones."""
    run(store, 0, host("web1", 0, a=1), host("web2", 0, a=2))
    nothing_asked = replace(host("db1", 1), due=(), deferred=())

    run(store, 1, nothing_asked, procedure="databases")
    run(store, 2, host("db1", 2, b=1), host("db2", 2, b=1), procedure="databases")
    assert (SITE_HOST, "a", "open") in open_ones(store)

    run(store, 3, host("web1", 3, a=1), host("web2", 3, b=7))
    assert (SITE_HOST, "a", "gone") in open_ones(store)


def test_a_look_by_hand_takes_no_finding_away_from_its_procedure(store: Store) -> None:
    run(store, 0, host("web1", 0, a=1), host("web2", 0, a=2))
    run(store, 1, host("web1", 1, a=1), host("web2", 1, a=2), procedure="check drift")

    run(store, 2, host("web1", 2, a=1), host("web2", 2))

    assert open_ones(store) == [(SITE_HOST, "a", "gone")]


def test_a_check_that_its_procedure_names_and_nobody_asks_for_retires(store: Store) -> None:
    run(store, 0, host("web1", 0, a=1), host("web2", 0, a=2), spoken=("drift",))
    quiet = [replace(host(name, 1, a=1), due=(), deferred=()) for name in ("web1", "web2")]

    run(store, 1, *quiet, spoken=("drift",))

    assert open_ones(store) == [(SITE_HOST, "a", "retired")]


def test_the_page_of_a_run_has_what_is_of_the_site_where_it_was_judged(store: Store) -> None:
    judged = run(store, 0, host("web1", 0, a=1), host("web2", 0, a=2))
    plain = run(store, 1, replace(host("web1", 1, a=1), due=(), deferred=()), procedure="other")

    with store.read() as db:
        found = page_queries.host_in_run(db, judged, SITE_HOST)
        assert page_queries.host_in_run(db, plain, SITE_HOST) is None
    assert found is not None
    assert (found.host, found.outcome, found.observed_at) == (SITE_HOST, Outcome.OK, NOW)
