"""docs/detection-restores.md names what is planted: each fault of the tables is in it, and nothing that no test plants."""

from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType

import pytest
import test_restore_files
import test_restore_mariadb
import test_restore_postgres
import test_restore_postgres_wal
import test_restore_repositories

DOCS = Path(__file__).parents[2] / "docs"
TEXT = (DOCS / "detection-restores.md").read_text(encoding="utf-8")
TOLD = re.findall(r"^\| (.+?) \| .+? \| (restored|failed|unknown)\b", TEXT, re.MULTILINE)
TABLES = [
    (test_restore_postgres, "FAULTS"),
    (test_restore_postgres_wal, "FAULTS"),
    (test_restore_mariadb, "FAULTS"),
    (test_restore_files, "FAULTS"),
    (test_restore_repositories, "RESTIC_FAULTS"),
    (test_restore_repositories, "BORG_FAULTS"),
]


def outcome(fault: tuple[object, ...]) -> str:
    """Return what a table expects: of a repository, a fault of which nothing need be said is unknown."""
    said = [str(one).partition(":")[0] for one in fault]
    known = [one for one in said if one in ("restored", "failed", "unknown")]
    return known[0] if known else "failed" if fault[-1] else "unknown"


@pytest.mark.parametrize(
    ("module", "table"), TABLES, ids=[f"{one.__name__}-{table}" for one, table in TABLES]
)
def test_each_fault_that_is_planted_is_told_with_its_outcome(
    module: ModuleType, table: str
) -> None:
    planted = {(name, outcome(fault)) for name, fault in getattr(module, table).items()}

    assert planted - set(TOLD) == set()


def test_each_test_that_it_names_is_there_and_the_pages_lead_to_it() -> None:
    named = set(re.findall(r"`(test_\w+\.py)`", TEXT))

    assert {one for one in named if not (Path(__file__).parent / one).is_file()} == set()
    assert len(named) == 6
    for page in ("detection.md", "restore.md"):
        assert "(detection-restores.md)" in (DOCS / page).read_text(encoding="utf-8")
