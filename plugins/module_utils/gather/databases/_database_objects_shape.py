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
