# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a plan of PostgreSQL says: its nodes without data, and which index may spare reading a whole table. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Dict, Iterator, List, Mapping, NamedTuple, Sequence, Tuple

from ansible_collections.astral.upkeep.plugins.module_utils.databases.statements import (
    Token,
    condition_of,
    words_of,
)

NODES = 20
CONDITIONS = ("Index Cond", "Recheck Cond", "Filter", "Hash Cond", "Merge Cond", "Join Filter")
JOINS = ("Hash Cond", "Merge Cond", "Join Filter")
PASSING = frozenset(
    ["Hash", "Sort", "Incremental Sort", "Gather", "Gather Merge", "Materialize", "Memoize"]
)
"""Nodes that pass on all rows of the one below."""
WHOLE = frozenset(["Seq Scan", "Index Scan", "Index Only Scan"])
"""Without a condition on the index, the others read all rows, too, in its order: often for a LIMIT."""
LEADER_SHARE = 0.3
"""How much less of the work the leader of parallel workers does for each of them; see get_parallel_divisor."""
MOST_KEPT = 0.1
"""The part of a table's rows up to which an index is worth a thought."""
UNIQUE_ENOUGH = 0.001
"""The part of the rows that a column finds from which on another column in the index adds little."""
COLUMNS = 3
Table = Mapping[str, Any]


@dataclass(frozen=True)
class HelpfulIndex:
    """An index that may help.

    table, columns: as SQL writes them. rows, size_bytes: of the table. kept: how many of the rows the statement wants.
    partitioned: the table has partitions, of which some are read.
    """

    table: str
    columns: str
    rows: float
    size_bytes: int
    kept: float
    partitioned: bool

    @property
    def definition(self) -> str:
        """Return the statement that would make it."""
        return f"CREATE INDEX ON {self.table} ({self.columns})"

    def said(self) -> Dict[str, Any]:
        """Return what is told of it."""
        return {**vars(self), "rows": round(self.rows), "kept": round(self.kept)}


class Scan(NamedTuple):
    """A table that is read as a whole. joins: the joins above it, each with how many rows its other side has."""

    node: Mapping[str, Any]
    workers: int
    joins: Tuple[Tuple[Mapping[str, Any], float], ...]


def nodes_of(top: Mapping[str, Any]) -> List[Dict[str, Any]]:
    """Return the nodes of a plan from its top: what each does with which table and index, and under which condition."""
    found: List[Dict[str, Any]] = []
    for node, level in _walk(top, 0):
        if len(found) == NODES:
            break
        conditions = [condition_of(str(node[one])) for one in CONDITIONS if one in node]
        found.append(
            {
                "kind": str(node["Node Type"])[:60],
                "level": level,
                "rows": float(node["Plan Rows"]),
                "table": _table_name(node),
                "index": str(node.get("Index Name") or ""),
                "condition": "; ".join(conditions)[:300],
            }
        )
    return found


def _walk(node: Mapping[str, Any], level: int) -> Iterator[Tuple[Mapping[str, Any], int]]:
    yield node, level
    for below in node.get("Plans") or []:
        yield from _walk(below, level + 1)


def _table_name(node: Mapping[str, Any]) -> str:
    if "Relation Name" not in node:
        return ""
    schema = f"{node['Schema']}." if node.get("Schema") else ""
    return f"{schema}{node['Relation Name']}"


def candidates_of(plan: Sequence[Mapping[str, Any]], tables: Sequence[Table]) -> List[HelpfulIndex]:
    """Return the indexes that may spare a plan the reading of whole tables, those of the largest first.

    tables: what the server knows of those that are large.
    """
    by_name = {(one["schema"], one["name"]): one for one in tables}
    found: Dict[Tuple[str, str], HelpfulIndex] = {}
    for scan in _scans(plan[0]["Plan"], 0, ()):
        table = by_name.get((scan.node.get("Schema"), scan.node["Relation Name"]))
        one = _candidate(scan, table) if table else None
        if one is None:
            continue
        before = found.get((one.table, one.columns))
        if before and one.partitioned:  # of another partition
            one = HelpfulIndex(
                one.table,
                one.columns,
                one.rows + before.rows,
                one.size_bytes + before.size_bytes,
                one.kept + before.kept,
                True,
            )
        found[one.table, one.columns] = one
    return sorted(found.values(), key=lambda one: -one.size_bytes)


def _scans(
    node: Mapping[str, Any], workers: int, joins: Tuple[Tuple[Mapping[str, Any], float], ...]
) -> Iterator[Scan]:
    """Yield the scans of whole tables in a plan. joins: those above, with nothing in between that drops rows."""
    kind = node["Node Type"]
    if kind in WHOLE and "Relation Name" in node and "Index Cond" not in node:
        yield Scan(node, workers if node.get("Parallel Aware") else 0, joins)
    workers = int(node.get("Workers Planned") or workers)
    below = node.get("Plans") or []
    sides = [one for one in below if one.get("Parent Relationship") in ("Outer", "Inner")]
    for one in below:
        above: Tuple[Tuple[Mapping[str, Any], float], ...] = ()
        if kind in PASSING:
            above = joins
        elif len(sides) == 2 and one in sides:
            other = sides[1] if one is sides[0] else sides[0]
            above = ((node, float(other["Plan Rows"])),)
        yield from _scans(one, workers, above)


