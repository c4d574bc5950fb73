# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a database of PostgreSQL would run its worst statements, and whether an index would spare most of the work.

The texts are read as the account that may see pg_stat_statements, and planned as the role that may read the tables.
A text is somebody's data: it is sent only as a SELECT that our own reader has taken apart (searches.py), and planned,
never run. Planning runs functions that a statement calls with constants, so that each is planned in a read-only
transaction, in a part of it that is rolled back: neither a setting, a lock nor a notice of such a function stays.
"""

from __future__ import annotations

import base64
import json
from typing import Any, Dict, List, Mapping, NamedTuple, Sequence, Tuple

from ansible_collections.astral.upkeep.plugins.module_utils.databases.engine import Topic
from ansible_collections.astral.upkeep.plugins.module_utils.databases.engines._postgresql_client import (
    DENIED,
    OK,
)
from ansible_collections.astral.upkeep.plugins.module_utils.databases.engines._postgresql_plan import (
    HelpfulIndex,
    candidates_of,
    nodes_of,
)
from ansible_collections.astral.upkeep.plugins.module_utils.databases.engines._postgresql_statements import (
    EXTENSION,
    TRACK,
)
from ansible_collections.astral.upkeep.plugins.module_utils.databases.searches import (
    NoSearchError,
    search_of,
)
from ansible_collections.astral.upkeep.plugins.module_utils.databases.statements import shape_of

PLANNED = 10
"""Of how many statements with the most time the plan is asked."""
SHAPE_CHARACTERS = 400
PLANNING_SHARE = 0.8
"""The part of the time that is left in which plans are asked; the rest is for what is read of their tables."""
PLAN_CHARACTERS = 300_000
"""A plan of thousands of partitions is not worth its way through the server's memory."""
LEAST_BYTES = 1 << 20
"""Tables below are read as a whole as fast as by an index."""
TRIALS = 8
TOO_LARGE, CANCELLED = "UP001", "57014"
NESTED = "it runs inside of a function, in which names may mean something else"
NO_TEXT = "the server has not kept its text"
WHY = {
    DENIED: "the role may not read what it reads",
    "42P01": "a table of it is not there, or not in the search_path that its account has by default",
    "42703": "a column of it is not there",
    "42883": "a function or an operator of it is not in the search_path of its account, or not for parameters whose"
    " type cannot be told",
    "42601": "a value stands where the server takes no parameter",
    "42P18": "the type of a parameter cannot be told",
    "42P08": "the type of a parameter cannot be told",
    "42725": "the type of a parameter cannot be told",
    CANCELLED: "there was no time left to plan it",
    "55P03": "a table of it is locked",
    TOO_LARGE: "its plan is too large",
}
"""By SQLSTATE."""

# Texts are read of the worst alone: they lie in a file.
WORST = """
with here as materialized (select oid as dbid from pg_database where datname = current_database()),
one as materialized (
  select total_exec_time + total_plan_time as total_time, *
  from {extension}.pg_stat_statements(false) join here using (dbid)),
worst as materialized (
  select * from one where queryid is not null order by total_time desc limit 60),
text as (
  select userid, queryid, min(left(query, 20001)) as query
  from {extension}.pg_stat_statements(true) join here using (dbid)
  where queryid = any (array(select queryid from worst)) group by 1, 2),
path as (
  select userid, coalesce(
    (select substr(said, 13) from pg_db_role_setting, unnest(setconfig) as said
      where said like 'search\\_path=%' and setrole in (0, userid) and setdatabase in (0, dbid)
      order by setrole = 0, setdatabase = 0 limit 1),
    (select reset_val from pg_settings where name = 'search_path')) as path
  from (select distinct userid, dbid from worst) as account)
select json_build_object(
  'unseen', (select count(*) from one where queryid is null),
  'rows', json_build_object(
    'at', clock_timestamp(),
    'track', {track},
    'total_time', (select coalesce(sum(total_time), 0) from one),
    'worst', (select coalesce(json_agg(json_build_object(
        'queryid', queryid::text, 'account', pg_get_userbyid(userid), 'calls', calls, 'total_time', total_time,
        'nested', to_jsonb(worst) -> 'toplevel' = 'false', 'query', text.query,
        'path', concat_ws(', ', nullif(replace(path, '"$user"', quote_ident(pg_get_userbyid(userid))), ''), 'pg_temp'))
        order by total_time desc), '[]')
      from worst left join text using (userid, queryid) left join path using (userid))))""".replace(
    "{track}", TRACK
)

