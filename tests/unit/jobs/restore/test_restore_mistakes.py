"""Mistakes in how a verification is declared, and values beside what is expected of them."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._declared import (
    VERIFY_OPTIONS,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.assertions import judged
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.errors import (
    NotTriedError,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.mistakes import (
    in_window,
    refuse_mistakes,
    refuse_wal_of,
)

OPTIONS = VERIFY_OPTIONS["verify"]["options"]
DEFAULTS = {name: one.get("default") for name, one in OPTIONS.items()}
ASSERTION: dict[str, Any] = dict.fromkeys(OPTIONS["assertions"]["options"])
TAKEN = 1_795_000_000.0


def asserting(**one: Any) -> dict[str, Any]:
    return {"assertions": [{**ASSERTION, **one}]}


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        ({"minutes": 0.0}, "minutes: found 0; expected more than 0"),
        ({"minutes": -5.0}, "minutes: found -5; expected more than 0"),
        ({"memory_bytes": 0}, "memory_bytes: found 0; expected more than 67108863"),
        ({"jobs": 0}, "jobs: found 0; expected more than 0"),
        ({"parts": 0}, "parts: found 0; expected more than 0"),
        ({"parts": 257}, "parts: found 257; expected at most 256"),
        ({"lock_minutes": -1.0}, "lock_minutes: found -1; expected 0 or more"),
        ({"rto_minutes": 0.0}, "rto_minutes: found 0; expected more than 0"),
        ({"backup_window": "at night"}, "backup_window: found 'at night'; expected such as '01:00-03:30'"),
        ({"backup_window": "01:00-01:00"}, "backup_window: found '01:00-01:00'; expected an end that is not its beginning"),
        ({"wal": "wal/here"}, "wal: found 'wal/here'; expected a path that begins with /"),
        (asserting(sql=" "), "assertions, number 1, sql: found nothing; expected a statement"),
        (asserting(files=""), "assertions, number 1, files: found nothing; expected a pattern"),
        (asserting(sql="SELECT 1"), "number 1: found a statement alone; expected what its value must be"),
        (asserting(sql="SELECT 1", min=5.0, max=2.0), "number 1: found min 5 and max 2; expected min not above max"),
        (asserting(sql="SELECT 1", fresh_hours=0.0), "number 1, fresh_hours: found 0; expected more than 0"),
    ],
)  # fmt: skip
def test_what_means_nothing_is_refused_with_its_name(declared: dict[str, Any], said: str) -> None:
    with pytest.raises(NotTriedError) as refused:
        refuse_mistakes({**DEFAULTS, **declared})

    assert said in str(refused.value)


def test_the_defaults_and_what_is_usual_are_no_mistake() -> None:
    refuse_mistakes(DEFAULTS)
    usual = asserting(sql="SELECT count(*) FROM orders", min=1.0)
    refuse_mistakes({**DEFAULTS, **usual, "backup_window": "23:00-01:30", "lock_minutes": 0.0})


@pytest.mark.parametrize("kind", ["custom", "pgbackrest", "sqlite", "tree"])
def test_a_folder_of_wal_is_for_base_backups_alone(kind: str) -> None:
    wal = {**DEFAULTS, "wal": "/srv/wal"}
    refuse_mistakes(wal)
    refuse_wal_of("pg_basebackup", wal)
    refuse_wal_of(kind, DEFAULTS)

    with pytest.raises(NotTriedError, match=f"wal: found a backup of kind {kind}; expected a base"):
        refuse_wal_of(kind, wal)


@pytest.mark.parametrize(
    ("window", "minute", "inside"),
    [
        ("01:00-03:30", 60, True),
        ("01:00-03:30", 209, True),
        ("01:00-03:30", 210, False),
        ("01:00-03:30", 59, False),
        ("23:00-01:00", 1439, True),
        ("23:00-01:00", 0, True),
        ("23:00-01:00", 60, False),
    ],
)
def test_a_window_may_go_over_midnight(
    window: str, minute: int, inside: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "UTC")

    assert in_window(window, 86400 * 20_000 + minute * 60) is inside


@pytest.mark.parametrize(
    ("value", "expected", "state"),
    [
        ("100", {"equals": "100"}, "held"),
        ("100.00", {"equals": "100"}, "held"),
        ("3.0", {"equals": "3"}, "held"),
        ("1e2", {"equals": "100"}, "held"),
        ("t", {"equals": "True"}, "held"),
        ("1", {"equals": "True"}, "held"),
        ("f", {"equals": "false"}, "held"),
        ("f", {"equals": "true"}, "failed"),
        ("100", {"equals": "101"}, "failed"),
        ("", {"equals": ""}, "held"),
        ("", {"equals": "0"}, "failed"),
        ("abc", {"equals": "0"}, "failed"),
        ("5", {"min": 5.0}, "held"),
        ("4.9", {"min": 5.0}, "failed"),
        ("5", {"min": 1.0, "max": 4.0}, "failed"),
        ("", {"min": 1.0}, "failed"),
        ("nan", {"min": 1.0}, "unknown"),
        ("many", {"min": 1.0}, "unknown"),
        ("2026-11-19 15:46:40+00", {"fresh_hours": 24.0}, "failed"),
        ("1794999000", {"fresh_hours": 1.0}, "held"),
        ("1795010000", {"fresh_hours": 1.0}, "failed"),
        ("", {"fresh_hours": 1.0}, "failed"),
        ("yesterday", {"fresh_hours": 1.0}, "unknown"),
    ],
)
def test_a_value_is_held_against_what_is_expected_of_it(
    value: str, expected: dict[str, Any], state: str
) -> None:
    declared = {**ASSERTION, "sql": "SELECT x", **expected}

    said = judged(declared, lambda _sql, _database: value, lambda _pattern: [], TAKEN)

    assert said["state"] == state
