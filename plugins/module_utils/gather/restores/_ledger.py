# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lines of a restore ledger, read with suspicion: a line may be cut, garbage, or of another version."""

from __future__ import annotations

import json
import re
from datetime import datetime, timezone
from typing import Any, Callable, Iterable

ROWS = 30
LINE_BYTES = 100_000
OUTCOMES = ("restored", "failed", "unknown", "part")
ENDED = ("restored", "failed")
PROOFS = ("checksums", "assertions", "figures", "none")
STATES = ("held", "failed", "unknown")
ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,63}")
ENTRIES, SHORT, LONG = 200, 200, 1000
MOST = 1e20
Reader = Callable[[Any], Any]


class UnreadRowError(ValueError):
    """A line is no row that is understood; the text says why, and nothing of the line.

    of: the set that it is of, as far as that is understood; else None.
    """

    def __init__(self, text: str, of: str | None = None) -> None:
        super().__init__(text)
        self.of = of


class LedgerRows:
    """The newest rows of one set, newest first, and the lines between them that were not understood.

    newer: how many of those come after the newest row. older: how many before it. why: of one of them.
    """

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self.newer = self.older = 0
        self.why = ""

    def take(self, row: dict[str, Any]) -> None:
        """Take an older row, unless there are enough, or a newer one has its id.

        The newest one that came to an end is never crowded out by tries that came to nothing.
        """
        if any(row["id"] == one["id"] for one in self.rows):
            return
        if len(self.rows) < ROWS:
            self.rows.append(row)
        elif row["outcome"] in ENDED and all(one["outcome"] not in ENDED for one in self.rows):
            self.rows[-1] = row

    def miss(self, why: str) -> None:
        """Count a line that was not understood."""
        self.why = self.why or why
        if self.rows:
            self.older += len(self.rows) < ROWS
        else:
            self.newer += 1


def read_lines(lines: Iterable[bytes], names: Iterable[str]) -> dict[str, LedgerRows]:
    """Return the newest rows of each set of these names. lines: the oldest first, as they were appended.

    Of a line that says of no set, each may have been meant.
    """
    found = {name: LedgerRows() for name in names}
    for line in reversed(list(lines)):
        if not line.strip():
            continue
        try:
            name, row = parse_row(line)
        except UnreadRowError as exc:
            meant = found if exc.of is None else {exc.of} & set(found)
            for one in meant:
                found[one].miss(str(exc))
            continue
        if name in found:
            found[name].take(row)
    return found


def parse_row(line: bytes) -> tuple[str, dict[str, Any]]:
    """Return the set that a line is of, and the fields of its row.

    Raises: UnreadRowError.
    """
    if len(line) > LINE_BYTES:
        raise UnreadRowError(f"a line has more than {LINE_BYTES} bytes")
    said = parse_object(line)
    name = said.get("set")
    if not isinstance(name, str) or not name.strip():
        raise UnreadRowError("a line says of no set")
    return name, read_fields(said, ROW, ("id", "began_at", "ended_at", "outcome"), name)


def parse_object(text: bytes) -> dict[str, Any]:
    """Return a JSON object.

    Raises: UnreadRowError if it is none.
    """
    try:
        said = json.loads(text.decode("utf-8"), parse_constant=_no_number)
    except (ValueError, RecursionError) as exc:  # a number without end, too
        raise UnreadRowError("a line is not whole, or no JSON") from exc
    if not isinstance(said, dict):
        raise UnreadRowError("a line is no JSON object")
    return said


def read_fields(
    said: dict[str, Any], readers: dict[str, Reader], needed: tuple[str, ...], of: str | None
) -> dict[str, Any]:
    """Return the fields that are known, cut to what is reasonable; what is not known is left out.

    of: the set that they are of.

    Raises: UnreadRowError if one that is needed is missing, or one is of another kind.
    """
    missing = [name for name in needed if name not in said]
    if missing:
        raise UnreadRowError(f"{missing[0]} is missing", of)
    found = {}
    for name, read in readers.items():
        if name in said:
            try:
                found[name] = read(said[name])
            except (TypeError, ValueError, OverflowError) as exc:
                raise UnreadRowError(f"{name} is not understood", of) from exc
    return found


