# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Assertions of the site on restored data: a value of SQL or a number of files, held against what is expected."""

from __future__ import annotations

import math
import os
import re
from datetime import datetime, timezone
from decimal import Decimal, InvalidOperation
from typing import Any, Callable

from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.errors import (
    NotTriedError,
    RestoreError,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.queries import (
    bare,
    is_query,
)

HELD, FAILED, UNKNOWN = "held", "failed", "unknown"
SHOWN = 80
_OFFSET = re.compile(r"([+-]\d\d)(?::?(\d\d))?\Z")


def judged(
    declared: dict[str, Any],
    ask: Callable[[str, str], str],
    find: Callable[[str], list[str]],
    now: float,
) -> dict[str, Any]:
    """Return what becomes of one assertion, with the fields of RestoreAssertion.

    ask: returns the one value of a statement in a database. find: returns the restored files that match a pattern.
    """
    said: dict[str, Any] = {"name": _name(declared), "expected": _expected(declared)}
    try:
        if declared["sql"]:
            value: Any = _answer(declared["sql"], declared["database"] or "", ask)
            state = _of_value(value, declared, now)
        else:
            files = find(declared["files"])
            value = f"{len(files)} files"
            state = _of_files(files, declared, now)
    except RestoreError as exc:
        return {
            **said,
            "state": UNKNOWN if exc.outcome == "unknown" else FAILED,
            "found": str(exc)[:300],
        }
    except ValueError as exc:
        # A value of another kind is a mistake in the assertion, unless there is none at all.
        kind = UNKNOWN if value else FAILED
        return {**said, "state": kind, "found": f"{_shown(value)}: {exc}" if value else "no value"}
    return {**said, "state": HELD if state else FAILED, "found": _shown(value)}


def _answer(sql: str, database: str, ask: Callable[[str, str], str]) -> str:
    """Return the one value of a statement; nothing if a query has no row.

    Raises: RestoreError; NotTriedError if it is no query: it says nothing about the data that nothing comes of it.
    """
    value = ask(sql, database) if bare(sql) else ""
    if not value and not is_query(sql):
        raise NotTriedError("the statement returned nothing; expected one value")
    return value


def _name(declared: dict[str, Any]) -> str:
    return str(declared["name"] or declared["sql"] or declared["files"])[:200]


def _shown(value: Any) -> str:
    text = " ".join(str(value).split())
    return text if len(text) <= SHOWN else text[:SHOWN] + "…"


def _expected(declared: dict[str, Any]) -> str:
    parts = []
    if declared["equals"] is not None:
        parts.append(f"equal to {_shown(declared['equals'])}")
    if declared["min"] is not None:
        parts.append(f"at least {declared['min']:g}")
    if declared["max"] is not None:
        parts.append(f"at most {declared['max']:g}")
    if declared["fresh_hours"] is not None:
        parts.append(f"a time of the {declared['fresh_hours']:g} h before the backup")
    return ", ".join(parts) or ("at least 1 file" if declared["files"] else "a value")


def _of_value(value: str, declared: dict[str, Any], taken: float) -> bool:
    """Return whether a value is as expected.

    Raises: ValueError if it is of another kind.
    """
    if declared["equals"] is not None and not _same(value, declared["equals"]):
        return False
    if declared["fresh_hours"] is not None and not _fresh(moment(value), declared, taken):
        return False
    if declared["min"] is None and declared["max"] is None:
        return True
    return _within(_number(value), declared)


def _same(value: str, wanted: str) -> bool:
    """Return whether two values are the same: as texts, as numbers (100 and 100.00), or as truth (true, t and 1)."""
    if value == wanted:
        return True
    for words in (("true", "t"), ("false", "f")):
        if wanted.lower() in words:
            return value.lower() in (*words, "1" if "t" in words else "0")
    try:
        return Decimal(value) == Decimal(wanted)
    except InvalidOperation:
        return False


def _of_files(files: list[str], declared: dict[str, Any], taken: float) -> bool:
    if declared["fresh_hours"] is not None:
        newest = max((os.lstat(path).st_mtime for path in files), default=0.0)
        if not _fresh(newest, declared, taken):
            return False
    if declared["equals"] is not None and not _same(str(len(files)), declared["equals"]):
        return False
    if declared["min"] is None and declared["max"] is None:
        return bool(files) or declared["equals"] is not None
    return _within(float(len(files)), declared)


def _within(number: float, declared: dict[str, Any]) -> bool:
    least, most = declared["min"], declared["max"]
    return (least is None or number >= least) and (most is None or number <= most)


def _fresh(at: float, declared: dict[str, Any], taken: float) -> bool:
    return bool(taken - declared["fresh_hours"] * 3600 <= at <= taken + 3600)


def _number(value: str) -> float:
    try:
        number = float(value)
    except ValueError:
        raise ValueError("not a number") from None
    if not math.isfinite(number):
        raise ValueError("not a finite number")
    return number


def moment(value: str) -> float:
    """Return the time that a database prints, in seconds since 1970. Without an offset it is UTC.

    Raises: ValueError.
    """
    text = value.strip().replace("Z", "+00:00").replace(" UTC", "+00:00")
    if re.fullmatch(r"\d{9,11}(\.\d+)?", text):
        return float(text)
    offset = _OFFSET.search(text) if len(text) > 10 else None
    if offset:
        text = f"{text[: offset.start()]}{offset.group(1)}:{offset.group(2) or '00'}"
    text = re.sub(r"(\.\d+)", lambda found: found.group(1)[:7].ljust(7, "0"), text)
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("not a time") from None
    return (at if at.tzinfo else at.replace(tzinfo=timezone.utc)).timestamp()
