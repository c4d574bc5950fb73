# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How well the tables of a database of PostgreSQL are kept: dead rows, statistics, bloat, age.

Nothing here waits for a table that is locked: sizes are those that the catalog has since the last vacuum or analyze,
for pg_relation_size() and pg_get_expr() take a lock. Names are made of the rows that are given alone.
"""

# ruff: noqa: S608 - statements are made of what stands in these files alone
from __future__ import annotations

from ansible_collections.astral.upkeep.plugins.module_utils.databases.engine import Topic

AT_MOST = 50
"""Rows that a topic gives; the worst, by what its check judges."""

# Whose tables: not those of the server itself, nor of sessions.
OURS = """
  ours as materialized (select oid, nspname from pg_namespace
    where nspname not in ('pg_catalog', 'information_schema') and nspname !~ '^pg_(toast|temp_)')"""
NAME = "quote_ident(nspname) || '.' || quote_ident(relname)"
MIB_PAGES = "(1048576 / current_setting('block_size')::float8)"
# Without a reset, statistics are as old as the server's start or older.
COUNTED = """
  counted as materialized (select coalesce(pg_stat_get_db_stat_reset_time(oid), pg_postmaster_start_time()) as since
    from pg_database where datname = current_database())"""
HIDDEN = """(select coalesce(json_object_agg(objects, schemas), '{}') from (
    select objects, json_agg(quote_ident(nspname) order by nspname) as schemas
    from (select distinct objects, nspname from hidden) as named group by objects) as by_kind)"""
"""Of rows of the objects that the account may not read, and their schema: those schemas, by TABLES and SEQUENCES."""


def setting(option: str) -> str:
    """Return SQL for an option of autovacuum: the table's own, else the server's."""
    return (
        f"coalesce((select option_value from pg_options_to_table(reloptions) where option_name = '{option}'),"
        f" current_setting('{option}'))::float8"
    )


# What a table's own options say is looked up for those few that are over the server's limits, or have options.
AUTOVACUUM = """coalesce((select option_value from pg_options_to_table(reloptions)
      where option_name = 'autovacuum_enabled'), 'true') in ('true', 'on', '1', 'yes')"""

DEAD_ROWS = f"""
with {OURS.strip()}, {COUNTED.strip()},
one as materialized (
  select c.oid, o.nspname, c.relname, greatest(c.reltuples, 0) as reltuples, c.reloptions,
    pg_stat_get_dead_tuples(c.oid) as dead, pg_stat_get_live_tuples(c.oid) as live
  from pg_class c join ours o on o.oid = c.relnamespace where c.relkind in ('r', 'm') and c.relpersistence <> 't'),
large as materialized (
  select *, {setting("autovacuum_vacuum_threshold")} + {setting("autovacuum_vacuum_scale_factor")} * reltuples
      as threshold, {AUTOVACUUM} as autovacuum,
    greatest(pg_stat_get_last_vacuum_time(oid), pg_stat_get_last_autovacuum_time(oid)) as vacuumed
  from one where dead >= 1000)
select jsonb_build_object('rows', coalesce(jsonb_agg(worst), '[]')) from (
  select {NAME} as name, dead as dead_rows, live as live_rows, capped.threshold, autovacuum,
    extract(epoch from clock_timestamp() - coalesce(vacuumed, since))::float8 as seconds, vacuumed is not null
      as vacuumed,
    exists (select from pg_stat_progress_vacuum p where p.relid = large.oid and p.datname = current_database())
      as in_vacuum
  from large, counted, lateral (select least(threshold, MOST) as threshold) as capped
  where dead > capped.threshold or not autovacuum
  order by dead / greatest(capped.threshold, 1) desc, name limit {AT_MOST}) as worst"""
DEAD_ROWS_18 = DEAD_ROWS.replace(
    "MOST", f"coalesce(nullif({setting('autovacuum_vacuum_max_threshold')}, -1), 'Infinity')"
)

# A table that was never analyzed has no rows for the planner: -1 since version 14, before that no pages either.
STATISTICS = f"""
with {OURS.strip()}, {COUNTED.strip()},
one as materialized (
  select c.oid, o.nspname, c.relname, c.reltuples, c.relpages, c.reloptions,
    pg_stat_get_mod_since_analyze(c.oid) as changed, pg_stat_get_live_tuples(c.oid) as live
  from pg_class c join ours o on o.oid = c.relnamespace where c.relkind in ('r', 'm') and c.relpersistence <> 't'),