def _candidate(scan: Scan, table: Table) -> HelpfulIndex | None:
    """Return the index for what a scan keeps, or for what a join above it wants; None if none is worth a thought."""
    rows = float(table["rows"])
    if rows <= 0:
        return None  # never analyzed
    alias = str(scan.node.get("Alias") or scan.node["Relation Name"])
    kept = float(scan.node["Plan Rows"]) * _divisor(scan.workers)
    wanted = [(str(scan.node.get("Filter") or ""), kept)]
    for join, other_rows in scan.joins:
        condition = next((str(join[one]) for one in JOINS if one in join), "")
        wanted.append((condition, max(float(join["Plan Rows"]), other_rows)))
    for condition, wants in wanted:
        if not condition or wants > MOST_KEPT * rows:
            continue
        columns = _columns(
            compared_columns(condition, alias, table["columns"]), table["columns"], rows
        )
        part = 1.0
        for one in columns:
            part *= _part(table["columns"][one], rows)
        if columns and part <= MOST_KEPT and columns[0] not in table["leading"]:
            quoted = ", ".join(table["columns"][one]["quoted"] for one in columns)
            size = int(table["bytes"])
            return HelpfulIndex(
                table["whole"], quoted, rows, size, max(1.0, wants), table["partition"]
            )
    return None


def _divisor(workers: int) -> float:
    """Return how many times the rows of one process a parallel scan has."""
    return workers + max(0.0, 1.0 - LEADER_SHARE * workers) if workers else 1.0


def _columns(names: Sequence[str], columns: Mapping[str, Any], rows: float) -> List[str]:
    """Return which of the columns an index should have: the one that finds the fewest rows first."""
    known = [(part, name) for name in names if (part := _part(columns[name], rows))]
    chosen: List[str] = []
    found = 1.0
    for part, name in sorted(known):
        if len(chosen) == COLUMNS or found <= UNIQUE_ENOUGH:
            break
        chosen.append(name)
        found *= part
    return chosen


def _part(column: Mapping[str, Any], rows: float) -> float:
    """Return which part of the rows has one value of a column, on average; 0 if there are no statistics of it."""
    distinct = float(column["distinct"] or 0)
    if distinct < 0:  # that part of the rows are distinct
        distinct *= -rows
    return max(1e-12, 1.0 - float(column["nulls"] or 0)) / distinct if distinct > 0 else 0.0


def compared_columns(condition: str, alias: str, columns: Mapping[str, Any]) -> List[str]:
    """Return the columns of a table that must be equal to something else, in a condition as a plan shows it.

    alias: the table's name in the plan. Of an alternative (OR) there are none; nor of a column that is compared as
    another type, for which an index of it is no use.
    """
    words = words_of(condition)
    found: List[str] = []
    for part in _parts(_bare(words or [])):
        sides = _sides(_bare(part))
        for one, other in (sides, sides[::-1]) if sides else ():
            name = _column(one, alias, columns)
            if name and not any(
                after.text == "." and _name(word) == alias for word, after in zip(other, other[1:])
            ):
                found.append(name)
    return list(dict.fromkeys(found))


def _bare(words: Sequence[Token]) -> List[Token]:
    """Return the words without parentheses around all of them."""
    words = list(words)
    while words and words[0].text == "(" and _closing(words) == len(words) - 1:
        words = words[1:-1]
    return words


def _closing(words: Sequence[Token]) -> int:
    """Return where the parenthesis closes that the words begin with; -1 if it does not."""
    depth = 0
    for at, one in enumerate(words):
        depth += _deeper(one)
        if depth == 0:
            return at
    return -1


def _deeper(one: Token) -> int:
    if one.kind != "sign":
        return 0
    return {"(": 1, "[": 1, ")": -1, "]": -1}.get(one.text, 0)


def _parts(words: Sequence[Token]) -> List[List[Token]]:
    """Return the conditions that all must hold; none if there is an alternative."""
    parts: List[List[Token]] = [[]]
    depth = 0
    for one in words:
        if depth == 0 and one.upper == "OR":
            return []
        if depth == 0 and one.upper == "AND":
            parts.append([])
        else:
            parts[-1].append(one)
        depth += _deeper(one)
    return parts


def _sides(words: Sequence[Token]) -> Tuple[List[Token], List[Token]] | None:
    """Return what stands before and behind a lone `=` at the outermost level."""
    depth = 0
    for at, one in enumerate(words):
        is_equal = depth == 0 and one.kind == "sign" and one.text == "=" and one.spaced
        if is_equal and at + 1 < len(words) and words[at + 1].spaced:
            return list(words[:at]), list(words[at + 1 :])
        depth += _deeper(one)
    return None


def _column(words: Sequence[Token], alias: str, columns: Mapping[str, Any]) -> str:
    """Return the column that the words are; empty if they are something else. `(t.name)::text` of a varchar is one."""
    words = list(words)
    cast = ""
    if words and words[0].text == "(":
        closes = _closing(words)
        cast = "".join(one.text for one in words[closes + 1 :])
        words = words[1:closes]
    if len(words) != 3 or words[1].text != "." or _name(words[0]) != alias:
        return ""
    name = _name(words[2])
    if name not in columns:
        return ""
    kind = re.sub(r"\(.*", "", str(columns[name]["type"]))
    return name if not cast or (cast == "::text" and kind == "character varying") else ""


def _name(one: Token) -> str:
    """Return the name that a word is, as the catalog has it."""
    if one.kind == "name":
        return one.text[1:-1].replace('""', '"')
    return one.text if one.kind == "word" else ""
