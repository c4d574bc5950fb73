"""Texts that came from a host, as they may stand in a database: no NUL, no lone surrogate, bounded."""

from __future__ import annotations

import hashlib
import json
import re

LIMIT_CHARACTERS = 4_000
# PostgreSQL takes no NUL; the other controls are of no use to a reader and of much to an attacker.
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


def shown(text: str, limit: int = LIMIT_CHARACTERS) -> str:
    r"""Return text with control characters as `\x1b`, cut at the limit with a mark."""
    safe = _CONTROLS.sub(lambda found: ascii(found.group())[1:-1], text[: limit + 1])
    return safe if len(safe) <= limit else safe[: limit - 1] + "…"


def fingerprint(site: str, check: str, host: str, subject: str) -> str:
    """Return what tells a subject of a check from all others, whatever its length; stable over time."""
    named = json.dumps([site, check, host, subject], separators=(",", ":"))
    return hashlib.sha256(named.encode("ascii")).hexdigest()
