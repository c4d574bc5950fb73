"""How checks of databases name a session, write a statement to be pasted, and grade a number. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase

from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases._database_activity_shape import (
    LockWait,
    OpenTransaction,
)
from upkeep.judging.readings import short
from upkeep.model.remedies import COMMENT, DECIDE, look, quote
from upkeep.model.verdicts import Severity

MIB = 1024 * 1024
PSQL = "runuser -u postgres -- psql"
"""By the administrator on the server's own host, at its usual place; `placed` says another one."""
MARIADB = "mariadb"
HERE = ("localhost", "127.0.0.1", "[::1]", "/run/postgresql", "/var/run/postgresql")
PORTS = {"postgresql": "5432", "mariadb": "3306"}
_PLACE = re.compile(
    r"(postgresql|mariadb) (?:[^@]*@)?(\[[^]]*\]|/?[^:/][^:]*?)(?::(\d+))?(?:/[^/]*)?"
)


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
    return look(f"{PSQL}{place}{given}", words)


def ending(kind: str, pid: int, words: str) -> str:
    """Return a remedy: how to end a session; empty for a kind whose way is not known."""
    if kind == "postgresql":
        return psql(words, f"select pg_terminate_backend({pid})")
    return mariadb(words, f"KILL {pid}") if kind == "mariadb" else ""


def mariadb(words: str, statement: str) -> str:
    """Return a remedy: a statement for the administrator of MariaDB; the words alone if it is nothing to paste."""
    quoted = quote(statement)
    return look(f"{MARIADB} -e {quoted}", words) if quoted else words


def placed(remedy: str, subject: str) -> str:
    """Return a remedy of psql or mariadb with the server's place, if that is not the usual one on its host.

    subject: `postgresql 127.0.0.1:5433`, perhaps with an account and a database.
    """
    found = _PLACE.fullmatch(subject)
    if found is None:
        return remedy
    kind, address, port = found.groups()
    program = PSQL if kind == "postgresql" else MARIADB
    line, comment, words = remedy.partition(COMMENT)
    if not line.startswith(f"{program} "):
        return remedy
    used, options = program, ""
    if address.startswith("/"):
        option = "-h" if kind == "postgresql" else "-S"
        options = "" if address in HERE else f" {option} {quote(address)}"
    elif address not in HERE:
        used = "psql -U postgres" if kind == "postgresql" else program
        options = f" -h {quote(address.strip('[]'))}"
    if port and port != PORTS[kind]:
        options += f" -{'p' if kind == 'postgresql' else 'P'} {port}"
    return f"{used}{options}{line[len(program) :]}{comment}{words}"


def sqlite(subject: str, words: str, statement: str) -> str:
    """Return a remedy: a statement for a file of SQLite; the words alone if it is nothing to paste."""
    path, quoted = quote(subject.partition(" ")[2]), quote(statement)
    return look(f"sqlite3 {path} {quoted}", words) if path and quoted else words


def backticked(name: str) -> str:
    """Return a name as MariaDB's SQL writes it, with that of its database; empty if it is not clear where one ends."""
    parts = name.split(".")
    return ".".join("`" + one.replace("`", "``") + "`" for one in parts) if len(parts) <= 2 else ""


def listed(said: Sequence[str], most: int = 3) -> str:
    """Return the first of them, and how many more there are."""
    more = f", and {len(said) - most} more" if len(said) > most else ""
    return ", ".join(said[:most]) + more


def ignored(name: str, patterns: Sequence[str]) -> bool:
    """Return whether the site leaves it out."""
    return any(fnmatchcase(name, one) for one in patterns)


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
