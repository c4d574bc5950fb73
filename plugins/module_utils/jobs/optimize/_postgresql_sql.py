# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the job asks of PostgreSQL: where it is, what is due, and what stands in the way."""

from __future__ import annotations

from ansible_collections.astral.upkeep.plugins.module_utils.databases.engines._postgresql_names import (
    plain,
)

ABOUT = """
select json_build_object('number', current_setting('server_version_num')::int, 'standby', pg_is_in_recovery(),
  'system', (select system_identifier::text from pg_control_system()),
  'database', (select oid::bigint from pg_database where datname = current_database()),
  'began', extract(epoch from pg_postmaster_start_time())::float8,
  'account', current_user)"""

ALIVE = """select json_agg(oid::bigint) from pg_database"""

PLACE = """select json_build_object('data', current_setting('data_directory'))"""

TABLESPACE = """
select json_build_object('path', pg_tablespace_location(coalesce(nullif(c.reltablespace, 0), d.dattablespace)))
from pg_class c, pg_database d where c.oid = {oid} and d.datname = current_database()"""

# pg_relation_size waits for who holds a relation alone, so those are told by the catalog's own, older figure.
TABLES = """
with locked as (select relation from pg_locks where locktype = 'relation' and granted and mode = 'AccessExclusiveLock'
  and database = (select oid from pg_database where datname = current_database())),
forced as (select current_setting('autovacuum_freeze_max_age')::float8 as most),
one as (
  select c.oid, n.nspname as schema, c.relname as name, c.reltuples, c.relpages, s.n_live_tup as live,
    s.n_dead_tup as dead, s.n_mod_since_analyze as changed, s.vacuum_count + s.analyze_count as runs,
    age(c.relfrozenxid) as age, most,
    greatest(s.last_analyze, s.last_autoanalyze) as analyzed,
    case when c.oid in (select relation from locked) then c.relpages * current_setting('block_size')::bigint
      else pg_relation_size(c.oid) end as bytes
  from pg_class c join pg_namespace n on n.oid = c.relnamespace join pg_stat_all_tables s on s.relid = c.oid, forced
  where c.relkind in ('r', 'm') and c.relpersistence <> 't' and n.nspname !~ '^pg_'
    and n.nspname <> 'information_schema' and (%(table)s = 0 or c.oid = %(table)s))
select coalesce(json_agg(json_build_object('oid', oid::bigint, 'schema', schema, 'name', name, 'rows', reltuples,
  'pages', relpages, 'live', live, 'dead', dead, 'changed', changed, 'runs', runs,
  'age', age, 'age_most', most, 'bytes', bytes,
  'analyzed_seconds', extract(epoch from now() - analyzed)::float8) order by schema, name), '[]')
from one where %(table)s <> 0 or dead >= %(dead)s or changed >= %(changed)s
  or live >= %(changed)s and (reltuples < 0 or relpages = 0) or age >= most * %(freeze)s"""

# The size of an index of B-tree that has no holes, from the width of its columns. Rows of the same key are kept once
# since 13, so it may be less: then no bloat is found where there is some. The rows of an index are as many as at its
# last VACUUM or ANALYZE, so they follow the table's, which are counted as they change.
INDEXES = """
with locked as (select relation from pg_locks where locktype = 'relation' and granted and mode = 'AccessExclusiveLock'
  and database = (select oid from pg_database where datname = current_database())),
one as (
  select i.indexrelid as oid, i.indrelid as "table", n.nspname as schema, c.relname as name,
    i.indisexclusion as exclusion, has_table_privilege(i.indrelid, 'SELECT') as may,
    case when t.reltuples > 0 and s.n_live_tup >= 0 then c.reltuples * s.n_live_tup / t.reltuples else c.reltuples end
      as rows,
    current_setting('block_size')::float8 as block,
    coalesce((select option_value::float8 from pg_options_to_table(c.reloptions)
      where option_name = 'fillfactor'), 90) as fill,
    (select sum(coalesce((1 - p.null_frac) * p.avg_width, 1024) + case when a.attlen < 0 then 4 else 0 end)
      from pg_attribute a
      left join pg_attribute b on b.attrelid = i.indrelid and b.attnum = i.indkey[a.attnum - 1] and b.attnum > 0
      left join pg_stats p on p.schemaname = n.nspname and not p.inherited
        and (p.tablename, p.attname) = (case when b.attnum is null then c.relname else t.relname end,
          coalesce(b.attname, a.attname))
      where a.attrelid = i.indexrelid and a.attnum > 0) as width,
    case when i.indexrelid in (select relation from locked) or i.indrelid in (select relation from locked)
      then c.relpages * current_setting('block_size')::bigint else pg_relation_size(i.indexrelid) end as bytes
  from pg_index i join pg_class c on c.oid = i.indexrelid join pg_class t on t.oid = i.indrelid
    join pg_namespace n on n.oid = c.relnamespace join pg_am m on m.oid = c.relam
    left join pg_stat_all_tables s on s.relid = i.indrelid
  where c.relkind = 'i' and c.relpersistence <> 't' and m.amname = 'btree' and i.indisvalid and i.indisready
    and i.indislive and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
    and (%(index)s = 0 or c.oid = %(index)s) and (%(index)s <> 0 or c.relpages * 8192::bigint >= %(bytes)s / 2)),
sized as (
  select *, block * (1 + ceil(greatest(rows, 0) * (12 + 8 * ceil(width / 8)) / ((block - 40) * fill / 100))) as tight
  from one)
select json_build_object('unseen', (select count(*) from one where bytes >= %(bytes)s and not may),
  'rows', (select coalesce(json_agg(json_build_object('oid', oid::bigint, 'table', "table"::bigint, 'schema', schema,
  'name', name,  'exclusion', exclusion, 'bytes', bytes, 'wasted', greatest(0, bytes - coalesce(tight, bytes)))
  order by bytes - coalesce(tight, bytes) desc), '[]')
  from sized where %(index)s <> 0 or bytes - coalesce(tight, bytes) >= greatest(%(bytes)s, bytes * %(share)s)))"""

