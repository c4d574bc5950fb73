"""What is due in a database of PostgreSQL, and which indexes are the job's own rest."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.jobs.optimize._postgresql_plan import (
    blocked_by,
    index_steps,
    own_rests,
    table_steps,
)

LIMITS = {
    "changed_rows": 1000,
    "changed_share": 0.1,
    "dead_rows": 1000,
    "dead_share": 0.1,
    "freeze_share": 0.9,
}
TABLE = {
    "oid": 7, "schema": "public", "name": 'or"ders', "rows": 10_000.0, "pages": 50, "live": 10_000, "dead": 0,
    "changed": 0, "age": 100, "age_most": 200e6, "bytes": 409_600, "analyzed_seconds": 90.0,
}  # fmt: skip
BOTH = ("analyze", "vacuum")


def statements(row: dict[str, Any], actions: tuple[str, ...] = BOTH) -> list[tuple[str, str]]:
    steps = table_steps([row], LIMITS, actions, "here", lambda _action, size: size / 1000)
    return [(step.statement, step.why) for step in steps]


NAME = '"public"."or""ders"'


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, []),
        ({"changed": 999}, []),
        ({"changed": 1000}, [(f"ANALYZE {NAME}", "1000 of 10000 rows changed since ANALYZE 2 min ago")]),
        ({"changed": 1999, "live": 20_000}, []),
        ({"changed": 2000, "live": 20_000, "analyzed_seconds": None},
         [(f"ANALYZE {NAME}", "2000 of 20000 rows changed since it was last analyzed")]),
        ({"rows": -1.0, "live": 1000, "analyzed_seconds": None},
         [(f"ANALYZE {NAME}", "never analyzed, 1000 rows")]),
        ({"rows": -1.0, "live": 999, "analyzed_seconds": None}, []),
        ({"rows": 0.0, "pages": 0, "live": 1000, "analyzed_seconds": None},
         [(f"ANALYZE {NAME}", "never analyzed, 1000 rows")]),
        ({"rows": 0.0, "pages": 0, "live": 1000, "analyzed_seconds": 5.0}, []),
        ({"dead": 1111}, []),
        ({"dead": 1112}, [(f"VACUUM (TRUNCATE false) {NAME}", "1112 of 11112 rows are dead")]),
        ({"dead": 999, "live": 0}, []),
        ({"dead": 2000, "changed": 2000},
         [(f"VACUUM (ANALYZE, TRUNCATE false) {NAME}",
           "2000 of 12000 rows are dead; 2000 of 10000 rows changed since ANALYZE 2 min ago")]),
        ({"age": 180_000_000},
         [(f"VACUUM (FREEZE, TRUNCATE false) {NAME}",
           "its oldest transaction is 180000000 old, of 200000000 at which autovacuum is forced")]),
        ({"age": 179_999_999}, []),
    ],
)  # fmt: skip
def test_a_table_is_due_from_its_thresholds_on(
    changes: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    assert statements({**TABLE, **changes}) == expected


def test_an_action_that_the_site_has_not_chosen_is_not_planned() -> None:
    row = {**TABLE, "dead": 5000, "changed": 5000}

    assert [one[0] for one in statements(row, ("analyze",))] == [f"ANALYZE {NAME}"]
    assert [one[0] for one in statements(row, ("vacuum",))] == [f"VACUUM (TRUNCATE false) {NAME}"]


def test_the_most_changed_table_comes_first() -> None:
    rows = [{**TABLE, "oid": oid, "name": f"t{oid}", "changed": 2000 + oid} for oid in range(3)]

    steps = table_steps(rows, LIMITS, BOTH, "here", lambda _action, _size: 1.0)

    assert [step.name for step in steps] == ["public.t2", "public.t1", "public.t0"]


INDEX = {"oid": 9, "table": 7, "schema": "public", "name": "i", "exclusion": False, "bytes": 1200,
         "wasted": 600}  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "last", "due"),
    [
        ({}, None, True),
        ({"exclusion": True}, None, False),
        ({}, {"bytes": 1000}, False),
        ({"bytes": 1201}, {"bytes": 1000}, True),
    ],
    ids=["bloated", "of an exclusion", "as its last REINDEX made it", "grown since"],
)
def test_an_index_is_due_unless_its_last_reindex_gained_nothing(
    changes: dict[str, Any], last: dict[str, Any] | None, due: bool
) -> None:
    steps = index_steps([{**INDEX, **changes}], lambda _oid: last, "here", lambda _a, _s: 1.0)

    assert [step.statement for step in steps] == ['REINDEX INDEX CONCURRENTLY "public"."i"'] * due


LONG = "a" * 63
ENTRY = {"index": "i", "index_oid": 9, "before": [9, 10], "made": [11]}


@pytest.mark.parametrize(
    ("oid", "name", "valid", "own"),
    [
        (11, "renamed since", False, True),
        (11, "i", True, False),
        (12, "i_ccnew", False, True),
        (12, "i_ccnew2", False, True),
        (12, "i_ccnew", True, False),
        (10, "i_ccnew", False, False),
        (12, "j_ccnew", False, False),
        (12, "i_new", False, False),
        (12, "i_ccold", False, False),
        (9, "i_ccold1", False, True),
        (9, "i", False, False),
    ],
    ids=["seen being made", "has become the index", "new", "new and numbered", "new and valid",
         "was there before", "of another index", "another's name", "old, and not this one",
         "this one, now old", "invalid before"],
)  # fmt: skip
def test_only_its_own_rest_is_dropped(oid: int, name: str, valid: bool, own: bool) -> None:
    rows = [{"oid": oid, "name": name, "schema": "public", "valid": valid}]

    assert own_rests(ENTRY, rows) == (rows if own else [])


def test_a_name_that_was_cut_is_known_again() -> None:
    entry = {**ENTRY, "index": LONG, "made": []}
    rows = [
        {"oid": 12, "name": "a" * 57 + "_ccnew", "valid": False},
        {"oid": 13, "name": "a" * 30 + "_ccnew", "valid": False},
        {"oid": 14, "name": "b" * 57 + "_ccnew", "valid": False},
    ]

    assert [one["oid"] for one in own_rests(entry, rows)] == [12]


OLD = {"unseen": 0, "pid": 4711, "account": "shop", "application": "psql", "seconds": 61.0}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"seconds": None}, ""),
        ({"seconds": 60.0}, ""),
        ({}, "it would wait for session 4711 of shop (psql), whose transaction is open for 1 min; patience is 60 s"),
        ({"pid": None, "application": "a prepared transaction"},
         "it would wait for a transaction (a prepared transaction), whose transaction is open for 1 min; patience is 60 s"),
        ({"seconds": None, "unseen": 2},
         "how old the transactions of 2 sessions are cannot be seen: GRANT pg_read_all_stats to the job's account"),
    ],
    ids=["none", "young", "old", "prepared", "not seen"],
)  # fmt: skip
def test_no_reindex_begins_behind_what_it_would_wait_for(
    changes: dict[str, Any], said: str
) -> None:
    assert blocked_by({**OLD, **changes}, 60) == said
