# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shape of what restores observes of one declared set. The controller alone needs it: hosts are not sent it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar, Dict, List, Optional


@dataclass(frozen=True)
class RestoreAssertion:
    """One assertion of the site on the restored data.

    name: as declared. state: `held`, `failed` or `unknown`. found, expected: in words; never a row of the data, only
    the one value that was asked for.
    """

    name: str
    state: str
    found: str = ""
    expected: str = ""


@dataclass(frozen=True)
class RestoreRow:
    """One verification of a set: one row of the ledger.

    id: unique on the host, such as `20261127T020000Z-3f2a`. backup: the file, folder or snapshot that was restored.
    kind: what it is, such as `postgresql custom`, `mariabackup`, `restic`. taken_at: when it was taken.

    outcome: `restored` (it was restored, and what came out was judged), `failed` (the backup is bad: it cannot be
    restored, or an assertion failed), `unknown` (it could not be tried or not be judged: locked, no space, no
    permission, wrong version, cancelled) or `part` (a part of a repository was proved; nothing was restored in whole).
    step: the step at which it ended, one of `find`, `stage`, `restore`, `start`, `count`, `check`, `assert`; `done`
    otherwise. why: the reason of any outcome but `restored`. next_step: a command that can be pasted, or `decide: …`.

    covered: `all`, or `3 of 16` parts. proof: how the content is proved: `checksums`, `assertions`, `figures` (as
    many as in the verification before), or `none`: restored, content not provable. unproved: what is not, in words.
    seconds: duration of each step. restored_bytes: size of what came out. restore_seconds: of the restore alone.
    figures: counts, such as `tables`, `rows`, `files`, `routines`. counts: rows of each table, or files of each
    folder, at most 200 entries. assertions: of the site. findings: what a backup asked for that none should, such as a
    shell command in a dump; each makes the outcome `failed`. notes: what else is to be said, such as roles that are
    not in it. programs: versions that were used.
    recovery_point_at: how far the WAL beside a base backup reaches: the true recovery point; None if there is no WAL
    archive. From a folder of WAL it is the time of the last transaction that was replayed. wal_missing: the first
    segments that are missing in between.
    """

    id: str
    began_at: datetime
    ended_at: datetime
    outcome: str
    step: str = "done"
    why: str = ""
    next_step: str = ""
    backup: str = ""
    kind: str = ""
    taken_at: Optional[datetime] = None
    covered: str = "all"
    proof: str = "none"
    unproved: str = ""
    seconds: Dict[str, float] = field(default_factory=dict)
    restored_bytes: Optional[int] = None
    restore_seconds: Optional[float] = None
    figures: Dict[str, int] = field(default_factory=dict)
    counts: Dict[str, int] = field(default_factory=dict)
    assertions: List[RestoreAssertion] = field(default_factory=list)
    findings: List[str] = field(default_factory=list)
    notes: List[str] = field(default_factory=list)
    programs: Dict[str, str] = field(default_factory=dict)
    recovery_point_at: Optional[datetime] = None
    wal_missing: List[str] = field(default_factory=list)


@dataclass(frozen=True)
class RestoreCycle:
    """How far a repository that is too large to be proved at once was proved, part by part.

    parts: into how many parts the cycle divides it. done: numbers of the parts that were read and are good.
    began_at: of the running cycle. last_full_at: when the last cycle was complete; None if none was yet.
    unproved: packs that came into a part after it had been read in this cycle. never: snapshots of which no
    verification proved anything yet, at most 50 names.
    """

    parts: int
    began_at: datetime
    done: List[int] = field(default_factory=list)
    last_full_at: Optional[datetime] = None
    unproved: int = 0
    never: List[str] = field(default_factory=list)


@dataclass(frozen=True)
class RestoreRunning:
    """A verification that is going on. share: 0 to 1 of its step, None if it cannot be told."""

    backup: str
    step: str
    began_at: datetime
    share: Optional[float] = None


@dataclass(frozen=True)
class RestoreSeen:
    """What is seen of the verifications of a declared set. Times are ISO 8601 in UTC, sizes bytes, durations seconds.

    at: the host's clock. rows: newest first, at most 30. The five limits are the site's, from the set's `verify`.
    key_file: the file with the key or password of an encrypted backup that lies on this host; empty without one.
    key_copy: where the site says that another copy of the key is kept; empty if it does not say.
    unread: what could not be read or understood, and why: `ledger` (what comes after the newest row, so that this may
    not be the newest), `older` (lines before it), `cycle`, `running`, `key` (whether the key's file is there).
    A set without the part `verify` has `at` alone: max_days is None.
    """

    VERSION: ClassVar[int] = 1

    at: datetime
    subject: str = ""
    rows: List[RestoreRow] = field(default_factory=list)
    cycle: Optional[RestoreCycle] = None
    running: Optional[RestoreRunning] = None
    max_days: Optional[float] = None
    rto_minutes: Optional[float] = None
    rpo_hours: Optional[float] = None
    cycle_days: Optional[float] = None
    provable: bool = False
    key_file: str = ""
    key_copy: str = ""
    unread: Dict[str, str] = field(default_factory=dict)
