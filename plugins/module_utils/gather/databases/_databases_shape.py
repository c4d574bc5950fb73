# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shape of what databases observes of one database. The controller alone needs it: hosts are not sent it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Dict, Optional, Union


@dataclass(frozen=True)
class DatabaseAnswer:
    """What one database said. Sizes are bytes, durations seconds; what a kind does not tell is None, or empty.

    kind: such as `postgresql`. declared: the site names it; else it was found on the host. connected: it let us in; if
    not, reason says why, cause the same in one word of refusals.py. denied: it refused the account. saturated: no
    connection was left. answer: to the trivial query. connections: those in use; reserved_connections: those that
    ordinary users cannot have. states: connections by what they do. rejected: connections refused since its start.
    most_connections: the most that were in use at once. objects: tables, views, indexes. write_ahead: it keeps a
    write-ahead log.
    """

    VERSION: ClassVar[int] = 1

    kind: str
    connected: bool
    subject: str = ""
    declared: bool = False
    reason: str = ""
    cause: str = ""
    denied: bool = False
    saturated: bool = False
    answer: Union[int, str, None] = None
    version: str = ""
    in_recovery: bool = False
    loading: bool = False
    connect_seconds: Optional[float] = None
    query_seconds: Optional[float] = None
    connections: Optional[int] = None
    max_connections: Optional[int] = None
    reserved_connections: Optional[int] = None
    states: Dict[str, int] = field(default_factory=dict)
    most_connections: Optional[int] = None
    rejected: Optional[int] = None
    used_memory_bytes: Optional[int] = None
    max_memory_bytes: Optional[int] = None
    last_save: Optional[str] = None
    objects: Optional[int] = None
    write_ahead: Optional[bool] = None
