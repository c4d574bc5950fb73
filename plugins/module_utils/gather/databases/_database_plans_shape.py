# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shape of what database_plans observes of one database. It is not sent to hosts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Dict, List, Optional

from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases._database_activity_shape import (
    UnseenObjects,
)


@dataclass(frozen=True)
class PlanNode:
    """One step of a plan. Rows are the planner's estimate.

    kind: what it does, such as `Seq Scan`. level: how many steps are above it. table, index: what it reads. condition:
    which rows it keeps or joins, without data.
    """

    kind: str
    level: int
    rows: float
    table: str = ""
    index: str = ""
    condition: str = ""


@dataclass(frozen=True)
class IndexCandidate:
    """An index that may spare a statement the reading of a whole table.

    table, columns: as SQL writes them. rows, size_bytes: of the table, as the planner knows it. kept: how many rows the
    statement wants of it. partitioned: the table has partitions. cost: of the statement with that index; None if that
    was not tried.
    """

    table: str
    columns: str
    rows: int
    size_bytes: int
    kept: int
    partitioned: bool = False
    cost: Optional[float] = None


@dataclass(frozen=True)
class StatementPlan:
    """How one statement would be run, whatever its parameters are.

    queryid: its number, as text. shape: its text without data. account: who runs it. calls, total_seconds: what the
    server has counted since it knows it. why: there is no plan; cost and nodes are empty then. cost: the planner's.
    """

    queryid: str
    shape: str
    calls: int
    total_seconds: float
    account: str = ""
    why: str = ""
    cost: Optional[float] = None
    nodes: List[PlanNode] = field(default_factory=list)
    indexes: List[IndexCandidate] = field(default_factory=list)


@dataclass(frozen=True)
class PlanLoad:
    """The worst statements of a database that look for something, by time.

    at: when they were read, by the server's clock. total_seconds: of all statements of the database. imagines: the
    version of hypopg that has tried the indexes; empty without it.
    """

    at: str
    total_seconds: float
    worst: List[StatementPlan]
    imagines: str = ""


@dataclass(frozen=True)
class DatabasePlans:
    """The plans of one database's statements; a topic that its kind does not have is None.

    connected: it let us in; if not, reason is its own. socket: as of DatabaseActivity. unread: topics that could not be
    read, and why. not_offered: those that this version has not, and why. unseen: what the account may not see, by
    topic; `tables`: those that a statement reads which has no plan for that reason.
    """

    VERSION: ClassVar[int] = 1

    kind: str
    connected: bool
    subject: str = ""
    declared: bool = False
    reason: str = ""
    version: str = ""
    in_recovery: bool = False
    socket: str = ""
    unread: Dict[str, str] = field(default_factory=dict)
    not_offered: Dict[str, str] = field(default_factory=dict)
    unseen: Dict[str, UnseenObjects] = field(default_factory=dict)
    plans: Optional[PlanLoad] = None
