# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is due in a database of PostgreSQL, and which indexes are the job's own rest: decided from what was read."""

from __future__ import annotations

import re
from typing import Any, Callable, Dict, List, Sequence

from ansible_collections.astral.upkeep.plugins.module_utils.jobs.optimize._postgresql_sql import (
    quoted,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.optimize.step import (
    PlannedStep,
    duration_words,
    size_words,
)

SHARED = "SHARE UPDATE EXCLUSIVE (reads and writes go on)"
Estimate = Callable[[str, int], float]
"""Returns the seconds that an action takes on that many bytes."""
GROWN = 1.2
"""An index is not due again until it is larger than this times what its last REINDEX made of it."""


def table_steps(
    rows: Sequence[Dict[str, Any]],
    limits: Dict[str, Any],
    actions: Sequence[str],
    subject: str,
    estimate: Estimate,
) -> List[PlannedStep]:
    """Return what is due of tables, the most changed first. rows: of TABLES."""
    steps = []
    for row in rows:
        analyze = _why_analyze(row, limits) if "analyze" in actions else ""
        freeze = _why_freeze(row, limits) if "vacuum" in actions else ""
        vacuum = freeze or (_why_vacuum(row, limits) if "vacuum" in actions else "")
        if not vacuum and not analyze:
            continue
        name = f"{quoted(row['schema'])}.{quoted(row['name'])}"
        if vacuum:
            # TRUNCATE would take ACCESS EXCLUSIVE at its end, on standbys too.
            options = ["FREEZE"] * bool(freeze) + ["ANALYZE"] * bool(analyze) + ["TRUNCATE false"]
            statement, action = f"VACUUM ({', '.join(options)}) {name}", "vacuum"
        else:
            statement, action = f"ANALYZE {name}", "analyze"
        reason = "; ".join(one for one in (vacuum, analyze) if one)
        size = row["bytes"] or 0
        # ANALYZE reads a sample, not the table.
        seconds = estimate(action, size if vacuum else min(size, 300 * 100 * 8192))
        shown = f"{row['schema']}.{row['name']}"
        steps.append(
            PlannedStep(
                subject, action, shown, statement, reason, SHARED, size, seconds, row["oid"]
            )
        )
    worth = {row["oid"]: (row["changed"] or 0) + (row["dead"] or 0) for row in rows}
    return sorted(steps, key=lambda step: (-worth[step.oid], step.name))


def _why_analyze(row: Dict[str, Any], limits: Dict[str, Any]) -> str:
    """Return why a table is to be analyzed; empty if it is not."""
    live, changed = row["live"] or 0, row["changed"] or 0
    never = row["rows"] < 0 or (row["rows"] == 0 and row["pages"] == 0)
    if never and row["analyzed_seconds"] is None and live >= limits["changed_rows"]:
        return f"never analyzed, {live} rows"
    least = max(limits["changed_rows"], limits["changed_share"] * max(row["rows"], live))
    if changed < least:
        return ""
    ago = row["analyzed_seconds"]
    since = "it was last analyzed" if ago is None else f"ANALYZE {duration_words(ago)} ago"
    return f"{changed} of {live} rows changed since {since}"


def _why_vacuum(row: Dict[str, Any], limits: Dict[str, Any]) -> str:
    live, dead = row["live"] or 0, row["dead"] or 0
    if dead < max(limits["dead_rows"], limits["dead_share"] * (live + dead), 1):
        return ""
    return f"{dead} of {live + dead} rows are dead"


def _why_freeze(row: Dict[str, Any], limits: Dict[str, Any]) -> str:
    age, most = row["age"] or 0, row["age_most"]
    if age < limits["freeze_share"] * most:
        return ""
    return f"its oldest transaction is {age} old, of {most:.0f} at which autovacuum is forced"


def index_steps(
    rows: Sequence[Dict[str, Any]],
    reindexed: Callable[[int], Dict[str, Any] | None],
    subject: str,
    estimate: Estimate,
) -> List[PlannedStep]:
    """Return the indexes that are due, those of the most waste first. rows: of INDEXES.

    reindexed: what is written down of the last REINDEX of an index, by its OID. An estimate is no measurement: what
    the last one has made of it is as small as it gets.
    """
    steps = []
    for row in rows:
        last = reindexed(row["oid"])
        if row["exclusion"] or (last and row["bytes"] <= GROWN * last.get("bytes", 0)):
            continue
        name = f"{quoted(row['schema'])}.{quoted(row['name'])}"
        wasted = f"{size_words(row['wasted'])} of {size_words(row['bytes'])} wasted, by estimate"
        steps.append(
            PlannedStep(
                subject,
                "reindex",
                f"{row['schema']}.{row['name']}",
                f"REINDEX INDEX CONCURRENTLY {name}",
                wasted,
                SHARED,
                row["bytes"],
                estimate("reindex", row["bytes"]),
                row["oid"],
                row["table"],
            )
        )
    return steps


def own_rests(entry: Dict[str, Any], indexes: Sequence[Dict[str, Any]]) -> List[Dict[str, Any]]:
    """Return which indexes of a table are a rest of the REINDEX of an entry of the record.

    indexes: of OF_TABLE. Its own are the invalid ones that it was seen to make, those that were not there before and
    have its name for a new one, and the index itself if it has become an old one. Nobody else's is.
    """
    own = []
    stem = str(entry.get("index", ""))
    for one in indexes:
        if one["valid"]:
            continue
        made = one["oid"] in entry.get("made", [])
        new = one["oid"] not in entry.get("before", []) and _is_named(one["name"], stem, "ccnew")
        old = one["oid"] == entry.get("index_oid") and _is_named(one["name"], stem, "ccold")
        if made or new or old:
            own.append(one)
    return own


def _is_named(name: str, stem: str, suffix: str) -> bool:
    """Return whether REINDEX CONCURRENTLY makes such a name of an index's: it cuts what is too long, and may number."""
    match = re.fullmatch(rf"(.*)_{suffix}[0-9]*", name, re.DOTALL)
    if match is None:
        return False
    kept = match.group(1)
    return kept == stem or (len(name.encode()) >= 62 and stem.startswith(kept) and kept != "")


def blocked_by(oldest: Dict[str, Any], patience_seconds: float) -> str:
    """Return why no REINDEX begins: what it would wait for. oldest: of OLDEST."""
    if oldest["unseen"]:
        return (
            f"how old the transactions of {oldest['unseen']} sessions are cannot be seen: "
            "GRANT pg_read_all_stats to the job's account"
        )
    seconds = oldest["seconds"]
    if seconds is None or seconds <= patience_seconds:
        return ""
    who = f"session {oldest['pid']} of {oldest['account']}" if oldest["pid"] else "a transaction"
    application = f" ({oldest['application']})" if oldest["application"] else ""
    return (
        f"it would wait for {who}{application}, whose transaction is open for {duration_words(seconds)}; "
        f"patience is {patience_seconds:g} s"
    )
