# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shape of what backups observes of one declared set. The controller alone needs it: hosts are not sent it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar, List, Optional


@dataclass(frozen=True)
class BackupWitness:
    """One statement of when a backup was taken.

    by: `inside` (its content says so), `name` (a date in its name) or `written` (the time of writing of its files).
    at: the latest time that the statement allows. words: what says so, such as `trailer of the dump`.
    """

    by: str
    at: datetime
    words: str = ""


@dataclass(frozen=True)
class BackupTaken:
    """One backup and when it was taken.

    form: `file`, `folder`, `volumes` (several files of one backup) or `snapshot` (of a repository).
    bytes: the size as it is stored; None where it is not known, such as of a snapshot.
    taken_at: by the best witness; None if no witness gives a time that is not in the future. taken_by: that witness.
    disagree: two witnesses differ by more than a day, and the older one was taken. future_at: a time in the future that
    was not believed.
    """

    path: str
    form: str = "file"
    bytes: Optional[int] = None
    volumes: int = 1
    taken_at: Optional[datetime] = None
    taken_by: str = ""
    witnesses: List[BackupWitness] = field(default_factory=list)
    disagree: bool = False
    future_at: Optional[datetime] = None


@dataclass(frozen=True)
class BackupContent:
    """How a backup reads to its end.

    state: `whole`; `broken`; `partial` (no time, or too long, to read all of it); `unread` (not understood, or not
    readable here); `encrypted` (the header is in order, and no more can be seen without the key); `listed` (a
    repository whose list alone was read).
    why: the reason of any state but whole. what: the formats, from the outside in, such as `gz, tar`.
    proof: of a whole one, how far checksums over the content were verified: `all`, `part` or `none`. unproved: what has
    none, in words. members: files, tables or entries in it. hostile: members that would be written outside of the
    folder in which it is extracted. bytes: as read, unpacked.
    """

    state: str
    why: str = ""
    what: str = ""
    proof: str = "none"
    unproved: str = ""
    members: Optional[int] = None
    hostile: List[str] = field(default_factory=list)
    bytes: Optional[int] = None
    seconds: Optional[float] = None


@dataclass(frozen=True)
class BackupManifest:
    """How the newest backup compares with the checksum beside it.

    state: `match`, `mismatch`, `not listed` or `unread`.
    """

    path: str
    algorithm: str
    state: str
    why: str = ""


@dataclass(frozen=True)
class BackupMaking:
    """A backup that is being made. written_at: when it was last written to. why: how it is known not to be finished."""

    path: str
    written_at: datetime
    why: str


@dataclass(frozen=True)
class BackupCopy:
    """The second copy of a set, and how far apart the host shows it to be.

    apart: `same file system`, `same device`, `same volume group`, `same host`, `same server` (all of them too close),
    or `unknown`: this host cannot tell, and why says so. elsewhere: the site's own reason why it is elsewhere, if any.
    where: the paths or the repository of the copy. newest: None if there is no backup.
    differs: why it is not a copy of the backup of the same name in the set, or empty. error: why it could not be seen.
    """

    where: List[str]
    apart: str = "unknown"
    why: str = ""
    elsewhere: str = ""
    newest: Optional[BackupTaken] = None
    differs: str = ""
    error: str = ""


@dataclass(frozen=True)
class BackupTier:
    """How many periods of a tier of retention have a backup.

    name: `hourly`, `daily`, `weekly`, `monthly` or `yearly`. declared: how many periods the site wants. expected: as
    many of them as lie after the day since which the set is kept. found: how many of those have a backup. missing: the
    newest of those without one, such as `2026-11-24`.
    """

    name: str
    declared: int
    expected: int
    found: int
    missing: List[str] = field(default_factory=list)


@dataclass(frozen=True)
class BackupSeen:
    """What is seen of a declared set of backups. Times are ISO 8601 in UTC, sizes bytes, durations seconds.

    at: the host's clock. where: its paths, or its repository. count: of finished backups. newest: of these the newest;
    None without any. making: backups that are not finished. links: symbolic links, which are no backups.
    earlier_bytes: sizes of those before the newest, newest first. content: how the newest reads to its end; None if the
    site says `read: false`. manifest: None if no checksum lies beside it. copy, retention: as far as the site declares
    them. notes: what else is to be said of the set, in words.
    """

    VERSION: ClassVar[int] = 2

    at: datetime
    where: List[str]
    count: int
    subject: str = ""
    rpo_hours: Optional[float] = None
    newest: Optional[BackupTaken] = None
    making: List[BackupMaking] = field(default_factory=list)
    links: List[str] = field(default_factory=list)
    earlier_bytes: List[int] = field(default_factory=list)
    content: Optional[BackupContent] = None
    manifest: Optional[BackupManifest] = None
    copy: Optional[BackupCopy] = None
    retention: List[BackupTier] = field(default_factory=list)
    notes: List[str] = field(default_factory=list)
    read: bool = True
