# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PostgreSQL, from version 13."""

from __future__ import annotations

import json
import re
import time
from typing import Any, Dict, List, Mapping, Sequence

from ansible_collections.astral.upkeep.plugins.module_utils.databases.engine import (
    PERMISSION,
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
    SEES_TABLES,
    costs_of,
    observed,
    planning,
    trials_of,
    trying,
    worst_of,
)
from ansible_collections.astral.upkeep.plugins.module_utils.databases.engines._postgresql_statements import (
    STATEMENTS,
    of_extension,
    unloaded,
)
from ansible_collections.astral.upkeep.plugins.module_utils.databases.refusals import told
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host

GRANT_CHARACTERS = 1000
"""How long a list of schemas in a statement may be, which a person is to read."""
READER = "upkeep_reader"
"""The name in statements for a role that a site could name in explain_as, if it has none."""
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
    """Read the topics of a gather: those of the site's second role on a connection of its own."""
    if gather == "database_plans":
        return read_plans(host, database, seconds)
    topics = BY_GATHER[gather]
    answers = TopicAnswers()
    second = [one for one in topics if one.second] if database.get("explain_as") else []
    first = [one for one in topics if one not in second]
    _take(answers, first, host, database, seconds)
    if second:
        about = answers.about
        try:
            _take(answers, second, host, as_second(database), seconds)
        except AccessRefusedError as exc:
            answers.unread.update(
                dict.fromkeys([one.name for one in second], refused(exc, seconds))
            )
        answers.about = about
    return answers


def refused(exc: AccessRefusedError, seconds: float) -> str:
    """Return why nothing was read as the site's second role."""
    return f"the role of explain_as was refused: {told(str(exc), seconds).reason}"[:400]


def read_plans(host: Host, database: Dict[str, Any], seconds: float) -> TopicAnswers:
    """Read the worst statements as the first role, then their plans as the second, perhaps on another server."""
    ends = time.monotonic() + seconds
    answers = TopicAnswers()
    _take(answers, (PLANS,), host, database, seconds)
    value = answers.values.pop("plans", None)
    if value is None:
        return answers
    try:
        answers.values["plans"] = _planned(host, database, value, ends)
    except NotReadError as exc:
        answers.unread["plans"] = str(exc)
    except AccessRefusedError as exc:
        why = refused(exc, seconds)
        answers.unread["plans"] = (
            why if database.get("explain_as") else told(str(exc), seconds).reason
        )
    return answers


def _planned(
    host: Host, database: Dict[str, Any], value: Mapping[str, Any], ends: float
) -> Dict[str, Any]:
    """Return the plans of the worst statements; with indexes that may help, where the server can imagine some.

    value: the worst statements as they were read. ends: when all must be done.
    Raises: NotReadError, AccessRefusedError.
    """
    second = as_second(database)
    about = _about(host, second, {"plans": MAY_PLAN}, _left(ends))
    roles = _roles(database, about["account"])
    if not about["may"]["plans"]:
        grant = f"GRANT USAGE ON LANGUAGE plpgsql TO {quoted(roles['account'])}"
        raise NotReadError(f"the role may not use plpgsql, or the database has none: {grant}")
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
    return {
        **observed(value, statements, plans, trials, costs),
        "second": bool(database.get("explain_as")),
        "grant": granted(SEES_TABLES, plans, roles) if plans["schemas"] else "",
        "imagines": imagines if may == "true" else "",
    }


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
) -> None:
    """Ask what the server is, then what it offers of the topics, and note what came."""
    about = _about(host, database, {one.name: one.needs for one in topics if one.needs}, seconds)
    roles = _roles(database, about["account"])
    questions = _questions(answers, topics, about, roles)
    answers.about = {name: about[name] for name in ("version", "in_recovery")}
    replies = ask_all(host, database, questions, seconds).by_name if questions else {}
    for one in topics:
        if one.name in answers.unread:
            continue
        if one.name not in replies:
            since = min(one.sql) // 10000
            version = about["version"]
            answers.not_offered[one.name] = f"PostgreSQL {version} has none, {since} does"
        elif replies[one.name].why:
            answers.unread[one.name] = unloaded(one, replies[one.name]) or replies[one.name].why
            if replies[one.name].state == DENIED and one.grant:
                answers.unseen[one.name] = {"objects": 0, "grant": granted(one, {}, roles)}
        else:
            note(answers, one, replies[one.name].value, roles)


