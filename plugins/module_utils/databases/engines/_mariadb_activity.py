# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a server of MariaDB does now and how it is set: cheap questions, some of which are asked every few minutes.

A topic's versions are the servers' own numbers, 101100 for MariaDB 10.11 and 80000 for MySQL 8.0: MySQL's are all below
MariaDB's. Texts of statements, and values in locks, are not asked for: they hold the application's data.
"""

from __future__ import annotations

from typing import Any, Callable, Dict, List, Mapping, Optional

from ansible_collections.astral.upkeep.plugins.module_utils.databases.engine import Topic
from ansible_collections.astral.upkeep.plugins.module_utils.databases.engines._mariadb_client import (
    Table,
)

MARIADB = 100000
PROCESS = "GRANT PROCESS ON *.* TO {account}"

# A transaction without a session was prepared before the server was started.
TRANSACTIONS = """
select json_object('rows', json_extract(coalesce((select json_arrayagg(json_object('pid', pid, 'account', account,
    'database', db, 'state', state, 'seconds', seconds, 'state_seconds', state_seconds))
  from (select t.trx_mysql_thread_id as pid, coalesce(p.user, '') as account, coalesce(p.db, '') as db,
      case when p.id is null then 'prepared' when p.command = 'Sleep' then 'idle in transaction' else 'active' end
        as state,
      greatest(0, timestampdiff(second, t.trx_started, now())) as seconds, greatest(0, p.time) as state_seconds
    from information_schema.innodb_trx t left join information_schema.processlist p on p.id = t.trx_mysql_thread_id
    where t.trx_mysql_thread_id <> connection_id() order by t.trx_started limit 50) as one), '[]'), '$')) as answer"""

# Who waits for a lock of a table's definition, or for that of a backup, is not in InnoDB's list. Who holds one is in
# that of a plugin, which not every server has. Of the former, it is told for whom it waits only if it changes the
# table: such a session holds a lock of the table that it waits to make stronger.
HELD = "select thread_id, lock_type, lock_mode, table_schema, table_name from information_schema.metadata_lock_info"
NOT_SEEN = (
    "select 0 as thread_id, '' as lock_type, '' as lock_mode, '' as table_schema, '' as table_name"
    " from dual where 1 = 0"
)
LOCKS = """
with held as ({held}),
  blocked as (select id as pid, greatest(0, time) as seconds, state from information_schema.processlist
    where state like 'Waiting for%metadata lock' or state = 'Waiting for backup lock'),
  edge as (
    select r.trx_mysql_thread_id as pid, b.trx_mysql_thread_id as blocker,
      greatest(0, timestampdiff(second, r.trx_wait_started, now())) as seconds,
      coalesce(concat(l.lock_mode, ' lock on ', l.lock_table), '') as wants
    from information_schema.innodb_lock_waits w
      join information_schema.innodb_trx r on r.trx_id = w.requesting_trx_id
      join information_schema.innodb_trx b on b.trx_id = w.blocking_trx_id
      left join information_schema.innodb_locks l on l.lock_id = w.requested_lock_id
    union all
    select b.pid, h.thread_id, b.seconds, {backup} from blocked b
      join held h on h.lock_type = 'Backup lock' and h.thread_id not in (select pid from blocked)
    where b.state = 'Waiting for backup lock'
    union all
    select b.pid, h.thread_id, b.seconds, {definition} from blocked b
      join held own on own.thread_id = b.pid and own.lock_type = 'Table metadata lock'
        and own.lock_mode in ('MDL_SHARED_UPGRADABLE', 'MDL_SHARED_NO_WRITE', 'MDL_SHARED_NO_READ_WRITE')
      join held h on h.lock_type = 'Table metadata lock' and h.thread_id <> b.pid
        and h.table_schema = own.table_schema and h.table_name = own.table_name
    where b.state like '%metadata lock'),
  waiter as (
    select pid, max(seconds) as seconds, max(wants) as wants, json_arrayagg(blocker) as blocked_by
    from edge group by pid
    union all
    select pid, seconds, if(state = 'Waiting for backup lock', {backup}, {definition}), '[]' from blocked
    where pid not in (select pid from edge)),
  root as (select distinct blocker as pid from edge where blocker not in (select pid from waiter))
