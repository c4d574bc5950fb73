from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.results import Observation
from upkeep.checks.log_rotation_config import Params, judge
from upkeep.verdicts import Severity, Status

NOW = datetime(2026, 11, 23, 8, tzinfo=UTC)
STATE = {"path": "/var/lib/logrotate/status", "problem": "", "unseen": ""}


def seen(**more: Any) -> Observation:
    base = {"kind": "configuration", "files": ["/etc/logrotate.conf"], "stanzas": 2, "logs": 3}
    found: dict[str, Any] = {"errors": [], "warnings": [], "problems": [], "twice": {}}
    rest = {"left_out": 0, "state": STATE, "unseen": "", "status": 0}
    return Observation("logrotate", {**base, **found, **rest, **more})


@pytest.mark.parametrize(
    ("more", "status", "severity"),
    [
        ({}, Status.PASS, None),
        ({"state": {**STATE, "problem": "line 2: cut"}}, Status.FAIL, Severity.HIGH),
        ({"state": {**STATE, "unseen": "permission denied"}}, Status.UNKNOWN, None),
        ({"twice": {"/var/log/a": ["a:1", "b:1"]}}, Status.FAIL, Severity.MEDIUM),
        ({"errors": ["a:3 unknown option 'rotat'"]}, Status.FAIL, Severity.MEDIUM),
        ({"errors": ["stat of /x failed: No such file"], "status": 0}, Status.PASS, None),
        ({"errors": ["cannot open a: Permission denied"]}, Status.UNKNOWN, None),
        ({"unseen": "logrotate: no such program"}, Status.FAIL, Severity.MEDIUM),
        ({"left_out": 5}, Status.UNKNOWN, None),
    ],
)
def test_configuration(more: dict[str, Any], status: Status, severity: Severity | None) -> None:
    verdict = judge(seen(**more), Params(), NOW)

    assert verdict is not None
    assert (verdict.status, verdict.severity) == (status, severity)
