"""Limits of database_triggers."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases._database_objects_shape import (
    DatabaseObjects,
    DisabledTrigger,
)
from upkeep.checks.databases.database_triggers import Limits, judge
from upkeep.model.verdicts import Severity, Status, Verdict

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
SUBJECT = "postgresql upkeep@127.0.0.1:5432/shop"


def one(**more: Any) -> DisabledTrigger:
    return DisabledTrigger(**{"name": "audit", "kind": "trigger", "table": "public.member", **more})


def verdict_of(*rows: DisabledTrigger, limits: Limits | None = None, **more: Any) -> Verdict:
    seen = DatabaseObjects("postgresql", True, subject=SUBJECT, triggers=list(rows), **more)
    verdict = judge(seen, limits or Limits(), NOW)
    assert verdict is not None
    return verdict


@pytest.mark.parametrize(
    ("more", "severity"),
    [
        ({}, Severity.MEDIUM),
        ({'kind': 'rule'}, Severity.MEDIUM),
        ({'kind': 'event trigger', 'table': ''}, Severity.MEDIUM),
        ({'kind': 'foreign key'}, Severity.HIGH),
        ({'kind': 'setting', 'table': 'ROLE ALL'}, Severity.HIGH),
    ],
)  # fmt: skip
def test_limits(more: dict[str, Any], severity: Severity | None) -> None:
    assert verdict_of(one(**more)).severity is severity


def test_a_failure_says_what_and_what_fixes_it() -> None:
    verdict = verdict_of(one())

    assert verdict.message == "trigger audit of public.member is off; at most 0"
    assert verdict.remedy == (
        "runuser -u postgres -- psql -d shop -c 'ALTER TABLE public.member ENABLE TRIGGER audit'  # decide: what it would have done meanwhile is not done"
    )


def test_what_a_site_leaves_out_does_not_fail() -> None:
    left_out = Limits(ignore=("aud*",))

    assert verdict_of(one(), limits=left_out).status is Status.PASS


def test_nothing_passes() -> None:
    assert verdict_of().message == "0 triggers or rules are off, at most 0"


@pytest.mark.parametrize(
    ("kind", "table", "statement"),
    [
        ("rule", "public.member", "ALTER TABLE public.member ENABLE RULE audit"),
        ("event trigger", "", "ALTER EVENT TRIGGER audit ENABLE"),
        ("foreign key", "public.member", "ALTER TABLE public.member ENABLE TRIGGER ALL"),
    ],
)
def test_each_kind_is_switched_on_by_its_statement(kind: str, table: str, statement: str) -> None:
    assert f"'{statement}'" in verdict_of(one(kind=kind, table=table)).remedy


def test_all_that_are_off_are_counted_whatever_their_severity() -> None:
    rows = [one(kind=kind) for kind in ("foreign key", "trigger", "rule", "event trigger", "rule")]

    assert verdict_of(*rows).message == (
        "foreign key audit of public.member is off; trigger audit of public.member is off; "
        "rule audit of public.member is off; and 2 more; at most 0"
    )


def test_what_fires_on_replicas_only_is_said() -> None:
    verdict = verdict_of(one(replica=True))

    assert verdict.message == "trigger audit of public.member fires on replicas only; at most 0"


@pytest.mark.parametrize(
    ("of", "said", "statements"),
    [
        ("DATABASE shop", "DATABASE shop", ["ALTER DATABASE shop RESET session_replication_role"]),
        ("ROLE ALL", "ROLE ALL", ["ALTER ROLE ALL RESET session_replication_role"]),
        ("ROLE a IN DATABASE shop", "ROLE a IN DATABASE shop", ["ALTER ROLE a IN DATABASE shop RESET session_replication_role"]),
        ("SYSTEM", "all", ["ALTER SYSTEM RESET session_replication_role", "select pg_reload_conf()"]),
    ],
)  # fmt: skip
def test_for_whom_all_are_off_by_a_setting(of: str, said: str, statements: list[str]) -> None:
    verdict = verdict_of(one(kind="setting", name="session_replication_role", table=of))

    assert verdict.message == (
        f"all triggers and foreign keys are off for {said}: session_replication_role is replica; at most 0"
    )
    assert verdict.remedy.startswith(
        "runuser -u postgres -- psql -d shop" + "".join(f" -c '{each}'" for each in statements)
    )
