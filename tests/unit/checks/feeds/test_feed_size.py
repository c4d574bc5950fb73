from __future__ import annotations

from datetime import UTC, datetime
from functools import partial

import pytest
from verdicts import verdict_of

from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation
from upkeep.checks.feeds.feed_size import CHECK, Limits
from upkeep.model.verdicts import Measure, Severity, Status, failed, passed

judge = partial(verdict_of, CHECK)
NOW = datetime(2026, 11, 27, 8, tzinfo=UTC)
LIMITS = Limits(least_bytes=10, most_bytes=20)


@pytest.mark.parametrize("size", [9, 10, 20, 21])
def test_the_size_of_a_feed(size: int) -> None:
    verdict = judge(
        Observation(
            "report.json", {"there": True, "bytes": size, "at": "2026-11-23T00:00:00+00:00"}
        ),
        LIMITS,
        NOW,
    )

    measure = Measure("size", size, "By")
    if size == 9:
        assert verdict == failed(Severity.MEDIUM, "9 bytes, at least 10", measure)
    elif size == 21:
        assert verdict == failed(Severity.MEDIUM, "21 bytes, at most 20", measure)
    else:
        assert verdict == passed(f"{size} bytes, at most 20", measure)


def test_a_feed_that_is_not_there_has_no_size() -> None:
    verdict = judge(
        Observation("report.json", {"there": False, "at": "2026-11-23T00:00:00+00:00"}), LIMITS, NOW
    )

    assert verdict.status is Status.UNKNOWN
