# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The indexes of a database of PostgreSQL: which are broken, bloated, twice there, not used, or missing.

Nothing here waits for a table that is locked; see _postgresql_tables.py.
"""

# ruff: noqa: S608 - statements are made of what stands in these files alone
from __future__ import annotations

from ansible_collections.astral.upkeep.plugins.module_utils.databases.engine import Topic
from ansible_collections.astral.upkeep.plugins.module_utils.databases.engines._postgresql_tables import (
    AT_MOST,
    COUNTED,
    HIDDEN,
    IS_OFF,
    LEFT_OUT,
    MIB_PAGES,
    NAME,
    OURS,
    STATE,
    WIDTHS,
    not_analyzed,
)

PAGE = "current_setting('block_size')::bigint"
BOTH_NAMES = f"{NAME} as name, quote_ident(nspname) || '.' || quote_ident(of) as table"

# One that is being built now is invalid until it is done. Who is no member of pg_read_all_stats does not see what a
# build is of; it holds a lock on the table, which all see.
INVALID = f"""
with bad as materialized (
  select i.indexrelid, i.indrelid, i.indisready from pg_index i where not (i.indisvalid and i.indisready)),
building as materialized (
  select relid from pg_stat_progress_create_index where datid is null or datname = current_database()),
perhaps as materialized (
  select relation from pg_locks where locktype = 'relation' and mode = 'ShareUpdateExclusiveLock' and granted
    and database = (select oid from pg_database where datname = current_database())
    and exists (select from building where relid is null)),
settled as (
  select bad.*, indrelid in (select relation from perhaps) as hidden from bad
  where not exists (select from building where relid = indrelid))
select jsonb_build_object(
  'unseen', (select count(*) from settled where hidden),
  'rows', (select coalesce(jsonb_agg(one order by size_bytes desc, name), '[]') from (
    select {BOTH_NAMES}, is_ready, is_partitioned, size_bytes from (
      select n.nspname, c.relname, t.relname as of, s.indisready as is_ready, c.relkind = 'I' as is_partitioned,
        c.relpages * {PAGE} as size_bytes
      from settled s join pg_class c on c.oid = s.indexrelid join pg_class t on t.oid = s.indrelid
        join pg_namespace n on n.oid = c.relnamespace
      where not s.hidden and c.relpersistence <> 't' order by c.relpages desc, c.relname limit {AT_MOST}) as found
    ) as one))"""

# A place in the text of the statement that made it is no part of an expression.
WITHOUT_PLACES = r"regexp_replace({}::text, ':(location|stmt_location|stmt_len|list_start|list_end) -?\d+', '', 'g')"
ALIKE = f"""indrelid, relam, coalesce({WITHOUT_PLACES.format("indpred")}, ''),
    coalesce({WITHOUT_PLACES.format("indexprs")}, '')"""

# The index of a partitioned table is as large as those of its partitions.
# Which of those that are alike is kept: the primary key, a constraint, one that others need, a unique one, the oldest.
# The other can go if what it guarantees is guaranteed by the one that is kept.
DUPLICATES = f"""
with {OURS.strip()},
parts as materialized (
  select pg_partition_root(oid) as root, sum(relpages) as pages from pg_class where relkind = 'i' and relispartition
  group by 1),
one as materialized (
  select i.*, c.relam, c.relname, coalesce(parts.pages, c.relpages)::bigint as relpages,
    c.relkind = 'I' as is_partitioned, o.nspname, i.indkey::text as keys, i.indclass::text as classes,
    i.indcollation::text as collations, i.indoption::text as options, NULLS_ALIKE as nulls_alike
  from pg_index i join pg_class c on c.oid = i.indexrelid join ours o on o.oid = c.relnamespace
    left join parts on parts.root = c.oid
  where i.indisvalid and i.indisready and not c.relispartition and c.relpersistence <> 't'),
kept as materialized (
  select *, indisprimary or indisexclusion or indisreplident
      or exists (select from pg_constraint f where f.conindid = indexrelid and f.contype = 'f') as is_needed,
    exists (select from pg_constraint k where k.conindid = indexrelid and k.contype in ('p', 'u', 'x')) as is_constraint
  from (select *, count(*) over (partition by {ALIKE}, indkey[0], indclass[0]) as alike from one) as grouped
  where alike > 1),
ranked as (
  select *, first_value(indexrelid) over same as keeper
  from kept window same as (
    partition by {ALIKE}, keys, classes, collations, options, indnkeyatts
    order by indisprimary desc, is_needed desc, is_constraint desc, indisunique desc, indexrelid)),
