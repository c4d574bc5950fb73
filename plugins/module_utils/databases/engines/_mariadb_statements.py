# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which statements a server of MariaDB or MySQL has run, as its performance schema has counted them."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any, Dict, Mapping

from ansible_collections.astral.upkeep.plugins.module_utils.databases.engine import (
    NotReadError,
    Topic,
)
from ansible_collections.astral.upkeep.plugins.module_utils.databases.engines._mariadb_slow_log import (
    SETTINGS_OF_MARIADB,
    SETTINGS_OF_MYSQL,
)
from ansible_collections.astral.upkeep.plugins.module_utils.databases.statements import (
    MYSQL,
    shape_of,
)

OFF = "performance_schema is off"
SWITCHED_ON = (
    "put two lines into my.cnf, `[mysqld]` and `performance_schema = ON`, and restart the server"
)
LOGGED = "; without a restart, the slow log shows the slowest calls alone: SET GLOBAL slow_query_log = ON"
COUNTING = "select @@global.performance_schema + 0 as counting"
"""Whether statements are counted: everybody may ask."""
# What has no digest is the sum of all for which the table had no room left. Times are picoseconds.
WORST = """
with one as (
  select *, row_number() over (order by sum_timer_wait desc) as by_time,
    row_number() over (order by count_star desc) as by_calls,
    row_number() over (order by case when count_star >= 20 then avg_timer_wait else 0 end desc) as by_mean
  from performance_schema.events_statements_summary_by_digest)
select json_object(
  'is_on', @@global.performance_schema + 0,
  'at', unix_timestamp(now(6)),
  'total_time', (select coalesce(sum(sum_timer_wait), 0) from one),
  'calls', (select coalesce(sum(count_star), 0) from one),
  'known', (select count(*) from one where digest is not null),
  'most_known', @@global.performance_schema_digests_size,
  'evicted', (select coalesce(sum(count_star), 0) from one where digest is null),
  'worst', json_extract(coalesce((select json_arrayagg(json_object('queryid', digest, 'database', schema_name,
      'query', left(digest_text, 2000), 'since', unix_timestamp(first_seen), 'calls', count_star,
      'total', sum_timer_wait, 'mean', avg_timer_wait, 'min', min_timer_wait, 'max', max_timer_wait,
      'rows', sum_rows_sent + sum_rows_affected))
    from one where digest is not null and (by_time <= 60 or by_calls <= 20 or by_mean <= 20)), '[]'), '$')) as answer"""
SHAPE_CHARACTERS = 400
PICO = 1e-12


def made(value: Mapping[str, Any]) -> Dict[str, Any]:
    """Return what is observed of the statements.

    Raises: NotReadError if the server does not count them.
    """
    if not value["is_on"]:
        raise NotReadError(OFF)
    return {
        "at": _time(value["at"]),
        "total_seconds": float(value["total_time"]) * PICO,
        "calls": int(value["calls"]),
        "known": value["known"],
        "most_known": value["most_known"],
        "evicted": int(value["evicted"]),
        "worst": [_counters(one) for one in sorted(value["worst"], key=lambda one: -one["total"])],
    }


def _counters(row: Mapping[str, Any]) -> Dict[str, Any]:
    """Return the counters of one statement."""
    return {
        "queryid": str(row["queryid"]),
        "database": row["database"] or "",
        "shape": shape_of(row["query"] or "", MYSQL, SHAPE_CHARACTERS),
        "since": _time(row["since"]),
        "calls": int(row["calls"]),
        "total_seconds": float(row["total"]) * PICO,
        "mean_seconds": float(row["mean"]) * PICO,
        "min_seconds": float(row["min"]) * PICO,
        "max_seconds": float(row["max"]) * PICO,
        "rows": int(row["rows"]),
    }


def _time(seconds: Any) -> str:
    """Return a time as text, in UTC."""
    return datetime.fromtimestamp(float(seconds), timezone.utc).isoformat()


STATEMENTS = (
    Topic(
        "statements",
        {0: WORST},
        grant="GRANT SELECT ON performance_schema.* TO {account}",
        made=made,
    ),
    Topic("slow_calls", {0: SETTINGS_OF_MYSQL, 100000: SETTINGS_OF_MARIADB}),
)
