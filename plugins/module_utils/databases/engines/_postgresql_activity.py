# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a server of PostgreSQL does now: cheap questions, some of which are asked every few minutes."""

from __future__ import annotations

from ansible_collections.astral.upkeep.plugins.module_utils.databases.engine import Topic
from ansible_collections.astral.upkeep.plugins.module_utils.databases.engines._postgresql_replication import (
    ARCHIVER,
    REPLICATION,
    SLOTS,
)
from ansible_collections.astral.upkeep.plugins.module_utils.databases.engines._postgresql_settings import (
    LOGINS,
    SETTINGS,
)

STATISTICS = "GRANT pg_read_all_stats TO {account}"

# Who is no member of pg_read_all_stats sees of others' sessions that they are there, and no more. Texts of statements
# are not asked for: they hold the application's data.
TRANSACTIONS = """
with session as (
  select pid, usename, datname, application_name, state, xact_start, state_change, backend_xmin, coalesce(
    pg_has_role('pg_read_all_stats', 'USAGE') or pg_has_role(usesysid, 'USAGE'), false) as may
  from pg_stat_activity
  where pid <> pg_backend_pid() and (backend_type = 'client backend' or backend_type is null and datid is not null)),
open as (
  select *, row_number() over (order by xact_start) as by_age,
    row_number() over (order by state not like 'idle in transaction%', state_change) as by_idle
  from session where may and xact_start is not null)
select json_build_object(
  'unseen', (select count(*) from session where not may),
  'rows', (select coalesce(json_agg(one), '[]') from (
    select pid, coalesce(usename, '') as account, coalesce(datname, '') as database,
      left(application_name, 60) as application, state,
      extract(epoch from clock_timestamp() - xact_start)::float8 as seconds,
      extract(epoch from clock_timestamp() - state_change)::float8 as state_seconds,
      age(backend_xmin) as holds_xids
    from open where by_age <= 25 or by_idle <= 25 order by xact_start) as one))"""

# pg_blocking_pids stops all who lock for a moment, so it is called for those who wait, and not for more than 100.
# {waited} is since when a lock is waited for.
LOCKS = """
with asked as (
  select l.pid, l.locktype, l.mode, l.relation, l.database, {waited} as since
  from pg_locks l left join pg_stat_activity a on a.pid = l.pid where not l.granted and l.pid is not null),
waiting as (select * from asked order by since nulls last limit 100),
blocked as materialized (select pid, pg_blocking_pids(pid) as blocked_by from waiting)
select json_build_object('unseen', {unseen}, 'rows', json_build_object(
  'waiting', (select count(distinct pid) from asked),
  'waiters', (select coalesce(json_agg(one), '[]') from (
    select w.pid, coalesce(a.usename, '') as account, coalesce(a.datname, '') as database,
      coalesce(left(a.application_name, 60), '') as application,
      extract(epoch from clock_timestamp() - w.since)::float8 as seconds,
      coalesce((select w.mode || ' of ' || format('%I.%I', n.nspname, c.relname)
        from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where c.oid = w.relation and w.database = (select oid from pg_database where datname = current_database())),
        w.locktype) as wants,
      b.blocked_by
    from waiting w join blocked b using (pid) left join pg_stat_activity a using (pid)
    order by w.since nulls last) as one),
  'holders', (select coalesce(json_agg(one), '[]') from (
    select pid, coalesce(usename, '') as account, coalesce(datname, '') as database,
      coalesce(left(application_name, 60), '') as application, state,
      extract(epoch from clock_timestamp() - xact_start)::float8 as seconds,
      extract(epoch from clock_timestamp() - state_change)::float8 as state_seconds
    from pg_stat_activity where pid in (select unnest(blocked_by) from blocked)
      and pid not in (select pid from waiting)) as one)))"""
LOCKS_14 = LOCKS.replace("{waited}", "l.waitstart").replace("{unseen}", "0")
LOCKS_13 = LOCKS.replace("{waited}", "a.query_start").replace(
    "{unseen}", "(select count(*) from asked where since is null)"
)

