# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who restores which kind of backup. A new kind has its line here, and its function in a file beside this one."""

from __future__ import annotations

from typing import Callable, ContextManager

from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.archive import (
    restored_tar,
    restored_text,
    restored_zip,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.borg import restored_borg
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.mariadb_backup import (
    restored_mariabackup,
    restored_xbstream,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.mariadb_dump import (
    restored_mariadb_dump,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.mariadb_mydumper import (
    restored_mydumper,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.postgres_base import (
    restored_base,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.postgres_dump import (
    restored_archive,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.postgres_plain import (
    restored_sql,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.postgres_repository import (
    restored_barman,
    restored_pgbackrest,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.restic import (
    restored_restic,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.sqlite import (
    restored_sqlite,
    restored_sqlite_dump,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.task import (
    RestoredBackup,
    Verification,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.tree import restored_tree

Restorer = Callable[[Verification], ContextManager[RestoredBackup]]
KINDS: dict[str, Restorer] = {
    "borg": restored_borg,
    "restic": restored_restic,
    "sql mysqldump": restored_mariadb_dump,
    "mariabackup": restored_mariabackup,
    "mydumper": restored_mydumper,
    "sql sqlite3 .dump": restored_sqlite_dump,
    "sqlite": restored_sqlite,
    "tar": restored_tar,
    "text": restored_text,
    "tree": restored_tree,
    "xbstream": restored_xbstream,
    "zip": restored_zip,
    "custom": restored_archive,
    "pg_tar": restored_archive,
    "pg_directory": restored_archive,
    "pg_basebackup": restored_base,
    "pgbackrest": restored_pgbackrest,
    "barman": restored_barman,
    "sql pg_dump": restored_sql,
    "sql pg_dumpall": restored_sql,
    "sql": restored_sql,
}
