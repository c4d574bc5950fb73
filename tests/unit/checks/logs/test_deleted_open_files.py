from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation
from upkeep.checks.logs.deleted_open_files import Limits, judge
from upkeep.judging.readings import size_text
from upkeep.model.verdicts import Measure, Severity, Status, failed

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
    verdict = judge(seen(held), Limits(), NOW)

    assert verdict is not None
    status = Status.FAIL if severity else Status.PASS
    assert (verdict.status, verdict.severity) == (status, severity)
    assert f"{size_text(held)} in 1 deleted file" in verdict.message


def test_a_failure_names_the_biggest_and_who_holds_it() -> None:
    assert judge(seen(600_000_000, count=2), Limits(), NOW) == failed(
        Severity.MEDIUM,
        "572.2 MiB in 2 deleted files, at most 476.8 MiB; "
        "the largest is /var/log/app.log, held by app",
        Measure("held", 600_000_000, "By"),
        Measure("files", 2),
        remedy="ls -l /proc/7/fd  # see which; then restart app",
    )


def test_the_first_of_the_files_is_the_biggest() -> None:
    other = {**FILE, "path": "/tmp/small", "pid": 8, "process": "other"}

    verdict = judge(seen(600_000_000, files=[FILE, other]), Limits(), NOW)

    assert verdict is not None
    assert "the largest is /var/log/app.log, held by app" in verdict.message
    assert verdict.remedy.startswith("ls -l /proc/7/fd ")


def test_what_else_the_gather_saw_is_not_judged() -> None:
    assert judge(seen(600_000_000, kind="log"), Limits(), NOW) is None


@pytest.mark.parametrize("hidden", [{"processes_unseen": 3}, {"complete": False}])
def test_what_was_not_seen_is_no_pass(hidden: dict[str, Any]) -> None:
    verdict = judge(seen(0, **hidden), Limits(), NOW)

    assert verdict is not None
    assert verdict.status is Status.UNKNOWN
