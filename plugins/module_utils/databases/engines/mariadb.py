# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""MariaDB, and MySQL as far as its way carries."""

from __future__ import annotations

import re
from typing import Any, Dict, List

from ansible_collections.astral.upkeep.plugins.module_utils.databases.engine import (
    AccessRefusedError,
    Engine,
    NotReadError,
    Patience,
    Topic,
    TopicAnswers,
    run_client,
)
from ansible_collections.astral.upkeep.plugins.module_utils.databases.engines._mariadb_activity import (
    ACTIVITY,
    LOCKS_SEEN,
    TAKE,
)
from ansible_collections.astral.upkeep.plugins.module_utils.databases.engines._mariadb_client import (
    DENIED,
    PORT,
    Table,
    ask_all,
    command_of,
)
from ansible_collections.astral.upkeep.plugins.module_utils.databases.engines._mariadb_objects import (
    LISTED,
    OBJECTS,
)
from ansible_collections.astral.upkeep.plugins.module_utils.databases.engines._mariadb_slow_log import (
    TABLE,
    TABLE_GRANT,
    of_file,
    of_table,
)
from ansible_collections.astral.upkeep.plugins.module_utils.databases.engines._mariadb_statements import (
    COUNTING,
    LOGGED,
    OFF,
    STATEMENTS,
    SWITCHED_ON,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host, HostError

SOCKETS = ("/run/mysqld/mysqld.sock", "/var/lib/mysql/mysql.sock")
BY_GATHER = {
    "database_activity": ACTIVITY,
    "database_objects": OBJECTS,
    "database_statements": STATEMENTS,
}
QUESTION = """
select 'answer', 40 + 2 union all select 'version', version() union all select 'read_only', @@global.read_only
union all select 'max_connections', @@global.max_connections;
show global status where variable_name in ('Threads_connected', 'Threads_running', 'Max_used_connections',
  'Connection_errors_max_connections', 'Aborted_connects', 'Uptime')"""
RIGHTS = {
    "{monitor}": {
        0: "REPLICATION CLIENT",
        100502: "REPLICATION SLAVE ADMIN",
        100509: "REPLICA MONITOR",
    },
    "{accounts}": {0: "mysql.user", 100400: "mysql.global_priv"},
}
"""What a grant has under another name by the server's number. Source: MariaDB, GRANT: global privileges."""
SLOW_LOG_OFF = "it is off"
ABOUT = """
select version() as version, @@global.read_only as read_only, current_user() as account, database() as name,
  (select count(*) from information_schema.plugins
    where plugin_name = 'METADATA_LOCK_INFO' and plugin_status = 'ACTIVE') as shows_locks"""
DATABASES = """
select json_extract(coalesce(json_arrayagg(schema_name), '[]'), '$') as answer from information_schema.schemata
where schema_name not in ('information_schema', 'performance_schema', 'mysql', 'sys')"""


class _NotLetError(NotReadError):
    """The account may not read the slow log. grant: lets it."""

    def __init__(self, text: str, grant: str) -> None:
        super().__init__(text)
        self.grant = grant


def found(host: Host) -> tuple[list[dict[str, Any]], bool]:
    """Return the servers that have a socket on this host."""
    return [{"kind": "mariadb", "address": path} for path in SOCKETS if _is_there(host, path)], True


def _is_there(host: Host, path: str) -> bool:
    try:
        return host.exists(path)
    except HostError:
        return False


def ask(host: Host, database: dict[str, Any], seconds: int) -> dict[str, Any]:
    """Ask through the client program; the password goes by standard input, as an option file."""
    command, file = command_of(host, database, seconds)
    command += ["--skip-column-names", f"--execute={QUESTION}"]
    out, wall = run_client(host, command, seconds, input_text=file)
    return {**parse_mariadb(out), "connect_seconds": wall, "query_seconds": None, "raw": out}


def parse_mariadb(text: str) -> dict[str, Any]:
    """Return the answer from lines of name and value.

    Raises: AccessRefusedError if it is not whole.
    """
    pairs = (line.split("\t", 1) for line in text.splitlines() if "\t" in line)
    fields = {name.lower(): value for name, value in pairs}
    try:
        return {
            "answer": int(fields["answer"]),
            "version": fields["version"],
            "in_recovery": fields["read_only"] not in ("0", "OFF"),
            "max_connections": int(fields["max_connections"]),
            "reserved_connections": 0,
            "connections": int(fields["threads_connected"]),
            "states": {"running": int(fields.get("threads_running", 0))},
            "most_connections": int(fields.get("max_used_connections", 0)),
            "rejected": int(fields.get("connection_errors_max_connections", 0)),
        }
    except (KeyError, ValueError) as exc:
        raise AccessRefusedError(f"unexpected answer without {exc}") from exc


def databases(host: Host, database: Dict[str, Any], seconds: float) -> List[Dict[str, Any]]:
    """Return the databases of a server on which the account has some right; the one declared if it has a name.

    If there may be others, the server itself is named too: what is not seen is said of it.
    """
    if database.get("name"):
        return [database]
    tables = ask_all(host, database, {"names": DATABASES, "listed": LISTED}, Patience(seconds))
    found = [{**database, "name": str(name)} for name in sorted(tables["names"].value() or [])]
    return found if lists_all(tables["listed"]) else [*found, database]


def read(host: Host, database: Dict[str, Any], gather: str, seconds: float) -> TopicAnswers:
    """Read the topics of a gather."""
    topics = BY_GATHER[gather]
    first = {"about": ABOUT}
    if topics is OBJECTS:
        first["listed"] = LISTED
    elif topics is STATEMENTS:
        first["counting"] = COUNTING
    patience = Patience(seconds)
    before = ask_all(host, database, first, patience)
    if before["about"].why or not before["about"].rows:
        raise AccessRefusedError(before["about"].why or "no answer")
    about = before["about"].rows[0]
    number = number_of(about["version"])
    answers = TopicAnswers(
        about={
            "version": about["version"],
            "in_recovery": about["read_only"] not in ("0", "OFF"),
        }
    )
    offered = {one.name: one.sql_for(number) for one in topics}
    questions = {name: sql for name, sql in offered.items() if sql}
    if "counting" in before and before["counting"].rows == [{"counting": "0"}]:
        del questions["statements"]
        answers.unread["statements"] = OFF
    if about["shows_locks"] != "0" and questions.get("locks"):
        questions["locks"] = LOCKS_SEEN
    tables = ask_all(host, database, questions, patience)
    whole = "listed" not in before or lists_all(before["listed"])
    for one in topics:
        grant = grant_of(one.grant, about)
        if one.name in answers.unread:
            continue
        if one.name not in tables:
            answers.not_offered[one.name] = f"it is read of MariaDB, not of {about['version']}"
            continue
        _note(answers, one, tables[one.name], grant)
        if not whole and one.name in answers.values:
            answers.unseen[one.name] = {"objects": 0, "grant": grant}
    if topics is STATEMENTS:
        _note_slow_calls(answers, host, database, patience)
    return answers


def _note_slow_calls(
    answers: TopicAnswers, host: Host, database: Dict[str, Any], patience: Patience
) -> None:
    """Look into the slow log of a server whose statements are not counted, or say why that is not possible either."""
    settings = answers.values.pop("slow_calls", {})
    why = answers.unread.pop("slow_calls", "")
    if "statements" in answers.values:
        return
    is_off = answers.unread["statements"] == OFF
    first = ""
    try:
        if not why:
            answers.values["slow_calls"] = _slow_calls(host, database, settings, patience)
    except _NotLetError as exc:
        why, first = str(exc), f"let the account read the slow log: {exc.grant}; or "
    except NotReadError as exc:
        why = str(exc)
    if is_off:
        grant = first + SWITCHED_ON + (LOGGED if why == SLOW_LOG_OFF else "")
        answers.unseen["statements"] = {"objects": 0, "grant": grant, "why": "setting"}
    if why:
        answers.unread["statements"] += f"; the slow log: {why}"


def _slow_calls(
    host: Host, database: Dict[str, Any], settings: Dict[str, Any], patience: Patience
) -> Dict[str, Any]:
    """Return what is in the slow log.

    Raises: NotReadError.
    """
    kept_in = str(settings["output"]).upper().split(",")
    if not settings["is_on"] or "NONE" in kept_in:
        raise NotReadError(SLOW_LOG_OFF)
    if "TABLE" not in kept_in:
        return of_file(host, settings, patience)
    asked = {"rows": TABLE, "about": ABOUT}
    tables = ask_all(host, database, asked, patience)
    if tables["rows"].why:
        if tables["rows"].error in DENIED and not tables["about"].why:
            raise _NotLetError(tables["rows"].why, grant_of(TABLE_GRANT, tables["about"].rows[0]))
        raise NotReadError(tables["rows"].why)
    return of_table(settings, tables["rows"].value())


def _note(answers: TopicAnswers, topic: Topic, table: Table, grant: str) -> None:
    """Take in what a topic gave, or why it gave nothing."""
    why = table.why
    if table.error in DENIED and grant:
        answers.unseen[topic.name] = {"objects": 0, "grant": grant}
    try:
        value = TAKE.get(topic.name, Table.value)(table)
        value = topic.made(value) if topic.made and value is not None else value
    except NotReadError as exc:
        value, why = None, str(exc)
    except (KeyError, TypeError, ValueError):
        value = None
    if why or value is None:
        answers.unread[topic.name] = why or "not an answer to the question"
        return
    is_list = isinstance(value, dict) and set(value) == {"rows"}
    answers.values[topic.name] = value["rows"] if is_list else value


def lists_all(table: Table) -> bool:
    """Return whether the account is shown each table; each of the database that was asked for, if one was."""
    return table.rows[:1] not in ([], [{"n": "0"}])


def number_of(version: str) -> int:
    """Return the server's number: 101119 for `10.11.19-MariaDB`, 80036 for `8.0.36`; 0 if it has none."""
    found = re.match(r"(\d+)\.(\d+)\.(\d+)", version)
    return sum(int(part) * by for part, by in zip(found.groups(), (10000, 100, 1))) if found else 0


def grant_of(statement: str, about: Dict[str, str]) -> str:
    """Return the statement that lets the account see something; empty if there is none."""
    user, _at, host = about["account"].rpartition("@")
    account = "@".join("'" + part.replace("'", "''") + "'" for part in (user, host))
    database = "`" + about["name"].replace("`", "``") + "`" if about["name"] != "NULL" else "*"
    for name, right in RIGHTS.items():
        known = [since for since in right if since <= number_of(about["version"])]
        statement = statement.replace(name, right[max(known)])
    return statement.replace("{database}", database).replace("{account}", account)


ENGINE = Engine(
    kind="mariadb",
    port=PORT,
    ask=ask,
    expected=42,
    found=found,
    topics={gather: tuple(one.name for one in topics) for gather, topics in BY_GATHER.items()},
    read=read,
    databases=databases,
    denied=re.compile(r"ERROR (1044|1045|1698)\b"),
    saturated=re.compile(r"too many connections|ERROR (1040|1203|1226)\b", re.IGNORECASE),
    holders="mariadb -e 'show processlist'",
)
