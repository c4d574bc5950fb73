"""How checks of databases name a session, write a statement to be pasted, and grade a number. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases._database_activity_shape import (
    LockWait,
    OpenTransaction,
)
from upkeep.judging.readings import short
from upkeep.model.remedies import DECIDE, look, quote
from upkeep.model.verdicts import Severity

MIB = 1024 * 1024


def who(one: OpenTransaction | LockWait) -> str:
    """Return `shop (session 4711, application psql)`."""
    application = f", application {short(one.application, 60)}" if one.application else ""
    return f"{short(one.account or 'an account', 60)} (session {one.pid}{application})"


def psql(words: str, *statements: str, database: str = "") -> str:
    """Return a remedy: statements for the server's administrator; the words alone if they are nothing to paste."""
    place = f" -d {quote(database)}" if database else ""
    quoted = [quote(one) for one in statements]
    if not all(quoted) or (database and not quote(database)):
        return words if words.startswith(DECIDE) else DECIDE + words
    given = "".join(f" -c {one}" for one in quoted)
    return look(f"runuser -u postgres -- psql{place}{given}", words)


def literal(text: str) -> str:
    """Return a text as SQL writes it."""
    doubled = text.replace("'", "''")
    return f"'{doubled}'"


def identifier(name: str) -> str:
    """Return a name as SQL writes it: plain if it can be."""
    if re.fullmatch(r"[a-z_][a-z0-9_]{0,62}", name):
        return name
    doubled = name.replace('"', '""')
    return f'"{doubled}"'


def graded(
    value: float | None, limits: Sequence[tuple[Severity, float]]
) -> tuple[Severity, float] | None:
    """Return the first severity, with its limit, that the value has come to; None if to none, or there is no value."""
    return next((one for one in limits if value is not None and value >= one[1]), None)
