"""What the job db_optimize has left, and how it ended."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases._database_optimization_shape import (
    DatabaseOptimization,
    LeftIndex,
)
from upkeep.checks.databases.database_optimized import Limits, judge
from upkeep.model.verdicts import Severity, Status, Verdict

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
LEFT = LeftIndex(
    '"public"."o\'s_ccnew"', "public.o's", "shop", 5433, "31", "2026-11-27T03:10:00+00:00", "held"
)


def verdict_of(
    outcome: str = "done", *rests: LeftIndex, why: str = "", not_done: int = 0
) -> Verdict:
    seen = DatabaseOptimization(
        outcome, why=why, ended_at="2026-11-27T04:00:00+00:00", run="31", done=2,
        not_done=not_done, rests=list(rests),
    )  # fmt: skip
    return judge(seen, Limits(), NOW)


def test_what_is_left_names_its_run_and_how_to_drop_it() -> None:
    verdict = verdict_of("done", LEFT)

    assert verdict.severity is Severity.MEDIUM
    assert verdict.message == 'invalid index "public"."o\'s_ccnew", made by run 31: held'
    assert verdict.remedy.startswith(
        "runuser -u postgres -- psql -p 5433 -d shop -c "
        '\'DROP INDEX CONCURRENTLY IF EXISTS "public"."o\'"\'"\'s_ccnew"\'  # '
    )


def test_what_nobody_has_looked_at_is_unknown() -> None:
    verdict = verdict_of("unknown", LeftIndex("", "public.o", "shop", 5432, "", "2026-11-27T03:10"))

    assert verdict.status is Status.UNKNOWN
    assert (
        "a REINDEX of public.o did not end, made by the job at 2026-11-27T03:10" in verdict.message
    )


@pytest.mark.parametrize(
    ("outcome", "not_done", "status", "message"),
    [
        ("done", 0, Status.PASS, "nothing invalid is left; 2 statements done, at 2026-11-27 04:00 UTC by run 31"),
        ("done", 1, Status.PASS, "nothing invalid is left; 2 statements done, 1 not done: held, at 2026-11-27 04:00 UTC by run 31"),
        ("unknown", 0, Status.UNKNOWN, "the job could not work on it: held"),
        ("skipped", 0, Status.UNKNOWN, "the job skips it: held"),
    ],
    ids=["done", "in part", "unknown", "skipped"],
)  # fmt: skip
def test_how_the_last_run_ended(outcome: str, not_done: int, status: Status, message: str) -> None:
    verdict = verdict_of(outcome, why="held", not_done=not_done)

    assert verdict.status is status
    assert verdict.message == message
