from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation
from upkeep.checks.logs.log_rotation import Limits, judge
from upkeep.model.verdicts import Measure, Severity, Status, Verdict, failed, passed

NOW = datetime(2026, 11, 23, 8, tzinfo=UTC)
POLICY = {
    "period": "daily",
    "size_bytes": 1 << 20,
    "rotate": 7,
    "ifempty": True,
    "missingok": False,
}


def seen(hours: float | None = 1, policy: dict[str, Any] | None = None, **more: Any) -> Observation:
    since = None if hours is None else (NOW - timedelta(hours=hours)).isoformat()
    data = {
        "kind": "log",
        "at": NOW.isoformat(),
        "place": "a:1",
        "policy": {**POLICY, **(policy or {})},
        "date_format": "-%Y%m%d",
        "claimed_at": "",
        "exists": True,
        "bytes": 100,
        "free_bytes": 10**9,
        "archives": 2,
        "newest": "app.log.1",
        "newest_written_at": since,
        "born_at": since,
        "uncompressed": 2,
        "missing_numbers": [],
        "proved_at": since,
        "archive_writers": [],
    }
    return Observation("/var/log/app.log", {**data, **more})


SEE = "logrotate --debug a  # see what it would do; then look at what starts it, and at its state file"


def measures(hours: float) -> tuple[Measure, ...]:
    return (
        Measure("size", 100, "By"),
        Measure("archives", 2),
        Measure("collecting", hours * 3600, "s"),
    )


@pytest.mark.parametrize(
    ("hours", "verdict"),
    [
        (47, passed("not rotated for 47 h, daily, 2 archives", *measures(47))),
        (48, passed("not rotated for 48 h, daily, 2 archives", *measures(48))),
        (
            49,
            failed(
                Severity.MEDIUM,
                "not rotated for 49 h, at most 48 h when daily",
                *measures(49),
                remedy=SEE,
            ),
        ),
    ],
    ids=["just under two periods", "at them", "just over"],
)
def test_age(hours: float, verdict: Verdict) -> None:
    assert judge(seen(hours), Limits(), NOW) == verdict


def test_a_state_file_that_claims_more_than_the_disk_shows_is_named_and_not_believed() -> None:
    verdict = judge(seen(240, claimed_at="2026-11-23T00:00:00"), Limits(), NOW)

    assert verdict is not None
    assert verdict.severity is Severity.MEDIUM
    assert "lists a rotation on 2026-11-23, but there is no archive of it" in verdict.message


@pytest.mark.parametrize(
    ("policy", "more", "severity"),
    [
        ({"ifempty": False}, {"bytes": 0}, None),
        ({"ifempty": True}, {"bytes": 0}, Severity.MEDIUM),
        ({"ifempty": False}, {"bytes": 1}, Severity.MEDIUM),
        ({"minsize_bytes": 101}, {}, None),
        ({"minsize_bytes": 100}, {}, Severity.MEDIUM),
    ],
    ids=[
        "empty and not rotated so",
        "empty and rotated all the same",
        "not empty",
        "under minsize",
        "at minsize",
    ],
)
def test_a_late_log_that_need_not_be_rotated(
    policy: dict[str, Any], more: dict[str, Any], severity: Severity | None
) -> None:
    verdict = judge(seen(480, policy, **more), Limits(), NOW)

    assert verdict is not None
    status = Status.FAIL if severity else Status.PASS
    assert (verdict.status, verdict.severity) == (status, severity)


