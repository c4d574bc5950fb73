"""Limits of database_auto_increment."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases._database_objects_shape import (
    AutoIncrement,
    DatabaseObjects,
)
from upkeep.checks.databases.database_auto_increment import Limits, judge
from upkeep.model.verdicts import Severity, Status, Verdict

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)


def verdict_of(*rows: AutoIncrement, limits: Limits | None = None) -> Verdict:
    seen = DatabaseObjects("mariadb", True, auto_increment=list(rows))
    verdict = judge(seen, limits or Limits(), NOW)
    assert verdict is not None
    return verdict


def key(share: float, name: str = "shop.ticket", kind: str = "smallint(6)") -> AutoIncrement:
    return AutoIncrement(name, "id", kind, int(32767 * share), 32767, share)


@pytest.mark.parametrize(
    ("share", "severity"),
    [(0.0, None), (0.849, None), (0.85, Severity.MEDIUM), (0.949, Severity.MEDIUM), (0.95, Severity.HIGH), (1.0, Severity.HIGH)],
)  # fmt: skip
def test_limits(share: float, severity: Severity | None) -> None:
    verdict = verdict_of(key(0.1), key(share))

    assert verdict.severity is severity
    assert f"has given {100 * share:.1f} %" in verdict.message or share < 0.1


@pytest.mark.parametrize(
    ("one", "command"),
    [
        (key(0.99), "mariadb -e 'ALTER TABLE `shop`.`ticket` MODIFY `id` BIGINT UNSIGNED NOT NULL AUTO_INCREMENT'  # decide"),
        (key(0.99, "shop.a`b"), "mariadb -e 'ALTER TABLE `shop`.`a``b` MODIFY"),
        (key(0.99, "shop.a.b"), "decide: give the column a larger type"),
        (key(0.99, kind="bigint(20) unsigned"), "decide: give the column a larger type"),
    ],
    ids=["plain", "odd name", "two points", "nothing larger"],
)  # fmt: skip
def test_the_remedy_is_a_larger_type(one: AutoIncrement, command: str) -> None:
    assert verdict_of(one).remedy.startswith(command)


def test_a_table_may_be_left_out() -> None:
    limits = Limits(ignore=("shop.tick*",))

    assert verdict_of(key(0.99), limits=limits).status is Status.PASS


@pytest.mark.parametrize("share", [-0.1, 1.01, float("nan")])
def test_what_cannot_be_is_unknown(share: float) -> None:
    assert (
        verdict_of(key(0.5), AutoIncrement("s.t", "id", "int", 1, 2, share)).status
        is Status.UNKNOWN
    )