# As long as the path is that of the statement's account, nothing is looked up in it but by the statement itself.
# A cursor takes one statement alone, so the server refuses a text of two. What PREPARE has made is the session's, and
# through a pool the next client's: it is removed whatever happens, as is an index that hypopg has only imagined.
# A cancelled statement is caught by its name; then nothing more is tried.
PLAN = """DO $upkeep$
declare
  asked constant json := convert_from(decode(current_setting('upkeep.asked'), 'base64'), 'UTF8');
  prepares constant boolean := current_setting('server_version_num')::int < 160000;
  one json;
  command text;
  plan json;
  state text;
  imagined oid;
  ends constant timestamptz := clock_timestamp() + make_interval(secs => (asked ->> 'seconds')::float8);
  done jsonb := '[]';
begin
  for one in select value from json_array_elements(asked -> 'statements') loop
    plan := null;
    imagined := null;
    begin
      if clock_timestamp() > ends then
        raise query_canceled;
      end if;
      if one ->> 'index' is not null then
        execute format('select indexrelid from %s.hypopg_create_index($1)', asked ->> 'hypopg')
          into imagined using one ->> 'index';
      end if;
      perform set_config('plan_cache_mode', 'force_generic_plan', true);
      if prepares then
        command := 'PREPARE upkeep_plan AS ' || (one ->> 'search');
        perform set_config('search_path', one ->> 'path', true);
        execute command;
        perform pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
        command := (select 'EXPLAIN (VERBOSE, FORMAT JSON) EXECUTE upkeep_plan' || coalesce(
            '(' || nullif(array_to_string(array_fill('NULL'::text, array[cardinality(parameter_types)]), ', '), '')
            || ')', '')
          from pg_prepared_statements where name = 'upkeep_plan');
      else
        command := 'EXPLAIN (GENERIC_PLAN, VERBOSE, FORMAT JSON) ' || (one ->> 'search');
      end if;
      perform set_config('search_path', one ->> 'path', true);
      for plan in execute command loop
        exit;
      end loop;
      raise exception using errcode = 'UP000';
    exception when query_canceled or others then
      state := sqlstate;
    end;
    if prepares and exists (select from pg_prepared_statements where name = 'upkeep_plan') then
      deallocate upkeep_plan;
    end if;
    if imagined is not null then
      execute format('select %s.hypopg_drop_index($1)', asked ->> 'hypopg') using imagined;
    end if;
    if state = 'UP000' and length(plan::text) > {most} then
      state := 'UP001';
    end if;
    done := done || jsonb_build_object('number', one -> 'number', 'index', one -> 'index',
      'state', case state when 'UP000' then '00000' else state end,
      'plan', case state when 'UP000' then plan end);
    exit when state = '57014';
  end loop;
  perform set_config('upkeep.plans', done::text, true);
end $upkeep$""".replace("{most}", str(PLAN_CHARACTERS))

