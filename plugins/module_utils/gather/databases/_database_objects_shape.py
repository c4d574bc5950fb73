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


# --- of PostgreSQL ---------------------------------------------------------------------------------------------------
# Names are as SQL writes them: with their schema, in quotes where they need them.


@dataclass(frozen=True)
class KeyColumn:
    """How much of its type a column of numbers has used. name: of the column. share: 0 to 1 of the type's numbers.

    type: `smallint` or `integer`. known_by: `sequence` that gives it its values, or `statistics`. references: the key
    of a larger type that it refers to, and whose sequence or statistics are meant.
    """

    table: str
    name: str
    type: str
    share: float
    known_by: str = ""
    references: str = ""


@dataclass(frozen=True)
class Bloated:
    """How much of a table or a B-tree is empty, by the widths of its columns: an estimate. table: of an index."""

    name: str
    size_bytes: int
    wasted_bytes: int
    table: str = ""


@dataclass(frozen=True)
class Bloat:
    """How much of tables or indexes of 8 MiB or more is empty.

    not_analyzed: tables of which a column has no statistics yet. left_out: how many cannot be estimated, by why:
    `row security` hides the statistics; so does the `expression` of an index from all but the owner; `statistics off`
    for a column.
    """

    worst: List[Bloated] = field(default_factory=list)
    not_analyzed: List[str] = field(default_factory=list)
    left_out: Dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class DeadRows:
    """What vacuum has to remove of a table. threshold: dead rows from which autovacuum comes.

    seconds: since the last vacuum; if `vacuumed` is not, since when its statistics would know of one. autovacuum: it is
    not switched off for the table. in_vacuum: one is at it now.
    """

    name: str
    dead_rows: int
    live_rows: int
    threshold: float
    seconds: float
    vacuumed: bool
    autovacuum: bool = True
    in_vacuum: bool = False


@dataclass(frozen=True)
class TableStatistics:
    """How much of a table has changed since it was analyzed. threshold: changed rows from which autovacuum analyzes it.

    never: it never was. seconds: since it was analyzed; if not known, since when its statistics would know.
    """

    name: str
    live_rows: int
    changed_rows: int
    threshold: float
    seconds: float
    never: bool = False
    autovacuum: bool = True


@dataclass(frozen=True)
class FrozenTable:
    """How many transactions have begun since the oldest that a table still names.

    name: for the part of a table that holds its long values (`is_toast`), the table's. max_age: from which autovacuum
    freezes it, whatever the settings. share: the larger part of the two, 1 at that age.
    """

    name: str
    age: int
    max_age: float
    multixact_age: int
    multixact_max_age: float
    share: float
    is_toast: bool = False
    is_temporary: bool = False


@dataclass(frozen=True)
class InvalidIndex:
    """An index that no query uses, and that is not being built. is_ready: writes keep it up to date."""

    name: str
    table: str
    size_bytes: int
    is_ready: bool = False
    is_partitioned: bool = False


@dataclass(frozen=True)
class DuplicateIndex:
    """An index that another one makes needless.

    kept: that one. kind: `same` if it has the same columns, `prefix` if it begins with them. is_constraint: it belongs
    to the constraint of its name.
    """

    name: str
    table: str
    kept: str
    kind: str
    size_bytes: int
    constraint: str = ""
    is_constraint: bool = False
    is_partitioned: bool = False


@dataclass(frozen=True)
class UnusedIndex:
    """An index that no query has used since the statistics began, and that guarantees nothing. One of 1 MiB or more."""

    name: str
    table: str
    size_bytes: int
    is_partitioned: bool = False


@dataclass(frozen=True)
class UnheardStandby:
    """A standby that could not be asked, and why."""

    address: str
    why: str


@dataclass(frozen=True)
class UnusedIndexes:
    """Which indexes were not used. seconds: since the statistics began, or the server, if they were not reset.

    standbys: how many servers get the changes of this one; each counts for itself what its queries use. asked: how many
    standbys that the site names have said what they use; seconds is that of the youngest statistics then. used_there:
    how many indexes they alone use. unheard: those that have not said it.
    """

    seconds: float
    standbys: int
    indexes: List[UnusedIndex]
    asked: int = 0
    used_there: int = 0
    unheard: List[UnheardStandby] = field(default_factory=list)


@dataclass(frozen=True)
class WholeReads:
    """How often a table was read as a whole, or by an index, since the statistics began."""

    name: str
    size_bytes: int
    scans: int
    rows_read: int
    live_rows: int
    index_scans: int


@dataclass(frozen=True)
class BareForeignKey:
    """A foreign key whose columns are not the first of any index. references: the table that it refers to."""

    name: str
    constraint: str
    columns: str
    references: str
    table_rows: int
    size_bytes: int = 0


@dataclass(frozen=True)
class UnvalidatedConstraint:
    """A constraint that was not checked for the rows that were there. name: of its table, or domain (`is_domain`)."""

    name: str
    constraint: str
    kind: str
    is_domain: bool = False


@dataclass(frozen=True)
class DisabledTrigger:
    """What is switched off. kind: `trigger`, `foreign key`, `rule`, or `event trigger`, which has no table.

    replica: it fires on replicas only. A `setting` switches all off, for whom `table` says as ALTER does: `ROLE clerk
    IN DATABASE shop`, `ROLE ALL`, `DATABASE shop`, `SYSTEM`.
    """

    name: str
    kind: str
    table: str = ""
    replica: bool = False


# --- of MariaDB and SQLite -------------------------------------------------------------------------------------------


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

    connected: it let us in; if not, reason is its own. socket: as of DatabaseActivity. unread: topics that could not be
    read, and why. not_offered: those that this version has not, and why. unseen: what the account may not see.

    sequences: those that have come farthest first. Of each list there are at most 50 rows, the worst first.
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
    sequences: Optional[List[SequenceState]] = None
    # Of PostgreSQL.
    key_columns: Optional[List[KeyColumn]] = None
    table_bloat: Optional[Bloat] = None
    index_bloat: Optional[Bloat] = None
    dead_rows: Optional[List[DeadRows]] = None
    statistics: Optional[List[TableStatistics]] = None
    freeze: Optional[List[FrozenTable]] = None
    invalid_indexes: Optional[List[InvalidIndex]] = None
    duplicate_indexes: Optional[List[DuplicateIndex]] = None
    unused_indexes: Optional[UnusedIndexes] = None
    missing_indexes: Optional[List[WholeReads]] = None
    foreign_keys: Optional[List[BareForeignKey]] = None
    constraints: Optional[List[UnvalidatedConstraint]] = None
    triggers: Optional[List[DisabledTrigger]] = None
    # Of MariaDB and SQLite.
    auto_increment: Optional[List[AutoIncrement]] = None
    fragmented_tables: Optional[List[FragmentedTable]] = None
    unsafe_tables: Optional[List[UnsafeTable]] = None
    integrity: Optional[IntegrityAnswer] = None
    foreign_key_rows: Optional[List[ForeignKeyRows]] = None
    free_pages: Optional[FreePages] = None
    write_ahead_log: Optional[WriteAheadLog] = None
