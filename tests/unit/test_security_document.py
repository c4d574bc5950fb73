"""docs/security.md names tests: each of them is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"(tests/[\w/]+\.py)::(\w+)", TEXT)))


@pytest.mark.parametrize(("path", "test"), NAMED, ids=[test for _path, test in NAMED])
def test_each_test_that_it_names_is_there(path: str, test: str) -> None:
    source = (ROOT / path).read_text(encoding="utf-8")

    assert re.search(rf"^(?:async )?def {test}\(", source, re.MULTILINE)


def test_each_line_of_its_tables_names_one() -> None:
    rows = [line for line in TEXT.splitlines() if line.startswith("|")]
    told = [row for row in rows if not re.match(r"\|[-|]+$|\| (?:what \w+|role) ", row)]

    assert len(told) > 40
    assert [row for row in told if "::test_" not in row] == []


def test_the_readme_leads_to_it() -> None:
    assert "(docs/security.md)" in (ROOT / "README.md").read_text(encoding="utf-8")
