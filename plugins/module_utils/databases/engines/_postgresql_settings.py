# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a server of PostgreSQL is set, and whom it lets in by which means."""

from __future__ import annotations

# The server's own settings, and what is set for a database or a role. Where the session that asks has a value of its
# own, the server's is in its files, which few may read; query_to_xml() asks for no right before it is called. Of those
# whose change waits for a restart, the value is not told.
SETTINGS = """
with judged(name) as (values ('fsync'), ('full_page_writes'), ('synchronous_commit'), ('zero_damaged_pages'),
  ('ignore_checksum_failure'), ('ignore_invalid_pages'), ('ignore_system_indexes'), ('data_checksums'), ('ssl'),
  ('listen_addresses')),
may as (select has_table_privilege('pg_file_settings', 'SELECT')
  and has_function_privilege('pg_show_all_file_settings()', 'EXECUTE') as files),
one as materialized (
  select s.name, s.setting, s.pending_restart, s.boot_val, j.name is not null as judged,
    source in ('global', 'database', 'user', 'database user', 'client', 'session', 'interactive') as is_own
  from pg_settings s left join judged j using (name) where j.name is not null or s.pending_restart),
own as materialized (
  select name, coalesce(substring(query_to_xml(format('select setting from pg_catalog.pg_file_settings where applied
    and name = %L order by seqno desc limit 1', name), false, false, '')::text from '<setting>([^<]*)</setting>'),
    boot_val) as setting
  from one, may where is_own and files)
select json_build_object(
  'unseen', (select count(*) from one, may where is_own and judged and not files),
  'rows', (select coalesce(json_agg(told), '[]') from (
    (select name, case when judged then left(coalesce(own.setting, one.setting), 200) else '' end as value,
        pending_restart, '' as role, '' as database
      from one left join own using (name) where own.name is not null or not is_own
      order by name limit 60)
    union all
    (select name, left(value, 200), false, coalesce(role, case when setdatabase = 0 then 'ALL' else '' end),
        coalesce(datname, '')
      from pg_db_role_setting
        cross join lateral (select split_part(c, '=', 1) as name, substr(c, strpos(c, '=') + 1) as value
          from unnest(setconfig) as c) as pair
        join judged using (name)
        left join pg_database d on d.oid = setdatabase
        left join lateral (select pg_get_userbyid(setrole) as role where setrole <> 0) as r on true
      order by 1, 4, 5 limit 60)) as told))"""

# Options are not asked for: they may hold passwords of other servers. The worst come first.
LOGINS = """
select json_build_object(
  'password_encryption', current_setting('password_encryption'),
  'rules', (select coalesce(json_agg(one), '[]') from (
    select line_number as line, coalesce(type, '') as type, coalesce(left(array_to_string(database, ','), 60), '')
      as databases, coalesce(left(array_to_string(user_name, ','), 60), '') as accounts,
      coalesce(address, '') as address, coalesce(netmask, '') as netmask, coalesce(auth_method, '') as method,
      error is not null as broken
    from pg_hba_file_rules
    where error is not null or auth_method in ('trust', 'password', 'ident', 'md5')
    order by error is null, array_position(array['trust', 'ident', 'password', 'md5'], auth_method), line_number
    limit 100) as one))"""
