# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Databases as a client sees them: does it get in, is a trivial question answered, how fast, how full is the pool."""

from __future__ import annotations

import time
from functools import partial
from typing import Any, Callable, Dict, Mapping, Tuple

from ansible_collections.astral.upkeep.plugins.module_utils.databases.declared import (
    ARGUMENTS as DECLARED,
)
from ansible_collections.astral.upkeep.plugins.module_utils.databases.declared import (
    scrub,
    wanted,
)
from ansible_collections.astral.upkeep.plugins.module_utils.databases.engine import (
    AccessRefusedError,
    Engine,
)
from ansible_collections.astral.upkeep.plugins.module_utils.databases.refusals import (
    AMBIGUOUS,
    DENIED,
    FULL,
    LIMIT_BYTES,
    POOL_FULL,
    REASON_CHARACTERS,
    Refusal,
    told,
)
from ansible_collections.astral.upkeep.plugins.module_utils.databases.refusals import (
    LATE as LATE_CAUSE,
)
from ansible_collections.astral.upkeep.plugins.module_utils.databases.registry import (
    ENGINES,
    place,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases._asking import (
    ask_side_by_side,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.children import Answer
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host
from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation, Whole

ARGUMENTS: dict[str, dict[str, Any]] = DECLARED
TIMEOUT_SECONDS = 60
NETWORK = True
SET = "databases"
TOOLS = ("psql|python:psycopg",)
RAW_LIMIT_CHARACTERS = 8_000


def gather(params: dict[str, Any], host: Host) -> list[Observation]:
    """Return one observation per declared database, and per one found on this host of a kind that none is declared of.

    Not getting in is data (`connected` false, `reason`): it is what was asked. An error says that there are no means
    to ask.
    """
    found, whole = wanted(params, host)
    seconds = params["timeout_seconds"]
    ends = time.monotonic() + TIMEOUT_SECONDS
    answers = ask_side_by_side(
        {
            name: partial(probe, host, database, seconds)
            for name, (database, _shown) in found.items()
        },
        {name: database for name, (database, _shown) in found.items()},
        seconds,
        ends,
    )
    crowds = _crowds(found, answers, host, (seconds, ends))
    seen = []
    for name, (database, declared) in found.items():
        answer = answers[name]
        if crowds.get(name):
            data = _refusal(crowds[name], database, POOL_FULL)
        elif answer.late:  # the child itself hangs, in a library
            data = _refusal(answer.error, database)
        elif answer.error:
            seen.append(Observation(name, error=scrub(answer.error, database), of=SET))
            continue
        else:
            data = answer.value
        raw = scrub(data.pop("raw", "") or data.get("reason", ""), database)
        data["reason"] = scrub(data["reason"], database)
        data = {"kind": database["kind"], "declared": declared, **data}
        seen.append(Observation(name, data, raw=raw[:RAW_LIMIT_CHARACTERS], of=SET))
    return Whole(seen, [SET]) if whole else seen


def _crowds(
    found: Mapping[str, Tuple[Dict[str, Any], bool]],
    answers: Mapping[str, Answer],
    host: Host,
    time_left: Tuple[int, float],
) -> Dict[str, str]:
    """Return by name which databases gave no answer for want of a connection, as what stands before them says it."""
    seconds, ends = time_left
    late = [
        name
        for name, one in answers.items()
        if one.late or (one.value or {}).get("cause") == LATE_CAUSE
    ]
    calls: Dict[str, Callable[[], Any]] = {}
    places: Dict[str, Dict[str, Any]] = {}
    for before, (console, _declared) in found.items():
        engine = ENGINES[console["kind"]]
        for name in late:
            database = found[name][0]
            if database["kind"] == engine.before and place(database) == place(console):
                calls[name] = partial(_crowded, host, engine, console, database, seconds)
                places[name] = found[before][0]
    if not calls:
        return {}
    told_why = ask_side_by_side(calls, places, seconds, ends)
    return {name: str(one.value or "") for name, one in told_why.items()}


def _crowded(
    host: Host, engine: Engine, console: Dict[str, Any], database: Dict[str, Any], seconds: int
) -> str:
    try:
        return engine.crowded(host, console, database, seconds)
    except AccessRefusedError:
        return ""


def probe(host: Host, database: dict[str, Any], seconds: int) -> dict[str, Any]:
    """Return what the database says, or why it says nothing.

    Raises: HostError without a program to ask with.
    """
    if database.get("ambiguous"):
        return _refusal(database["ambiguous"], database, AMBIGUOUS)
    try:
        return {
            "connected": True,
            "reason": "",
            **ENGINES[database["kind"]].ask(host, database, seconds),
        }
    except AccessRefusedError as exc:
        return _refusal(str(exc), database, exc.cause, seconds)


def _refusal(
    text: str, database: dict[str, Any], cause: str = "", seconds: float | None = None
) -> dict[str, Any]:
    """Return the data of a database that could not be used. cause: of a text of ours. seconds: it had to answer."""
    engine = ENGINES[database["kind"]]
    refusal = Refusal(text, cause) if cause else told(text, seconds)
    text = text[:LIMIT_BYTES]
    return {
        "connected": False,
        "reason": refusal.reason[:REASON_CHARACTERS],
        "cause": refusal.cause,
        "denied": refusal.cause == DENIED or bool(engine.denied.search(text)),
        "saturated": refusal.cause == FULL or bool(engine.saturated.search(text)),
    }
