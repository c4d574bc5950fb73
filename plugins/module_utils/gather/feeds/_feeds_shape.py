# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shape of what feeds observes of one file or URL. The controller alone needs it: hosts are not sent it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Optional


@dataclass(frozen=True)
class FeedState:
    """A file, or what a URL answers with. Times are ISO 8601 in UTC.

    there: it was found; without it, there is nothing else. at: when it was looked at, by the clock of whoever looked.
    modified_at: what the file system or the server says; None if the server says nothing. bytes: its size.
    path: of a file. status: of an answer.
    """

    VERSION: ClassVar[int] = 1

    there: bool
    at: datetime
    subject: str = ""
    bytes: int = 0
    sha256: str = ""
    modified_at: Optional[datetime] = None
    path: str = ""
    status: Optional[int] = None
