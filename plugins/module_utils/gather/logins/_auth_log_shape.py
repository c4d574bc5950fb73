# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shape of what auth_log observes of one log. The controller alone needs it: hosts are not sent it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar, Dict, List, Optional


@dataclass(frozen=True)
class LoginSource:
    """An address from which logins failed; `source` is empty where a line names none.

    most_in_burst: most failures within burst_seconds. accounts: five of those that were tried, most often tried first.
    """

    source: str = ""
    failures: int = 0
    most_in_burst: int = 0
    most_in_an_hour: int = 0
    invalid: int = 0
    successes: int = 0
    accounts_tried: int = 0
    accounts: List[str] = field(default_factory=list)
    first_at: Optional[str] = None
    last_at: Optional[str] = None


@dataclass(frozen=True)
class LoginAccount:
    """An account as which logins failed. sources: five of those that tried it."""

    account: str = ""
    failures: int = 0
    most_in_burst: int = 0
    most_in_an_hour: int = 0
    invalid: int = 0
    successes: int = 0
    sources_tried: int = 0
    sources: List[str] = field(default_factory=list)
    first_at: Optional[str] = None
    last_at: Optional[str] = None


@dataclass(frozen=True)
class LoginAfterFailures:
    """A login from a source from which logins had failed before. account_failures: those as the same account."""

    failures: int
    source: str = ""
    account: str = ""
    method: str = ""
    at: Optional[str] = None
    account_failures: int = 0


@dataclass(frozen=True)
class HourOfFailures:
    """Failed logins of one hour."""

    start: Optional[str] = None
    failures: int = 0


@dataclass(frozen=True)
class AuthLog:
    """What was read of one log of logins in a window. Times are ISO 8601 in UTC, sizes bytes, durations seconds.

    lines: those of the window. unparsed: those without a time that could be read. untold: an application's lines in
    which no login was understood. foreign: the lines, if all are of programs that write of no logins, else 0.
    possible_failures: lines that may tell of a failed login and were not understood, such as doubted_sample.
    most_in_an_hour: most failures within 60 minutes. sources, accounts, logins_after_failures: the worst ones.
    forgotten: there were more sources than are counted. truncated: a part of the window was not read, and part_unread
    says why; over_limit: because there is more than may be read. searched_bytes: how much was only searched for words.
    ahead_lines: lines that are dated after the host's clock.
    """

    VERSION: ClassVar[int] = 1

    lines: int
    unparsed: int
    window_end: datetime
    window_seconds: float
    burst_seconds: float
    most_in_an_hour: int
    sources: List[LoginSource]
    logins_after_failures: List[LoginAfterFailures]
    subject: str = ""
    window_start: Optional[str] = None
    newest_at: Optional[datetime] = None
    untold: int = 0
    foreign: int = 0
    doubted_program: str = ""
    doubted_sample: str = ""
    failures: int = 0
    most_in_an_hour_ends: Optional[str] = None
    possible_failures: int = 0
    most_possible_in_an_hour: int = 0
    hours: List[HourOfFailures] = field(default_factory=list)
    invalid_account_failures: int = 0
    methods: Dict[str, int] = field(default_factory=dict)
    services: Dict[str, int] = field(default_factory=dict)
    successes: int = 0
    probes: int = 0
    key_offers: int = 0
    source_count: int = 0
    account_count: int = 0
    accounts: List[LoginAccount] = field(default_factory=list)
    forgotten: bool = False
    truncated: bool = False
    over_limit: bool = False
    searched_bytes: int = 0
    cut_lines: int = 0
    half_line: bool = False
    part_unread: str = ""
    ahead_lines: int = 0
    read_bytes: int = 0
    files: int = 0
