"""Limits of database_free_pages."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases._database_objects_shape import (
    DatabaseObjects,
    FreePages,
)
from upkeep.checks.databases.database_free_pages import Limits, judge
from upkeep.model.verdicts import Severity, Status

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)

MIB = 1024 * 1024


@pytest.mark.parametrize(
    ("pages", "free", "status"),
    [
        (0, 0, Status.PASS),
        (4096, 4095, Status.PASS),
        (4096, 4096, Status.FAIL),
        (20_480, 4096, Status.FAIL),
        (20_481, 4096, Status.PASS),
        (10, -1, Status.UNKNOWN),
    ],
)
def test_limits_at_pages_of_4_kib(pages: int, free: int, status: Status) -> None:
    one = FreePages(4096, pages, free)
    verdict = judge(DatabaseObjects("sqlite", True, free_pages=one), Limits(), NOW)

    assert verdict is not None
    assert verdict.status is status
    assert verdict.severity is (Severity.LOW if status is Status.FAIL else None)


@pytest.mark.parametrize(
    ("auto_vacuum", "disk_free_mib", "remedy"),
    [
        ("none", 160, "sqlite3 /srv/till.db 'VACUUM;'  # decide"),
        ("none", 159, "decide: VACUUM writes the file anew; first make 160 MiB free"),
        ("none", None, "decide: VACUUM"),
        ("incremental", 0, "sqlite3 /srv/till.db 'PRAGMA incremental_vacuum'"),
    ],
)
def test_a_rewrite_is_named_only_with_twice_the_room(
    auto_vacuum: str, disk_free_mib: int | None, remedy: str
) -> None:
    room = None if disk_free_mib is None else disk_free_mib * MIB
    one = FreePages(4096, 20_480, 10_000, auto_vacuum, "UTF-8", room)
    seen = DatabaseObjects("sqlite", True, subject="sqlite /srv/till.db", free_pages=one)
    verdict = judge(seen, Limits(), NOW)

    assert verdict is not None
    assert verdict.remedy.startswith(remedy)
