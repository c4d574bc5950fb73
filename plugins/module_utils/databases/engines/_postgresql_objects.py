# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is in a database of PostgreSQL: keys, constraints and triggers here; tables and indexes in files beside it."""

# ruff: noqa: S608 - statements are made of what stands in these files alone
from __future__ import annotations

from ansible_collections.astral.upkeep.plugins.module_utils.databases.engine import Topic
from ansible_collections.astral.upkeep.plugins.module_utils.databases.engines._postgresql_indexes import (
    INDEXES,
)
from ansible_collections.astral.upkeep.plugins.module_utils.databases.engines._postgresql_tables import (
    AT_MOST,
    HIDDEN,
    NAME,
    OURS,
    TABLES,
)

# To read a sequence takes a lock until the question is done: at most a quarter of the server's are taken, for those
# first that have the fewest numbers. One of bigint does not come to its end, so it is not missed.
LOCKS = """(current_setting('max_locks_per_transaction')::bigint
    * (current_setting('max_connections')::bigint + current_setting('max_prepared_transactions')::bigint) / 4)"""
# Of a sequence that the account may neither use nor read, last_value is null: that is no sequence at its beginning.
SEQUENCES = f"""
with one as materialized (
  select n.nspname, c.relname, s.*, has_sequence_privilege(c.oid, 'SELECT,USAGE') as may,
    seqmax::numeric - seqmin as numbers, row_number() over (order by (seqmax::numeric - seqmin) / abs(seqincrement))
      as place
  from pg_sequence s join pg_class c on c.oid = s.seqrelid join pg_namespace n on n.oid = c.relnamespace
  where c.relpersistence = 'p' or c.relpersistence = 'u' and not pg_is_in_recovery()),
hidden as materialized (select nspname, 'SEQUENCES' as objects from one where not may),
given as materialized (
  select *, pg_sequence_last_value(seqrelid)::bigint as last from one where may and place <= {LOCKS}),
far as (
  select *, case when seqincrement > 0 then (last::numeric - seqmin) / nullif(numbers, 0)
    else (seqmax::numeric - last) / nullif(numbers, 0) end::float8 as share
  from given where last is not null),
worst as (
  select * from far order by case when seqincrement > 0 then seqmax - last::numeric else last::numeric - seqmin end
      >= abs(seqincrement), share desc nulls first, relname limit {AT_MOST})
select jsonb_build_object(
  'unseen', (select count(*) from hidden), 'hidden', {HIDDEN},
  'unlocked', (select count(*) from one where may and place > {LOCKS} and numbers < 9e15),
  'rows', (select coalesce(jsonb_agg(jsonb_build_object('name', {NAME}, 'type', format_type(seqtypid, null),
      'last_value', last, 'max_value', seqmax, 'min_value', seqmin, 'increment_by', seqincrement, 'cycle', seqcycle,
      'share', coalesce(share, 1)) order by share desc nulls first), '[]') from worst))"""

