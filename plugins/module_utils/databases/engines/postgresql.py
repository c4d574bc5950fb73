# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PostgreSQL, from version 13."""

from __future__ import annotations

import json
import re
import time
from typing import Any, Dict, List, Mapping, Sequence, Tuple

from ansible_collections.astral.upkeep.plugins.module_utils.databases.engine import (
    AccessRefusedError,
    Engine,
    NotLookedAtError,
    NotReadError,
    Topic,
    TopicAnswers,
    as_second,
)
from ansible_collections.astral.upkeep.plugins.module_utils.databases.engines._postgresql_activity import (
    ACTIVITY,
)
from ansible_collections.astral.upkeep.plugins.module_utils.databases.engines._postgresql_client import (
    DENIED,
    PORT,
    Reply,
    ask_all,
    sockets,
)
from ansible_collections.astral.upkeep.plugins.module_utils.databases.engines._postgresql_objects import (
    OBJECTS,
)
from ansible_collections.astral.upkeep.plugins.module_utils.databases.engines._postgresql_plans import (
    IMAGINES,
    MAY_PLAN,
    PLANNING_SHARE,
    PLANS,
    costs_of,
    denied_of,
    observed,
    planning,
    trials_of,
    trying,
    worst_of,
)
from ansible_collections.astral.upkeep.plugins.module_utils.databases.engines._postgresql_rights import (
    REFUSED,
    Lack,
    asked_of,
    let_in,
    merged,
    of_extension,
    quoted,
    readable,
    reader_of,
    reads,
)
from ansible_collections.astral.upkeep.plugins.module_utils.databases.engines._postgresql_standbys import (
    without_used,
)
from ansible_collections.astral.upkeep.plugins.module_utils.databases.engines._postgresql_statements import (
    NOT_LOADED,
    STATEMENTS,
    refuse_untracked,
)
from ansible_collections.astral.upkeep.plugins.module_utils.databases.refusals import told
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host, HostError

UNUSED = "unused_indexes"
"""The topic that is added up over a primary and its standbys."""
BY_GATHER = {
    "database_activity": ACTIVITY,
    "database_objects": OBJECTS,
    "database_plans": (PLANS,),
    "database_statements": STATEMENTS,
}

# Reserved slots are those that ordinary users cannot have; since 16 there are two kinds.
# Who is no member of pg_read_all_stats is not told what kind others' sessions are of, nor their state; those of clients
# are in a database.
QUESTION = """
with client as (select state from pg_stat_activity
  where backend_type = 'client backend' or backend_type is null and datid is not null)
select json_build_object(
  'answer', 40 + 2,
  'version', current_setting('server_version'),
  'in_recovery', pg_is_in_recovery(),
  'max_connections', current_setting('max_connections')::int,
  'reserved_connections', current_setting('superuser_reserved_connections')::int
    + coalesce(nullif(current_setting('reserved_connections', true), '')::int, 0),
  'connections', (select count(*) from client),
  'states', (select coalesce(json_object_agg(state, n), '{}') from (
    select coalesce(state, 'not shown') as state, count(*) as n from client group by 1) as by_state)
)"""
ABOUT = """
select json_build_object(
  'version', current_setting('server_version'),
  'number', current_setting('server_version_num')::int,
  'in_recovery', pg_is_in_recovery(),
  'account', current_user,
  'database', current_database(),
  'port', current_setting('port')::int,
  'folders', (select setting from pg_settings where name = 'unix_socket_directories'
    and (inet_server_addr() <<= '127.0.0.0/8' or inet_server_addr() = '::1')),
  'reader', {reader},
  'may', {may},
  'extensions', (select coalesce(json_object_agg(extname, array[extversion, quote_ident(nspname),
    has_schema_privilege(n.oid, 'USAGE')::text]), '{}')
    from pg_extension e join pg_namespace n on n.oid = e.extnamespace)
)"""
DATABASES = """
select json_build_object(
  'process', pg_backend_pid(),
  'port', current_setting('port')::int,
  'databases', (select coalesce(json_agg(json_build_object('name', datname,
      'quoted', quote_ident(datname), 'account', quote_ident(current_user),
      'may', has_database_privilege(oid, 'CONNECT')) order by datname), '[]')
    from pg_database where datallowconn and not datistemplate))"""
POOLED = (
    "a pool is in between, which would keep a connection to each database for long: declare those to look at, each by"
    " its name, or the server itself"
)


def found(host: Host) -> tuple[List[Dict[str, Any]], bool]:
    """Return the servers that have a socket on this host."""
    servers: List[Dict[str, Any]] = [
        {"kind": "postgresql", "address": folder, "port": port, "name": "postgres"}
        for folder, port, locked in sockets(host)
        if locked
    ]
    return servers, True