def _no_number(word: str) -> Any:
    raise ValueError(word)


def _text(limit: int) -> Reader:
    def read(value: Any) -> str:
        if not isinstance(value, str):
            raise TypeError
        return value if len(value) <= limit else value[: limit - 1] + "…"

    return read


def _one_of(known: tuple[str, ...]) -> Reader:
    def read(value: Any) -> str:
        if value not in known:
            raise ValueError
        return str(value)

    return read


def _identity(value: Any) -> str:
    if not isinstance(value, str) or not ID.fullmatch(value):
        raise ValueError
    return value


def moment(value: Any) -> str:
    """Return an aware time in UTC.

    Raises: ValueError or TypeError if it is none.
    """
    if not isinstance(value, str):
        raise TypeError
    told = datetime.fromisoformat(value[:-1] + "+00:00" if value.endswith("Z") else value)
    if told.tzinfo is None:
        raise ValueError
    return told.astimezone(timezone.utc).isoformat(timespec="seconds")


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < MOST:
        raise ValueError
    return value


def _count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < MOST:
        raise ValueError
    return value


def share(value: Any) -> float | None:
    """Return a share from 0 to 1, or None.

    Raises: ValueError if it is neither.
    """
    told = None if value is None else _number(value)
    if told is not None and told > 1:
        raise ValueError
    return told


def _optional(read: Reader) -> Reader:
    return lambda value: None if value is None else read(value)


def _list(read: Reader, limit: int) -> Reader:
    def read_list(value: Any) -> list[Any]:
        if not isinstance(value, list):
            raise TypeError
        return [read(one) for one in value[:limit]]

    return read_list


def _mapping(read: Reader, limit: int) -> Reader:
    name = _text(SHORT)

    def read_mapping(value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise TypeError
        return {name(key): read(one) for key, one in list(value.items())[:limit]}

    return read_mapping


def _assertion(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError
    return read_fields(value, ASSERTION, ("name", "state"), None)


ASSERTION: dict[str, Reader] = {
    "name": _text(SHORT),
    "state": _one_of(STATES),
    "found": _text(SHORT),
    "expected": _text(SHORT),
}
ROW: dict[str, Reader] = {
    "id": _identity,
    "began_at": moment,
    "ended_at": moment,
    "outcome": _one_of(OUTCOMES),
    "step": _text(20),
    "why": _text(LONG),
    "next_step": _text(LONG),
    "backup": _text(LONG),
    "kind": _text(SHORT),
    "taken_at": _optional(moment),
    "covered": _text(SHORT),
    "proof": _one_of(PROOFS),
    "unproved": _text(LONG),
    "seconds": _mapping(_number, 20),
    "restored_bytes": _optional(_count),
    "restore_seconds": _optional(_number),
    "figures": _mapping(_count, ENTRIES),
    "counts": _mapping(_count, ENTRIES),
    "assertions": _list(_assertion, ENTRIES),
    "findings": _list(_text(LONG), 20),
    "notes": _list(_text(LONG), 20),
    "programs": _mapping(_text(SHORT), 20),
    "recovery_point_at": _optional(moment),
    "wal_missing": _list(_text(SHORT), 20),
}
"""Of each field of a row, what reads it: `_restores_shape.RestoreRow` says what it means."""
CYCLE: dict[str, Reader] = {
    "parts": _count,
    "began_at": moment,
    "done": _list(_count, 4096),
    "last_full_at": _optional(moment),
    "unproved": _count,
    "never": _list(_text(SHORT), 50),
}
RUNNING: dict[str, Reader] = {
    "backup": _text(LONG),
    "step": _text(20),
    "began_at": moment,
    "share": share,
}
