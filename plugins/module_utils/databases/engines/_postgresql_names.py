# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names that a client makes up: told if they are plain, for what a client writes there may be anybody's data."""

from __future__ import annotations


def plain(column: str) -> str:
    """Return SQL for a name that a client has given; empty if it may be more, such as a number of five digits."""
    return f"""(case when {column} ~ '^[A-Za-z][A-Za-z0-9 ._/@:-]*$' and {column} !~ '[0-9][0-9][0-9][0-9][0-9]'
      and length({column}) <= 40 then {column} else '' end)"""
