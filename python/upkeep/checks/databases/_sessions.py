"""How checks of databases name a session, write a statement to be pasted, and grade a number. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from typing import TypeVar

from ansible_collections.astral.upkeep.plugins.module_utils.databases.engines._postgresql_rights import (
    readable,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases._database_activity_shape import (
    LockWait,
    OpenTransaction,
)
from upkeep.judging.readings import short
from upkeep.model.remedies import COMMENT, DECIDE, command_of, look, quote, words_of
from upkeep.model.verdicts import Severity

MIB = 1024 * 1024
NAMED = 3
"""Of several, those that a message names; it says how many more there are."""
Row = TypeVar("Row")
PSQL = "runuser -u postgres -- psql"
"""By the administrator on the server's own host, at its usual place; `placed` says another one."""
MARIADB = "mariadb"
REDIS = "redis-cli"
HERE = ("localhost", "127.0.0.1", "[::1]")
STATEMENT_CHARACTERS = 1400
"""A statement is told whole, so that it can be run: the gather has cut its lists to fewer."""
FOLDERS = ("/run/postgresql", "/var/run/postgresql")
"""Where the client of PostgreSQL looks for a socket."""
PORTS = {"postgresql": "5432", "pgbouncer": "6432", "mariadb": "3306", "redis": "6379"}
_SUBJECT = re.compile(
    r"(?P<kind>\w+) (?:[^/]*@)?(?P<address>\[[^]]*\]|/.*?|[^/:]+)(?::(?P<port>\d*)(?:/.*)?)?",
    re.DOTALL,
)
_POOLER = re.compile(r"psql(?: -p \d+)?(?= )")


def who(one: OpenTransaction | LockWait) -> str:
    """Return `shop (session 4711, application psql)`."""
    application = f", application {short(one.application, 60)}" if one.application else ""
    return f"{short(one.account or 'an account', 60)} (session {one.pid}{application})"


def psql(words: str, *statements: str, database: str = "") -> str:
    """Return a remedy: statements for the server's administrator; words alone if they are nothing to paste.

    A name in them that cannot be printed is written by its numbers in Unicode, as SQL allows; that of the database,
    which is a word of the shell, can only be found by its number.
    """
    place = f" -d {quote(_connecting(database))}" if database else ""
    quoted = [quote(printable(one), STATEMENT_CHARACTERS) for one in statements]
    if place.endswith("-d "):
        words = f"{words}; its database has a name that cannot be pasted: see oid and datname in pg_database"
    elif all(quoted):
        given = "".join(f" -c {one}" for one in quoted)
        return look(f"{PSQL}{place}{given}", words)
    return words if words.startswith(DECIDE) else DECIDE + words


def _connecting(database: str) -> str:
    """Return a database as psql is told it: a name that could be a connection string is a part of one."""
    if "=" not in database and not database.startswith(("postgres:", "postgresql:")):
        return database
    escaped = database.replace("\\", "\\\\").replace("'", "\\'")
    return f"dbname='{escaped}'"


