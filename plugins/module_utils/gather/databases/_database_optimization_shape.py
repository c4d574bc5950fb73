# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shape of what database_optimization observes of one database. The controller alone needs it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, List


@dataclass(frozen=True)
class LeftIndex:
    """An invalid index that a REINDEX of the job has left.

    index: its name as SQL writes it; empty if nobody has looked since a killed run. of: the index that was built anew.
    database, port: where it is. run: the run of Upkeep that made it, if one did. began_at: when. why: what keeps it.
    """

    index: str
    of: str = ""
    database: str = ""
    port: int = 0
    run: str = ""
    began_at: str = ""
    why: str = ""


@dataclass(frozen=True)
class DatabaseOptimization:
    """How the job last ended for one database.

    outcome: `done`, `skipped` (it was a standby, or nothing is known of its kind) or `unknown`, with why. done,
    not_done: how many statements. ended_at: in UTC. run: its number, if Upkeep started it. rests: what it has left.
    """

    VERSION: ClassVar[int] = 1

    outcome: str
    subject: str = ""
    why: str = ""
    ended_at: str = ""
    run: str = ""
    done: int = 0
    not_done: int = 0
    rests: List[LeftIndex] = field(default_factory=list)