# All indexes of a table. One that is being built has its OID in the progress of who builds it.
OF_TABLE = """
select coalesce(json_agg(json_build_object('oid', i.indexrelid::bigint, 'schema', n.nspname, 'name', c.relname,
  'valid', i.indisvalid and i.indisready and i.indislive)), '[]')
from pg_index i join pg_class c on c.oid = i.indexrelid join pg_namespace n on n.oid = c.relnamespace
where i.indrelid = {oid}"""

BUILDING = """
select json_build_object('ours', bool_or(a.application_name = '{name}' and a.usename = current_user),
  'any', count(*), 'index', max(p.index_relid::bigint), 'phase', max(p.phase),
  'share', max(case when p.blocks_total > 0 then p.blocks_done::float8 / p.blocks_total end))
from pg_stat_progress_create_index p left join pg_stat_activity a on a.pid = p.pid
where p.relid = {oid} and p.datname = current_database()"""

# What a REINDEX CONCURRENTLY would wait for: transactions of its database, and prepared ones.
OLDEST = """
select json_build_object(
  'unseen', (select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()
    and state is null and coalesce(backend_type, 'client backend') = 'client backend'),
  'pid', pid, 'account', usename, 'application', {application}, 'seconds', seconds)
from (select 1) as always left join lateral (
  select pid, usename, application_name, extract(epoch from clock_timestamp() - xact_start)::float8 as seconds
  from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() and xact_start is not null
    and backend_type <> 'autovacuum worker'
  union all
  select null, owner, 'a prepared transaction', extract(epoch from clock_timestamp() - prepared)::float8
  from pg_prepared_xacts where database = current_database()
  order by 4 desc limit 1) as oldest on true""".replace("{application}", plain("application_name"))

VACUUMED = """
select json_build_object('any', count(*)) from pg_stat_progress_vacuum
where relid = {oid} and datname = current_database()"""

# Who holds a lock on these; without `all`, one that keeps the job's statements out.
HOLDERS = """
select coalesce(json_agg(json_build_object('pid', pid, 'account', usename, 'application', {application})),
  '[]') from (select distinct a.pid, a.usename, a.application_name from pg_locks l
  join pg_stat_activity a on a.pid = l.pid where l.locktype = 'relation' and l.granted and l.relation in ({oids})
  and a.pid <> pg_backend_pid() and a.datname = current_database() and ({all} or l.mode in (
    'ShareUpdateExclusiveLock', 'ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock'))
  order by a.pid limit 3) as holder""".replace("{application}", plain("application_name"))

# Sessions of the job that work on, although their client has ended; they are cancelled.
ORPHANS = """
select json_build_object('any', count(*), 'cancelled', count(*) filter (where pg_cancel_backend(pid)))
from pg_stat_activity where application_name = '{name}' and usename = current_user and datname = current_database()
  and pid <> pg_backend_pid() and state = 'active'"""


def quoted(name: str) -> str:
    """Return a name as SQL writes any name."""
    return '"' + name.replace('"', '""') + '"'