same as (
  select d.indexrelid, k.indexrelid as keeper, 'same' as kind from ranked d join kept k on k.indexrelid = d.keeper
  where d.indexrelid <> d.keeper and not d.is_needed and (not d.indisunique
    or k.indisunique and k.indimmediate = d.indimmediate and k.nulls_alike is not distinct from d.nulls_alike)),
prefix as (
  select distinct on (d.indexrelid) d.indexrelid, k.indexrelid as keeper, 'prefix' as kind
  from kept d join kept k on k.indrelid = d.indrelid and k.indexrelid <> d.indexrelid and k.relam = d.relam
    and k.indkey[0] = d.indkey[0] and k.indclass[0] = d.indclass[0]
    and k.indnkeyatts > d.indnkeyatts and d.indnatts = d.indnkeyatts
    and k.keys || ' ' like d.keys || ' %' and k.classes || ' ' like d.classes || ' %'
    and k.collations || ' ' like d.collations || ' %' and k.options || ' ' like d.options || ' %'
  where not d.is_needed and not d.indisunique and d.relam = (select oid from pg_am where amname = 'btree')
    and d.indexprs is null and k.indexprs is null and coalesce({WITHOUT_PLACES.format("d.indpred")}, '')
      = coalesce({WITHOUT_PLACES.format("k.indpred")}, '')
    and d.indexrelid not in (select indexrelid from same) and k.indexrelid not in (select indexrelid from same)
  order by d.indexrelid, k.relpages, k.indexrelid)
select jsonb_build_object('rows', coalesce(jsonb_agg(worst order by size_bytes desc, name), '[]')) from (
  select quote_ident(d.nspname) || '.' || quote_ident(d.relname) as name,
    quote_ident(d.nspname) || '.' || quote_ident(t.relname) as table,
    quote_ident(k.nspname) || '.' || quote_ident(k.relname) as kept, found.kind, d.is_constraint, d.is_partitioned,
    quote_ident(d.relname) as constraint, d.relpages * {PAGE} as size_bytes
  from (select * from same union all select * from prefix) as found join kept d using (indexrelid)
    join kept k on k.indexrelid = found.keeper join pg_class t on t.oid = d.indrelid
  order by d.relpages desc, d.relname limit {AT_MOST}) as worst"""

# Those of partitions go with that of the whole table: it cannot be without them.
UNUSED = f"""
with {OURS.strip()}, {COUNTED.strip()},
one as materialized (
  select case when c.relispartition then pg_partition_root(c.oid) else c.oid end as root,
    pg_stat_get_numscans(c.oid) as scans, c.relpages,
    i.indisunique or i.indisexclusion or i.indisreplident or not i.indisvalid as is_needed
  from pg_index i join pg_class c on c.oid = i.indexrelid join ours o on o.oid = c.relnamespace
  where c.relpersistence <> 't'),
never as (
  select root, sum(relpages) as pages from one group by root
  having sum(scans) = 0 and not bool_or(is_needed) and sum(relpages) >= {MIB_PAGES})
select jsonb_build_object(
  'seconds', extract(epoch from clock_timestamp() - (select since from counted))::float8,
  'standbys', (select count(*) from pg_stat_replication where application_name is distinct from 'pg_basebackup'),
  'indexes', (select coalesce(jsonb_agg(worst order by size_bytes desc, name), '[]') from (
    select {BOTH_NAMES}, is_partitioned, size_bytes, root from (
      select n.nspname, c.relname, t.relname as of, c.relkind = 'I' as is_partitioned,
        never.pages * {PAGE} as size_bytes, never.root::bigint
      from never join pg_class c on c.oid = never.root join pg_index i on i.indexrelid = c.oid
        join pg_class t on t.oid = i.indrelid join pg_namespace n on n.oid = c.relnamespace
      order by never.pages desc, c.relname limit {AT_MOST}) as found) as worst))"""

# What a standby knows of indexes that its primary does not use: a standby has the same objects by the same numbers, and
# counts what its own queries use. {roots}: their numbers.
USED_THERE = f"""
with {COUNTED.strip()},
asked as (select unnest('{{roots}}'::oid[]) as root),
one as materialized (
  select case when c.relispartition then pg_partition_root(c.oid) else c.oid end as root,
    pg_stat_get_numscans(c.oid) as scans
  from pg_class c where c.relkind in ('i', 'I'))
