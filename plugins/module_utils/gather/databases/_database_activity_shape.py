# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shape of what database_activity observes of one server. The controller alone needs it: hosts are not sent it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Dict, List, Optional


@dataclass(frozen=True)
class UnseenObjects:
    """What was not seen of a topic. objects: how many. grant: the statement that lets the account see them.

    why: `locks` if not the account's rights are why: to read them takes more locks than the server can spare.
    """

    objects: int
    grant: str = ""
    why: str = ""


@dataclass(frozen=True)
class OpenTransaction:
    """A session in a transaction. Its statements are not told: they hold the application's data.

    pid: of the session, as the server counts. state: such as `active`, `idle in transaction`; None if the account may
    not see it. seconds: since the transaction began. state_seconds: since the state began. holds_xids: how many
    transactions have begun since the oldest that it may still see: vacuum cannot remove what they left.
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
class DatabaseActivity:
    """What one server does now. Sizes are bytes, durations seconds; a topic that its kind does not have is None.

    connected: it let us in; if not, reason is its own.
    unread: topics that could not be read, and why. not_offered: those that this version has not, and why. unseen: what
    the account may not see, by topic.

    transactions: open ones, the oldest first, at most 50.
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
    transactions: Optional[List[OpenTransaction]] = None