# The statistics of a column are shown to who may read it. Sizes are those that the planner knows: to ask for others
# takes locks. Of a partition, the table that it is of is told.
TABLES = """
with plan as (select value -> 'plan' as plan from jsonb_array_elements(current_setting('upkeep.plans')::jsonb)),
scan as (
  select distinct node ->> 'Schema' as schema, node ->> 'Relation Name' as name
  from plan, jsonb_path_query(plan, 'strict $.** ? (exists (@."Relation Name"))') as node),
large as (
  select c.oid, schema, name, reltuples, relpages::bigint * current_setting('block_size')::int as bytes, relispartition
  from scan join pg_namespace n on nspname = schema join pg_class c on relnamespace = n.oid and relname = name
  where relkind in ('r', 'm') and relpages::bigint * current_setting('block_size')::int >= {least}),
barred as (
  select distinct quote_ident(nspname) as schema from pg_class c join pg_namespace n on n.oid = relnamespace
  where relkind in ('r', 'p', 'v', 'm', 'f') and nspname !~ '^pg_' and nspname <> 'information_schema'
    and not (has_schema_privilege(n.oid, 'USAGE') and has_table_privilege(c.oid, 'SELECT')))
select json_build_object(
  'plans', current_setting('upkeep.plans')::json,
  'schemas', (select coalesce(json_agg(schema order by schema), '[]') from barred),
  'tables', (select coalesce(json_agg(json_build_object(
      'schema', schema, 'name', name, 'rows', reltuples, 'bytes', bytes,
      'whole', (select quote_ident(nspname) || '.' || quote_ident(relname)
        from pg_class w join pg_namespace on pg_namespace.oid = relnamespace
        where w.oid = case when large.relispartition then pg_partition_root(large.oid) else large.oid end),
      'partition', relispartition,
      'leading', (select coalesce(json_agg(distinct attname), '[]')
        from pg_index join pg_attribute on attrelid = indrelid and attnum = indkey[0]
        where indrelid = large.oid and indisvalid and indpred is null),
      'columns', (select coalesce(json_object_agg(a.attname, json_build_object('quoted', quote_ident(a.attname),
          'type', format_type(atttypid, null), 'distinct', n_distinct, 'nulls', null_frac)), '{}')
        from pg_attribute a left join pg_stats s on s.schemaname = schema and s.tablename = name
          and s.attname = a.attname and not s.inherited
        where attrelid = large.oid and attnum > 0 and not attisdropped))), '[]') from large))""".replace(
    "{least}", str(LEAST_BYTES)
)
COSTS = "select json_build_object('plans', current_setting('upkeep.plans')::json)"
IMAGINES = "hypopg"
"""An extension that makes indexes which only the planner of its own session sees."""
MAY_PLAN = "exists (select from pg_language where lanname = 'plpgsql' and has_language_privilege(oid, 'USAGE'))"

PLANS = Topic(
    "plans",
    {108: WORST},
    grant="GRANT pg_read_all_stats TO {account}",
    extension=EXTENSION,
    # Before its library is loaded, only who has read its file knows its settings.
    needs=f"exists (select from pg_settings where name = '{EXTENSION}.max')",
    lack=f"{EXTENSION} is not loaded",
    setting=f"shared_preload_libraries = '{EXTENSION}'",
)


class Statement(NamedTuple):
    """One of the worst statements. search: what it looks for, as a SELECT; empty if that is not planned, with why.

    path: the search_path of its account. said: what is told of it.
    """

    search: str
    path: str
    why: str
    said: Dict[str, Any]


def worst_of(value: Mapping[str, Any]) -> List[Statement]:
    """Return the worst statements that look for something, of what WORST has read."""
    found: List[Statement] = []
    for row in value["worst"]:
        search, why = "", ""
        try:
            search = search_of(row["query"] or "")
        except NoSearchError as exc:
            why = str(exc)
        if not row["query"]:
            why = NO_TEXT
        if not search and not why:
            continue
        if row["nested"]:
            search, why = "", NESTED
        said = {
            "queryid": row["queryid"],
            "account": row["account"],
            "shape": shape_of(row["query"] or "", limit=SHAPE_CHARACTERS),
            "calls": int(row["calls"]),
            "total_seconds": float(row["total_time"]) / 1000,
        }
        found.append(Statement(search, row["path"], why, said))
        if len(found) == PLANNED:
            break
    return found


