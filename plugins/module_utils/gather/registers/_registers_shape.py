# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shape of what registers observes of one register. The controller alone needs it: hosts are not sent it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Optional


@dataclass(frozen=True)
class RegisterFile:
    """A file of a register. there: it was found; else there is nothing more. bytes: its size; text: all of it."""

    path: str
    there: bool
    bytes: int = 0
    sha256: str = ""
    modified_at: Optional[datetime] = None
    text: str = ""


@dataclass(frozen=True)
class RegisterState:
    """A register, and the copy of it that somebody has accepted. Times are ISO 8601 in UTC.

    there: the register was found. bytes: its size. raw: its text, from the observation; raw_truncated: it was cut.
    """

    VERSION: ClassVar[int] = 1

    path: str
    there: bool
    accepted: RegisterFile
    subject: str = ""
    raw: str = ""
    raw_truncated: bool = False
    bytes: int = 0
    sha256: str = ""
    modified_at: Optional[datetime] = None
    at: Optional[datetime] = None
