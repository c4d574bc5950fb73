"""Slow logs that real servers have written: what is counted of them, and that no data is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.databases.engines._mariadb_slow_log import (
    MOST_STATEMENTS,
    TOLD_STATEMENTS,
    SlowTotals,
    began_at,
    read_lines,
)

RECORDED = Path(__file__).parents[2] / "recorded/databases/slow_log"
SECRET = "Qzxwvk"
NOW = 1_795_826_640.0
TOLD = ("database", "shape", "calls", "rows", "examined_rows", "full_scans", "total_seconds")

ENTRY = """# Time: 261128  0:43:22
# User@Host: root[root] @ localhost []
# Thread_id: 12  Schema: shop  QC_hit: No
# Query_time: {took}  Lock_time: 0.000097  Rows_sent: 1  Rows_examined: 1
# Rows_affected: 0  Bytes_sent: 67
SET timestamp={began};
{text};"""


def entry(began: float = NOW - 60, took: str = "2.5", text: str = "select 1") -> str:
    return ENTRY.format(began=int(began), took=took, text=text)


def read(text: str, since: float = NOW - 86_400) -> SlowTotals:
    return read_lines(text.split("\n"), since, NOW)


@pytest.mark.parametrize("path", sorted(RECORDED.glob("*.txt")), ids=lambda path: path.stem)
def test_a_real_log_is_counted_and_has_no_data(path: Path) -> None:
    """One of them has a statement with lines in it that look like an entry: they count as one."""
    totals = read_lines(path.read_text().split("\n"), 0, NOW)

    told = totals.told()
    expected = json.loads(path.with_suffix(".json").read_text())
    assert totals.calls == expected["calls"]
    assert totals.seconds == pytest.approx(expected["seconds"])
    assert [
        {name: round(one[name], 6) if name == "total_seconds" else one[name] for name in TOLD}
        for one in told
    ] == [{name: one[name] for name in TOLD} for one in expected["worst"]]
    assert SECRET in path.read_text()
    assert SECRET not in json.dumps(told)


@pytest.mark.parametrize(
    ("began", "took", "calls"),
    [
        (NOW - 86_400, "0.5", 1),
        (NOW - 86_402, "0.5", 0),
        (NOW - 2 * 86_400, "86400.0", 1),
        (NOW - 1, "0.5", 1),
        (NOW + 7200, "0.5", 0),
    ],
    ids=["ended in the window", "before it", "began long before it", "just now", "later than now"],
)
def test_a_call_counts_when_it_ended(began: float, took: str, calls: int) -> None:
    assert read(entry(began, took)).calls == calls


@pytest.mark.parametrize(
    "text",
    [
        "",
        entry().partition("SET timestamp")[0],
        entry().partition("\n# User@Host")[2].partition("\n")[2],
        entry(took="-1"),
        entry(took="nan"),
        entry(took="1e300"),
        entry(took="fast"),
        entry().replace("Rows_sent: 1", "Rows_sent: many"),
    ],
    ids=["nothing", "no end", "no beginning", "below 0", "no number", "endless", "a word", "rows"],
)
def test_what_is_not_whole_does_not_count(text: str) -> None:
    assert read(text).calls == 0


def test_the_next_entry_counts_after_one_that_is_not_whole() -> None:
    torn = entry().partition("Rows_sent")[0]

    assert read("\n".join([torn, entry(), entry(took="x"), entry()])).calls == 2


def test_statements_of_one_shape_are_one() -> None:
    texts = [f"select * from person where name = 'x{number}'" for number in range(5)]

    [one] = read("\n".join(entry(text=text) for text in texts)).told()

    assert (one["calls"], one["total_seconds"], one["max_seconds"]) == (5, 12.5, 2.5)
    assert one["shape"] == "select * from person where name = ?"


def test_of_many_statements_those_with_the_most_time_are_told() -> None:
    totals = SlowTotals()
    for number in range(MOST_STATEMENTS + 10):
        call = {
            "database": f"d{number}",
            "began": 5.0,
            "seconds": float(number),
            "rows": 0,
            "examined": 0,
        }
        totals.add("select 1", call)

    assert totals.calls == MOST_STATEMENTS + 10
    assert len(totals.told()) == TOLD_STATEMENTS
    assert totals.told()[0]["database"] == f"d{MOST_STATEMENTS - 1}"


def test_a_text_without_an_end_is_cut() -> None:
    for line in ("x" * 1_000_000, "\n" * 100_000, "select 1\n" * 10_000):
        [one] = read(entry(text=line)).told()
        assert len(one["shape"]) <= 400


def test_a_database_that_only_its_first_entry_names() -> None:
    """So MySQL does."""
    head = (
        "# Time: 2026-11-28T00:43:22.123456Z\n# User@Host: root[root] @ localhost []  Id:     5\n"
    )
    head += "# Query_time: 2.000  Lock_time: 0.000 Rows_sent: 1  Rows_examined: 0\n"
    said = f"SET timestamp={int(NOW - 60)};\nselect 1;\n"

    [one] = read(f"{head}use shop;\n{said}{head}{said}").told()

    assert (one["database"], one["calls"]) == ("shop", 2)


@pytest.mark.parametrize(
    ("line", "offset", "at"),
    [
        ("# Time: 261128  0:43:22", 0, 1_795_826_602.0),
        ("# Time: 261128  0:43:22", 3600, 1_795_823_002.0),
        ("# Time: 261128 12:43:22", 0, 1_795_869_802.0),
        ("# Time: 2026-11-28T00:43:22.500000Z", 3600, 1_795_826_602.5),
        ("# Time: 2026-11-28T01:43:22.000000+01:00", 0, 1_795_826_602.0),
        ("# Time: 269928  0:43:22", 0, None),
        ("# Time: soon", 0, None),
        ("SET timestamp=1795826602;", 0, None),
        ("# Time: 261128  0:43:22 and more", 0, None),
    ],
)
def test_the_time_of_a_line(line: str, offset: int, at: float | None) -> None:
    assert began_at(line, NOW, offset) == at