select json_object(
  'waiting', (select count(*) from waiter),
  'holders_seen', {seen} or not exists (select * from blocked),
  'waiters', json_extract(coalesce((select json_arrayagg(json_object('pid', pid, 'account', account, 'database', db,
      'seconds', seconds, 'wants', wants, 'blocked_by', json_extract(blocked_by, '$')))
    from (select w.*, coalesce(p.user, '') as account, coalesce(p.db, '') as db
      from waiter w left join information_schema.processlist p on p.id = w.pid
      order by w.seconds desc limit 100) as one), '[]'), '$'),
  'holders', json_extract(coalesce((select json_arrayagg(json_object('pid', pid, 'account', account, 'database', db,
      'state', state, 'seconds', seconds, 'state_seconds', state_seconds))
    from (select r.pid, coalesce(p.user, '') as account, coalesce(p.db, '') as db,
        case when p.command <> 'Sleep' then 'active' when t.trx_id is null then 'idle' else 'idle in transaction' end
          as state,
        greatest(0, timestampdiff(second, t.trx_started, now())) as seconds, greatest(0, p.time) as state_seconds
      from root r left join information_schema.innodb_trx t on t.trx_mysql_thread_id = r.pid
        left join information_schema.processlist p on p.id = r.pid
      order by t.trx_started limit 100) as one), '[]'), '$')) as answer""".replace(
    "{backup}", "'the lock of a backup, or of FLUSH TABLES WITH READ LOCK'"
).replace("{definition}", "'a lock of a table''s definition'")
LOCKS_SEEN = LOCKS.replace("{held}", HELD).replace("{seen}", "true")
LOCKS_IN_PART = LOCKS.replace("{held}", NOT_SEEN).replace("{seen}", "false")

STATUS = "show global status where variable_name in ({})"
SETTINGS = (
    "bind_address", "foreign_key_checks", "have_ssl", "innodb_checksum_algorithm", "innodb_doublewrite",
    "innodb_flush_log_at_trx_commit", "innodb_force_recovery", "log_bin", "require_secure_transport",
    "skip_grant_tables", "skip_networking", "sql_mode", "sync_binlog", "unique_checks",
)  # fmt: skip

# Each account may have several ways in (auth_or); an empty one stands for that of the first level. Only whether there
# is a password leaves the server.
NATIVE = "in ('', 'mysql_native_password', 'mysql_old_password', 'ed25519')"
WAYS = " or ".join(
    f"json_exists(priv, '$.auth_or[{n}].plugin') and json_value(priv, '$.auth_or[{n}].plugin') {NATIVE}"
    f" and coalesce(json_value(priv, '$.auth_or[{n}].authentication_string'), '') = ''"
    for n in range(4)
)
OPEN = """
select json_object('rows', json_extract(coalesce((select json_arrayagg(json_object('name', name, 'host', host))
  from (select user as name, host from mysql.global_priv
    where coalesce(json_value(priv, '$.is_role'), 'false') not in ('true', '1')
      and coalesce(json_value(priv, '$.account_locked'), 'false') not in ('true', '1')
      and (user = '' or coalesce(json_value(priv, '$.plugin'), '') {native}
        and coalesce(json_value(priv, '$.authentication_string'), '') = '' or {ways})
    order by user, host limit 50) as one), '[]'), '$')) as answer""".replace(
    "{native}", NATIVE
).replace("{ways}", WAYS)
OPEN_OF_MYSQL = """
select json_object('rows', json_extract(coalesce((select json_arrayagg(json_object('name', name, 'host', host))
  from (select user as name, host from mysql.user where account_locked = 'N'
      and (user = '' or plugin in ('mysql_native_password', 'caching_sha2_password', 'sha256_password')
        and coalesce(authentication_string, '') = '')
    order by user, host limit 50) as one), '[]'), '$')) as answer"""


def _status(*names: str) -> Dict[int, str]:
    return {0: STATUS.format(", ".join(f"'{name}'" for name in names))}


ACTIVITY = (
    Topic("transactions", {0: TRANSACTIONS}, grant=PROCESS),
    Topic("locks", {MARIADB: LOCKS_IN_PART}, grant=PROCESS),
    Topic(
        "replication",
        {0: "show replica status", MARIADB: "show all slaves status"},
        grant="GRANT {monitor} ON *.* TO {account}",
    ),
    Topic("connection_attempts", _status("Aborted_connects", "Connections", "Uptime")),
    Topic(
        "temporary_tables",
        _status("Created_tmp_disk_tables", "Created_tmp_tables", "Uptime"),
    ),
    Topic("purge", {MARIADB: STATUS.format("'Innodb_history_list_length'")}),
    Topic(
        "mariadb_settings",
        {0: "show global variables where variable_name in (%s)" % ", ".join(map(repr, SETTINGS))},
    ),
    Topic(
        "open_accounts",
        {0: OPEN_OF_MYSQL, MARIADB: OPEN},
        grant="GRANT SELECT ON {accounts} TO {account}",
    ),
)


def of_links(table: Table) -> List[Dict[str, Any]]:
    """Return the links of replication over which the server receives. Source: MariaDB, SHOW REPLICA STATUS."""
    links = []
    for row in table.rows:
        said = {name.lower().replace("slave", "replica"): text for name, text in row.items()}
        host = said.get("master_host") or said.get("source_host") or ""
        port = said.get("master_port") or said.get("source_port") or ""
        late = said.get("seconds_behind_master", said.get("seconds_behind_source", ""))
        state = "streaming"
        if said.get("replica_io_running") != "Yes":
            state = "gone"
        elif said.get("replica_sql_running") != "Yes":
            state = "paused" if said.get("last_sql_errno", "0") == "0" else "failed"
        links.append(
            {
                "name": f"{host}:{port}",
                "state": state,
                "lag_seconds": float(late) if late.isdigit() else None,
                "receiving": True,
            }
        )
    return links


def _pairs(table: Table) -> Dict[str, str]:
    """Return what SHOW VARIABLES or SHOW STATUS gave, by name."""
    return {row["Variable_name"].lower(): row["Value"] for row in table.rows}


def _counts(**names: str) -> Callable[[Table], Optional[Dict[str, Any]]]:
    """Return what takes these counters from SHOW STATUS; None if one is missing."""

    def taken(table: Table) -> Optional[Dict[str, Any]]:
        said = _pairs(table)
        read = {name: said.get(of, "") for name, of in names.items()}
        return (
            {name: int(text) for name, text in read.items()}
            if all(map(str.isdigit, read.values()))
            else None
        )

    return taken


TAKE: Mapping[str, Callable[[Table], Any]] = {
    "replication": of_links,
    "connection_attempts": _counts(
        failed="aborted_connects", attempts="connections", seconds="uptime"
    ),
    "temporary_tables": _counts(
        on_disk="created_tmp_disk_tables", made="created_tmp_tables", seconds="uptime"
    ),
    "purge": _counts(history="innodb_history_list_length"),
    "mariadb_settings": _pairs,
}
"""How the answers to SHOW become a topic's value; all others are one value of JSON."""
