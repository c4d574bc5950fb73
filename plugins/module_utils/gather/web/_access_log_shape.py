# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shape of what access_log observes of one log. The controller alone needs it: hosts are not sent it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar, Dict, List, Optional


@dataclass(frozen=True)
class TimeFigures:
    """Request times in seconds. count: of how many requests; without any there is nothing else."""

    count: int = 0
    mean: Optional[float] = None
    max: Optional[float] = None
    p50: Optional[float] = None
    p95: Optional[float] = None
    p99: Optional[float] = None


@dataclass(frozen=True)
class RouteErrors:
    """A route that answered with server errors."""

    route: str = ""
    errors: int = 0


@dataclass(frozen=True)
class ClientErrors:
    """A client that got server errors."""

    client: str = ""
    errors: int = 0


@dataclass(frozen=True)
class SlowRoute:
    """A route on which much time was spent."""

    route: str = ""
    requests: int = 0
    total_seconds: float = 0.0


@dataclass(frozen=True)
class AccessLog:
    """What was read of one access log in a window. Times are ISO 8601 in UTC, sizes bytes, durations seconds.

    declared: the site names the log; else it was found in a usual place. unparsed: lines that were not understood, such
    as unparsed_sample. cut_requests: requests that ended before their status. untimed: requests without a time.
    request_time: where more than one number may be it, by the largest, and request_time_least by the least;
    time_decided_by: the parameter that would decide. The lists name the worst ones. truncated: a part of the window was
    not read, and part_unread says why; over_limit: because there is more than may be read.
    """

    VERSION: ClassVar[int] = 1

    requests: int
    unparsed: int
    window_seconds: float
    subject: str = ""
    declared: Optional[bool] = None
    server_errors: Optional[int] = None
    client_errors: int = 0
    window_start: Optional[str] = None
    window_end: Optional[datetime] = None
    newest_at: Optional[datetime] = None
    unparsed_sample: str = ""
    cut_requests: int = 0
    status_classes: Dict[str, int] = field(default_factory=dict)
    statuses: Dict[str, int] = field(default_factory=dict)
    bytes_sent: int = 0
    request_time: TimeFigures = field(default_factory=TimeFigures)
    request_time_least: Optional[TimeFigures] = None
    time_decided_by: str = ""
    untimed: int = 0
    error_routes: List[RouteErrors] = field(default_factory=list)
    error_clients: List[ClientErrors] = field(default_factory=list)
    slow_routes: List[SlowRoute] = field(default_factory=list)
    truncated: bool = False
    over_limit: bool = False
    searched_bytes: int = 0
    cut_lines: int = 0
    half_line: bool = False
    part_unread: str = ""
    read_bytes: int = 0
    files: int = 0