def ask(host: Host, database: Dict[str, Any], seconds: int) -> Dict[str, Any]:
    """Ask the trivial question."""
    replies = ask_all(host, database, {"answer": QUESTION}, seconds)
    reply = replies.by_name["answer"]
    if reply.why or not isinstance(reply.value, dict):
        raise AccessRefusedError(reply.why or "no answer")
    times = {"connect_seconds": replies.connect_seconds, "query_seconds": reply.seconds}
    return {**reply.value, **times, "raw": json.dumps(reply.value)}


def databases(host: Host, database: Dict[str, Any], seconds: float) -> List[Dict[str, Any]]:
    """Return the databases of a server; the one declared if it has a name. One that refuses us is named too.

    Raises: AccessRefusedError, NotLookedAtError through a pool.
    """
    if database.get("name"):
        return [database]
    process, value = listed(host, database, seconds)
    if process is None:  # psql does not tell it
        # A pool gives the second client the connection of the first; a port that is not the server's leads elsewhere.
        again = listed(host, database, seconds)[1]["process"]
        pooled = again == value["process"] or value["port"] != (database.get("port") or PORT)
    else:
        # A pool cannot name the server's process when a client connects: it has none yet.
        pooled = process != value["process"]
    if pooled:
        raise NotLookedAtError(POOLED)
    found = []
    for one in value["databases"]:
        single = {**database, "name": str(one["name"])}
        if not one["may"]:
            on, account = (readable(str(one[name])) for name in ("quoted", "account"))
            single["refused"] = f"permission denied: GRANT CONNECT ON DATABASE {on} TO {account}"
        found.append(single)
    return found


def listed(
    host: Host, database: Dict[str, Any], seconds: float
) -> tuple[int | None, Dict[str, Any]]:
    """Return which process of the server connecting has named, and the answer about its databases."""
    replies = ask_all(host, database, {"names": DATABASES}, seconds)
    reply = replies.by_name["names"]
    if reply.why or not isinstance(reply.value, dict):
        raise AccessRefusedError(reply.why or "no answer")
    return replies.process, reply.value


def read(host: Host, database: Dict[str, Any], gather: str, seconds: float) -> TopicAnswers:
    """Read the topics of a gather: those of the site's second role on a connection of its own, and as that role alone.

    What that role may not see is not asked for as the other: the site has named it so that the other need not see it.
    """
    if gather == "database_plans":
        return read_plans(host, database, seconds)
    topics = BY_GATHER[gather]
    answers = TopicAnswers()
    ends = time.monotonic() + seconds
    has_second = bool(database.get("explain_as"))
    second = [one for one in topics if one.second] if has_second else []
    first = [one for one in topics if one not in second]
    about = _take(answers, first, host, database, seconds)
    reader = about["account"]
    if second:
        noted = answers.about
        try:
            reader = _take(answers, second, host, as_second(database), seconds)["account"]
        except AccessRefusedError as exc:
            _refused(answers, second, about, told(str(exc), seconds).reason)
        answers.about = noted
    _let_read(answers, about, reader, has_second=has_second)
    if UNUSED in answers.values:
        unused = answers.values[UNUSED]
        answers.values[UNUSED] = without_used(unused, host, database, ends)
    return answers


def _refused(
    answers: TopicAnswers, topics: Sequence[Topic], about: Mapping[str, Any], reason: str
) -> None:
    """Note that the second role did not get in, with what lets it in, as far as the first one sees what it lacks."""
    role = about["reads_as"]
    lacks = let_in(role, about["reader"], about["database"])
    for one in topics:
        answers.unread[one.name] = f"the role of explain_as was refused: {reason}"[:400]
        answers.unseen[one.name] = {
            "objects": 0, "statements": lacks, "database": about["database"], "role": role,
            "why": "" if lacks else REFUSED,
        }  # fmt: skip


def _let_read(
    answers: TopicAnswers, about: Mapping[str, Any], account: str, *, has_second: bool
) -> None:
    """Note what lets the reading role see what it may not: the same statements for all topics, to be run once.

    Without a second role, the account itself may be let read sequences, for that shows no row; for tables, the site has
    to name one.
    """
    notes = [one for one in answers.unseen.values() if "hidden" in one]
    hidden = merged([one.pop("hidden") for one in notes])
    unnamed = not has_second and "TABLES" in hidden
    role = about["reads_as"] if unnamed else account
    first = let_in(role, about["reader"], about["database"]) if unnamed else []
    for one in notes:
        one["statements"] = [*first, *reads(hidden, role)]
        one.update(database=about["database"], role=role, unnamed=unnamed)


