# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is in a database of MariaDB: tables and their keys. Only those are listed on which an account has some right."""

from __future__ import annotations

from ansible_collections.astral.upkeep.plugins.module_utils.databases.engine import Topic

# A right to refer to tables by a foreign key shows them, and none of their rows. How many there are that the account
# may not see is not told: 0.
LISTED = """
select count(*) as n from (
  select grantee, privilege_type from information_schema.user_privileges
  union all select grantee, privilege_type from information_schema.schema_privileges where table_schema = database()
) as may where privilege_type in
    ('SELECT', 'INSERT', 'UPDATE', 'DELETE', 'CREATE', 'DROP', 'REFERENCES', 'INDEX', 'ALTER', 'TRIGGER')
  and grantee = concat('''', regexp_replace(current_user(), '@([^@]*)$', '''@''\\\\1'), '''')
"""
REFERENCES = "GRANT REFERENCES ON {database}.* TO {account}"
_ROWS = """
select json_object('rows', json_extract(coalesce((select json_arrayagg(json_object({fields}))
  from ({rows} limit 50) as one), '[]'), '$')) as answer"""

AUTO_INCREMENT = _ROWS.format(
    fields="'name', name, 'column', col, 'type', type, 'last_value', last_value, 'max_value', max_value, "
    "'share', last_value / max_value",
    rows="""select * from (
      select concat(t.table_schema, '.', t.table_name) as name, c.column_name as col, c.column_type as type,
        cast(t.auto_increment as decimal(30)) - 1 as last_value,
        case c.data_type when 'tinyint' then 127 when 'smallint' then 32767 when 'mediumint' then 8388607
          when 'int' then 2147483647 else cast(9223372036854775807 as decimal(30)) end
          * if(c.column_type like '%unsigned%', 2, 1) + if(c.column_type like '%unsigned%', 1, 0) as max_value
      from information_schema.tables t join information_schema.columns c
        on c.table_schema = t.table_schema and c.table_name = t.table_name and c.extra like '%auto_increment%'
      where t.table_schema = database() and t.auto_increment > 0
        and c.data_type in ('tinyint', 'smallint', 'mediumint', 'int', 'bigint')
    ) as each_key order by last_value / max_value desc, name""",
)
# What is free in the shared table space is told of each table in it.
FRAGMENTED = _ROWS.format(
    fields="'name', name, 'engine', engine, 'size_bytes', size, 'free_bytes', free",
    rows="""select concat(table_schema, '.', table_name) as name, engine,
      coalesce(data_length, 0) + coalesce(index_length, 0) as size, data_free as free
    from information_schema.tables where table_schema = database() and table_type = 'BASE TABLE' and data_free > 0
      and (engine <> 'InnoDB' or @@global.innodb_file_per_table = 1) order by data_free desc, name""",
)
# Of a table that the server cannot open it tells no engine.
UNSAFE = _ROWS.format(
    fields="'name', name, 'engine', engine, 'size_bytes', size, 'opened', opened",
    rows="""select concat(table_schema, '.', table_name) as name, coalesce(engine, '') as engine,
      coalesce(data_length, 0) as size, if(engine is null, 0, 1) as opened
    from information_schema.tables where table_schema = database() and table_type = 'BASE TABLE'
      and (engine is null and coalesce(table_comment, '') not like '%lock%'
        or engine in ('MyISAM', 'MEMORY', 'MRG_MyISAM', 'CSV', 'ARCHIVE', 'BLACKHOLE') and coalesce(table_rows, 1) > 0)
    order by engine is null desc, data_length desc, name""",
)

OBJECTS = (
    Topic("auto_increment", {0: AUTO_INCREMENT}, grant=REFERENCES),
    Topic("fragmented_tables", {0: FRAGMENTED}, grant=REFERENCES),
    Topic("unsafe_tables", {0: UNSAFE}, grant=REFERENCES),
)
