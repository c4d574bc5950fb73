# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a dump does to the server's own accounts and tables (database mysql), although it is one of other databases.

Loaded into a server that lives, it would do the same there.
"""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.mariadb_server import (
    LOADER,
    MariaDbServer,
    quoted,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.task import Verification

_CHANGING = (
    *("proc", "event", "general_log", "slow_log", "gtid_slave_pos", "transaction_registry"),
    *("innodb_table_stats", "innodb_index_stats", "table_stats", "column_stats", "index_stats"),
)
"""What dumps of other databases change, too, or the server by itself."""
_TABLES = (
    "SELECT HEX(table_name) FROM information_schema.tables WHERE table_schema = 'mysql' AND table_type = 'BASE TABLE'"
    " AND table_name NOT IN ({changing}) ORDER BY table_name LIMIT 1000;"
)
_ACCOUNTS = (
    "SELECT CONCAT(user, '@', host), IF(user = '{loader}', MD5(priv), '') FROM mysql.global_priv"
    " WHERE user IN ('{loader}', 'root', 'mariadb.sys') ORDER BY 1;"
)


@dataclass(frozen=True)
class OwnTables:
    """The server's own tables at one time. sums: a checksum by table. accounts: those of a new server, and ours."""

    sums: dict[str, str]
    accounts: dict[str, str]


def own_tables(server: MariaDbServer) -> OwnTables:
    """Return what the server's own tables are now.

    Raises: BadBackupError, NotTriedError.
    """
    changing = ", ".join(f"'{one}'" for one in _CHANGING)
    listed = server.rows(_TABLES.format(changing=changing))
    names = [bytes.fromhex(row[0]).decode("utf-8", "surrogateescape") for row in listed]
    lines = [f"CHECKSUM TABLE mysql.{quoted(one)};" for one in names if "\n" not in one]
    sums = {row[0].partition(".")[2]: row[1] for row in server.rows("\n".join(lines))}
    accounts = {}
    if "global_priv" in sums:
        accounts = {row[0]: row[1] for row in server.rows(_ACCOUNTS.format(loader=LOADER))}
    return OwnTables(sums, accounts)


def tell_changes(task: Verification, before: OwnTables, after: OwnTables) -> None:
    """Take down what a dump of other databases has changed: what none should as a finding, all else as a note."""
    other = sorted(set(before.sums) ^ set(after.sums))
    if other:
        task.finding(
            "the dump is of other databases, and asks to make or drop "
            f"mysql.{other[0][:64]}, a table of the server itself"
        )
    lost = [one for one, sum_ in before.accounts.items() if after.accounts.get(one) != sum_]
    if lost:
        task.finding(
            "the dump is of other databases, and asks to remove or change accounts that each server has "
            f"({lost[0][:80]})"
        )
    changed = sorted(one for one, sum_ in before.sums.items() if after.sums.get(one, sum_) != sum_)
    if changed:
        task.note(
            f"it changes tables of the server itself: {', '.join(f'mysql.{one}' for one in changed[:5])}; "
            "a server into which it is loaded gets these changes, too"
        )
