# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shape of what database_objects observes of one database. The controller alone needs it: hosts are not sent it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Dict, List, Optional

from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases._database_activity_shape import (
    UnseenObjects,
)


@dataclass(frozen=True)
class SequenceState:
    """How far a sequence has come. name: with its schema. share: 0 to 1 of the numbers that it can give.

    type: `smallint`, `integer` or `bigint`. cycle: it begins anew after its last number.
    """

    name: str
    type: str
    last_value: int
    max_value: int
    min_value: int
    increment_by: int
    share: float
    cycle: bool = False


# Of MariaDB and SQLite.


@dataclass(frozen=True)
class AutoIncrement:
    """How far a column that counts by itself has come. name: of the table, with its database. share: 0 to 1."""

    name: str
    column: str
    type: str
    last_value: int
    max_value: int
    share: float


@dataclass(frozen=True)
class FragmentedTable:
    """A table whose file has free room inside. size_bytes: of its rows and indexes."""

    name: str
    engine: str
    size_bytes: int
    free_bytes: int


@dataclass(frozen=True)
class UnsafeTable:
    """A table whose engine does not survive a crash; or one that the server cannot open: then opened is 0."""

    name: str
    engine: str
    size_bytes: int
    opened: int = 1


@dataclass(frozen=True)
class IntegrityAnswer:
    """What SQLite said of a file. how: `integrity_check`, or `quick_check`, which leaves out what is in indexes.

    problems: how many, at most 100. named: the first of them, without numbers of rows.
    """

    how: str
    problems: int
    named: List[str] = field(default_factory=list)


@dataclass(frozen=True)
class ForeignKeyRows:
    """Rows of a table that refer to rows of its parent that are not there."""

    name: str
    parent: str
    rows: int


@dataclass(frozen=True)
class FreePages:
    """How a file is laid out. free: pages of it that hold nothing. disk_free_bytes: of its file system."""

    page_bytes: int
    pages: int
    free: int
    auto_vacuum: str = ""
    encoding: str = ""
    disk_free_bytes: Optional[int] = None


@dataclass(frozen=True)
class WriteAheadLog:
    """The log of an SQLite. mode: `wal`, `none`. pending_bytes: what is not in the database yet; None if not told."""

    mode: str
    size_bytes: int = 0
    pending_bytes: Optional[int] = None


@dataclass(frozen=True)
class DatabaseObjects:
    """What is in one database. Sizes are bytes, durations seconds; a topic that its kind does not have is None.

    connected: it let us in; if not, reason is its own. unread: topics that could not be read, and why. not_offered:
    those that this version has not, and why. unseen: what the account may not see, by topic.

    sequences: those that have come farthest first, at most 50.
    """

    VERSION: ClassVar[int] = 1

    kind: str
    connected: bool
    subject: str = ""
    declared: bool = False
    reason: str = ""
    version: str = ""
    in_recovery: bool = False
    unread: Dict[str, str] = field(default_factory=dict)
    not_offered: Dict[str, str] = field(default_factory=dict)
    unseen: Dict[str, UnseenObjects] = field(default_factory=dict)
    sequences: Optional[List[SequenceState]] = None
    # Of MariaDB and SQLite.
    auto_increment: Optional[List[AutoIncrement]] = None
    fragmented_tables: Optional[List[FragmentedTable]] = None
    unsafe_tables: Optional[List[UnsafeTable]] = None
    integrity: Optional[IntegrityAnswer] = None
    foreign_key_rows: Optional[List[ForeignKeyRows]] = None
    free_pages: Optional[FreePages] = None
    write_ahead_log: Optional[WriteAheadLog] = None
