"""docs/detection-databases.md names what is planted: each fault of the tables is in it, and nothing that no test plants."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from service import (
    test_database_activity_faults,
    test_database_mariadb_faults,
    test_database_objects_faults,
    test_database_plans_faults,
    test_database_redis_faults,
    test_database_sqlite_faults,
    test_database_standbys,
    test_databases_through_pools,
    test_statements_of_each_major,
)

from upkeep.judging.check import load

DOCS = Path(__file__).parents[2] / "docs"
TEXT = (DOCS / "detection-databases.md").read_text(encoding="utf-8")
ROW = r"^\| (.+?) \| .+? \| `(database_\w+)`: (?:critical|high|medium|low)(.*?) \|"
TABLES = {
    "PostgreSQL: servers": test_database_activity_faults,
    "PostgreSQL: databases": test_database_objects_faults,
    "PostgreSQL: statements": test_statements_of_each_major,
    "PostgreSQL: plans": test_database_plans_faults,
    "MariaDB": test_database_mariadb_faults,
    "SQLite": test_database_sqlite_faults,
    "Redis": test_database_redis_faults,
}
"""The chapters of the page, and where the table FAULTS of each is."""
OF_ITS_OWN: dict[str, dict[str, tuple[ModuleType, str]]] = {
    "PostgreSQL: standbys and pages": {
        "a standby that applies nothing": (test_database_standbys, "a_standby_that_applies_nothing_is_found"),
        "a standby that is behind": (test_database_standbys, "a_standby_that_applies_nothing_is_found"),
        "a standby whose primary is gone": (test_database_standbys, "a_standby_whose_primary_is_gone_is_found"),
        "a standby that is not there": (test_database_standbys, "a_standby_follows"),
        "a synchronous standby that is not there": (test_database_standbys, "a_synchronous_standby_that_is_there_is_not_waited_for"),
        "a page that the disk has changed": (test_database_standbys, "a_page_that_the_disk_has_changed_is_found"),
    },
    "PgBouncer": {
        "a client that waits for a pool's only connection": (test_databases_through_pools, "a_client_that_waits_is_told"),
        "a client of a pool without a server": (test_databases_through_pools, "a_client_that_waits_is_told"),
    },
    "MariaDB": {
        "failed logins": (test_database_mariadb_faults, "each_failed_login_counts"),
        "temporary tables on the disk": (test_database_mariadb_faults, "temporary_tables_on_disk_are_counted"),
    },
    "SQLite": {
        "a log that a reader holds back": (test_database_sqlite_faults, "a_log_that_a_reader_holds_back_is_found"),
    },
}  # fmt: skip
"""Faults with a test of their own."""
CHAPTERS = sorted({*TABLES, *OF_ITS_OWN})


def told(chapter: str) -> dict[str, tuple[str, str]]:
    """Return what the page says of each fault: the check, and the limits that the test has lowered."""
    text = TEXT.partition(f"\n## {chapter}\n")[2].partition("\n## ")[0]
    return {
        name: (check, limits.removeprefix(" (").removesuffix(")"))
        for name, check, limits in re.findall(ROW, text, re.MULTILINE)
    }


def planted(chapter: str) -> dict[str, tuple[str, str | None]]:
    """Return the check of each fault that has a table, and its limits; None where the table has no limits."""
    found: dict[str, tuple[str, str | None]] = {}
    for one in getattr(TABLES.get(chapter), "FAULTS", ()):
        values = list(vars(one).values()) if hasattr(one, "check") else list(one)
        name = values[0]
        check = next(value for value in values if value in load())
        given = [value for value in values if isinstance(value, dict)]
        found[name] = (check, written(given[0]) if given else None)
    return found


def written(limits: Mapping[str, Any]) -> str:
    """Return limits as the page writes them; what a test leaves out is none."""
    return ", ".join(f"`{name}` {value}" for name, value in limits.items() if name != "ignore")


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_each_fault_that_is_planted_is_told_with_its_check(chapter: str) -> None:
    said, known = told(chapter), planted(chapter)
    own = OF_ITS_OWN.get(chapter, {})

    assert said.keys() == known.keys() | own.keys()
    for name, (check, limits) in known.items():
        assert (name, said[name][0]) == (name, check)
        assert limits is None or (name, said[name][1]) == (name, limits)
    for name, (module, test) in own.items():
        assert inspect.isfunction(getattr(module, f"test_{test}"))
        assert said[name][0] in inspect.getsource(module)


def test_each_row_of_the_page_is_read() -> None:
    faults = TEXT.partition("\n## Healthy databases\n")[0]
    rows = re.findall(r"^\| (?!planted )", faults, re.MULTILINE)

    assert len(rows) == sum(len(told(chapter)) for chapter in CHAPTERS)
    assert f"There are {len(rows)} faults." in TEXT


def test_each_test_that_it_names_is_there_and_the_pages_lead_to_it() -> None:
    named = set(re.findall(r"`(test_\w+\.py)`", TEXT))

    tests = Path(__file__).parents[1]
    assert {one for one in named if not list(tests.rglob(one))} == set()
    assert named
    assert "(detection-databases.md)" in (DOCS / "detection.md").read_text(encoding="utf-8")
