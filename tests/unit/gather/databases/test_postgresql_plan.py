"""Which index a plan of PostgreSQL lacks."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.databases.engines._postgresql_plan import (
    NODES,
    candidates_of,
    compared_columns,
    nodes_of,
)

COLUMNS: dict[str, dict[str, Any]] = {
    "id": {"quoted": "id", "type": "integer", "distinct": -1, "nulls": 0},
    "customer": {"quoted": "customer", "type": "integer", "distinct": 20000, "nulls": 0},
    "state": {"quoted": "state", "type": "character varying(10)", "distinct": 20, "nulls": 0},
    "The name": {"quoted": '"The name"', "type": "text", "distinct": 200, "nulls": 0.5},
    "unknown": {"quoted": "unknown", "type": "text", "distinct": None, "nulls": None},
}
ORDERS = {"schema": "public", "name": "orders", "rows": 100_000, "bytes": 14_000_000, "whole": "public.orders",
          "partition": False, "leading": ["id"], "columns": COLUMNS}  # fmt: skip


def scan(condition: str, rows: float, **more: Any) -> dict[str, Any]:
    return {"Node Type": "Seq Scan", "Relation Name": "orders", "Schema": "public", "Alias": "o", "Plan Rows": rows,
            "Filter": condition, **more}  # fmt: skip


def found(node: dict[str, Any], **table: Any) -> list[str]:
    return [one.columns for one in candidates_of([{"Plan": node}], [{**ORDERS, **table}])]


@pytest.mark.parametrize(
    ("condition", "columns"),
    [
        ("(o.customer = $1)", ["customer"]),
        ("($1 = o.customer)", ["customer"]),
        ("((o.customer = $1) AND (o.state > $2))", ["customer"]),
        ("((o.customer = $1) OR (o.id = $2))", []),
        ("(NOT (o.customer = $1))", []),
        ("(o.customer <> $1)", []),
        ("(o.customer <= $1)", []),
        ("(o.customer = ANY ($1))", ["customer"]),
        ("((o.state)::text = $1)", ["state"]),
        ("((o.id)::numeric = 7.0)", []),
        ("(lower(o.state) = $1)", []),
        ('(o."The name" = $1)', ["The name"]),
        ("(o.customer = c.id)", ["customer"]),
        ("(c.id = o.customer)", ["customer"]),
        ("(o.customer = o.id)", []),
        ("(c.customer = $1)", []),
        ("(o.gone = $1)", []),
        ("(o.customer = $1) 'torn", []),
        ("", []),
    ],
)
def test_columns_that_must_be_equal_to_something(condition: str, columns: list[str]) -> None:
    assert compared_columns(condition, "o", COLUMNS) == columns


@pytest.mark.parametrize(
    ("node", "table", "columns"),
    [
        (scan("(o.customer = $1)", 5), {}, ["customer"]),
        (scan("(o.customer = $1)", 10_000), {}, ["customer"]),
        (scan("(o.customer = $1)", 10_001), {}, []),
        (scan("(o.customer = $1)", 5), {"leading": ["customer"]}, []),
        (scan("(o.customer = $1)", 5), {"rows": -1}, []),
        (scan("(o.customer = $1)", 5), {"name": "other"}, []),
        (scan("(o.unknown = $1)", 5), {}, []),
        (scan('((o.state)::text = $1) AND (o."The name" = $2)', 5), {}, ['"The name", state']),
        (scan("((o.customer = $1) AND ((o.state)::text = $2))", 5), {}, ["customer"]),
        (scan("(o.customer = $1)", 5, **{"Node Type": "Index Scan"}), {}, ["customer"]),
        (scan("(o.customer = $1)", 5, **{"Node Type": "Index Scan", "Index Cond": "(o.id = $2)"}), {}, []),
    ],
    ids=[
        "few", "at the limit", "above the limit", "it has an index", "never analyzed", "a small table", "no statistics",
        "two columns", "one that is enough", "read in the order of an index", "found by an index",
    ],
)  # fmt: skip
def test_an_index_for_a_filter(
    node: dict[str, Any], table: dict[str, Any], columns: list[str]
) -> None:
    assert found(node, **table) == columns


def joined(rows: float, other_rows: float, **more: Any) -> dict[str, Any]:
    orders = scan("", 100_000, **{"Parent Relationship": "Outer"})
    other = {"Node Type": "Hash", "Plan Rows": other_rows, "Parent Relationship": "Inner"}
    return {"Node Type": "Hash Join", "Hash Cond": "(o.customer = c.id)", "Plan Rows": rows,
            "Plans": [orders, other], **more}  # fmt: skip


@pytest.mark.parametrize(
    ("node", "columns"),
    [
        (joined(5, 1), ["customer"]),
        (joined(50_000, 1), []),
        (joined(5, 50_000), []),
        (joined(5, 1, **{"Hash Cond": "((o.customer + 1) = c.id)"}), []),
    ],
    ids=["few", "many", "many to look up", "an expression"],
)
def test_an_index_for_a_join(node: dict[str, Any], columns: list[str]) -> None:
    assert found(node) == columns


def test_rows_of_parallel_workers_are_counted_for_all() -> None:
    parallel = scan("(o.customer = $1)", 4, **{"Parallel Aware": True})
    gather = {"Node Type": "Gather", "Workers Planned": 2, "Plan Rows": 10, "Plans": [parallel]}

    [one] = candidates_of([{"Plan": gather}], [ORDERS])

    assert one.kept == pytest.approx(9.6)


def test_a_plan_of_many_nodes_is_cut_and_its_conditions_are_without_data() -> None:
    node = scan("(o.state = 'Qzxwvk'::text)", 5)
    plan = {"Node Type": "Append", "Plan Rows": 1, "Plans": [node] * 100}

    nodes = nodes_of(plan)

    assert len(nodes) == NODES
    assert nodes[1] == {
        "kind": "Seq Scan", "level": 1, "rows": 5.0, "table": "public.orders", "index": "",
        "condition": "(o.state = ?::text)",
    }  # fmt: skip
