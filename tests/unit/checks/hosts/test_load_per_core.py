"""Limits of load_per_core."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation
from upkeep.checks.hosts.load_per_core import Limits, judge
from upkeep.model.verdicts import Measure, Severity, Status, failed, passed, unknown

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def load(fifteen: float, **data: object) -> Observation:
    return Observation("load", {"load_15": fifteen, "processors": 4, **data})


@pytest.mark.parametrize(
    ("fifteen", "severity"),
    [
        (7.99, None),
        (8, Severity.MEDIUM),
        (19.99, Severity.MEDIUM),
        (20, Severity.HIGH),
        (39.99, Severity.HIGH),
        (40, Severity.CRITICAL),
    ],
)
def test_limits(fifteen: float, severity: Severity | None) -> None:
    verdict = judge(load(fifteen), Limits(), NOW)

    status = Status.FAIL if severity else Status.PASS
    assert (verdict.status, verdict.severity) == (status, severity)


def test_a_failing_load_says_what_was_waited_for() -> None:
    seen = load(
        24, pressure={"cpu": {"some_avg300": 3.0}, "io": {"some_avg300": 80.5}, "memory": "?"}
    )
    memory = load(8, pressure={"cpu": None, "memory": {"some_avg300": 1.5}})

    assert judge(memory, Limits(), NOW) == failed(
        Severity.MEDIUM,
        "load 2.00 per core over 15 min (4 cores); limit 2; of 5 min, some task waited 1.5 % for memory",
        Measure("load per core", 2.0),
        Measure("waited for memory", 1.5, "%"),
    )

    assert judge(seen, Limits(), NOW) == failed(
        Severity.HIGH,
        "load 6.00 per core over 15 min (4 cores); limit 5; of 5 min, some task waited 3 % for cpu, 80.5 % for io",
        Measure("load per core", 6.0),
        Measure("waited for cpu", 3.0, "%"),
        Measure("waited for io", 80.5, "%"),
    )


def test_a_passing_load_states_value_and_limit() -> None:
    assert judge(load(2), Limits(), NOW) == passed(
        "load 0.50 per core over 15 min (4 cores); limit 2", Measure("load per core", 0.5)
    )


def test_what_is_not_load_is_not_judged_and_odd_data_is_unknown() -> None:
    assert judge(Observation("swap", {}), Limits(), NOW) is None
    for seen in (load(1, processors=0), load(1, processors=None), Observation("load", {})):
        assert judge(seen, Limits(), NOW) == unknown("no load or number of processors was given")
