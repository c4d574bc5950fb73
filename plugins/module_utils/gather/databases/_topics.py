# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What servers and databases are asked besides whether they answer, by topics; see databases/engine.py."""

from __future__ import annotations

import time
from functools import partial
from typing import Any, Callable, Dict, List, NamedTuple, Tuple

from ansible_collections.astral.upkeep.plugins.module_utils.databases.declared import scrub, wanted
from ansible_collections.astral.upkeep.plugins.module_utils.databases.engine import (
    AccessRefusedError,
    Engine,
    NotLookedAtError,
    TopicAnswers,
)
from ansible_collections.astral.upkeep.plugins.module_utils.databases.refusals import (
    LATE,
    Refusal,
    told,
)
from ansible_collections.astral.upkeep.plugins.module_utils.databases.registry import (
    ENGINES,
    server,
    subject,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases._asking import (
    ask_side_by_side,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.children import Answer
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host
from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation, Whole

Databases = Dict[str, Tuple[Dict[str, Any], bool]]
"""By subject: a database as it is declared, and whether a site declares it."""


class Asking(NamedTuple):
    """Which gather asks.

    of: the set of its observations. seconds: how long one server or database may take. all_seconds: how long all may.
    """

    gather: str
    of: str
    seconds: float
    all_seconds: float


def of_servers(params: Dict[str, Any], host: Host, asking: Asking) -> List[Observation]:
    """Return one observation per server of the declared and found databases that has topics of this gather."""
    declared, whole = wanted(params, host)
    servers: Databases = {}
    clear_first = sorted(declared.values(), key=lambda one: bool(one[0].get("ambiguous")))
    for database, known in clear_first:
        if ENGINES[database["kind"]].topics.get(asking.gather):
            servers.setdefault(server(database), (database, known))
    ends = time.monotonic() + asking.all_seconds
    seen = _observed(servers, host, asking, ends)
    whole = whole and len(seen) == len(servers)
    return Whole(seen, [asking.of]) if whole else seen


def of_databases(params: Dict[str, Any], host: Host, asking: Asking) -> List[Observation]:
    """Return one observation per database; of a declared server without a name, per database that it has."""
    declared, whole = wanted(params, host)
    asked = {
        name: one
        for name, one in declared.items()
        if ENGINES[one[0]["kind"]].topics.get(asking.gather)
    }
    ends = time.monotonic() + asking.all_seconds
    for name, (database, known) in asked.items():
        asked[name] = {**database, "connect_seconds": params["timeout_seconds"]}, known
    lists = ask_side_by_side(
        {
            name: partial(_names, host, database, params["timeout_seconds"])
            for name, (database, _known) in asked.items()
            if not database.get("name") and not database.get("ambiguous")
        },
        {name: database for name, (database, _known) in asked.items()},
        params["timeout_seconds"],
        ends,
    )
    single: Databases = {}
    unread: List[Observation] = []
    for name, (database, known) in asked.items():
        listed = lists.get(name, Answer({"databases": []}))
        found = listed.value or {"databases": [{**database, "refused": listed.error}]}
        if found.get("why"):
            unread.append(_unread(name, (database, known), found["why"], asking))
            continue
        for one in found["databases"] or [database]:
            single.setdefault(subject(one), (one, known))
    observed = _observed(single, host, asking, ends)
    whole = whole and len(observed) == len(single)
    return Whole([*unread, *observed], [asking.of]) if whole else [*unread, *observed]


def _names(host: Host, database: Dict[str, Any], seconds: float) -> Dict[str, Any]:
    """Return the databases of a server, itself with the reason if it refuses, or why they are not looked at."""
    try:
        return {"databases": ENGINES[database["kind"]].databases(host, database, seconds)}
    except NotLookedAtError as exc:
        return {"why": str(exc)}
    except AccessRefusedError as exc:
        return {"databases": [{**database, "refused": _refusal(exc, seconds).reason}]}


def _unread(name: str, one: Tuple[Dict[str, Any], bool], why: str, asking: Asking) -> Observation:
    """Return what is observed of a server whose databases are not looked at."""
    database, known = one
    topics = ENGINES[database["kind"]].topics[asking.gather]
    answers = TopicAnswers(unread=dict.fromkeys(topics, why))
    data = {"kind": database["kind"], "declared": known, "connected": True, **answers.as_data()}
    return Observation(name, data, of=asking.of)


def _observed(databases: Databases, host: Host, asking: Asking, ends: float) -> List[Observation]:
    """Ask all side by side. One that was only found and refuses us is left to `databases`, which says so once."""
    calls: Dict[str, Callable[[], Any]] = {
        name: partial(_read, host, ENGINES[database["kind"]], database, asking)
        for name, (database, _known) in databases.items()
    }
    places = {name: database for name, (database, _known) in databases.items()}
    answers = ask_side_by_side(calls, places, asking.seconds, ends, _is_silent)
    seen = []
    for name, (database, known) in databases.items():
        data = _data(answers[name], database)
        if data["connected"] or known:
            data = {"kind": database["kind"], "declared": known, **data}
            seen.append(Observation(name, data, of=asking.of))
    return seen


def _read(host: Host, engine: Engine, database: Dict[str, Any], asking: Asking) -> Dict[str, Any]:
    if engine.read is None:
        raise AccessRefusedError(f"nothing is read of {engine.kind}")
    for refusal in ("refused", "ambiguous"):
        if database.get(refusal):
            return {"connected": False, "reason": database[refusal]}
    try:
        answers = engine.read(host, database, asking.gather, asking.seconds)
        return {"connected": True, **answers.as_data()}
    except AccessRefusedError as exc:
        why = _refusal(exc, asking.seconds)
        return {"connected": False, "reason": why.reason, "cause": why.cause}


def _refusal(exc: AccessRefusedError, seconds: float) -> Refusal:
    return Refusal(str(exc), exc.cause) if exc.cause else told(str(exc), seconds)


def _is_silent(answer: Answer) -> bool:
    """Return whether a server lets nobody in and refuses nobody: its other databases would be waited for as long."""
    return answer.late or (answer.value or {}).get("cause") == LATE


def _data(answer: Answer, database: Dict[str, Any]) -> Dict[str, Any]:
    """Return what came of one; a reason in one line, without passwords."""
    data = dict(answer.value or {"connected": False, "reason": answer.error})
    data.pop("cause", None)
    if "reason" in data:
        data["reason"] = scrub(" ".join(str(data["reason"]).split()), database)[:400]
    return data
