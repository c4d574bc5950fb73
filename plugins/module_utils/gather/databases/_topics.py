# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What servers and databases are asked besides whether they answer, by topics; see databases/engine.py."""

from __future__ import annotations

from functools import partial
from typing import Any, Callable, Dict, List, NamedTuple, Tuple

from ansible_collections.astral.upkeep.plugins.module_utils.databases.declared import scrub, wanted
from ansible_collections.astral.upkeep.plugins.module_utils.databases.engine import (
    AccessRefusedError,
    Engine,
)
from ansible_collections.astral.upkeep.plugins.module_utils.databases.refusals import told
from ansible_collections.astral.upkeep.plugins.module_utils.databases.registry import (
    ENGINES,
    server,
    subject,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.children import (
    Answer,
    side_by_side,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host
from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation, Whole

Databases = Dict[str, Tuple[Dict[str, Any], bool]]
"""By subject: a database as it is declared, and whether a site declares it."""


class Asking(NamedTuple):
    """Which gather asks. of: the set of its observations. seconds: how long one server or database may take."""

    gather: str
    of: str
    seconds: float


def of_servers(params: Dict[str, Any], host: Host, asking: Asking) -> List[Observation]:
    """Return one observation per server of the declared and found databases that has topics of this gather."""
    declared, whole = wanted(params, host)
    servers: Databases = {}
    clear_first = sorted(declared.values(), key=lambda one: bool(one[0].get("ambiguous")))
    for database, known in clear_first:
        if ENGINES[database["kind"]].topics.get(asking.gather):
            servers.setdefault(server(database), (database, known))
    return _observed(servers, whole, host, asking)


def of_databases(params: Dict[str, Any], host: Host, asking: Asking) -> List[Observation]:
    """Return one observation per database; of a declared server without a name, per database that it has."""
    declared, whole = wanted(params, host)
    asked = {
        name: one
        for name, one in declared.items()
        if ENGINES[one[0]["kind"]].topics.get(asking.gather)
    }
    lists = side_by_side(
        {
            name: partial(_names, host, database, asking.seconds)
            for name, (database, _known) in asked.items()
            if not database.get("ambiguous")
        },
        asking.seconds + 2,
    )
    single: Databases = {}
    for name, (database, known) in asked.items():
        # One that refuses us is asked again, and says why.
        for one in (lists[name].value if name in lists else None) or [database]:
            single.setdefault(subject(one), (one, known))
    return _observed(single, whole, host, asking)


def _names(host: Host, database: Dict[str, Any], seconds: float) -> List[Dict[str, Any]]:
    """Return the databases of a server, nothing if it refuses."""
    try:
        return ENGINES[database["kind"]].databases(host, database, seconds)
    except AccessRefusedError:
        return []


def _observed(databases: Databases, whole: bool, host: Host, asking: Asking) -> List[Observation]:
    """Ask all side by side. One that was only found and refuses us is left to `databases`, which says so once."""
    calls: Dict[str, Callable[[], Any]] = {
        name: partial(_read, host, ENGINES[database["kind"]], database, asking)
        for name, (database, _known) in databases.items()
    }
    answers = side_by_side(calls, asking.seconds + 2)
    seen = []
    for name, (database, known) in databases.items():
        data = _data(answers[name], database)
        if data["connected"] or known:
            data = {"kind": database["kind"], "declared": known, **data}
            seen.append(Observation(name, data, of=asking.of))
        else:
            whole = False
    return Whole(seen, [asking.of]) if whole else seen


def _read(host: Host, engine: Engine, database: Dict[str, Any], asking: Asking) -> Dict[str, Any]:
    if engine.read is None:
        raise AccessRefusedError(f"nothing is read of {engine.kind}")
    if database.get("ambiguous"):
        return {"connected": False, "reason": database["ambiguous"]}
    try:
        answers = engine.read(host, database, asking.gather, asking.seconds)
        return {"connected": True, **answers.as_data()}
    except AccessRefusedError as exc:
        return {"connected": False, "reason": _reason(exc, asking.seconds)}


def _reason(exc: AccessRefusedError, seconds: float) -> str:
    return str(exc) if exc.cause else told(str(exc), seconds).reason


def _data(answer: Answer, database: Dict[str, Any]) -> Dict[str, Any]:
    """Return what came of one; a reason in one line, without passwords."""
    data = answer.value or {"connected": False, "reason": answer.error}
    if "reason" in data:
        data["reason"] = scrub(" ".join(str(data["reason"]).split()), database)[:400]
    return dict(data)
