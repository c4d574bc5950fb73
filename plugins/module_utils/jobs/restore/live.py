# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a database server lives on this host: a restore beside it takes its memory, disk and processor time."""

from __future__ import annotations

import os
from typing import Any

from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host, HostError
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.errors import (
    NotTriedError,
)

SERVERS = {
    "PostgreSQL": ("postgres", "postmaster"),
    "MariaDB or MySQL": ("mariadbd", "mysqld"),
}
_OF_POSTGRES = ("custom", "pg_", "postgresql", "sql pg_dump", "pgbackrest", "barman")
_OF_MARIADB = ("sql mysqldump", "sql mariadb", "mydumper", "mariabackup", "xbstream")


def product_of(kind: str) -> str:
    """Return which of SERVERS restores that kind of backup; empty if none does."""
    if kind.startswith(_OF_POSTGRES):
        return "PostgreSQL"
    return "MariaDB or MySQL" if kind.startswith(_OF_MARIADB) else ""


def refuse_beside_live(kind: str, verify: dict[str, Any], host: Host) -> None:
    """Raise NotTriedError if a server of that kind runs on this host, and the site does not say why that may be."""
    product = product_of(kind)
    if not product or verify["beside_live"]:
        return
    pid = _running(SERVERS[product], host)
    if pid:
        raise NotTriedError(
            f"a server of {product} runs on this host (process {pid}); a backup is not restored beside it unless the "
            "set says why: `beside_live: <reason>`",
            "decide: verify it on another host, or write `beside_live: <reason>` under `verify` of the set",
        )


def _running(names: tuple[str, ...], host: Host) -> str:
    """Return the number of a process of one of these names; empty if there is none. Those of a sandbox end with it."""
    for pid in host.names("/proc"):
        if not pid.isdigit():
            continue
        try:
            if host.read(os.path.join("/proc", pid, "comm")).strip() in names:
                return pid
        except HostError:
            continue
    return ""
