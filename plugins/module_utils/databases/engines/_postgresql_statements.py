# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which statements a server of PostgreSQL has run, as its extension pg_stat_statements has counted them."""

from __future__ import annotations

from typing import Any, Dict, Mapping

from ansible_collections.astral.upkeep.plugins.module_utils.databases.engine import (
    NotReadError,
    Topic,
)
from ansible_collections.astral.upkeep.plugins.module_utils.databases.statements import (
    shape_of,
)

EXTENSION = "pg_stat_statements"
TRACK = """(select setting from pg_settings
      where name = 'pg_stat_statements.track' and source not in ('user', 'database', 'database user'))"""
"""What the server counts: an account of its own setting, such as ours, says nothing of the others."""
# Of others' statements, who is no member of pg_read_all_stats sees neither text nor number. Texts are read of the worst
# alone: they lie in a file. A statement with few calls has no mean worth a rank.
WORST = """
with one as materialized (
  select row_number() over () as number, total_exec_time + total_plan_time as total_time, *
  from {extension}.pg_stat_statements(false)),
worst as materialized (
  select * from one where number in (
    (select number from one where queryid is not null order by total_time desc limit 60) union
    (select number from one where queryid is not null order by calls desc limit 20) union
    (select number from one where queryid is not null and calls >= 20 order by mean_exec_time desc limit 20))),
text as (
  select userid, dbid, queryid, min(left(query, 5000)) as query
  from {extension}.pg_stat_statements(true)
  where queryid = any (array(select queryid from worst)) group by 1, 2, 3)
select json_build_object(
  'unseen', (select count(*) from one where queryid is null),
  'rows', json_build_object(
    'at', clock_timestamp(),
    'read_in', current_database(),
    'total_time', (select coalesce(sum(total_time), 0) from one),
    'calls', (select coalesce(sum(calls), 0) from one),
    'known', (select count(*) from one),
    'most_known', current_setting('pg_stat_statements.max')::int,
    'io_timed', current_setting('track_io_timing')::bool,
    'track', {track},
    {info}
    'worst', (select coalesce(json_agg(to_jsonb(worst) || jsonb_build_object(
        'queryid', worst.queryid::text, 'query', text.query, 'database', coalesce(datname, ''),
        'account', pg_get_userbyid(worst.userid)) order by total_time desc), '[]')
      from worst left join text using (userid, dbid, queryid) left join pg_database on pg_database.oid = dbid)))"""
WORST = WORST.replace("{track}", TRACK)
INFO = """'evicted', (select dealloc from {extension}.pg_stat_statements_info),
    'reset_at', (select stats_reset from {extension}.pg_stat_statements_info),"""

SHAPE_CHARACTERS = 400
NOT_LOADED = ("55000", "42704")
"""SQLSTATE of its views, and of its settings, as long as the library is not loaded."""
TIMES = {
    "total_seconds": ("total_exec_time",),
    "mean_seconds": ("mean_exec_time",),
    "stddev_seconds": ("stddev_exec_time",),
    "min_seconds": ("min_exec_time",),
    "max_seconds": ("max_exec_time",),
    "plan_seconds": ("total_plan_time",),
    "read_seconds": ("shared_blk_read_time", "blk_read_time"),
    "write_seconds": ("shared_blk_write_time", "blk_write_time"),
}
"""What the view counts in milliseconds, under the names that its versions give it."""
COUNTS = {
    "calls": "calls",
    "rows": "rows",
    "hit_blocks": "shared_blks_hit",
    "read_blocks": "shared_blks_read",
    "dirtied_blocks": "shared_blks_dirtied",
    "written_blocks": "shared_blks_written",
    "local_read_blocks": "local_blks_read",
    "local_written_blocks": "local_blks_written",
    "temp_read_blocks": "temp_blks_read",
    "temp_written_blocks": "temp_blks_written",
    "wal_bytes": "wal_bytes",
}


def made(value: Mapping[str, Any]) -> Dict[str, Any]:
    """Return what is observed of the statements: texts as their shapes, times in seconds.

    Raises: NotReadError if none is counted.
    """
    refuse_untracked(value)
    return {
        "at": str(value["at"]),
        "read_in": str(value["read_in"]),
        "total_seconds": float(value["total_time"]) / 1000,
        "calls": int(value["calls"]),
        "known": value["known"],
        "most_known": value["most_known"],
        "io_timed": value["io_timed"],
        "evicted": value.get("evicted"),
        "reset_at": value.get("reset_at"),
        "worst": [_counters(one) for one in value["worst"]],
    }


def refuse_untracked(value: Mapping[str, Any]) -> None:
    """Refuse counters that stand still.

    Raises: NotReadError.
    """
    if value["track"] == "none":
        raise NotReadError("nothing is counted: pg_stat_statements.track is none; set it to top")


def _counters(row: Mapping[str, Any]) -> Dict[str, Any]:
    """Return the counters of one statement."""
    said: Dict[str, Any] = {
        "queryid": row["queryid"],
        "database": row["database"],
        "account": row["account"],
        "nested": row.get("toplevel") is False,
        "shape": shape_of(row["query"] or "", limit=SHAPE_CHARACTERS),
        "since": row.get("stats_since"),
    }
    for name, columns in TIMES.items():
        known = next((row[one] for one in columns if row.get(one) is not None), None)
        said[name] = None if known is None else float(known) / 1000
    return {**said, **{name: int(row[column]) for name, column in COUNTS.items()}}


STATEMENTS = (
    Topic(
        "statements",
        {108: WORST.replace("{info}", ""), 109: WORST.replace("{info}", INFO)},
        grant="GRANT pg_read_all_stats TO {account}",
        extension=EXTENSION,
        # Before its library is loaded, only who has read its file knows its settings.
        needs=f"exists (select from pg_settings where name = '{EXTENSION}.max')",
        lack=f"{EXTENSION} is not loaded",
        setting=f"shared_preload_libraries = '{EXTENSION}'",
        made=made,
    ),
)
