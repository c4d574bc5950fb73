"""Of several objects that are bad, a check names some, and says how many more there are."""

from __future__ import annotations

import copy
import re
from dataclasses import replace
from typing import Any

import pytest
from verdicts import of_canary

from upkeep.checks.databases._sessions import by_limit, listed, reaching, told
from upkeep.judging.canaries import canary_of
from upkeep.judging.check import load
from upkeep.model.verdicts import Severity, Status

ALIKE = 6
OF_DATABASES = {name: one for name, one in sorted(load().items()) if name.startswith("database_")}
OF_ONE = {
    "database_aborted_connects": "the counters of a server",
    "database_archiver": "the archiver of a server",
    "database_autovacuum": "the settings of a server",
    "database_checkpoints": "the counters of a server",
    "database_connect": "one database",
    "database_free_pages": "one file",
    "database_integrity": "one file; its problems are texts, and counted by SQLite",
    "database_memory": "the memory of a server",
    "database_persistence": "the copies of a server",
    "database_pool": "the connections of a server",
    "database_purge": "the history of a server",
    "database_statement_regression": "one statement",
    "database_temporary_tables": "the counters of a server",
    "database_write_ahead_log": "one file",
    "database_mariadb_settings": "each setting has a name of its own: see below",
    "database_settings": "each setting has a name of its own: see below",
    "database_slow_statements": "it takes two looks: its own test has several",
    "database_new_statements": "it takes some looks: its own test has several",
}
"""Checks that judge one thing, or whose canary cannot be multiplied; why."""
NAMES = ("name", "gid", "database", "constraint", "index", "accounts", "table")
NUMBERS = ("pid", "line")


def several(value: Any) -> Any:
    """Return a value of an observation in which what is there once is there ALIKE times, under other names."""
    if isinstance(value, dict):
        return {name: several(one) for name, one in value.items()}
    if not isinstance(value, list) or not value or not isinstance(value[0], dict):
        return value
    found = [several(one) for one in value]
    for number in range(1, ALIKE):
        one = copy.deepcopy(found[0])
        one.update({name: f"{one[name]}{number}" for name in NAMES if one.get(name)})
        one.update({name: one[name] + 1000 * number for name in NUMBERS if name in one})
        found.append(one)
    return found


@pytest.mark.parametrize("name", [name for name in OF_DATABASES if name not in OF_ONE])
def test_how_many_more_there_are_is_said(name: str) -> None:
    check = OF_DATABASES[name]
    canary = canary_of(check)
    assert canary is not None
    many = replace(canary.observation, data=several(canary.observation.data))

    verdict = of_canary(check, replace(canary, observation=many))

    assert verdict is not None
    assert verdict.status is Status.FAIL
    assert re.search(
        r"\band (at least )?\d+ more\b|\b[2-9] sessions wait (in all|behind it)", verdict.message
    ), verdict.message


@pytest.mark.parametrize(
    ("name", "topic", "settings"),
    [
        ("database_settings", "settings", [
            {"name": one, "value": value} for one, value in (
                ("fsync", "off"), ("zero_damaged_pages", "on"), ("ignore_checksum_failure", "on"), ("data_checksums", "off"),
                ("ignore_invalid_pages", "on"), ("ignore_system_indexes", "on"), ("full_page_writes", "off"))]),
        ("database_mariadb_settings", "mariadb_settings", {
            "skip_grant_tables": "ON", "innodb_force_recovery": "1", "innodb_doublewrite": "OFF", "sql_mode": "",
            "foreign_key_checks": "OFF", "unique_checks": "OFF"}),
    ],
)  # fmt: skip
def test_how_many_more_settings_there_are_is_said(name: str, topic: str, settings: Any) -> None:
    check = OF_DATABASES[name]
    canary = canary_of(check)
    assert canary is not None
    before = canary.observation.data[topic]
    data = {
        **canary.observation.data,
        topic: {**before, **settings} if isinstance(before, dict) else settings,
    }

    verdict = of_canary(check, replace(canary, observation=replace(canary.observation, data=data)))

    assert verdict is not None
    assert re.search(r"\band \d+ more\b", verdict.message), verdict.message


def test_no_check_is_left_out_that_is_not_there() -> None:
    assert set(OF_ONE) <= set(OF_DATABASES)


@pytest.mark.parametrize(
    ("said", "text"),
    [
        (["a"], "a"),
        (["a", "b", "c"], "a, b, c"),
        (["a", "b", "c", "d"], "a, b, c, and 1 more"),
        (["a", "b", "c", "d", "e"], "a, b, c, and 2 more"),
    ],
)
def test_three_are_named(said: list[str], text: str) -> None:
    assert listed(said) == text
    assert listed(said, apart="; ") == text.replace(", ", "; ")
    assert listed(said, least="at least ") == text.replace("and ", "and at least ")


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ([9], "9; at most 8"),
        ([8, 8, 8, 8], "8; 8; 8; and 1 more; at most 8"),
        ([9, 5, 4, 3], "9; at most 8; and 2 more, at most 4"),
        ([5, 4], "5; 4; at most 4"),
    ],
)
def test_those_over_a_lower_limit_are_counted(values: list[int], text: str) -> None:
    limits = [(Severity.HIGH, 8.0, "at most 8"), (Severity.MEDIUM, 4.0, "at most 4")]

    assert told(by_limit(values, reaching(float, limits)), str) == text
