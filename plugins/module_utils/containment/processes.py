# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Processes of the host, from /proc."""

from __future__ import annotations

from typing import List


def name_of(pid: object) -> str:
    """Return the name of a process.

    Raises: OSError if it is gone.
    """
    with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as stream:
        return stream.read(100).strip()


def stat_of(pid: int) -> List[str]:
    """Return the fields of /proc/PID/stat after the name: status, parent, …; the start is the 20th.

    Raises: OSError if it is gone.
    """
    with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stream:
        return stream.read(4096).rpartition(")")[2].split()
