"""Limits of database_plans."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases._database_activity_shape import (
    UnseenObjects,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases._database_plans_shape import (
    DatabasePlans,
    IndexCandidate,
    PlanLoad,
    PlanNode,
    StatementPlan,
)
from upkeep.checks.databases.database_plans import AS_ACCOUNT, Limits, judge
from upkeep.judging.check import PastMoment
from upkeep.model.verdicts import Severity, Status, Unknown, Verdict

NOW = datetime(2026, 11, 27, tzinfo=UTC)
SUBJECT = "postgresql upkeep@127.0.0.1:5432/shop"
MIB = 1 << 20
INDEX = {
    "table": "public.orders",
    "columns": "customer",
    "rows": 100_000,
    "size_bytes": 10 * MIB,
    "kept": 1000,
}


def one(calls: int = 1000, seconds: float = 50.0, number: str = "1", **more: Any) -> StatementPlan:
    shape = "select * from orders where customer = $1"
    values: dict[str, Any] = {"cost": 5000.0, **more}
    return StatementPlan(number, shape, calls, seconds, "shop", **values)


def lacking(**more: Any) -> StatementPlan:
    index = IndexCandidate(**{**INDEX, **more})
    return one(indexes=[index])


def seen(*worst: StatementPlan, total: float = 100.0, **more: Any) -> DatabasePlans:
    plans = PlanLoad("2026-11-27T00:00:00+00:00", total, list(worst), **more)
    return DatabasePlans("postgresql", True, SUBJECT, plans=plans)


def judged(data: DatabasePlans, *past: DatabasePlans, **limits: Any) -> Verdict:
    history = [
        PastMoment(NOW - timedelta(days=7 * at), each) for at, each in enumerate(past, start=1)
    ]
    verdict = judge(data, Limits(**limits), NOW, history[::-1])
    assert isinstance(verdict, Verdict)
    return verdict


@pytest.mark.parametrize(
    ("row", "limits", "severity"),
    [
        (lacking(), {}, Severity.MEDIUM),
        (lacking(size_bytes=10 * MIB - 1), {}, None),
        (lacking(rows=9_999, kept=1), {}, None),
        (lacking(kept=1001), {}, None),
        (lacking(cost=2500.0), {}, Severity.MEDIUM),
        (lacking(cost=2501.0), {}, None),
        (lacking(), {"medium_load_percent": 50.1}, Severity.LOW),
        (lacking(), {"low_load_percent": 50.1}, None),
        (lacking(), {"min_calls": 1001}, None),
        (lacking(), {"ignore": ("1",)}, None),
        (lacking(), {"ignore": ("public.ord*",)}, None),
    ],
    ids=[
        "at the limits", "small", "few rows", "many are kept", "a trial that helps", "a trial that does not",
        "little of the load", "less of it", "few calls", "its number is ignored", "its table is ignored",
    ],
)  # fmt: skip
def test_limits(row: StatementPlan, limits: dict[str, Any], severity: Severity | None) -> None:
    verdict = judged(seen(row, one(number="2")), **limits)

    assert verdict.severity is severity
    assert (verdict.status is Status.FAIL) is (severity is not None)


def test_the_message_has_the_load_the_table_and_what_supports_the_index() -> None:
    plain = judged(seen(lacking()))
    tried = judged(seen(lacking(cost=8.0), imagines="1.3.1"))
    untried = judged(seen(lacking(), imagines="1.3.1"))

    assert plain.message == (
        "50 % of the load, 1000 calls: 1: select * from orders where customer = $1: reads public.orders (10.0 MiB, "
        "100 000 rows) as a whole for 1000 rows; it lacks an index on customer: supported by statistics only (hypopg, "
        "which could try one, is not installed); limit 10 MiB, 10 000 rows of which 1 % are kept, 1 % of the load"
    )
    assert plain.remedy.startswith(
        "runuser -u postgres -- psql -d shop -c 'CREATE INDEX CONCURRENTLY ON public.orders (customer)'  # decide: "
    )
    assert "its cost falls from 5000 to 8 by one that was tried in theory (hypopg)" in tried.message
    assert "supported by statistics only (hypopg could not try one)" in untried.message


def test_an_index_of_partitions_is_not_built_concurrently() -> None:
    verdict = judged(seen(lacking(partitioned=True)))

    assert "'CREATE INDEX ON public.orders (customer)'" in verdict.remedy
    assert "writes wait" in verdict.remedy


def test_an_index_for_a_standby_is_made_on_its_primary() -> None:
    verdict = judged(replace(seen(lacking()), in_recovery=True))

    assert verdict.remedy == (
        "decide: whether its reads are worth an index on the primary: "
        "CREATE INDEX CONCURRENTLY ON public.orders (customer)"
    )


def test_what_has_no_plan_is_unknown_with_the_grant() -> None:
    denied = one(why="the role may not read what it reads (SQLSTATE 42501)")
    grant = "GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader"
    hidden = {"tables": UnseenObjects(1, statements=[grant], database="shop", role="reader")}
    unnamed = {"tables": replace(hidden["tables"], unnamed=True)}

    named = judged(replace(seen(denied, one(number="2")), unseen=hidden))
    alone = judged(replace(seen(denied), unseen=unnamed))
    other = judged(replace(seen(one(why="its plan is too large")), unseen=hidden))
    little = judged(seen(denied, one(number="2"), total=1e6))

    assert named.status is Status.UNKNOWN
    assert (
        "of 2 statements with 1 % of the load or more, 1 plan (50 % of the load) could not be seen: 1: "
        in (named.message)
    )
    command = f"runuser -u postgres -- psql -d shop -c '{grant}'  # decide: let reader see them"
    assert named.remedy == command
    assert alone.remedy == (
        f"{command}; then write explain_as: "
        '{user: reader, password: "{{ vault_reader_password }}"} beside the database in the inventory'
    )
    assert other.remedy == AS_ACCOUNT
    assert little.unknown is Unknown.NOTHING_TO_JUDGE
    assert judged(seen(denied, one(number="2")), ignore=("1",)).status is Status.PASS


def test_a_failure_tells_what_could_not_be_seen_besides() -> None:
    verdict = judged(seen(lacking(), one(number="2", why="a table of it is locked")))

    assert verdict.status is Status.FAIL
    assert "; 1 plan (50 % of the load) could not be seen: 2: " in verdict.message


def test_only_what_was_run_since_an_earlier_look_counts() -> None:
    now = seen(lacking(), one(number="2", calls=2000, seconds=60.0), total=200.0)
    before = seen(lacking(), one(number="2"), total=150.0)
    fewer = seen(one(calls=900, seconds=45.0), total=150.0)
    reset = seen(one(calls=9000, seconds=450.0), total=900.0)

    assert judged(now, before).status is Status.PASS
    assert judged(now, fewer).message.startswith("10 % of the load")
    assert judged(now, reset).message.startswith("25 % of the load")


def test_how_it_was_read_before_is_told() -> None:
    by_index = PlanNode("Index Scan", 0, 5.0, "public.orders", "orders_customer")
    before = seen(one(calls=10, seconds=1.0, nodes=[by_index]), total=2.0)

    verdict = judged(seen(lacking()), before)

    assert (
        "for 1000 rows (on 2026-11-20: Index Scan using orders_customer); it lacks"
        in verdict.message
    )


@pytest.mark.parametrize("number", [-1.0, math.nan, math.inf])
def test_a_number_that_cannot_be_is_unknown(number: float) -> None:
    for data in (seen(one(seconds=number)), seen(one(), total=number), seen(lacking(cost=number))):
        verdict = judged(data)
        assert (verdict.status, verdict.message) == (
            Status.UNKNOWN, "a number that cannot be was reported",
        )  # fmt: skip


def test_without_statements_there_is_nothing_to_judge() -> None:
    assert judged(seen()).unknown is Unknown.NOTHING_TO_JUDGE
    assert judged(seen(one(calls=1))).unknown is Unknown.NOTHING_TO_JUDGE


def test_where_statements_are_hidden_that_none_is_seen_is_no_answer() -> None:
    grant = ["GRANT pg_read_all_stats TO upkeep"]
    hidden = {"plans": UnseenObjects(20, statements=grant, database="shop")}

    for data in (seen(), seen(one(calls=1))):
        verdict = judged(replace(data, unseen=hidden))
        assert (verdict.status, verdict.unknown) == (Status.UNKNOWN, Unknown.CANNOT_SEE)
        assert "20 that the account may not see are not judged" in verdict.message
        assert grant[0] in verdict.remedy


def test_what_was_not_seen_before_has_its_share_of_all() -> None:
    now = seen(one(number="2", calls=900, seconds=40.0), lacking(), total=100.0)
    before = seen(total=99.0)

    verdict = judged(now, before)

    assert verdict.message.startswith("50 % of the load")


def test_a_look_of_the_same_week_does_not_hide_what_it_has_found() -> None:
    data = seen(lacking())
    just_now = [PastMoment(NOW - timedelta(seconds=20), data)]

    again = judge(data, Limits(), NOW, just_now)

    assert isinstance(again, Verdict)
    assert again.status is Status.FAIL
