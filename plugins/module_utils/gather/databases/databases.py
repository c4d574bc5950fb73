# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Databases as a client sees them: does it get in, is a trivial question answered, how fast, how full is the pool."""

from __future__ import annotations

import re
from functools import partial
from typing import Any

from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases._engine import (
    AccessRefusedError,
    Engine,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases._mariadb import (
    ENGINE as MARIADB,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases._postgresql import (
    ENGINE as POSTGRESQL,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases._redis import (
    ENGINE as REDIS,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases._sqlite import (
    ENGINE as SQLITE,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.children import side_by_side
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host
from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation, Whole

ENGINES: dict[str, Engine] = {one.kind: one for one in (POSTGRESQL, MARIADB, REDIS, SQLITE)}
"""By their kind. What a host is sent is what this file imports; a test compares it with the files beside it."""
ARGUMENTS: dict[str, dict[str, Any]] = {
    "databases": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "kind": {
                "type": "str",
                "required": True,
                "choices": list(ENGINES),
            },
            "name": {"type": "str", "default": ""},
            "address": {"type": "str", "default": ""},
            "port": {"type": "int"},
            "user": {"type": "str", "default": ""},
            "password": {"type": "str", "default": "", "no_log": True},
            "tls": {"type": "bool", "default": False},
        },
    },
    "discover": {"type": "bool", "default": True},
    "timeout_seconds": {"type": "int", "default": 8},
}
TIMEOUT_SECONDS = 60
SET = "databases"
TOOLS = ("psql|python:psycopg",)
RAW_LIMIT_CHARACTERS = 8_000

DENIED = re.compile(
    r"authentication failed|role .* does not exist|no pg_hba\.conf entry|permission denied|no password supplied"
    r"|ERROR (1044|1045|1698)\b|\b(NOAUTH|WRONGPASS|NOPERM)\b",
    re.IGNORECASE,
)
SATURATED = re.compile(
    r"too many clients|remaining connection slots|too many connections|ERROR (1040|1203|1226)\b"
    r"|max number of clients reached",
    re.IGNORECASE,
)


def gather(params: dict[str, Any], host: Host) -> list[Observation]:
    """Return one observation per declared database, and per one found on this host of a kind that none is declared of.

    Not getting in is data (`connected` false, `reason`): it is what was asked. An error says that there are no means
    to ask.
    """
    wanted = {subject(database): (database, True) for database in params["databases"]}
    whole = True
    if params["discover"]:
        kinds = {database["kind"] for database in params["databases"]}
        found, whole = discovered(host)
        for database in found:
            if database["kind"] not in kinds:
                wanted.setdefault(subject(database), (database, False))
    seconds = params["timeout_seconds"]
    answers = side_by_side(
        {
            name: partial(probe, host, database, seconds)
            for name, (database, _shown) in wanted.items()
        },
        seconds + 2,
    )
    seen = []
    for name, (database, declared) in wanted.items():
        answer = answers[name]
        if answer.error.startswith("no answer within"):  # the child itself hangs, in a library
            data = _refusal(f"no answer within {seconds} s")
        elif answer.error:
            seen.append(Observation(name, error=_scrub(answer.error, database), of=SET))
            continue
        else:
            data = answer.value
        raw = _scrub(data.pop("raw", "") or data.get("reason", ""), database)
        data["reason"] = _scrub(data["reason"], database)
        data = {"kind": database["kind"], "declared": declared, **data}
        seen.append(Observation(name, data, raw=raw[:RAW_LIMIT_CHARACTERS], of=SET))
    return Whole(seen, [SET]) if whole else seen


def subject(database: dict[str, Any]) -> str:
    """Return `postgresql shop@127.0.0.1:5432/orders`, without what is not declared."""
    if database["kind"] == "sqlite":
        return f"sqlite {database['name']}"
    user = f"{database['user']}@" if database.get("user") else ""
    address = database.get("address") or "localhost"
    if ":" in address:
        address = f"[{address}]"
    port = f":{database.get('port') or ENGINES[database['kind']].port}"
    if address.startswith("/") and database["kind"] != "postgresql":
        port = ""
    name = f"/{database['name']}" if database.get("name") else ""
    return f"{database['kind']} {user}{address}{port}{name}"


def discovered(host: Host) -> tuple[list[dict[str, Any]], bool]:
    """Return databases that listen on this host where their packages put them, and whether those are all.

    Nobody's password is tried.
    """
    found: list[dict[str, Any]] = []
    whole = True
    for engine in ENGINES.values():
        servers, all_of_them = engine.found(host)
        found += servers
        whole = whole and all_of_them
    return found, whole


def probe(host: Host, database: dict[str, Any], seconds: int) -> dict[str, Any]:
    """Return what the database says, or why it says nothing.

    Raises: HostError without a program to ask with.
    """
    try:
        return {
            "connected": True,
            "reason": "",
            **ENGINES[database["kind"]].ask(host, database, seconds),
        }
    except AccessRefusedError as exc:
        return _refusal(str(exc))


def _refusal(text: str) -> dict[str, Any]:
    """Return the data of a database that could not be used; its reason in one line."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    meant = [
        line for line in lines if re.search(r"FATAL|ERROR|error|refused|failed", line)
    ] or lines
    reason = re.sub(r"^.*?connection (to server .*? |.*)failed: ", "", meant[-1]) if meant else ""
    return {
        "connected": False,
        "reason": (reason or "no reason given")[:400],
        "denied": bool(DENIED.search(text)),
        "saturated": bool(SATURATED.search(text)),
        "raw": text,
    }


def _scrub(text: str, database: dict[str, Any]) -> str:
    """Return the text without the database's password, should a server or a library repeat it."""
    password = database.get("password") or ""
    return text.replace(password, "********") if len(password) > 2 else text