# By the sequence that gives a column its values, if that can give more than the column's type holds or, where none
# does, by the largest value that the statistics of a key have. That value is in a row, so it is not told: only which
# share of its type it is. One beyond its type is at its end. Those of both signs are made at random: they have no end.
# A column that refers to a key of a larger type ends before the key does: the numbers that it must hold are the key's.
KEY_COLUMNS = f"""
with {OURS.strip()},
numbered as (
  select refobjid as relid, refobjsubid::int as attnum, objid as sequence from pg_depend
  where classid = 'pg_class'::regclass and refclassid = 'pg_class'::regclass and refobjsubid > 0
    and deptype in ('a', 'i')
  union
  select d.adrelid, d.adnum, p.refobjid from pg_depend p join pg_attrdef d on d.oid = p.objid
  where p.classid = 'pg_attrdef'::regclass and p.refclassid = 'pg_class'::regclass and p.refobjsubid = 0),
based as (
  with recursive base (oid, typbasetype, typtype, type) as (
    select oid, typbasetype, typtype, oid from pg_type where typtype = 'd'
    union all
    select b.oid, t.typbasetype, t.typtype, t.oid from base b join pg_type t on t.oid = b.typbasetype
    where b.typtype = 'd')
  select oid, type from base where typtype <> 'd'),
keyed as (select indrelid as relid, indkey[0]::int as attnum from pg_index where indisprimary and indnkeyatts = 1),
wanted as (
  select relid, attnum, relid as of_relid, attnum as of_attnum, false as refers from numbered
  union
  select relid, attnum, relid, attnum, false from keyed
  union
  select k.conrelid, pair.own::int, k.confrelid, pair.of::int, true
  from pg_constraint k cross join lateral unnest(k.conkey, k.confkey) as pair (own, of)
  where k.contype = 'f' and k.conparentid = 0),
typed as (
  select w.*, o.nspname, c.relname, a.attname, kn.nspname as of_nspname, kc.relname as of_relname,
    ka.attname as of_attname, kc.relkind as of_relkind, kc.reltuples, kc.relrowsecurity,
    coalesce(d.type, a.atttypid) as type, coalesce(kd.type, ka.atttypid) as of_type
  from wanted w
    join pg_class c on c.oid = w.relid and c.relkind in ('r', 'p') and c.relpersistence <> 't'
    join ours o on o.oid = c.relnamespace
    join pg_attribute a on a.attrelid = c.oid and a.attnum = w.attnum and not a.attisdropped
    join pg_class kc on kc.oid = w.of_relid join pg_namespace kn on kn.oid = kc.relnamespace
    join pg_attribute ka on ka.attrelid = w.of_relid and ka.attnum = w.of_attnum
    left join based d on d.oid = a.atttypid left join based kd on kd.oid = ka.atttypid),
small as materialized (
  select t.*, s.seqrelid, most, dense_rank() over (order by s.seqrelid nulls last) as place,
    case when s.seqrelid is not null then s.nspname else of_nspname end as needs,
    case when s.seqrelid is not null then has_sequence_privilege(s.seqrelid, 'SELECT,USAGE')
      else has_column_privilege(of_relid, of_attnum::int2, 'SELECT') end as may
  from typed t
    cross join lateral (select case type when 'int2'::regtype then 32767 else 2147483647 end as most) as end_of
    left join (
      select n.relid, n.attnum, q.*, sn.nspname from numbered n join pg_sequence q on q.seqrelid = n.sequence
        join pg_class sc on sc.oid = q.seqrelid join pg_namespace sn on sn.oid = sc.relnamespace) as s
      on s.relid = of_relid and s.attnum = of_attnum
  where type in ('int2'::regtype, 'int4'::regtype)
    and (not refers or of_type = 'int8'::regtype or of_type = 'int4'::regtype and type = 'int2'::regtype)
    and case when s.seqrelid is not null then s.seqmax > most or s.seqmin < -most
      else reltuples >= 1000 and not (relrowsecurity and row_security_active(of_relid)) end),
hidden as materialized (
  select needs as nspname, case when seqrelid is null then 'TABLES' else 'SEQUENCES' end as objects
  from small where not may),
far as (
  select *, 'sequence' as known_by, abs(pg_sequence_last_value(seqrelid)::float8) / most as share
  from small where may and seqrelid is not null and place <= {LOCKS}
  union all
  select k.*, 'statistics', greatest(abs(high), abs(low))::float8 / most
  from small k join pg_stats s on s.schemaname = k.of_nspname and s.tablename = k.of_relname
      and s.attname = k.of_attname and s.inherited = (k.of_relkind = 'p')
    cross join lateral (select s.histogram_bounds::text::bigint[] as bounds) as histogram
    cross join lateral (select bounds[1] as low, bounds[array_upper(bounds, 1)] as high) as ends
  where k.may and k.seqrelid is null and not (low < -0.1 * most and high > 0.1 * most)),
farthest as (
  select distinct on (relid, attnum) * from far order by relid, attnum, share desc),
worst as (select * from farthest where share >= 0.3 order by share desc, relname limit {AT_MOST})
select jsonb_build_object(
  'unseen', (select count(*) from hidden), 'hidden', {HIDDEN},
  'unlocked', (select count(*) from small where may and seqrelid is not null and place > {LOCKS}),
  'rows', (select coalesce(jsonb_agg(jsonb_build_object('table', {NAME}, 'name', quote_ident(attname),
      'type', format_type(type, null), 'known_by', known_by, 'share', round(least(share, 1)::numeric, 3)::float8,
      'references', case when refers then quote_ident(of_nspname) || '.' || quote_ident(of_relname) || '.'
        || quote_ident(of_attname) else '' end)
    order by share desc), '[]') from worst))"""

# The columns of the key in any order, as the first of an index that has all rows, or all in which they are not null.
FOREIGN_KEYS = f"""
with {OURS.strip()},
wanted as materialized (
  select k.conrelid, k.conkey, min(k.conname) as conname, min(k.confrelid) as confrelid, o.nspname, c.relname,
    c.relpages, case when c.reltuples < 0 or c.relpages = 0 then pg_stat_get_live_tuples(c.oid) else c.reltuples end
      as count
  from pg_constraint k join pg_class c on c.oid = k.conrelid and c.relkind = 'r'
    join ours o on o.oid = c.relnamespace
  where k.contype = 'f' group by k.conrelid, k.conkey, o.nspname, c.oid, c.relname, c.relpages, c.reltuples),
large as materialized (select * from wanted where count >= 1000),
bare as materialized (
  select * from large where not exists (
    select from pg_index i where i.indrelid = conrelid and i.indisvalid
      and (i.indpred is null or i.indpred::text like '{{NULLTEST %:nulltesttype 1 %')
      and (string_to_array(i.indkey::text, ' ')::int2[])[1:least(cardinality(conkey), i.indnkeyatts)] @> conkey)
  order by count desc, relname limit {AT_MOST})
select jsonb_build_object('rows', coalesce(jsonb_agg(worst order by table_rows desc, name), '[]')) from (
  select {NAME} as name, quote_ident(conname) as constraint, count::bigint as table_rows,
    relpages * current_setting('block_size')::bigint as size_bytes, (
      select quote_ident(n.nspname) || '.' || quote_ident(t.relname) from pg_class t
        join pg_namespace n on n.oid = t.relnamespace where t.oid = confrelid) as "references", (
      select string_agg(quote_ident(a.attname), ', ' order by place) from unnest(conkey) with ordinality as
        k (number, place) join pg_attribute a on a.attrelid = conrelid and a.attnum = number) as columns
  from bare) as worst"""

