"""Mistakes in how a verification is declared, and values beside what is expected of them."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._declared import (
    VERIFY_OPTIONS,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.assertions import judged
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.errors import (
    NotTriedError,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.kinds import KINDS
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.mistakes import (
    USED_BY,
    in_window,
    refuse_mistakes,
    refuse_useless,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.queries import (
    names_something,
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
        (asserting(sql="SELECT 1", min=1.0), "number 1, sql: found no table; expected a query of what was restored (SELECT … FROM …)"),
        (asserting(sql="-- is it there?\nSELECT 1;", equals="1"), "number 1, sql: found no table"),
        (asserting(files="*", database="shop"), "number 1, database: found one beside `files`; expected one beside `sql`, or none"),
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


REPOSITORY = {"lock_minutes": 1.0, "parts": 4, "cycle_days": 9.0, "whole_bytes": 1}
OF_POSTGRES = {"preload": ["timescaledb"], "jobs": 4}
OF_DUMPS = {**OF_POSTGRES, "globals": "/b/globals.sql"}
USEFUL: dict[str, dict[str, Any]] = {
    "custom": OF_DUMPS,
    "pg_tar": OF_DUMPS,
    "pg_directory": OF_DUMPS,
    "sql pg_dump": OF_DUMPS,
    "sql pg_dumpall": OF_DUMPS,
    "sql": OF_DUMPS,
    "pg_basebackup": {**OF_POSTGRES, "wal": "/srv/wal"},
    "pgbackrest": OF_POSTGRES,
    "barman": OF_POSTGRES,
    "restic": REPOSITORY,
    "borg": REPOSITORY,
}
"""What the kinds can use of the options that not all can use; the others can use none."""
ALL_DECLARED = {**REPOSITORY, **OF_DUMPS, "identity_file": "/root/key", "wal": "/srv/wal"}


@pytest.mark.parametrize("encrypted", [False, True], ids=["plain", "encrypted"])
@pytest.mark.parametrize("kind", list(KINDS))
def test_each_option_that_a_kind_cannot_use_is_refused_and_each_other_one_is_not(
    kind: str, encrypted: bool
) -> None:
    useful = {**USEFUL.get(kind, {}), **({"identity_file": "/root/key"} if encrypted else {})}
    refuse_useless(kind, encrypted, {**DEFAULTS, **useful})

    for name in set(ALL_DECLARED) - set(useful):
        with pytest.raises(NotTriedError) as refused:
            refuse_useless(kind, encrypted, {**DEFAULTS, name: ALL_DECLARED[name]})
        found = f"verify: {name}: found a backup of kind {kind}, which has no use for it; expected "
        assert str(refused.value).startswith(found)


@pytest.mark.parametrize(
    ("kind", "refused"),
    [("custom", False), ("mariabackup", False), ("sqlite", True), ("tar", True), ("restic", True)],
)
def test_a_database_is_named_only_where_a_backup_may_have_several(kind: str, refused: bool) -> None:
    asked = asserting(sql="SELECT count(*) FROM orders", database="shop", min=1.0)
    said = pytest.raises(NotTriedError, match="number 1, database: found a backup of kind")

    with said if refused else nullcontext():
        refuse_useless(kind, False, {**DEFAULTS, **asked})


def test_each_option_is_of_every_kind_or_in_the_table_of_those_that_are_not() -> None:
    assert set(OPTIONS) - set(USED_BY) == {
        *("max_days", "rto_minutes", "provable", "assertions", "compare_since", "beside_live"),
        *("backup_window", "minutes", "memory_bytes", "key_copy"),
    }
    assert {kind for kinds, _words in USED_BY.values() for kind in kinds} - {"encrypted"} <= set(
        KINDS
    )


@pytest.mark.parametrize(
    ("sql", "named"),
    [
        ("SELECT count(*) FROM orders", True),
        ("select max(at)\nfrom\n  shop.orders", True),
        ('SELECT 1 FROM "Orders"', True),
        ("SELECT 1 FROM `orders`", True),
        ("WITH late AS (SELECT * FROM orders) SELECT count(*) FROM late", True),
        ("SELECT (SELECT max(id) FROM orders) > 5", True),
        ("SELECT EXISTS (TABLE orders)", True),
        ("TABLE orders", True),
        ("SELECT 1 FROM (SELECT id FROM orders) AS o", True),
        ("SELECT extract(epoch FROM max(at)) FROM orders", True),
        ("SELECT x FROM newest_order() AS x", True),
        ("PRAGMA user_version", True),
        ("SELECT 1", False),
        ("SELECT now()", False),
        ("SELECT 'a FROM b'", False),
        ("SELECT $$ FROM orders $$", False),
        ("SELECT 1 -- FROM orders", False),
        ("SELECT 1 /* FROM orders */", False),
        ("SELECT extract(epoch FROM now())", False),
        ("SELECT trim(both FROM 'x')", False),
        ("SELECT 1 FROM dual", False),
        ("SELECT 1 FROM (SELECT 1) AS one", False),
        ("SELECT count(*) FROM generate_series(1, 5)", False),
        ("SELECT 1 FROM", False),
        ("VALUES (1)", False),
        ("SHOW server_version", False),
        ("((((", False),
        ("))))", False),
        ("", False),
    ],
)
def test_a_query_proves_something_only_if_it_names_what_it_reads(sql: str, named: bool) -> None:
    assert names_something(sql) is named


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