PREPARED = """
select coalesce(json_agg(one), '[]') from (
  select left(gid, 200) as gid, owner as account, database, age(transaction) as holds_xids,
    extract(epoch from clock_timestamp() - prepared)::float8 as seconds
  from pg_prepared_xacts order by prepared limit 50) as one"""

WRAPAROUND = """
select json_build_object(
  'freeze_max_age', current_setting('autovacuum_freeze_max_age')::bigint,
  'multixact_freeze_max_age', current_setting('autovacuum_multixact_freeze_max_age')::bigint,
  'databases', (select coalesce(json_agg(one), '[]') from (
    select datname as name, age(datfrozenxid) as age, mxid_age(datminmxid) as multixact_age, datallowconn as connectable
    from pg_database order by greatest(age(datfrozenxid), mxid_age(datminmxid)) desc limit 10) as one))"""

# A worker is in one database until that is done; then another is started.
AUTOVACUUM = """
with worker as (
  select extract(epoch from clock_timestamp() - backend_start)::float8 as seconds
  from pg_stat_activity where backend_type = 'autovacuum worker')
select json_build_object(
  'unseen', case when pg_has_role('pg_read_all_stats', 'USAGE') then 0
    else (select count(*) from pg_stat_activity where backend_type is null) end,
  'rows', json_build_object(
    'enabled', current_setting('autovacuum')::bool,
    'track_counts', current_setting('track_counts')::bool,
    'max_workers', current_setting('autovacuum_max_workers')::int,
    'workers', (select count(*) from worker),
    'youngest_seconds', (select min(seconds) from worker)))"""

CHECKPOINTS = """
select json_build_object('timed', {timed}, 'requested', {requested},
  'seconds', extract(epoch from clock_timestamp() - stats_reset)::float8,
  'max_wal_bytes', pg_size_bytes(current_setting('max_wal_size')))
from {view}"""
CHECKPOINTS_13 = CHECKPOINTS.format(
    timed="checkpoints_timed", requested="checkpoints_req", view="pg_stat_bgwriter"
)
CHECKPOINTS_17 = CHECKPOINTS.format(
    timed="num_timed", requested="num_requested", view="pg_stat_checkpointer"
)

CACHE = """
select coalesce(json_agg(one), '[]') from (
  select datname as name, blks_hit as hit, blks_read as read,
    blks_read * current_setting('block_size')::bigint as read_bytes
  from pg_stat_database where datname is not null order by blks_read desc limit 20) as one"""

# Of objects that all databases share, there is a row without a name.
CHECKSUMS = """
select json_build_object('enabled', current_setting('data_checksums')::bool,
  'databases', (select coalesce(json_agg(one), '[]') from (
    select coalesce(datname, '') as name, checksum_failures as failures,
      extract(epoch from clock_timestamp() - checksum_last_failure)::float8 as seconds
    from pg_stat_database where checksum_failures > 0 order by checksum_failures desc limit 20) as one))"""

ACTIVITY = (
    Topic("transactions", {0: TRANSACTIONS}, grant=STATISTICS),
    Topic("locks", {0: LOCKS_13, 140000: LOCKS_14}, grant=STATISTICS),
    Topic("prepared", {0: PREPARED}),
    Topic("replication", {0: REPLICATION}, grant="GRANT pg_monitor TO {account}"),
    Topic("slots", {0: SLOTS}),
    Topic("wraparound", {0: WRAPAROUND}),
    Topic("autovacuum", {0: AUTOVACUUM}, grant=STATISTICS),
    Topic("archiver", {0: ARCHIVER}),
    Topic("checkpoints", {0: CHECKPOINTS_13, 170000: CHECKPOINTS_17}),
    Topic("cache", {0: CACHE}),
    Topic("checksums", {0: CHECKSUMS}),
    Topic("settings", {0: SETTINGS}),
    Topic(
        "logins",
        {0: LOGINS},
        needs="has_table_privilege('pg_hba_file_rules', 'SELECT')"
        " and has_function_privilege('pg_hba_file_rules()', 'EXECUTE')",
        grant="GRANT SELECT ON pg_hba_file_rules TO {account};"
        " GRANT EXECUTE ON FUNCTION pg_hba_file_rules() TO {account}",
    ),
)