@pytest.mark.parametrize(
    ("policy", "more", "severity", "says"),
    [
        ({"period": "size", "size_bytes": 50}, {"bytes": 100}, None, "2 archives"),
        ({"period": "size", "size_bytes": 50}, {"bytes": 101}, Severity.MEDIUM, "at most 100 B"),
        ({"maxsize_bytes": 50}, {"bytes": 101}, Severity.MEDIUM, "at most 100 B"),
        ({"maxsize_bytes": 50}, {"bytes": 100}, None, "2 archives"),
        # The size of a policy by time is no limit; of two limits the smaller counts.
        ({"size_bytes": 1}, {}, None, "2 archives"),
        (
            {"period": "size", "size_bytes": 5000, "maxsize_bytes": 50},
            {"bytes": 101},
            Severity.MEDIUM,
            "at most 100 B",
        ),
        ({"compress": True, "rotate": 1}, {"uncompressed": 1, "free_bytes": 100}, None, ""),
        ({"compress": True}, {"free_bytes": 99}, Severity.HIGH, "99 B free"),
        ({"copytruncate": True}, {"free_bytes": 99}, Severity.HIGH, "99 B free"),
        ({}, {"free_bytes": 99}, None, "2 archives"),
        ({"period": "hourly", "dateext": True}, {}, Severity.MEDIUM, "the same name"),
        ({"period": "hourly", "dateext": True}, {"date_format": "-%Y%m%d%H"}, None, ""),
        ({"period": "hourly", "dateext": True}, {"date_format": "-%s"}, None, ""),
        ({"period": "hourly"}, {}, None, "2 archives"),
        ({"dateext": True}, {}, None, "2 archives"),
        ({"rotate": 0}, {}, Severity.LOW, "2 archives, at most 0"),
        ({"rotate": 0}, {"archives": 1}, None, "1 archives"),
        ({"rotate": -1}, {"archives": 999}, None, "999 archives"),
        ({}, {"missing_numbers": [2, 3]}, Severity.LOW, "missing from the series: 2, 3"),
        ({"compress": True}, {}, Severity.LOW, "2 archives are not compressed, at most 1"),
        ({"compress": True, "delaycompress": True}, {}, None, "2 archives"),
        (
            {"compress": True, "delaycompress": True},
            {"uncompressed": 3},
            Severity.LOW,
            "3 archives are not compressed, at most 2",
        ),
        # The worst is told, not the first that was looked at.
        (
            {"maxsize_bytes": 10, "compress": True},
            {"free_bytes": 99, "missing_numbers": [2]},
            Severity.HIGH,
            "99 B free",
        ),
        ({"rotate": 0}, {"missing_numbers": [2]}, Severity.LOW, "2 archives, at most 0"),
    ],
)
def test_other_faults(
    policy: dict[str, Any], more: dict[str, Any], severity: Severity | None, says: str
) -> None:
    verdict = judge(seen(1, policy, **more), Limits(), NOW)

    assert verdict is not None
    status = Status.FAIL if severity else Status.PASS
    assert (verdict.status, verdict.severity) == (status, severity)
    assert says in verdict.message


@pytest.mark.parametrize(
    ("minutes", "more", "severity"),
    [
        (15, {}, None),
        (15.1, {}, Severity.MEDIUM),
        (115, {}, Severity.MEDIUM),
        (115, {"bytes": 1}, None),
        (115, {"archive_writers": []}, None),
        (115, {"born_at": None}, Severity.MEDIUM),
        (115, {"born_at": None, "proved_at": None}, None),
    ],
    ids=[
        "at the limit",
        "longer",
        "still",
        "into the log too",
        "nobody now",
        "by its proof",
        "without any",
    ],
)
def test_a_program_that_still_writes_into_the_archive(
    minutes: float, more: dict[str, Any], severity: Severity | None
) -> None:
    written = (NOW - timedelta(hours=2) + timedelta(minutes=minutes)).isoformat()
    written_on = {"bytes": 0, "archive_writers": ["nginx[7]"], "newest_written_at": written}

    verdict = judge(seen(2, **{**written_on, **more}), Limits(), NOW)

    assert verdict is not None
    assert verdict.severity is severity
    if severity:
        assert verdict.message == "empty, but nginx[7] still writes to app.log.1"
        assert (
            verdict.remedy == "decide: let the stanza's postrotate make the program reopen its log"
        )


