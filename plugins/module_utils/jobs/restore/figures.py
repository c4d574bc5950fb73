# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Figures of restored data beside those of the verification before: what has shrunk, and what that proves."""

from __future__ import annotations

from typing import Any

SHRUNK = 0.5
LARGE = 100
"""Counts below this vary too much to say anything of them."""
SHOWN = 5
COUNTED = 200
"""The most counts that a row keeps; of more, one that is missing says nothing."""


def shrunk(row: dict[str, Any], before: dict[str, Any]) -> list[str]:
    """Return what has gone, or lost more than half, since the verification before; in words."""
    found = []
    counts = row["counts"]
    for name, old in sorted((before.get("counts") or {}).items()):
        new = counts.get(name)
        if new is None and len(counts) < COUNTED:
            found.append(f"{name} is gone; it had {old} in the verification before")
        elif new is not None and old >= LARGE and new < old * SHRUNK:
            found.append(f"{name} has {new}; it had {old} in the verification before")
    figures = row["figures"]
    for name, old in sorted((before.get("figures") or {}).items()):
        if not found and old >= LARGE and figures.get(name, old) < old * SHRUNK:
            found.append(f"{figures[name]} {name} came out; {old} in the verification before")
    if len(found) > SHOWN:
        found = [*found[:SHOWN], f"{len(found) - SHOWN} more have shrunk"]
    return found


def proved_by_figures(row: dict[str, Any], before: dict[str, Any]) -> bool:
    """Return whether the figures say that nothing is missing: there are some, and none is lower than before."""
    old = before.get("figures") or {}
    return bool(old) and all(row["figures"].get(name, 0) >= value for name, value in old.items())
