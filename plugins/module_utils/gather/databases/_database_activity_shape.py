# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shape of what database_activity observes of one server. The controller alone needs it: hosts are not sent it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Dict, List, Optional


@dataclass(frozen=True)
class UnseenObjects:
    """What was not seen of a topic, and what lets it be. objects: how many; 0 if that is not told.

    grant: of MariaDB, the statement that lets the account see them. why: `locks` if to read them takes more locks than
    the server can spare; `refused` if the role of `explain_as` did not get in, though it has all that can be seen;
    `setting` if a setting of MariaDB is why, and grant says what to set.
    Of PostgreSQL, statements: what the administrator runs in this database, in this order; commands of psql may be
    among them. setting: a line of postgresql.conf that must be there first, and needs a restart. role: the one that
    reads, if it is not the account that asks; unnamed: the site does not name it in `explain_as` yet.
    """

    objects: int
    grant: str = ""
    why: str = ""
    statements: List[str] = field(default_factory=list)
    database: str = ""
    setting: str = ""
    role: str = ""
    unnamed: bool = False


@dataclass(frozen=True)
class OpenTransaction:
    """A session in a transaction. Its statements are not told: they hold the application's data.

    pid: of the session, as the server counts. state: such as `active`, `idle in transaction`; None if the account may
    not see it. seconds: since the transaction began. state_seconds: since the state began. holds_xids: how many
    transactions have begun since the oldest that it may still see: vacuum cannot remove what they left.
    application: as its client calls itself; empty if that may be more than a name.
    """

    pid: int
    account: str = ""
    database: str = ""
    application: str = ""
    state: Optional[str] = None
    seconds: Optional[float] = None
    state_seconds: Optional[float] = None
    holds_xids: Optional[int] = None


@dataclass(frozen=True)
class LockWait:
    """A session that waits for a lock.

    seconds: since it waits; on PostgreSQL 13 since its statement began. None if the account may not see it, or if it
    has only just begun. wants: the lock. blocked_by: sessions that hold it, or wait for it before this one; 0 is a
    prepared transaction.
    """

    pid: int
    account: str = ""
    database: str = ""
    application: str = ""
    seconds: Optional[float] = None
    wants: str = ""
    blocked_by: List[int] = field(default_factory=list)


@dataclass(frozen=True)
class LockWaits:
    """How many wait for locks; the 100 that have waited for longest; holders: who blocks and does not wait.

    holders_seen: false if somebody waits for a lock whose holder the server does not tell.
    """

    waiting: int
    waiters: List[LockWait] = field(default_factory=list)
    holders: List[OpenTransaction] = field(default_factory=list)
    holders_seen: bool = True


@dataclass(frozen=True)
class PreparedTransaction:
    """A transaction prepared for two-phase commit. seconds: since then. holds_xids: as of an open transaction.

    gid: its name; empty if that may be more than a name.
    """

    gid: str
    account: str = ""
    database: str = ""
    seconds: Optional[float] = None
    holds_xids: Optional[int] = None


@dataclass(frozen=True)
class StandbyState:
    """A link of replication.

    name: of the other side. state: of PostgreSQL `streaming`, `catchup`; `gone` of a standby's own link that is broken,
    `failed` of one that stopped at an error, `paused` if it does not apply what it receives, `archive` if it is fed
    from an archive alone, `missing` of synchronous standbys that commits wait for. receiving: the server receives over
    it; else it sends.
    synchronous: commits wait for it. lag_bytes: what is not applied yet. lag_seconds: how late it is; None if nothing
    was to apply, or it is not known.
    """

    name: str
    state: str
    lag_bytes: Optional[int] = None
    lag_seconds: Optional[float] = None
    receiving: bool = False
    synchronous: bool = False


@dataclass(frozen=True)
class SlotState:
    """A replication slot.

    wal_status: `reserved`, `extended`, `unreserved`, `lost`; empty if it keeps nothing. retained_bytes: of WAL kept for
    it. safe_bytes: how much more may be written until it is lost. holds_xids: how many transactions have begun since
    the oldest that it keeps. synced: a copy of the primary's slot. invalid: why it cannot be used any more.
    inactive_seconds: since when nobody uses it, from PostgreSQL 17.
    """

    name: str
    kind: str = ""
    database: str = ""
    active: bool = True
    wal_status: str = ""
    retained_bytes: Optional[int] = None
    safe_bytes: Optional[int] = None
    holds_xids: Optional[int] = None
    synced: bool = False
    invalid: str = ""
    inactive_seconds: Optional[float] = None


@dataclass(frozen=True)
class DatabaseAge:
    """How many transactions and multixacts ago the oldest began that is not frozen; whether clients may connect."""

    name: str
    age: int
    multixact_age: int = 0
    connectable: bool = True


@dataclass(frozen=True)
class WraparoundState:
    """Ages of databases, the oldest 10, and the ages from which autovacuum freezes in any case."""

    freeze_max_age: int
    multixact_freeze_max_age: int
    databases: List[DatabaseAge] = field(default_factory=list)


@dataclass(frozen=True)
class AutovacuumState:
    """Autovacuum's settings and workers. youngest_seconds: how long the one that began last has been at work."""

    enabled: bool
    track_counts: bool
    max_workers: int
    workers: int = 0
    youngest_seconds: Optional[float] = None


@dataclass(frozen=True)
class ArchiverState:
    """Archiving of WAL.

    mode: `off`, `on`, `always`. configured: there is a command or library. archived, failed: since statistics were
    reset. …_seconds: since the last one; None if there was none. failed_file: the file that failed last.
    waiting_bytes: WAL written since the newest file that was archived; None if it is not known.
    """

    mode: str
    configured: bool = True
    archived: int = 0
    failed: int = 0
    archived_seconds: Optional[float] = None
    failed_seconds: Optional[float] = None
    failed_file: str = ""
    waiting_bytes: Optional[int] = None


