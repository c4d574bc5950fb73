from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation
from upkeep.checks.logs.log_rotation_config import Limits, judge
from upkeep.model.verdicts import Measure, Severity, Status, failed, passed

NOW = datetime(2026, 11, 23, 8, tzinfo=UTC)
STATE = {"path": "/var/lib/logrotate/status", "problem": "", "unseen": ""}

OWN = {"log": "/log/a", "archive": "/log/a.1", "place": "l:1"}


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
        ({"unseen": "logrotate: no time"}, Status.UNKNOWN, None),
        ({"left_out": 5}, Status.UNKNOWN, None),
        ({"status": 1}, Status.FAIL, Severity.MEDIUM),
        ({"problems": ["/etc/b: Permission denied"]}, Status.UNKNOWN, None),
        ({"problems": ["a:3: 'rotat 7' was not understood"]}, Status.UNKNOWN, None),
        ({"problems": ["a: included 9 deep"]}, Status.UNKNOWN, None),
        ({"own_archives": [OWN]}, Status.FAIL, Severity.MEDIUM),
        ({"own_archives": [OWN], "problems": ["a: x"]}, Status.FAIL, Severity.MEDIUM),
        ({"hard_links": ["/log/b"]}, Status.FAIL, Severity.MEDIUM),
        ({"stanzas": 0}, Status.FAIL, Severity.MEDIUM),
        ({"stanzas": 0, "problems": ["a: x"]}, Status.UNKNOWN, None),
        # What is known to be wrong goes before what is not known.
        (
            {"problems": ["a: ends within a stanza"], "errors": ["a: no"]},
            Status.FAIL,
            Severity.MEDIUM,
        ),
        (
            {"errors": ["a: Permission denied"], "twice": {"/a": ["a:1", "b:1"]}},
            Status.FAIL,
            Severity.MEDIUM,
        ),
        ({"errors": ["stat of /x failed: gone", "a: no"]}, Status.FAIL, Severity.MEDIUM),
    ],
)
def test_configuration(more: dict[str, Any], status: Status, severity: Severity | None) -> None:
    verdict = judge(seen(**more), Limits(), NOW)

    assert verdict is not None
    assert (verdict.status, verdict.severity) == (status, severity)


def test_messages() -> None:
    assert judge(seen(), Limits(), NOW) == passed(
        "2 stanzas for 3 logs", Measure("logs", 3), Measure("stanzas", 2)
    )
    broken = seen(state={**STATE, "problem": "line 2: cut"})
    assert judge(broken, Limits(), NOW) == failed(
        Severity.HIGH,
        "state file /var/lib/logrotate/status cannot be read, line 2: cut",
        remedy="mv /var/lib/logrotate/status /var/lib/logrotate/status.broken  # take it away; logrotate begins a new one",
    )
    assert judge(Observation("/var/log/a", {"kind": "log"}), Limits(), NOW) is None