def planning(statements: Sequence[Statement], seconds: float) -> Tuple[str, ...]:
    """Return the question for the plans of the statements."""
    asked = [
        {"number": number, "search": one.search, "path": one.path}
        for number, one in enumerate(statements)
        if one.search
    ]
    return _question({"statements": asked, "seconds": seconds}, TABLES)


class Trial(NamedTuple):
    """An index that may help a statement. number: of the statement."""

    number: int
    candidate: HelpfulIndex


def trials_of(plans: Mapping[str, Any]) -> List[Trial]:
    """Return which indexes may help which statements, by the plans."""
    return [
        Trial(one["number"], candidate)
        for one in plans["plans"]
        if one["state"] == OK and one["plan"]
        for candidate in candidates_of(one["plan"], plans["tables"])
    ][:TRIALS]


def trying(
    statements: Sequence[Statement], trials: Sequence[Trial], schema: str, seconds: float
) -> Tuple[str, ...]:
    """Return the question for the plans with an index that hypopg imagines. schema: where it is."""
    asked = [
        {
            "number": one.number,
            "search": statements[one.number].search,
            "path": statements[one.number].path,
            "index": one.candidate.definition,
        }
        for one in trials
        if not one.candidate.partitioned  # it imagines none of a table with partitions
    ]
    return _question({"statements": asked, "seconds": seconds, "hypopg": schema}, COSTS)


def _question(asked: Mapping[str, Any], answer: str) -> Tuple[str, ...]:
    """Return the statements of one message. What is asked is a value in them, so that the server counts them once."""
    text = base64.b64encode(
        json.dumps(asked, ensure_ascii=False).encode("utf-8", "replace")
    ).decode()
    return (f"SELECT set_config('upkeep.asked', '{text}', true)", PLAN, answer)


def observed(
    value: Mapping[str, Any],
    statements: Sequence[Statement],
    plans: Mapping[str, Any],
    trials: Sequence[Trial],
    imagined: Mapping[Tuple[int, str], float],
) -> Dict[str, Any]:
    """Return what is observed of the plans: no word of a statement but in its shape, no value of a condition."""
    by_number = {one["number"]: one for one in plans["plans"]}
    worst = []
    for number, one in enumerate(statements):
        got = by_number.get(number, {"state": CANCELLED, "plan": None})
        said = {**one.said, "why": one.why, "cost": None, "nodes": [], "indexes": []}
        if one.search and (got["state"] != OK or not got["plan"]):
            said["why"] = _why(got["state"])
        elif one.search:
            top = got["plan"][0]["Plan"]
            said["cost"] = float(top["Total Cost"])
            said["nodes"] = nodes_of(top)
            said["indexes"] = [
                {
                    **trial.candidate.said(),
                    "cost": imagined.get((number, trial.candidate.definition)),
                }
                for trial in trials
                if trial.number == number
            ]
        worst.append(said)
    return {
        "at": str(value["at"]),
        "total_seconds": float(value["total_time"]) / 1000,
        "worst": worst,
    }


def costs_of(plans: Mapping[str, Any]) -> Dict[Tuple[int, str], float]:
    """Return what each statement would cost with each index that was imagined."""
    return {
        (one["number"], one["index"]): float(one["plan"][0]["Plan"]["Total Cost"])
        for one in plans["plans"]
        if one["state"] == OK and one["plan"]
    }


def denied_of(plans: Mapping[str, Any]) -> int:
    """Return how many statements have no plan because the role may not read what they do."""
    return sum(one["state"] == DENIED for one in plans["plans"])


def _why(state: str) -> str:
    """Return why a statement has no plan. The server's own text can hold a value, so it is not told."""
    known = WHY.get(state)
    return (
        f"{known} (SQLSTATE {state})"
        if known and state != TOO_LARGE
        else known or f"SQLSTATE {state}"
    )