def read_plans(host: Host, database: Dict[str, Any], seconds: float) -> TopicAnswers:
    """Read the worst statements as the first role, then their plans as the second, perhaps on another server."""
    ends = time.monotonic() + seconds
    answers = TopicAnswers()
    about = _take(answers, (PLANS,), host, database, seconds)
    value = answers.values.pop("plans", None)
    if value is None:
        return answers
    has_second = bool(database.get("explain_as"))
    reader = about["account"]
    try:
        reader = _take_plans(answers, host, database, value, ends)
    except NotReadError as exc:
        answers.unread["plans"] = str(exc)
    except AccessRefusedError as exc:
        reason = told(str(exc), seconds).reason
        if has_second:
            _refused(answers, (PLANS,), about, reason)
        else:
            answers.unread["plans"] = reason
    _let_read(answers, about, reader, has_second=has_second)
    return answers


def _take_plans(
    answers: TopicAnswers,
    host: Host,
    database: Dict[str, Any],
    value: Mapping[str, Any],
    ends: float,
) -> str:
    """Note the plans of the worst statements; with indexes that may help, where the server can imagine some.

    value: the worst statements as they were read. ends: when all must be done. Returns the account that has read them.
    Raises: NotReadError, AccessRefusedError.
    """
    refuse_untracked(value)
    second = as_second(database)
    about = _about(host, second, {"plans": MAY_PLAN}, _left(ends))
    account = str(about["account"])
    if not about["may"]["plans"]:
        grants = (f"GRANT USAGE ON LANGUAGE plpgsql TO {quoted(account)}",)
        _lacks(answers, PLANS, about, Lack("the role may not use plpgsql", grants))
        return account
    statements = worst_of(value)
    left = _left(ends)
    asked = {"plans": planning(statements, PLANNING_SHARE * left)}
    reply = ask_all(host, second, asked, left).by_name["plans"]
    if reply.why or not isinstance(reply.value, dict):
        raise NotReadError(reply.why or "no answer")
    plans = reply.value
    trials = trials_of(plans)
    imagines, schema, may = about["extensions"].get(IMAGINES, ("", "", ""))
    costs = {}
    if trials and may == "true":
        left = _left(ends)
        asked = {"plans": trying(statements, trials, schema, PLANNING_SHARE * left)}
        reply = ask_all(host, second, asked, left).by_name["plans"]
        costs = costs_of(reply.value) if isinstance(reply.value, dict) else {}
    answers.values["plans"] = {
        **observed(value, statements, plans, trials, costs),
        "imagines": imagines if may == "true" else "",
    }
    denied = denied_of(plans)
    if denied:
        hidden = {"SCHEMAS": plans["schemas"], "TABLES": plans["schemas"]}
        # Not under the topic's own name: whether it matters hangs on the load of the statements that have no plan.
        answers.unseen["tables"] = {"objects": denied, "hidden": hidden}
    return account


def _left(ends: float) -> float:
    """Return the seconds that are left.

    Raises: NotReadError if there are none.
    """
    left = ends - time.monotonic()
    if left <= 0:
        raise NotReadError("no time was left to ask for the plans")
    return left


def _take(
    answers: TopicAnswers,
    topics: Sequence[Topic],
    host: Host,
    database: Dict[str, Any],
    seconds: float,
) -> Dict[str, Any]:
    """Ask what the server is, then what it offers of the topics, and note what came; return what it is."""
    about = _about(host, database, {one.name: one.needs for one in topics if one.needs}, seconds)
    questions = _questions(answers, topics, about)
    answers.about = {name: about[name] for name in ("version", "in_recovery")}
    socket = _socket(host, about)
    if socket:
        answers.about["socket"] = socket
    replies = ask_all(host, database, questions, seconds).by_name if questions else {}
    for one in topics:
        if one.name in answers.unread:
            continue
        if one.name not in replies:
            since = min(one.sql) // 10000
            answers.not_offered[one.name] = f"PostgreSQL {about['version']} has none, {since} does"
        elif replies[one.name].why:
            _lacks(answers, one, about, _lack_of(one, replies[one.name], about))
        else:
            note(answers, one, replies[one.name].value, about)
    return about


