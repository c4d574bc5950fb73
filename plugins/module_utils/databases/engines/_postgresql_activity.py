# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a server of PostgreSQL does now: cheap questions, some of which are asked every few minutes."""

from __future__ import annotations

from ansible_collections.astral.upkeep.plugins.module_utils.databases.engine import Topic

# Who is no member of pg_read_all_stats sees of others' sessions that they are there, and no more. Texts of statements
# are not asked for: they hold the application's data.
TRANSACTIONS = """
with session as (
  select pid, usename, datname, application_name, state, xact_start, state_change, backend_xmin
  from pg_stat_activity
  where pid <> pg_backend_pid() and (backend_type = 'client backend' or backend_type is null and datid is not null))
select json_build_object(
  'unseen', (select count(*) from session where state is null),
  'rows', (select coalesce(json_agg(one), '[]') from (
    select pid, coalesce(usename, '') as account, coalesce(datname, '') as database,
      left(application_name, 60) as application, state,
      extract(epoch from clock_timestamp() - xact_start)::float8 as seconds,
      extract(epoch from clock_timestamp() - state_change)::float8 as state_seconds,
      age(backend_xmin) as holds_xids
    from session where xact_start is not null order by xact_start limit 50) as one))"""

ACTIVITY = (Topic("transactions", {0: TRANSACTIONS}, grant="GRANT pg_read_all_stats TO {account}"),)
