# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a server of PostgreSQL is: only on its own host can its free space be seen."""

from __future__ import annotations

import os
import struct
from typing import Any, Dict, List

from ansible_collections.astral.upkeep.plugins.module_utils.databases.engine import (
    AccessRefusedError,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host, HostError
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.optimize._postgresql_sql import (
    PLACE,
    TABLESPACE,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.optimize._psql import Psql
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.optimize.errors import (
    OptimizeError,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.optimize.step import size_words

START_SECONDS = 120
"""How far the time in the server's own file and the one that it tells may lie apart: it starts between them."""
ELSEWHERE = "with `server_elsewhere: true` the job works all the same, and looks at no free space"
TIMES = 2
"""How often an index must fit into what is free, before it is built anew."""


def data_folder(psql: Psql, about: Dict[str, Any], host: Host) -> str:
    """Return the data folder of a server that runs on this host.

    Raises: OptimizeError if it may run elsewhere.
    """
    try:
        folder = str(psql.ask(PLACE)["data"])
    except AccessRefusedError as exc:
        raise OptimizeError(
            f"its data folder cannot be asked for ({exc}): GRANT pg_read_all_settings to "
            f"{about['account']}; {ELSEWHERE}"
        ) from exc
    try:
        head = host.read_head(os.path.join(folder, "global/pg_control"), 8)
        lines = host.read(os.path.join(folder, "postmaster.pid"), 10_000).splitlines()
        [system] = struct.unpack("=Q", head)
        began = float(lines[2])
    except (HostError, struct.error, ValueError, IndexError) as exc:
        raise OptimizeError(
            f"its data folder {folder[:200]} is not one that can be read on this host; {ELSEWHERE}"
        ) from exc
    if str(system) != about["system"] or abs(began - about["began"]) > START_SECONDS:
        raise OptimizeError(
            f"the data folder {folder[:200]} of this host is another server's; {ELSEWHERE}"
        )
    return folder


def no_space(psql: Psql, folder: str, oid: int, size_bytes: int, host: Host) -> str:
    """Return why an index does not fit once more, with its log; empty if it does. folder: of the data."""
    path = psql.ask(TABLESPACE.format(oid=int(oid)))["path"] or os.path.join(folder, "base")
    places: List[str] = [str(path), os.path.join(folder, "pg_wal")]
    for place in places:
        try:
            space = host.statvfs(place)
        except HostError as exc:
            return f"the free space of {place[:200]} cannot be seen: {exc.why or 'not known'}"
        free = space.f_bavail * space.f_frsize
        if free < TIMES * size_bytes:
            return (
                f"{place[:200]} has {size_words(free)} free; expected {size_words(TIMES * size_bytes)}, "
                "twice the index"
            )
    return ""