large as materialized (
  select *, {setting("autovacuum_analyze_threshold")} + {setting("autovacuum_analyze_scale_factor")}
      * greatest(reltuples, 0) as threshold, {AUTOVACUUM} as autovacuum,
    greatest(pg_stat_get_last_analyze_time(oid), pg_stat_get_last_autoanalyze_time(oid)) as analyzed
  from one where changed >= 1000)
select jsonb_build_object('rows', coalesce(jsonb_agg(worst), '[]')) from (
  select {NAME} as name, live as live_rows, changed as changed_rows, threshold, autovacuum,
    analyzed is null and (reltuples < 0 or reltuples = 0 and relpages = 0) as never,
    extract(epoch from clock_timestamp() - coalesce(analyzed, since))::float8 as seconds
  from large, counted where changed > threshold
  order by changed / greatest(threshold, 1) desc, name limit {AT_MOST}) as worst"""

FREEZE = f"""
with one as materialized (
  select c.oid, c.relnamespace, c.relname, c.relkind, c.relpersistence, c.reloptions, age(c.relfrozenxid) as age,
    mxid_age(c.relminmxid) as multixact_age
  from pg_class c where c.relkind in ('r', 'm', 't') and c.relfrozenxid <> '0'::xid),
aged as materialized (
  select *, least({setting("autovacuum_freeze_max_age")}, current_setting('autovacuum_freeze_max_age')::float8)
      as max_age,
    least({setting("autovacuum_multixact_freeze_max_age")},
      current_setting('autovacuum_multixact_freeze_max_age')::float8) as multixact_max_age
  from one where age >= current_setting('autovacuum_freeze_max_age')::float8 / 2
    or multixact_age >= current_setting('autovacuum_multixact_freeze_max_age')::float8 / 2
    or reloptions is not null),
worst as (
  select * from aged order by greatest(age / max_age, multixact_age / multixact_max_age) desc limit {AT_MOST})
select jsonb_build_object('rows', coalesce(jsonb_agg(named order by share desc), '[]')) from (
  select quote_ident(n.nspname) || '.' || quote_ident(coalesce(of.relname, w.relname)) as name,
    w.relkind = 't' as is_toast, w.relpersistence = 't' as is_temporary, w.age, w.max_age, w.multixact_age,
    w.multixact_max_age, greatest(w.age / w.max_age, w.multixact_age / w.multixact_max_age) as share
  from worst w left join pg_class of on w.relkind = 't' and of.reltoastrelid = w.oid
    join pg_namespace n on n.oid = coalesce(of.relnamespace, w.relnamespace)) as named"""

# Why something is not estimated. `hidden`: a right to read its columns is missing, which can be given. `row security`,
# and an `expression` of an index: the server shows their statistics to the owner alone, or to who is above policies,
# and nobody should be made that for it; so these are counted. An empty one needs no statistics. A column that is
# computed when it is read takes no room, and is never analyzed.
STATE = """
state as materialized (
  select oid, case when reltuples = 0 then '' when bool_or(is_secured) then 'row security'
      when bool_or(is_expression and not may) then 'expression' when bool_or(not may) then 'hidden'
      when bool_and(bytes is not null) then '' when bool_or(bytes is null and is_off) then 'statistics off'
      else 'not analyzed' end as state
  from attribute group by oid, reltuples),
