"""A server that lets nobody in is not judged by checks of what its kind has, and not told of by those of other kinds."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from verdicts import verdict_of

from ansible_collections.astral.upkeep.plugins.module_utils.databases.registry import ENGINES
from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation
from upkeep.judging.check import load
from upkeep.model.remedies import after
from upkeep.model.verdicts import Status, Verdict, unknown

GATHERS = ("database_activity", "database_objects", "database_statements")
CHECKS = {name: one for name, one in sorted(load().items()) if one.gather in GATHERS}
NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)


def refused(name: str, kind: str) -> Verdict | None:
    """Return what a check says of a server that lets nobody in."""
    data = {"kind": kind, "connected": False, "declared": True, "reason": "Access denied"}
    check = CHECKS[name]
    verdict: Verdict | None = verdict_of(check, Observation(f"{kind} x", data), check.limits, NOW)
    return verdict


@pytest.mark.parametrize("kind", ENGINES)
def test_a_refusal_blinds_the_checks_of_its_kind_alone(kind: str) -> None:
    told = {name: refused(name, kind) for name in CHECKS}

    blind = unknown("not checked: Access denied", remedy=after("database_connect"))
    said = {name: one for name, one in told.items() if one is not None}
    assert set(map(repr, said.values())) == {repr(blind)}
    assert all(ENGINES[kind].topics.get(CHECKS[name].gather) for name in said)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("mariadb", "database_archiver"),
        ("mariadb", "database_slots"),
        ("mariadb", "database_wraparound"),
        ("sqlite", "database_triggers"),
        ("sqlite", "database_sequences"),
        ("redis", "database_locks"),
        ("pgbouncer", "database_settings"),
        ("postgresql", "database_purge"),
    ],
)
def test_a_check_of_another_kind_says_nothing(kind: str, name: str) -> None:
    assert refused(name, kind) is None


def test_a_kind_that_is_not_known_is_unknown() -> None:
    verdict = refused("database_locks", "oracle")

    assert verdict is not None
    assert verdict.status is Status.UNKNOWN