def _about(
    host: Host, database: Dict[str, Any], needs: Mapping[str, str], seconds: float
) -> Dict[str, Any]:
    """Return what the server is, and what the account may do: its answer to each SQL of needs, by name."""
    may = ", ".join(f"'{name}', {condition}" for name, condition in needs.items())
    role = reader_of(database)
    asked = ABOUT.replace("{may}", f"json_build_object({may})").replace("{reader}", asked_of(role))
    reply = ask_all(host, database, {"about": asked}, seconds).by_name["about"]
    if reply.why or not isinstance(reply.value, dict):
        raise AccessRefusedError(reply.why or "no answer")
    return {**reply.value, "reads_as": role}


def _socket(host: Host, about: Mapping[str, Any]) -> str:
    """Return the socket of a server that was asked by TCP on this host; empty if it is not known, or not here.

    The server may be in a container, which has its own files.
    """
    for folder in str(about["folders"] or "").split(","):
        path = f"{folder.strip().strip(chr(34))}/.s.PGSQL.{about['port']}"
        if path.startswith("/") and _is_there(host, path):
            return path
    return ""


def _is_there(host: Host, path: str) -> bool:
    try:
        return host.exists(path)
    except HostError:
        return False


def _questions(
    answers: TopicAnswers, topics: Sequence[Topic], about: Mapping[str, Any]
) -> Dict[str, str]:
    """Return what the server can be asked by topic, and note why it cannot be asked others."""
    questions: Dict[str, str] = {}
    for one in topics:
        barred = about["may"].get(one.name) is False
        schema, number, lack = "", about["number"], Lack()
        if one.extension:
            setting = one.setting if barred else ""
            schema, number, lack = of_extension(
                one.extension, about["extensions"], about["account"], setting
            )
        question = "" if lack.why else one.sql_for(number)
        if lack.why:
            _lacks(answers, one, about, lack)
        elif one.extension and not question:
            update = f"ALTER EXTENSION {one.extension} UPDATE"
            _lacks(answers, one, about, Lack(f"its {one.extension} is too old", (update,)))
        elif question and barred:
            grants = () if one.setting else granted(one, about)
            _lacks(answers, one, about, Lack(one.lack, grants, one.setting))
        elif question:
            questions[one.name] = question.replace("{extension}", schema)
    return questions


def _lack_of(topic: Topic, reply: Reply, about: Mapping[str, Any]) -> Lack:
    """Return why a question has no value, and what fixes it."""
    if topic.extension and reply.state in NOT_LOADED:
        return Lack(topic.lack, (), topic.setting)
    return Lack(reply.why, granted(topic, about) if reply.state == DENIED else ())


def _lacks(answers: TopicAnswers, topic: Topic, about: Mapping[str, Any], lack: Lack) -> None:
    """Note that a topic has no value, why, and what fixes it."""
    answers.unread[topic.name] = lack.why
    if lack.statements or lack.setting:
        answers.unseen[topic.name] = {
            "objects": 0, "statements": list(lack.statements), "database": about["database"],
            "setting": lack.setting,
        }  # fmt: skip


def note(answers: TopicAnswers, topic: Topic, value: Any, about: Mapping[str, Any]) -> None:
    """Take in what a topic gave, and how much of it was not seen."""
    if isinstance(value, dict) and "rows" in value:
        unseen, unlocked = value.get("unseen") or 0, value.get("unlocked") or 0
        if unseen and topic.second:
            answers.unseen[topic.name] = {"objects": unseen, "hidden": value.get("hidden") or {}}
        elif unseen:
            answers.unseen[topic.name] = {
                "objects": unseen, "statements": list(granted(topic, about)), "database": about["database"],
            }  # fmt: skip
        elif unlocked:
            answers.unseen[topic.name] = {"objects": unlocked, "why": "locks"}
        value = value["rows"]
    try:
        answers.values[topic.name] = topic.made(value) if topic.made else value
    except NotReadError as exc:
        answers.unread[topic.name] = str(exc)


def granted(topic: Topic, about: Mapping[str, Any]) -> Tuple[str, ...]:
    """Return the statements that let the account see a topic; none if there are none."""
    account = quoted(about["account"])
    return tuple(one.replace("{account}", account) for one in topic.grant.split("; ") if one)


ENGINE = Engine(
    kind="postgresql",
    port=PORT,
    ask=ask,
    expected=42,
    found=found,
    topics={gather: tuple(one.name for one in topics) for gather, topics in BY_GATHER.items()},
    read=read,
    databases=databases,
    denied=re.compile(
        r"authentication failed|role .* does not exist|no pg_hba\.conf entry|permission denied|no password supplied",
        re.IGNORECASE,
    ),
    saturated=re.compile(
        r"too many clients|remaining connection slots|no more connections allowed", re.IGNORECASE
    ),
    holders="runuser -u postgres -- psql -c "
    "'select usename, state, count(*) from pg_stat_activity group by 1, 2'",
)
