"""Limits of failed_units."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.results import Observation
from upkeep.checks.failed_units import Params, judge
from upkeep.verdicts import Measure, Severity, failed, passed, unknown

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def systemd(*units: object) -> Observation:
    return Observation("systemd", {"units": list(units), "count": len(units)})


MOTD = {"unit": "motd-news.service", "sub": "failed", "result": "exit-code", "exit_status": 1}
NGINX = {"unit": "nginx.service", "sub": "failed", "result": "oom-kill", "exit_status": 0}
FLAPPING = {"unit": "shop.service", "sub": "auto-restart", "result": "exit-code", "restarts": 41}


@pytest.mark.parametrize(
    ("units", "params", "verdict"),
    [
        ([], Params(), passed("no unit has failed, at most 0", Measure("failed units", 0))),
        (
            [MOTD],
            Params(),
            failed(
                Severity.MEDIUM,
                "1 unit failed, at most 0: motd-news.service (exit-code 1)",
                Measure("failed units", 1),
            ),
        ),
        (
            [MOTD, NGINX, FLAPPING],
            Params(),
            failed(
                Severity.HIGH,
                "3 units failed, at most 0: nginx.service (oom-kill), motd-news.service (exit-code 1), "
                "shop.service (restarted 41 times)",
                Measure("failed units", 3),
            ),
        ),
        (
            [MOTD],
            Params(ignore_units=("motd-*",)),
            passed("no unit has failed, at most 0", Measure("failed units", 0)),
        ),
    ],
)
def test_units(units: list[object], params: Params, verdict: object) -> None:
    assert judge(systemd(*units), params, NOW) == verdict


def test_many_units_are_counted() -> None:
    verdict = judge(systemd(*[{"unit": f"u{n}.service"} for n in range(9)]), Params(), NOW)

    assert verdict.message.endswith("u3.service, u4.service and 4 more")


def test_odd_data_is_unknown() -> None:
    assert judge(Observation("systemd", {}), Params(), NOW) == unknown("no list of units was given")
