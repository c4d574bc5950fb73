from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from verdicts import verdict_of

from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation
from upkeep.checks.feeds.feed_age import CHECK, Limits
from upkeep.model.verdicts import Measure, Severity, Verdict, failed, passed, unknown

judge = partial(verdict_of, CHECK)
NOW = datetime(2026, 11, 27, 8, tzinfo=UTC)


def seen(hours: float = 1, **data: Any) -> Observation:
    modified = (NOW - timedelta(hours=hours)).isoformat()
    known = {"there": True, "at": NOW.isoformat(), "modified_at": modified}
    return Observation("report.json", {**known, **data})


def age(hours: float) -> Measure:
    return Measure("age", hours * 3600, "s")


@pytest.mark.parametrize(
    ("observation", "verdict"),
    [
        (seen(0), passed("0.0 h old, at most 26 h", age(0))),
        (seen(26), passed("26.0 h old, at most 26 h", age(26))),
        (seen(26.5), failed(Severity.MEDIUM, "26.5 h old, at most 26 h", age(26.5))),
        (seen(-1 / 12), passed("0.0 h old, at most 26 h", age(0))),
        (seen(-1), failed(Severity.MEDIUM, "dated in the future: 2026-11-27T09:00:00+00:00")),
        (seen(there=False), failed(Severity.HIGH, "not there")),
        (seen(modified_at=None), unknown("the server sends no time for it (Last-Modified)")),
    ],
    ids=["new", "at the limit", "over it", "clocks differ", "future", "not there", "no time"],
)
def test_the_age_of_a_feed(observation: Observation, verdict: Verdict) -> None:
    assert judge(observation, Limits(), NOW) == verdict