hidden as materialized (
  select nspname, 'TABLES' as objects from big join state using (oid) where state = 'hidden')"""
IS_OFF = "coalesce(a.attstattarget, -1) = 0"
WIDTHS = """s.null_frac as nulls, (1 - s.null_frac) * s.avg_width as bytes"""
LEFT_OUT = """(select coalesce(jsonb_object_agg(state, n), '{}') from (
      select state, count(*) as n from state where state in ('row security', 'expression', 'statistics off') group by 1)
    as by_state)"""


def not_analyzed(name: str) -> str:
    """Return SQL for the tables whose columns have no statistics yet; their names are made by this expression."""
    return f"""(select coalesce(jsonb_agg(distinct name), '[]') from (
      select {name} as name from big join state using (oid) where state = 'not analyzed'
      order by relpages desc, relname limit {AT_MOST}) as named)"""


# How many pages the rows need by the widths of their columns, as check_postgres and pgsql-bloat-estimation count them:
# 24 bytes of a page are its own, 23 of a row and a bit per column if one can be null, 4 point to it, and each row
# begins at a multiple of 8. Besides, a number begins at a multiple of its size: after columns of another size there is
# room, which in rows of flags and numbers is a third of all. Only tables of a size that matters are counted.
TABLE_BLOAT = f"""
with {OURS.strip()},
big as materialized (
  select c.oid, o.nspname, c.relname, c.relpages, c.reltuples, current_setting('block_size')::float8 as page,
    c.relrowsecurity and row_security_active(c.oid) as is_secured,
    exists (select from pg_attribute a where a.attrelid = c.oid and a.attgenerated = 'v') as has_virtual,
    coalesce((select option_value from pg_options_to_table(c.reloptions) where option_name = 'fillfactor'), '100')
      ::float8 / 100 as fill
  from pg_class c join ours o on o.oid = c.relnamespace
  where c.relkind in ('r', 'm') and c.relpersistence <> 't' and c.relpages >= 8 * {MIB_PAGES} and c.reltuples >= 0),
attribute as materialized (
  select b.oid, b.reltuples, b.is_secured, a.attnum, case when a.attlen < 0 then 1 when a.attalign = 'd' then 8
      when a.attalign = 'i' then 4 when a.attalign = 's' then 2 else 1 end as begins, {IS_OFF} as is_off,
    false as is_expression, has_column_privilege(b.oid, a.attnum, 'SELECT') as may, {WIDTHS}
  from big b join pg_attribute a on a.attrelid = b.oid and a.attnum > 0 and not a.attisdropped
      and a.attgenerated <> 'v'
    left join pg_stats s on s.schemaname = b.nspname and s.tablename = b.relname and s.attname = a.attname
      and not s.inherited),
{STATE.strip()},
measured as (
  select *, begins is distinct from lag(begins) over (partition by oid order by attnum) as is_other from attribute),
alike as (
  select oid, min(attnum) as place, min(begins) as begins, count(*) as columns, max(nulls) as nulls, sum(bytes) as bytes
  from (select *, count(*) filter (where is_other) over (partition by oid order by attnum) as part from measured) as m
  group by oid, part),
filled as (
  select *, lead(begins, 1, 8) over (partition by oid order by place) as next from alike),
width as (
  select oid, sum(columns) as columns, max(nulls) as nulls, sum(next * ceil(bytes / next)) as bytes
  from filled group by oid),
needed as (
  select b.*, ceil(b.reltuples / greatest(1, floor((page - 24) * fill
      / (4 + 8 * ceil((23 + case when w.nulls > 0 or b.has_virtual then (7 + w.columns) / 8 else 0 end) / 8.0)
        + 8 * ceil(w.bytes / 8.0))))) as pages
  from big b join state using (oid) join width w using (oid) where state = ''),
worst as (select * from needed where relpages - pages >= relpages / 10.0
  order by relpages - pages desc, relname limit {AT_MOST})
select jsonb_build_object('unseen', (select count(*) from hidden), 'hidden', {HIDDEN}, 'rows', jsonb_build_object(
  'left_out', {LEFT_OUT}, 'not_analyzed', {not_analyzed(NAME)},
  'worst', (select coalesce(jsonb_agg(jsonb_build_object('name', {NAME},
      'size_bytes', (relpages * page)::bigint, 'wasted_bytes', ((relpages - pages) * page)::bigint)
    order by relpages - pages desc), '[]') from worst)))"""

TABLES = (
    Topic("dead_rows", {0: DEAD_ROWS.replace("MOST", "'Infinity'"), 180000: DEAD_ROWS_18}),
    Topic("statistics", {0: STATISTICS}),
    Topic("freeze", {0: FREEZE}),
    Topic("table_bloat", {0: TABLE_BLOAT}, second=True),
)
