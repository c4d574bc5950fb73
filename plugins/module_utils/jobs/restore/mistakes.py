# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mistakes in how a site declares a verification, which Ansible's types do not find."""

from __future__ import annotations

import time
from typing import Any

from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._declared import (
    PG_BASEBACKUP,
    VERIFY_OPTIONS,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.errors import (
    NotTriedError,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.live import product_of
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.queries import (
    is_query,
    names_something,
)

_LEAST = {
    "max_days": 0.0,
    "rto_minutes": 0.0,
    "cycle_days": 0.0,
    "minutes": 0.0,
    "lock_minutes": -1.0,
    "jobs": 0,
    "parts": 0,
    "whole_bytes": -1,
    "memory_bytes": (64 << 20) - 1,
}
"""Each must be more than that."""
MOST_PARTS = 256
"""restic tells packs apart by one byte."""
EXPECTING = ("equals", "min", "max", "fresh_hours")
_STEP = "decide: correct it under `verify` of the set"
_DUMPS = ("custom", "pg_tar", "pg_directory", "sql pg_dump", "sql pg_dumpall", "sql")
_POSTGRES = (*_DUMPS, "pg_basebackup", "pgbackrest", "barman")
_READ_IN_PARTS = ("restic", "borg")
USED_BY = {
    "globals": (_DUMPS, "dumps of PostgreSQL"),
    "preload": (_POSTGRES, "backups of PostgreSQL"),
    "jobs": (_POSTGRES, "backups of PostgreSQL"),
    "lock_minutes": (_READ_IN_PARTS, "repositories of restic and borg"),
    "parts": (_READ_IN_PARTS, "repositories of restic and borg"),
    "cycle_days": (_READ_IN_PARTS, "repositories of restic and borg"),
    "whole_bytes": (_READ_IN_PARTS, "repositories of restic and borg"),
    "wal": ((PG_BASEBACKUP,), "base backups of PostgreSQL"),
    "identity_file": (("encrypted",), "backups that are encrypted by age or gpg"),
}
"""Options that not every kind can use: those that can, and in words. All others are used by each kind.

beside_live and key_copy are of each kind, too: one allows what may never be asked for, the other is for a check.
"""
_DEFAULTS = {name: one.get("default") for name, one in VERIFY_OPTIONS["verify"]["options"].items()}


def refuse_mistakes(verify: dict[str, Any]) -> None:
    """Refuse what means nothing.

    Raises: NotTriedError that names the key, what was found and what was expected.
    """
    for name, least in _LEAST.items():
        value = verify[name]
        if value is not None and value <= least:
            expected = "0 or more" if least == -1 else f"more than {least:.15g}"
            _refuse(name, f"{value:.15g}", expected)
    if verify["parts"] > MOST_PARTS:
        _refuse("parts", str(verify["parts"]), f"at most {MOST_PARTS}")
    if verify["backup_window"]:
        in_window(verify["backup_window"], 0.0)
    if verify["compare_since"]:
        try:
            time.strptime(verify["compare_since"], "%Y-%m-%d")
        except ValueError:
            _refuse("compare_since", repr(verify["compare_since"][:40]), "such as 2026-11-27")
    if verify["wal"] and not verify["wal"].startswith("/"):
        _refuse("wal", repr(verify["wal"][:80]), "a path that begins with /")
    for number, one in enumerate(verify["assertions"], 1):
        _refuse_assertion(f"assertions, number {number}", one)


def refuse_useless(kind: str, encrypted: bool, verify: dict[str, Any]) -> None:
    """Refuse options that the kind of a backup cannot use: they would be taken for done.

    kind: of what is in it, if it is encrypted. What is as by default cannot be told from what was not declared.

    Raises: NotTriedError that names the option and the kind.
    """
    kinds = (kind, "encrypted") if encrypted else (kind,)
    for name, (users, words) in USED_BY.items():
        if verify[name] != _DEFAULTS[name] and not any(one in users for one in kinds):
            _refuse(name, f"a backup of kind {kind}, which has no use for it", words)
    for number, one in enumerate(verify["assertions"], 1):
        if one["sql"] and one["database"] and not product_of(kind):
            found = f"a backup of kind {kind}, which has no databases to choose from"
            _refuse(f"assertions, number {number}, database", found, "none")


def _refuse_assertion(name: str, one: dict[str, Any]) -> None:
    for kind in ("sql", "files"):
        if one[kind] is not None and not one[kind].strip():
            _refuse(f"{name}, {kind}", "nothing", "a statement" if kind == "sql" else "a pattern")
    if one["sql"] and all(one[key] is None for key in EXPECTING):
        _refuse(name, "a statement alone", f"what its value must be: one of {', '.join(EXPECTING)}")
    if one["min"] is not None and one["max"] is not None and one["min"] > one["max"]:
        _refuse(name, f"min {one['min']:g} and max {one['max']:g}", "min not above max")
    if one["fresh_hours"] is not None and one["fresh_hours"] <= 0:
        _refuse(f"{name}, fresh_hours", f"{one['fresh_hours']:g}", "more than 0")
    if one["files"] and one["database"]:
        _refuse(f"{name}, database", "one beside `files`", "one beside `sql`, or none")
    # What names no table has the same answer in an empty database, and would count as a proof of the content.
    if one["sql"] and is_query(one["sql"]) and not names_something(one["sql"]):
        _refuse(f"{name}, sql", "no table", "a query of what was restored (SELECT … FROM …)")


def _refuse(name: str, found: str, expected: str) -> None:
    raise NotTriedError(f"verify: {name}: found {found}; expected {expected}", _STEP, "find")


def in_window(window: str, now: float) -> bool:
    """Return whether a time, in seconds since 1970, is in a window `HH:MM-HH:MM` of this host's zone.

    Raises: NotTriedError if that is no window.
    """
    try:
        begin, end = (time.strptime(one.strip(), "%H:%M") for one in window.split("-"))
    except ValueError:
        _refuse("backup_window", repr(window[:40]), "such as '01:00-03:30'")
        raise
    if begin == end:
        _refuse("backup_window", repr(window[:40]), "an end that is not its beginning")
    here = time.localtime(now)
    minute = here.tm_hour * 60 + here.tm_min
    first, last = (one.tm_hour * 60 + one.tm_min for one in (begin, end))
    return first <= minute < last if first <= last else minute >= first or minute < last
