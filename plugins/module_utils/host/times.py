# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Times as they cross the wire: ISO 8601 in UTC."""

from __future__ import annotations

from datetime import datetime, timezone


def iso(seconds: float | None) -> str | None:
    """Return the time in ISO 8601; None for none, and for one that is out of all range."""
    try:
        moment = None if seconds is None else datetime.fromtimestamp(int(seconds), timezone.utc)
    except (OverflowError, ValueError, OSError):
        return None
    return moment.isoformat() if moment else None
