# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shape of what database_statements observes of one server. It is not sent to hosts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Dict, List, Optional

from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases._database_activity_shape import (
    UnseenObjects,
)


@dataclass(frozen=True)
class StatementCounters:
    """What a server has counted of one statement since it knows it. Durations are seconds, blocks as large as its own.

    queryid: its number, as text. nested: it runs inside of a function. shape: its text without data. calls: how often
    it ended. total_seconds: of running it; plan_seconds: of planning it, 0 where that is not counted. mean, stddev,
    min and max: of one call. read_seconds, write_seconds: of reading and writing blocks, 0 where that is not timed.
    wal_bytes: of the write-ahead log. since: when its counting began, where the server says so. examined_rows: read to
    answer it. full_scans: calls that read a whole table. What a kind does not count is None.
    """

    queryid: str
    shape: str
    calls: int
    total_seconds: float
    database: str = ""
    account: str = ""
    nested: bool = False
    since: Optional[str] = None
    mean_seconds: Optional[float] = None
    stddev_seconds: Optional[float] = None
    min_seconds: Optional[float] = None
    max_seconds: Optional[float] = None
    plan_seconds: Optional[float] = None
    read_seconds: Optional[float] = None
    write_seconds: Optional[float] = None
    rows: Optional[int] = None
    hit_blocks: Optional[int] = None
    read_blocks: Optional[int] = None
    dirtied_blocks: Optional[int] = None
    written_blocks: Optional[int] = None
    local_read_blocks: Optional[int] = None
    local_written_blocks: Optional[int] = None
    temp_read_blocks: Optional[int] = None
    temp_written_blocks: Optional[int] = None
    wal_bytes: Optional[int] = None
    examined_rows: Optional[int] = None
    full_scans: Optional[int] = None


@dataclass(frozen=True)
class StatementLoad:
    """The statements of a server.

    at: when they were read, by the server's clock. read_in: the database in which. total_seconds, calls: of all
    statements that it knows, of which there are `known`, at most most_known. io_timed: reading and writing blocks is
    timed. evicted: how often it forgot those with the fewest calls; None if it does not say. reset_at: when all
    counters were last put to 0; None likewise. worst: those with the most time, the most calls, and the longest mean,
    by time.
    """

    at: str
    total_seconds: float
    calls: int
    known: int
    worst: List[StatementCounters]
    read_in: str = ""
    most_known: Optional[int] = None
    io_timed: Optional[bool] = None
    evicted: Optional[int] = None
    reset_at: Optional[str] = None


@dataclass(frozen=True)
class SlowCalls:
    """What a server of MariaDB has logged of calls that took from_seconds or more, and of no others.

    at: when it was read, by the server's clock. window_seconds: how far back. covers_seconds: since the oldest call in
    it; that it was logging before is not known. one_in: of how many such calls one is logged. calls, total_seconds: of
    all in the window. cut: its oldest part was too much to be read. worst: by statement, those with the most time.
    file: empty if it is a table.
    """

    at: str
    window_seconds: float
    from_seconds: float
    calls: int
    total_seconds: float
    worst: List[StatementCounters]
    covers_seconds: float = 0.0
    one_in: int = 1
    cut: bool = False
    file: str = ""


@dataclass(frozen=True)
class DatabaseStatements:
    """Which statements one server has run; a topic that its kind does not have is None.

    connected: it let us in; if not, reason is its own. socket: as of DatabaseActivity. unread: topics that could not be
    read, and why. not_offered: those that this version has not, and why. unseen: what the account may not see.
    slow_calls: of a server whose statements are not counted, if it logs them.
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
    statements: Optional[StatementLoad] = None
    slow_calls: Optional[SlowCalls] = None
