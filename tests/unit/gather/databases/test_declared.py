"""What a site declares of its databases, and what of it cannot be asked."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from verdicts import verdict_of

from ansible_collections.astral.upkeep.plugins.module_utils.databases.declared import (
    AMBIGUOUS,
    wanted,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases import (
    database_activity,
    database_objects,
    databases,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host
from upkeep.checks.databases import database_connect, database_locks
from upkeep.model.verdicts import Status

NOW = datetime(2026, 11, 27, tzinfo=UTC)
PLACE: dict[str, Any] = {"kind": "redis", "address": "127.0.0.1", "port": 1}
OTHERS = [
    {**PLACE, "password": "geheim"},
    {**PLACE, "tls": True},
    {**PLACE, "explain_as": {"user": "reader"}},
]


def params(*declared: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of each gather."""
    given = {"databases": list(declared), "discover": False}
    return {**given, "timeout_seconds": 2, "catalog_seconds": 2}


@pytest.mark.parametrize("other", OTHERS, ids=["password", "tls", "explain_as"])
def test_two_ways_to_ask_one_database_are_no_way(other: dict[str, Any]) -> None:
    found, whole = wanted(params(PLACE, other, PLACE), Host())

    assert found == {"redis 127.0.0.1:1": ({**PLACE, "ambiguous": AMBIGUOUS}, True)}
    assert whole is True


@pytest.mark.parametrize(
    ("declared", "subjects"),
    [
        ([PLACE, dict(PLACE)], ["redis 127.0.0.1:1"]),
        ([PLACE, {**PLACE, "user": "a"}], ["redis 127.0.0.1:1", "redis a@127.0.0.1:1"]),
        ([PLACE, {**PLACE, "port": 2}], ["redis 127.0.0.1:1", "redis 127.0.0.1:2"]),
    ],
    ids=["the same twice", "another user", "another port"],
)
def test_what_is_told_apart_is_asked(declared: list[dict[str, Any]], subjects: list[str]) -> None:
    found, _whole = wanted(params(*declared), Host())

    assert list(found) == subjects
    assert not any(one.get("ambiguous") for one, _known in found.values())


def test_a_mistake_of_the_declaration_is_told_and_nobody_is_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr(Host, "connect")
    monkeypatch.delattr(Host, "run")
    maria = {**PLACE, "kind": "mariadb"}
    declared = params(maria, {**maria, "password": "geheim"})

    [seen] = databases.gather(declared, Host())
    activity = database_activity.gather(declared, Host())
    objects = database_objects.gather(declared, Host())

    check = database_connect.CHECK
    verdict = verdict_of(check, seen, check.limits, NOW)
    assert (verdict.status, verdict.message) == (Status.UNKNOWN, f"not asked: {AMBIGUOUS}")
    assert verdict.remedy.startswith("decide: leave one of its entries")
    check = database_locks.CHECK
    blind = verdict_of(check, activity[0], check.limits, NOW)
    assert (blind.status, blind.message) == (Status.UNKNOWN, f"not checked: {AMBIGUOUS}")
    assert [one.data["connected"] for one in (*activity, *objects)] == [False, False]
    assert "geheim" not in repr((seen, activity, objects))


def test_a_server_is_looked_at_by_the_entry_that_is_clear() -> None:
    twice = (PLACE, {**PLACE, "password": "geheim"}, {**PLACE, "user": "a"})

    [seen] = database_activity.gather(params(*twice), Host())

    assert seen.data["reason"] == "127.0.0.1:1: connection refused"