@dataclass(frozen=True)
class CheckpointCounts:
    """Checkpoints since statistics were reset, this long ago. requested: by a full max_wal_size, or a person."""

    timed: int
    requested: int
    seconds: Optional[float] = None
    max_wal_bytes: int = 0


@dataclass(frozen=True)
class CacheCounts:
    """Blocks of a database found in shared buffers, and read, since statistics were reset."""

    name: str
    hit: int
    read: int
    read_bytes: int


@dataclass(frozen=True)
class ChecksumFailures:
    """Pages of a database whose checksum was wrong, and when the last was read. name: empty for shared objects."""

    name: str
    failures: int
    seconds: Optional[float] = None


@dataclass(frozen=True)
class ChecksumState:
    """Whether pages have checksums, and databases in which some were wrong."""

    enabled: bool
    databases: List[ChecksumFailures] = field(default_factory=list)


@dataclass(frozen=True)
class SettingState:
    """A setting, of the server or of a role, a database or both. pending_restart: it was changed."""

    name: str
    value: str = ""
    pending_restart: bool = False
    role: str = ""
    database: str = ""


@dataclass(frozen=True)
class LoginRule:
    """A line of pg_hba.conf of a weak method. broken: it cannot be read, so that the whole file is not loaded again."""

    line: int
    type: str = ""
    databases: str = ""
    accounts: str = ""
    address: str = ""
    netmask: str = ""
    method: str = ""
    broken: bool = False


@dataclass(frozen=True)
class LoginState:
    """How the server lets accounts in: the method by which new passwords are stored, and rules of weak methods."""

    password_encryption: str
    rules: List[LoginRule] = field(default_factory=list)


@dataclass(frozen=True)
class PoolState:
    """A pool of PgBouncer: of a database and an account.

    clients, waiting: those that have a connection of the server, and those that wait for one. servers: connections to
    the server. max_wait_seconds: how long the first of them has waited. paused: an administrator has paused the
    database.
    """

    database: str
    account: str
    clients: int
    waiting: int
    servers: int
    max_wait_seconds: float = 0.0
    mode: str = ""
    paused: bool = False


# Of MariaDB and Redis.


@dataclass(frozen=True)
class ConnectionAttempts:
    """Attempts to connect since the server's start, this many seconds ago. failed: those that were refused or broke."""

    failed: int
    attempts: int
    seconds: int


@dataclass(frozen=True)
class TemporaryTables:
    """Temporary tables that queries made since the server's start, this many seconds ago; on_disk: of these."""

    on_disk: int
    made: int
    seconds: int


@dataclass(frozen=True)
class PurgeState:
    """What InnoDB has not removed yet of rows that were changed. history: transactions."""

    history: int


@dataclass(frozen=True)
class OpenAccount:
    """An account of MariaDB that needs no password. name: empty for anybody's."""

    name: str
    host: str = ""


@dataclass(frozen=True)
class RedisPersistence:
    """What Redis keeps on disk.

    save_points: seconds and changes after which a copy is written, as `save` says; None if it may not be read.
    last_save, last_append, last_rewrite: `ok` or `err`. saved_seconds: since the last copy, or the server's start.
    """

    keys: int
    last_save: str
    unsaved_changes: int
    saved_seconds: float
    append_only: bool
    last_append: str = ""
    last_rewrite: str = ""
    save_points: Optional[str] = None


@dataclass(frozen=True)
class RedisMemory:
    """The memory of Redis. limit_bytes: maxmemory, 0 for none. expiring_keys: those that end by themselves.

    evicted: keys that were removed for want of memory, since the server's start.
    """

    used_bytes: int
    limit_bytes: int
    policy: str
    system_bytes: int = 0
    keys: int = 0
    expiring_keys: int = 0
    evicted: int = 0


@dataclass(frozen=True)
class DatabaseActivity:
    """What one server does now. Sizes are bytes, durations seconds; a topic that its kind does not have is None.

    connected: it let us in; if not, reason is its own. socket: of PostgreSQL on this host, the path of the socket by
    which its administrator gets in, where the account may know it.
    unread: topics that could not be read, and why. not_offered: those that this version has not, and why. unseen: what
    the account may not see, by topic.

    transactions: open ones: the 25 oldest, and the 25 that have been idle for longest. prepared: the oldest 50.
    replication, slots: the 50 that lag most, or keep most. cache: the 20 databases that read most. logins: rules of
    weak methods. pools: the 100 whose clients have waited for longest.
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
    transactions: Optional[List[OpenTransaction]] = None
    locks: Optional[LockWaits] = None
    prepared: Optional[List[PreparedTransaction]] = None
    replication: Optional[List[StandbyState]] = None
    slots: Optional[List[SlotState]] = None
    wraparound: Optional[WraparoundState] = None
    autovacuum: Optional[AutovacuumState] = None
    archiver: Optional[ArchiverState] = None
    checkpoints: Optional[CheckpointCounts] = None
    cache: Optional[List[CacheCounts]] = None
    checksums: Optional[ChecksumState] = None
    settings: Optional[List[SettingState]] = None
    logins: Optional[LoginState] = None
    pools: Optional[List[PoolState]] = None
    # Of MariaDB and Redis.
    connection_attempts: Optional[ConnectionAttempts] = None
    temporary_tables: Optional[TemporaryTables] = None
    purge: Optional[PurgeState] = None
    mariadb_settings: Optional[Dict[str, str]] = None
    open_accounts: Optional[List[OpenAccount]] = None
    persistence: Optional[RedisPersistence] = None
    memory: Optional[RedisMemory] = None