CONSTRAINTS = f"""
with {OURS.strip()},
one as (
  select k.conname, k.contype, o.nspname, coalesce(c.relname, t.typname) as relname, k.contypid <> 0 as is_domain
  from pg_constraint k join ours o on o.oid = k.connamespace left join pg_class c on c.oid = k.conrelid
    left join pg_type t on t.oid = k.contypid
  where not k.convalidated and k.conparentid = 0 ENFORCED),
worst as (select * from one order by relname, conname limit {AT_MOST})
select jsonb_build_object('rows', coalesce(jsonb_agg(jsonb_build_object('name', {NAME},
    'constraint', quote_ident(conname), 'is_domain', is_domain, 'kind', case contype when 'f' then 'foreign key'
      when 'c' then 'check' when 'n' then 'not null' else contype::text end)
  order by nspname, relname, conname), '[]')) from worst"""

# Of a foreign key that is switched off, the server's own triggers are: on the table itself, or on the one it refers to.
# What fires on replicas only, fires for subscriptions; where there is none, it never does. A partition's own is off by
# itself if that of the whole table is on; before version 15, it is an internal one. The setting switches off all of
# them, for whom it is made.
OFF = """({0} = 'D' or {0} = 'R' and not (select subscribed from here))"""
TRIGGERS = f"""
with {OURS.strip()},
here as materialized (
  select oid, exists (select subdbid from pg_subscription where subdbid = d.oid) as subscribed
  from pg_database d where datname = current_database()),
off as (
  select case when k.oid is null then 'trigger' else 'foreign key' end as kind,
    coalesce(k.conname, t.tgname) as what, t.tgrelid as relid, t.tgenabled = 'R' as replica
  from pg_trigger t left join pg_constraint k on k.oid = t.tgconstraint and t.tgisinternal
    left join pg_trigger whole on whole.oid = t.tgparentid
  where {OFF.format("t.tgenabled")} and (whole.oid is null or not {OFF.format("whole.tgenabled")})
  union
  select 'rule', rulename, ev_class, ev_enabled = 'R' from pg_rewrite where {OFF.format("ev_enabled")}),
one as (
  select off.kind, quote_ident(off.what) as what, off.replica, {NAME} as of
  from off join pg_class c on c.oid = off.relid join ours o on o.oid = c.relnamespace
  union all
  select 'event trigger', quote_ident(evtname), evtenabled = 'R', '' from pg_event_trigger
  where {OFF.format("evtenabled")}
  union all
  select 'setting', 'session_replication_role', false, concat_ws(' IN ',
      case when setrole <> 0 then 'ROLE ' || quote_ident(pg_get_userbyid(setrole)) when setdatabase = 0 then 'ROLE ALL'
      end, case when setdatabase <> 0 then 'DATABASE ' || quote_ident(current_database()) end)
  from pg_db_role_setting, here
  where setdatabase in (0, here.oid) and 'session_replication_role=replica' = any (setconfig)
  union all
  select 'setting', name, false, 'SYSTEM' from pg_settings
  where name = 'session_replication_role' and setting = 'replica' and source in ('configuration file', 'command line')),
worst as (
  select * from one order by kind not in ('setting', 'foreign key'), kind desc, of, what limit {AT_MOST})
select jsonb_build_object('rows', coalesce(jsonb_agg(jsonb_build_object('table', of, 'name', what, 'kind', kind,
  'replica', replica) order by kind not in ('setting', 'foreign key'), kind desc, of, what), '[]')) from worst"""

OBJECTS = (
    Topic("sequences", {0: SEQUENCES}, second=True),
    Topic("key_columns", {0: KEY_COLUMNS}, second=True),
    Topic("foreign_keys", {0: FOREIGN_KEYS}),
    Topic(
        "constraints",
        {
            0: CONSTRAINTS.replace("ENFORCED", ""),
            180000: CONSTRAINTS.replace("ENFORCED", "and k.conenforced"),
        },
    ),
    Topic("triggers", {0: TRIGGERS}),
    *TABLES,
    *INDEXES,
)
