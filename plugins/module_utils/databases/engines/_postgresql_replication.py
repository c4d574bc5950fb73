# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who follows a server of PostgreSQL, whom it follows, and what it keeps for them."""

from __future__ import annotations

from ansible_collections.astral.upkeep.plugins.module_utils.databases.engines._postgresql_names import (
    plain,
)

# A standby's own receiver, and those who receive from here. A copy that is being made is none of them. Who commits
# waits for as many synchronous standbys as the setting names; without them, for ever.
# How late a standby is that has replayed all it has received, is not to be told from the last transaction's time.
REPLICATION = """
with may as (select pg_has_role('pg_read_all_stats', 'USAGE') as stats, pg_has_role('pg_read_all_settings', 'USAGE')
  as settings, pg_is_in_recovery() as standby),
position as (select case when standby then coalesce(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())
  else pg_current_wal_lsn() end as lsn from may),
needed as (
  select names, coalesce((regexp_match(names, '^\\s*(?:(?:first|any)\\s+)?(\\d+)\\s*\\(', 'i'))[1]::int, 1) as n
  from (select current_setting('synchronous_standby_names') as names) as one
  where names <> '' and current_setting('synchronous_commit') not in ('off', 'local')),
sender as (
  select coalesce(nullif({application}, ''), 'a standby') || coalesce(' at ' || host(client_addr), '')
      as name, state, sync_state, false as receiving,
    greatest(0, pg_wal_lsn_diff(position.lsn, coalesce(replay_lsn, flush_lsn, write_lsn, sent_lsn)))::bigint
      as lag_bytes,
    extract(epoch from replay_lag)::float8 as lag_seconds
  from pg_stat_replication, position where state is distinct from 'backup'),
receiver as (
  select case when may.settings and coalesce(
      (select setting from pg_settings where name = 'primary_conninfo'), '') = '' then 'archive'
    when pg_is_wal_replay_paused() then 'paused' else coalesce(r.status, 'gone') end as state,
    'its primary' || coalesce(' at ' || r.sender_host || ':' || r.sender_port, '') as name,
    greatest(0, pg_wal_lsn_diff(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()))::bigint as lag_bytes,
    case when pg_last_wal_receive_lsn() <= pg_last_wal_replay_lsn() then 0 when pg_last_wal_receive_lsn() is not null
      then greatest(0, extract(epoch from clock_timestamp() - pg_last_xact_replay_timestamp()))::float8 end
      as lag_seconds
  from may left join pg_stat_wal_receiver r on true where may.standby and may.stats and may.settings)
select json_build_object(
  'unseen', (select case when stats and settings then 0 when standby then 1 when stats then 0
    else (select count(*) from pg_stat_replication) end from may),
  'rows', (select coalesce(json_agg(one), '[]') from (
    (select name, state, receiving, coalesce(sync_state, '') in ('sync', 'quorum') as synchronous, lag_bytes,
      lag_seconds from sender where state is not null order by lag_bytes desc nulls last limit 50)
    union all select name, state, true, false, lag_bytes, lag_seconds from receiver
    union all select left(names, 120), 'missing', false, true, null, null from needed, may
      where not standby and stats and n > (select count(*) from sender where sync_state in ('sync', 'quorum')))
    as one))""".replace("{application}", plain("application_name"))

# What later versions know besides is read from the row as it is.
SLOTS = """
with position as (select case when pg_is_in_recovery() then coalesce(pg_last_wal_receive_lsn(),
  pg_last_wal_replay_lsn()) else pg_current_wal_lsn() end as lsn),
slot as (
  select s.*, to_jsonb(s) as more,
    greatest(0, pg_wal_lsn_diff(position.lsn, restart_lsn))::bigint as retained_bytes
  from pg_replication_slots s, position where not temporary)
select coalesce(json_agg(one), '[]') from (
  select slot_name as name, slot_type as kind, coalesce(database, '') as database, active,
    coalesce(wal_status, '') as wal_status, retained_bytes, safe_wal_size as safe_bytes,
    greatest(age(xmin), age(catalog_xmin)) as holds_xids,
    coalesce((more->>'synced')::bool, false) as synced,
    coalesce(more->>'invalidation_reason', case when (more->>'conflicting')::bool then 'conflict' end, '') as invalid,
    extract(epoch from clock_timestamp() - (more->>'inactive_since')::timestamptz)::float8 as inactive_seconds
  from slot order by coalesce(wal_status in ('lost', 'unreserved'), false) desc, retained_bytes desc nulls last
  limit 50) as one"""

# The command is not told: it may hold a password. How much WAL waits is told by the newest segment that was archived,
# if that is of the same timeline.
ARCHIVER = """
with size as (select pg_size_bytes(current_setting('wal_segment_size')) as segment),
last as (select segment, case when not pg_is_in_recovery() and last_archived_wal ~ '^[0-9A-F]{24}' then
    (('x' || substr(last_archived_wal, 9, 8))::bit(32)::bigint * (4294967296 / segment)
    + ('x' || substr(last_archived_wal, 17, 8))::bit(32)::bigint + 1) * segment end as done
  from pg_stat_archiver, size)
select json_build_object(
  'mode', current_setting('archive_mode'),
  'configured', coalesce(nullif(current_setting('archive_command'), '(disabled)'), '') <> ''
    or coalesce(current_setting('archive_library', true), '') <> '',
  'archived', archived_count, 'failed', failed_count,
  'archived_seconds', extract(epoch from clock_timestamp() - last_archived_time)::float8,
  'failed_seconds', extract(epoch from clock_timestamp() - last_failed_time)::float8,
  'failed_file', coalesce(left(last_failed_wal, 60), ''),
  'waiting_bytes', (select case when done is not null then
    greatest(0, pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0') - done)::bigint end from last))
from pg_stat_archiver"""