select json_build_object(
  'in_recovery', pg_is_in_recovery(),
  'missing', (select count(*) from asked where root not in (select oid from pg_class where relkind in ('i', 'I'))),
  'seconds', extract(epoch from clock_timestamp() - (select since from counted))::float8,
  'used', (select coalesce(json_agg(root::bigint), '[]') from (
    select root from one join asked using (root) group by root having sum(scans) > 0) as used))"""

# Reads of many rows at a time, again and again: what they look for is in no index, or they read nearly all.
MISSING = f"""
with {OURS.strip()},
one as materialized (
  select c.oid, o.nspname, c.relname, c.relpages, pg_stat_get_numscans(c.oid) as scans,
    pg_stat_get_tuples_returned(c.oid) as read
  from pg_class c join ours o on o.oid = c.relnamespace
  where c.relkind in ('r', 'm') and c.relpersistence <> 't'),
often as materialized (
  select * from one where scans >= 10 and read >= 10000 order by read desc limit {AT_MOST})
select jsonb_build_object('rows', coalesce(jsonb_agg(worst order by rows_read desc, name), '[]')) from (
  select {NAME} as name, relpages * {PAGE} as size_bytes, scans, read as rows_read,
    pg_stat_get_live_tuples(oid) as live_rows, (
      select coalesce(sum(pg_stat_get_numscans(i.indexrelid)), 0) from pg_index i where i.indrelid = oid)::bigint
      as index_scans
  from often) as worst"""

# As for tables: how many pages the entries need. A page has 16 bytes at its end, an entry 8 and, if a column
# can be null, a map of 32 bits. The column of an expression stands in the statistics under the name of the index.
OF_TABLE = "quote_ident(nspname) || '.' || quote_ident(of)"
INDEX_BLOAT = f"""
with {OURS.strip()},
big as materialized (
  select c.oid, o.nspname, c.relname, c.relpages, c.reltuples, i.indrelid, t.relname as of, i.indkey, i.indnatts,
    t.relrowsecurity and row_security_active(i.indrelid) as is_secured,
    current_setting('block_size')::float8 as page,
    coalesce((select option_value from pg_options_to_table(c.reloptions) where option_name = 'fillfactor'), '90')
      ::float8 / 100 as fill
  from pg_index i join pg_class c on c.oid = i.indexrelid join pg_class t on t.oid = i.indrelid
    join ours o on o.oid = c.relnamespace
  where c.relkind = 'i' and c.relpersistence <> 't' and i.indisvalid and i.indisready
    and c.relam = (select oid from pg_am where amname = 'btree')
    and c.relpages >= 8 * {MIB_PAGES} and c.reltuples >= 0),
attribute as materialized (
  select b.oid, b.reltuples, b.is_secured, {IS_OFF} as is_off, b.indkey[k] = 0 as is_expression,
    has_column_privilege(a.attrelid, a.attnum, 'SELECT') as may, {WIDTHS}
  from big b cross join lateral generate_series(0, b.indnatts - 1) as k
    join pg_attribute a on a.attrelid = case when b.indkey[k] = 0 then b.oid else b.indrelid end
      and a.attnum = case when b.indkey[k] = 0 then k + 1 else b.indkey[k] end
    left join pg_stats s on s.schemaname = b.nspname and s.attname = a.attname and not s.inherited
      and s.tablename = case when b.indkey[k] = 0 then b.relname else b.of end),
{STATE.strip()},
width as (
  select oid, max(nulls) as nulls, sum(bytes) as bytes from attribute group by oid),
needed as (
  select b.*, 1 + ceil(b.reltuples / greatest(1, floor((page - 40) * fill
      / (4 + case when w.nulls > 0 then 16 else 8 end + 8 * ceil(w.bytes / 8.0))))) as pages
  from big b join state using (oid) join width w using (oid) where state = ''),
worst as (select * from needed where relpages - pages >= relpages / 10.0
  order by relpages - pages desc, relname limit {AT_MOST})
select jsonb_build_object('unseen', (select count(*) from hidden), 'hidden', {HIDDEN}, 'rows', jsonb_build_object(
  'left_out', {LEFT_OUT}, 'not_analyzed', {not_analyzed(OF_TABLE)},
  'worst', (select coalesce(jsonb_agg(jsonb_build_object('name', {NAME}, 'table', {OF_TABLE},
      'size_bytes', (relpages * page)::bigint, 'wasted_bytes', ((relpages - pages) * page)::bigint)
    order by relpages - pages desc), '[]') from worst)))"""

INDEXES = (
    Topic("invalid_indexes", {0: INVALID}, grant="GRANT pg_read_all_stats TO {account}"),
    Topic(
        "duplicate_indexes",
        {
            0: DUPLICATES.replace("NULLS_ALIKE", "false"),
            150000: DUPLICATES.replace("NULLS_ALIKE", "i.indnullsnotdistinct"),
        },
    ),
    Topic("unused_indexes", {0: UNUSED}),
    Topic("missing_indexes", {0: MISSING}),
    Topic("index_bloat", {0: INDEX_BLOAT}, second=True),
)
