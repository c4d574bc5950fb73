"""Numbers that a host gave, read with suspicion and written for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MOST = 1e30
"""No number that a host counts or measures is so large."""


def numbers(data: Mapping[str, Any], *names: str) -> tuple[float, ...] | None:
    """Return the numbers under these names; None if one is missing, no finite number, or negative."""
    found: list[float] = []
    for name in names:
        value = data.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < MOST:
            return None
        found.append(value)
    return tuple(found)


def figure(data: Mapping[str, Any], name: str) -> float | None:
    """Return a number that need not be told; None if it was not.

    Raises: ValueError if it was told and is none.
    """
    if data.get(name) is None:
        return None
    read = numbers(data, name)
    if read is None:
        raise ValueError(f"{name}: found {data[name]!r:.80}; expected a number, 0 or more")
    return read[0]


def counted(*values: float | None) -> tuple[float, ...] | None:
    """Return the numbers; None if one was not told, is no finite number, or negative."""
    found = [value for value in values if value is not None and 0 <= value < MOST]
    return tuple(found) if len(found) == len(values) else None


def size_text(size_bytes: float) -> str:
    """Return a size in powers of two: `41.2 GiB`."""
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if size_bytes < 1024 or unit == "TiB":
            break
        size_bytes /= 1024
    return f"{size_bytes:.0f} B" if unit == "B" else f"{size_bytes:.1f} {unit}"


def short(text: object, limit: int = 120) -> str:
    """Return a host's text in one line of at most limit characters."""
    line = " ".join(str(text)[: limit * 4].split())
    return line if len(line) <= limit else line[: limit - 1] + "…"