def _about(
    host: Host, database: Dict[str, Any], needs: Mapping[str, str], seconds: float
) -> Dict[str, Any]:
    """Return what the server is, and what the account may do: its answer to each SQL of needs, by name."""
    may = ", ".join(f"'{name}', {condition}" for name, condition in needs.items())
    asked = {"about": ABOUT.replace("{may}", f"json_build_object({may})")}
    about = ask_all(host, database, asked, seconds).by_name["about"]
    if about.why or not isinstance(about.value, dict):
        raise AccessRefusedError(about.why or "no answer")
    return dict(about.value)


def _roles(database: Mapping[str, Any], account: str) -> Dict[str, str]:
    """Return the names of roles that statements of GRANT may have."""
    return {"account": account, "reader": account if database.get("explain_as") else READER}


def _questions(
    answers: TopicAnswers,
    topics: Sequence[Topic],
    about: Mapping[str, Any],
    roles: Mapping[str, str],
) -> Dict[str, str]:
    """Return what the server can be asked by topic, and note why it cannot be asked others."""
    questions: Dict[str, str] = {}
    for one in topics:
        question, why = one.sql_for(about["number"]), ""
        if one.extension:
            question, why = of_extension(one, about["extensions"], quoted(roles["account"]))
        if question and about["may"].get(one.name) is False:
            answers.unread[one.name] = one.lack
            if one.grant and one.lack == PERMISSION:
                answers.unseen[one.name] = {"objects": 0, "grant": granted(one, {}, roles)}
        elif question:
            questions[one.name] = question
        elif why:
            answers.unread[one.name] = why
    return questions


def note(answers: TopicAnswers, topic: Topic, value: Any, roles: Mapping[str, str]) -> None:
    """Take in what a topic gave, and how much of it was not seen.

    roles: the account that asked, and one that may read tables. What else the value has are words of the grant.
    """
    if isinstance(value, dict) and "rows" in value:
        hidden, unlocked = value.get("unseen") or 0, value.get("unlocked") or 0
        if hidden:
            answers.unseen[topic.name] = {"objects": hidden, "grant": granted(topic, value, roles)}
        elif unlocked:
            answers.unseen[topic.name] = {"objects": unlocked, "why": "locks"}
        value = value["rows"]
    answers.values[topic.name] = topic.made(value) if topic.made else value


def granted(topic: Topic, value: Mapping[str, Any], roles: Mapping[str, str]) -> str:
    """Return the statement that lets the account see the topic; what it names of objects is in the value."""
    words = {name: quoted(role) for name, role in roles.items()}
    words.update({"objects": str(value.get("objects") or "TABLES"), "schemas": ""})
    names = [readable(str(one)) for one in value.get("schemas") or []]
    shown: List[str] = []
    for name in names:
        if shown and sum(map(len, shown)) + len(name) > GRANT_CHARACTERS:
            break
        shown.append(name)
    words["schemas"] = ", ".join(shown)
    more = len(names) - len(shown)
    return topic.grant.format(**words) + (f" -- and {more} more schemas" if more else "")


def quoted(name: str) -> str:
    """Return a name as SQL writes it: plain if it can be."""
    if re.fullmatch(r"[a-z_][a-z0-9_]{0,62}", name):
        return name
    return readable('"' + name.replace('"', '""') + '"')


def readable(name: str) -> str:
    """Return a name that SQL has quoted so that it can be printed: what cannot stands as its number in Unicode."""
    if name.isprintable():
        return name
    doubled = name.replace("\\", "\\\\")
    return "U&" + "".join(one if one.isprintable() else f"\\+{ord(one):06X}" for one in doubled)


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
