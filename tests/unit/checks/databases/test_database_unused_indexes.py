"""Limits of database_unused_indexes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases._database_objects_shape import (
    DatabaseObjects,
    UnheardStandby,
    UnusedIndex,
    UnusedIndexes,
)
from upkeep.checks.databases.database_unused_indexes import Limits, judge
from upkeep.model.verdicts import Severity, Status, Unknown, Verdict

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
MIB = 1 << 20
MONTH = 30 * 86_400.0


def verdict_of(
    size_bytes: int = 10 * MIB,
    seconds: float = MONTH,
    standbys: int = 0,
    limits: Limits | None = None,
    **more: Any,
) -> Verdict:
    rows = [UnusedIndex("public.old", "public.client", size_bytes)]
    seen = DatabaseObjects(
        "postgresql",
        True,
        subject="postgresql upkeep@127.0.0.1:5432/shop",
        unused_indexes=UnusedIndexes(seconds, standbys, rows),
        **more,
    )
    verdict = judge(seen, limits or Limits(), NOW)
    assert verdict is not None
    return verdict


@pytest.mark.parametrize(
    ("size_bytes", "severity"),
    [(10 * MIB - 1, None), (10 * MIB, Severity.LOW), (1024 * MIB - 1, Severity.LOW), (1024 * MIB, Severity.MEDIUM)],
)  # fmt: skip
def test_limits(size_bytes: int, severity: Severity | None) -> None:
    assert verdict_of(size_bytes).severity is severity


@pytest.mark.parametrize(("seconds", "unknown"), [(MONTH - 1, True), (MONTH, False)])
def test_young_statistics_say_nothing(seconds: float, unknown: bool) -> None:
    verdict = verdict_of(seconds=seconds)

    assert (verdict.unknown is Unknown.NOTHING_TO_JUDGE) is unknown
    assert (
        "its statistics are 30.0 days old, at least 30 are needed" in verdict.message
    ) is unknown


def test_a_failure_says_what_and_what_fixes_it() -> None:
    verdict = verdict_of()

    assert verdict.message == (
        "public.old (10.0 MiB) of public.client; not used for 30 days; limit 10 MiB"
    )
    assert verdict.remedy == (
        "runuser -u postgres -- psql -d shop -c 'DROP INDEX CONCURRENTLY public.old'"
        "  # decide: see first that no yearly task needs it"
    )


def test_standbys_count_for_themselves() -> None:
    verdict = verdict_of(standbys=2)

    assert "not used for 30 days, here; 2 standbys not asked" in verdict.message
    assert verdict.remedy.endswith(
        "# decide: name each standby in `standbys` first, so that it is asked what it uses"
    )
    assert verdict_of(in_recovery=True).unknown is Unknown.NOTHING_TO_JUDGE


GONE = UnheardStandby("10.0.0.6:5432", "no answer within 2 s")


@pytest.mark.parametrize(
    ("changes", "status", "said"),
    [
        ({"standbys": 2, "asked": 2}, Status.FAIL, "not used for 30 days, 2 standbys included; limit 10 MiB"),
        ({"standbys": 3, "asked": 1}, Status.FAIL, "not used for 30 days, 1 standby included; 2 standbys not asked; limit"),
        ({"standbys": 2, "asked": 1, "unheard": [GONE]}, Status.UNKNOWN,
         "the standby 10.0.0.6:5432 has not said what it uses: no answer within 2 s; public.old (10.0 MiB)"),
        ({"unheard": [GONE, GONE]}, Status.UNKNOWN, "the standby 10.0.0.6:5432, and 1 more has not said"),
        ({"standbys": 1, "asked": 1, "indexes": [], "used_there": 3}, Status.PASS, "1 standby included"),
        ({"standbys": 1, "unheard": [GONE], "indexes": []}, Status.PASS, "no index of 10 MiB was not used"),
        ({"standbys": 1, "asked": 1, "indexes": [], "used_there": 50}, Status.UNKNOWN, "only the 50 largest"),
    ],
)  # fmt: skip
def test_what_standbys_use_is_added_up(changes: dict[str, Any], status: Status, said: str) -> None:
    rows = [UnusedIndex("public.old", "public.client", 10 * MIB)]
    unused = UnusedIndexes(**{"seconds": MONTH, "standbys": 0, "indexes": rows, **changes})
    seen = DatabaseObjects(
        "postgresql", True, subject="postgresql upkeep@127.0.0.1/shop", unused_indexes=unused
    )

    verdict = judge(seen, Limits(), NOW)

    assert verdict is not None
    assert verdict.status is status
    assert said in verdict.message


def test_what_a_site_leaves_out_does_not_fail() -> None:
    assert verdict_of(limits=Limits(ignore=("public.*",))).status is Status.PASS


@pytest.mark.parametrize("numbers", [{"seconds": -1.0}, {"standbys": -1}, {"size_bytes": -1}])
def test_a_number_that_cannot_be_is_unknown(numbers: dict[str, Any]) -> None:
    assert verdict_of(**numbers).status is Status.UNKNOWN
