"""Limits of database_fragmentation."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases._database_objects_shape import (
    DatabaseObjects,
    FragmentedTable,
)
from upkeep.checks.databases.database_fragmentation import Limits, judge
from upkeep.model.verdicts import Severity, Status

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)

MIB = 1024 * 1024


@pytest.mark.parametrize(
    ("size_mib", "free_mib", "status"),
    [
        (0, 0, Status.PASS),
        (0, 255, Status.PASS),
        (0, 256, Status.FAIL),
        (384, 256, Status.FAIL),
        (385, 256, Status.PASS),
        (100_000, 50_000, Status.PASS),
    ],
)
def test_limits(size_mib: int, free_mib: int, status: Status) -> None:
    one = FragmentedTable("shop.log", "InnoDB", size_mib * MIB, free_mib * MIB)
    verdict = judge(DatabaseObjects("mariadb", True, fragmented_tables=[one]), Limits(), NOW)

    assert verdict is not None
    assert verdict.status is status
    if status is Status.FAIL:
        assert verdict.severity is Severity.LOW
        assert verdict.remedy.startswith("mariadb -e 'OPTIMIZE TABLE `shop`.`log`'  # decide")
