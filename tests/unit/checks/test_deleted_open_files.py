from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.results import Observation
from upkeep.checks.deleted_open_files import Params, judge
from upkeep.verdicts import Severity, Status

NOW = datetime(2026, 11, 23, 8, tzinfo=UTC)
FILE = {"path": "/var/log/app.log", "bytes": 1, "pid": 7, "process": "app", "writes": True}


def seen(held: int, **more: Any) -> Observation:
    base = {"kind": "deleted", "count": 1, "bytes": held, "files": [FILE]}
    return Observation(
        "deleted open files", {**base, "processes_unseen": 0, "complete": True, **more}
    )


@pytest.mark.parametrize(
    ("held", "severity"),
    [
        (500_000_000, None),
        (500_000_001, Severity.MEDIUM),
        (5_000_000_000, Severity.MEDIUM),
        (5_000_000_001, Severity.HIGH),
    ],
)
def test_space(held: int, severity: Severity | None) -> None:
    verdict = judge(seen(held), Params(), NOW)

    assert verdict is not None
    assert verdict.severity is severity
    assert f"{held} By in 1 deleted files" in verdict.message


@pytest.mark.parametrize("hidden", [{"processes_unseen": 3}, {"complete": False}])
def test_what_was_not_seen_is_no_pass(hidden: dict[str, Any]) -> None:
    verdict = judge(seen(0, **hidden), Params(), NOW)

    assert verdict is not None
    assert verdict.status is Status.UNKNOWN
