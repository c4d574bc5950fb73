"""Texts that came from a host, as they may stand in a database: no NUL, no lone surrogate, no secret URL, bounded."""

from __future__ import annotations

import hashlib
import json
import math
import re
from typing import Any

from ansible_collections.astral.upkeep.plugins.module_utils.host.urls import masked, masked_deep

LIMIT_CHARACTERS = 4_000
# PostgreSQL takes no NUL; the other controls are of no use to a reader and of much to an attacker.
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
# A browser sends CR LF for each line of a form, whatever its system; the others come from files and editors.
_LINE_ENDS = re.compile("\r\n|[\r\v\f\x85\u2028\u2029]")


def shown(text: str, limit: int = LIMIT_CHARACTERS) -> str:
    r"""Return text with control characters as `\x1b`, cut at the limit with a mark."""
    safe = _CONTROLS.sub(lambda found: ascii(found.group())[1:-1], text[: limit + 1])
    return safe if len(safe) <= limit else safe[: limit - 1] + "…"


def written(text: str, limit: int = LIMIT_CHARACTERS) -> str:
    r"""Return what a person wrote: as shown, each line ending with `\n`, without blanks around it."""
    return shown(_LINE_ENDS.sub("\n", text).strip(), limit)


def told(text: str, limit: int = LIMIT_CHARACTERS) -> str:
    """Return what a host or a program says: as shown, and with its URLs masked. What people write stays as it is."""
    return shown(masked(text), limit)


def name(text: str, limit: int = LIMIT_CHARACTERS) -> str:
    """Return what stands for a thing's name: as shown, and still another for another name.

    A name that had to be changed carries a hash of what it was, except for what was secret in it: that could be
    guessed by its hash. A name from the store stays as it is.
    """
    text = masked(text)
    safe = shown(text, limit)
    if safe == text:
        return text
    mark = " #" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    return shown(text, limit - len(mark)) + mark


def fingerprint(site: str, check: str, host: str, subject: str) -> str:
    """Return what tells a subject of a check from all others; stable over time. All are names from the store."""
    named = json.dumps([site, check, host, subject], separators=(",", ":"))
    return hashlib.sha256(named.encode("ascii")).hexdigest()


def packed(value: Any) -> str:
    """Return JSON in ASCII: what a host says stands in it to the letter, whatever the database takes."""
    try:
        return json.dumps(masked_deep(value))
    except RecursionError:
        return json.dumps({"upkeep": "nested too deeply to be kept"})


def number(value: object) -> float | None:
    """Return the value as a number that a series can hold, or None."""
    try:
        found = float(value)  # type: ignore[arg-type]  # a check's slip must not cost its host's results
    except (TypeError, ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None