@pytest.mark.parametrize(
    ("period", "days", "limit"),
    [
        ("hourly", 1 / 12, "2 h"),
        ("daily", 2, "48 h"),
        ("weekly", 14, "14 days"),
        ("monthly", 62, "62 days"),
        ("yearly", 732, "732 days"),
    ],
)
def test_two_periods_of_each_kind(period: str, days: float, limit: str) -> None:
    policy = {"period": period}

    at_limit = judge(seen(days * 24, policy), Limits(), NOW)
    over = judge(seen(days * 24 + 0.1, policy), Limits(), NOW)

    assert at_limit is not None
    assert at_limit.status is Status.PASS
    assert over is not None
    assert over.severity is Severity.MEDIUM
    assert over.message.endswith(f", at most {limit} when {period}")


@pytest.mark.parametrize(
    ("hours", "status"), [(-24, Status.PASS), (-25, Status.UNKNOWN), (-600_000, Status.UNKNOWN)]
)
def test_an_archive_of_the_future_proves_nothing(hours: float, status: Status) -> None:
    verdict = judge(seen(hours, newest="app.log-20980101"), Limits(), NOW)

    assert verdict is not None
    assert verdict.status is status


@pytest.mark.parametrize(
    ("policy", "more", "status"),
    [
        ({}, {}, Status.UNKNOWN),
        ({}, {"bytes": 0}, Status.PASS),
        ({"period": "size"}, {}, Status.PASS),
        ({}, {"missing_numbers": [2]}, Status.FAIL),
    ],
    ids=["daily", "an empty one", "by size", "with another fault"],
)
def test_without_any_proof_it_is_unknown(
    policy: dict[str, Any], more: dict[str, Any], status: Status
) -> None:
    verdict = judge(seen(None, policy, **more), Limits(), NOW)

    assert verdict is not None
    assert verdict.status is status


def test_a_fault_beside_an_archive_of_the_future_is_told() -> None:
    verdict = judge(seen(-25, missing_numbers=[2]), Limits(), NOW)

    assert verdict is not None
    assert verdict.severity is Severity.LOW
    assert judge(seen(-25, {"period": "size"}), Limits(), NOW) == passed(
        "2 archives", *measures(-25)
    )


def test_what_else_the_gather_saw_is_not_judged() -> None:
    assert judge(Observation("deleted open files", {"kind": "deleted"}), Limits(), NOW) is None


@pytest.mark.parametrize(
    ("size", "severity"), [(1_999_999_999, Severity.LOW), (2_000_000_000, Severity.MEDIUM)]
)
def test_a_big_log_that_nothing_rotates(size: int, severity: Severity) -> None:
    verdict = judge(Observation("/var/log/x", {"kind": "unrotated", "bytes": size}), Limits(), NOW)

    assert verdict is not None
    status = Status.FAIL if severity else Status.PASS
    assert (verdict.status, verdict.severity) == (status, severity)


def test_a_log_that_is_not_there() -> None:
    gone = seen(None, exists=False)
    allowed = seen(None, {"missingok": True}, exists=False)

    assert judge(gone, Limits(), NOW) == failed(
        Severity.LOW, "configured, but does not exist (without missingok)", remedy=SEE
    )
    assert judge(allowed, Limits(), NOW) == passed(
        "does not exist, which its policy allows (missingok)"
    )


@pytest.mark.parametrize("rotated", [True, False])
def test_a_log_that_is_a_link(rotated: bool) -> None:
    data = {"kind": "link", "place": "l:1", "target": "/data/a", "rotated": rotated}

    verdict = judge(Observation("/log/a", data), Limits(), NOW)

    if rotated:
        assert verdict == passed("a symbolic link to /data/a, which has a stanza too")
    else:
        assert verdict == failed(
            Severity.MEDIUM,
            "a symbolic link to /data/a: logrotate skips links, and no stanza covers that file",
            remedy="decide: name /data/a in the stanza at l:1",
        )