_WORD = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|[^'"]+|.""", re.DOTALL)


def printable(statement: str) -> str:
    """Return a statement whose names and texts in quotes can be printed."""
    return "".join(readable(one) if one[0] in "'\"" else one for one in _WORD.findall(statement))


def besides(remedy: str, other: str) -> str:
    """Return a next step that tells another one in its words, with what to run."""
    command, words = command_of(other), words_of(other).removeprefix(DECIDE)
    return f"{remedy}; besides, {words}: {command}" if command else f"{remedy}; besides, {words}"


def ending(kind: str, pid: int, words: str) -> str:
    """Return a remedy: how to end a session; empty for a kind whose way is not known."""
    if kind == "postgresql":
        return psql(words, f"select pg_terminate_backend({pid})")
    return mariadb(words, f"KILL {pid}") if kind == "mariadb" else ""


def mariadb(words: str, statement: str) -> str:
    """Return a remedy: a statement for the administrator of MariaDB; the words alone if it is nothing to paste."""
    quoted = quote(statement)
    return look(f"{MARIADB} -e {quoted}", words) if quoted else words


def placed(remedy: str, subject: str, socket: str = "") -> str:
    """Return a remedy of psql, mariadb or redis-cli with the server's place, if that is not the usual one on its host.

    subject: `postgresql 127.0.0.1:5433`, `mariadb /srv/shop.sock`, perhaps with an account and a database. socket: that
    of a server of PostgreSQL on this host, if it is known: it lets the administrator in without a password. If the
    place is nothing to paste, the words alone: the command would ask another server.
    """
    found = _SUBJECT.fullmatch(subject)
    line, comment, words = remedy.partition(COMMENT)
    if found is None or not comment:
        return remedy
    kind, address, port = found["kind"], found["address"], found["port"] or ""
    programs = {"postgresql": PSQL, "pgbouncer": "psql", "mariadb": MARIADB, "redis": REDIS}
    program = programs.get(kind, "")
    if not program or not line.startswith(f"{program} "):
        return remedy
    rest = line[len(program) :]
    if kind == "pgbouncer":
        rest = _POOLER.sub("", line, count=1)  # its port is always said
    if kind == "postgresql" and address in HERE:
        address, port = _on_this_host(address, port, socket)
    if address not in HERE and not quote(address.strip("[]")):
        return words if words.startswith(DECIDE) else DECIDE + words
    used = program if kind != "postgresql" or address.startswith("/") else "psql -U postgres"
    return f"{used}{_options(kind, address, port)}{rest}{comment}{words}"


def _on_this_host(address: str, port: str, socket: str) -> tuple[str, str]:
    """Return where the administrator of a server on this host gets in: folder and port of its socket, if it has one.

    One that listens at the usual port is taken for the one of the packages; another one may have its socket anywhere,
    or in a container.
    """
    folder, _slash, name = socket.rpartition("/")
    own_port = name.rpartition(".")[2]
    if folder and own_port.isdigit():
        return folder, own_port
    return (FOLDERS[0] if port in ("", PORTS["postgresql"]) else address), port


def _options(kind: str, address: str, port: str) -> str:
    """Return the client's options for a place, none for the usual one; a client takes a port by TCP alone."""
    of_postgresql = kind in ("postgresql", "pgbouncer")
    option = "p" if of_postgresql or kind == "redis" else "P"
    other = kind == "pgbouncer" or (port and port != PORTS[kind])
    said = f" -{option} {port or PORTS[kind]}" if other else ""
    if address.startswith("/"):
        if of_postgresql:
            return (f" -h {quote(address)}" if address not in FOLDERS else "") + said
        return f" -{'S' if kind == 'mariadb' else 's'} {quote(address)}"
    if address not in HERE or kind == "postgresql":
        return f" -h {quote(address.strip('[]'))}{said}"
    if of_postgresql or not (said or address == "[::1]"):
        return said
    tcp = "127.0.0.1" if address == "localhost" else address.strip("[]")
    return f" -h {tcp}{said}"


def sqlite(subject: str, words: str, statement: str) -> str:
    """Return a remedy: a statement for a file of SQLite; the words alone if it is nothing to paste."""
    path, quoted = quote(subject.partition(" ")[2]), quote(statement)
    return look(f"sqlite3 {path} {quoted}", words) if path and quoted else words


def backticked(name: str) -> str:
    """Return a name as MariaDB's SQL writes it, with that of its database; empty if it is not clear where one ends."""
    parts = name.split(".")
    return ".".join("`" + one.replace("`", "``") + "`" for one in parts) if len(parts) <= 2 else ""


def listed(said: Sequence[str], most: int = NAMED, apart: str = ", ", least: str = "") -> str:
    """Return the first of them, and how many more there are; `at least` where more may not have been told."""
    more = [f"and {least}{len(said) - most} more"] if len(said) > most else []
    return apart.join([*said[:most], *more])


def by_limit(
    rows: Sequence[Row], levels: Sequence[tuple[Severity, Callable[[Row], bool], str]]
) -> list[tuple[Severity, list[Row], str]]:
    """Return the bad rows by the limit that each is over first; a limit that two levels have is one.

    A level is severity, which rows are bad, and its limit in words.
    """
    found: list[tuple[Severity, list[Row], str]] = []
    left = list(rows)
    for severity, is_bad, limit in levels:
        bad = [one for one in left if is_bad(one)]
        left = [one for one in left if one not in bad]
        if bad and found and found[-1][2] == limit:
            found[-1][1].extend(bad)
        elif bad:
            found.append((severity, bad, limit))
    return found


def reaching(
    value: Callable[[Row], float], limits: Sequence[tuple[Severity, float, str]]
) -> list[tuple[Severity, Callable[[Row], bool], str]]:
    """Return levels for `by_limit`: of severity, limit, and limit in words; a row is bad if its value reaches it."""

    def at(limit: float) -> Callable[[Row], bool]:
        return lambda one: value(one) >= limit

    return [(severity, at(limit), words) for severity, limit, words in limits]


def told(
    bad: Sequence[tuple[Severity, list[Row], str]],
    said: Callable[[Row], str],
    least: str = "",
    apart: str = "; ",
) -> str:
    """Return the worst of what `by_limit` gave by name, and how many there are besides, by limit."""
    (_severity, worst, limit), *others = bad
    text = listed([said(one) for one in worst], apart="; ", least=least) + apart + limit
    for _milder, rows, lower in others:
        text += f"; and {least}{len(rows)} more, {lower}"
    return text


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
