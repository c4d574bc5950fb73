# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure: other people's rules, before and after."""

from __future__ import annotations

import re
from typing import List, Tuple

from ansible_collections.astral.upkeep.plugins.module_utils.containment.tables import (
    TABLE,
)


def without_expiring(listed: str) -> str:
    """Return a listing of nft without the elements of sets whose elements come and go by themselves, and our tables.

    listed: what `nft -s list ruleset` prints: one block a table, its lines indented by tabs.
    """
    kept: List[str] = []
    block: List[str] = []
    for line in listed.splitlines():
        block.append(line)
        if line == "}":
            head = block[0].split()
            if head[2:3] != [TABLE]:
                kept += _lasting(block)
            block = []
    return "".join(f"{line}\n" for line in [*kept, *block])


def _lasting(block: List[str]) -> List[str]:
    lines: List[str] = []
    expires = inside = False
    for line in block:
        text = line.strip()
        if re.match(r"\t(set|map) ", line):
            expires = False
        if text.startswith("flags ") and re.search(r"\b(timeout|dynamic)\b", text):
            expires = True
        if inside or (expires and text.startswith("elements = {")):
            inside = not text.endswith("}")
            continue
        lines.append(line)
    return lines


def others_differ(before: str, after: str, limit: int = 60) -> Tuple[str, ...]:
    """Return the lines of other people's rules that came (`+`) and went (`-`), each with its table."""
    had, has = _lines(before), _lines(after)
    found = [f"- {one}" for one in had if one not in set(has)]
    found += [f"+ {one}" for one in has if one not in set(had)]
    more = len(found) - limit
    return tuple(found[:limit] + ([f"and {more} more"] if more > 0 else []))


def _lines(listed: str) -> List[str]:
    """Return each rule, set and chain of a listing in one line with its table and chain."""
    found: List[str] = []
    table = inner = ""
    for line in listed.splitlines():
        text = line.strip()
        if not text or text == "}":
            continue
        if not line.startswith("\t"):
            table, inner = text.rstrip(" {"), ""
            found.append(table)
        elif line.startswith("\t") and not line.startswith("\t\t"):
            inner = text.rstrip(" {")
            found.append(f"{table} {inner}")
        else:
            found.append(f"{table} {inner}: {text}")
    return found
