# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a site declares its databases to each gather and job that asks them; the doc fragment `databases` says more."""

from __future__ import annotations

from typing import Any, Dict, Tuple

from ansible_collections.astral.upkeep.plugins.module_utils.databases.registry import (
    ENGINES,
    subject,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host

DATABASES: Dict[str, Any] = {
    "type": "list",
    "elements": "dict",
    "default": [],
    "options": {
        "kind": {"type": "str", "required": True, "choices": list(ENGINES)},
        "name": {"type": "str", "default": ""},
        "address": {"type": "str", "default": ""},
        "port": {"type": "int"},
        "user": {"type": "str", "default": ""},
        "password": {"type": "str", "default": "", "no_log": True},
        "tls": {"type": "bool", "default": False},
        "explain_as": {
            "type": "dict",
            "options": {
                "user": {"type": "str", "required": True},
                "password": {"type": "str", "default": "", "no_log": True},
                "address": {"type": "str", "default": ""},
                "port": {"type": "int"},
            },
        },
        "standbys": {
            "type": "list",
            "elements": "dict",
            "default": [],
            "options": {
                "address": {"type": "str", "required": True},
                "port": {"type": "int"},
            },
        },
    },
}
ARGUMENTS: Dict[str, Dict[str, Any]] = {
    "databases": DATABASES,
    "discover": {"type": "bool", "default": True},
    "timeout_seconds": {"type": "int", "default": 8},
}
AMBIGUOUS = "declared more than once, each time in another way: nobody knows which one holds"


def wanted(
    params: Dict[str, Any], host: Host
) -> Tuple[Dict[str, Tuple[Dict[str, Any], bool]], bool]:
    """Return by subject the declared databases, then those found on the host of a kind that none is declared of.

    Each with whether it is declared; and whether no other one can be there. Nobody's password is tried. One that is
    declared more than once, and not in the same way, has `ambiguous`, which says so: it is not known how to ask it.
    """
    found: Dict[str, Tuple[Dict[str, Any], bool]] = {}
    for database in params["databases"]:
        name = subject(database)
        first = found.setdefault(name, (database, True))[0]
        if first != database:
            found[name] = ({**first, "ambiguous": AMBIGUOUS}, True)
    if not params["discover"]:
        return found, True
    kinds = {database["kind"] for database in params["databases"]}
    whole = True
    for engine in ENGINES.values():
        servers, all_of_them = engine.found(host)
        whole = whole and all_of_them
        if engine.kind not in kinds:
            for database in servers:
                found.setdefault(subject(database), (database, False))
    return found, whole


def scrub(text: str, database: Dict[str, Any]) -> str:
    """Return the text without the database's passwords, should a server or a library repeat them."""
    for one in (database, database.get("explain_as") or {}):
        password = one.get("password") or ""
        if len(password) > 2:
            text = text.replace(password, "********")
    return text
