"""Limits of database_sequences."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases._database_activity_shape import (
    UnseenObjects,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases._database_objects_shape import (
    DatabaseObjects,
    SequenceState,
)
from upkeep.checks.databases.database_sequences import Limits, judge
from upkeep.model.verdicts import Severity, Status

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)


def ticket(share: float, **more: Any) -> SequenceState:
    given = {"last_value": int(share * 1000), "max_value": 1000, "min_value": 0, "increment_by": 1}
    return SequenceState("public.ticket", "smallint", share=share, **{**given, **more})


def seen(*rows: SequenceState, **more: Any) -> DatabaseObjects:
    return DatabaseObjects("postgresql", True, sequences=list(rows), **more)


@pytest.mark.parametrize(
    ("share", "severity"),
    [(0.0, None), (0.849, None), (0.85, Severity.MEDIUM), (0.949, Severity.MEDIUM), (0.95, Severity.HIGH), (1.0, Severity.HIGH)],
)  # fmt: skip
def test_limits(share: float, severity: Severity | None) -> None:
    verdict = judge(seen(ticket(0.0), ticket(share)), Limits(), NOW)

    assert verdict is not None
    assert verdict.severity is severity
    assert f"has given {100 * share:.1f} %" in verdict.message


def test_a_sequence_that_begins_anew_is_left_out() -> None:
    verdict = judge(seen(ticket(0.99, cycle=True)), Limits(), NOW)

    assert verdict is not None
    assert verdict.status is Status.PASS


@pytest.mark.parametrize("share", [-0.1, 1.01, float("nan")])
def test_what_cannot_be_is_unknown(share: float) -> None:
    verdict = judge(seen(SequenceState("s", "integer", 1, 2, 1, 1, share)), Limits(), NOW)

    assert verdict is not None
    assert verdict.status is Status.UNKNOWN


@pytest.mark.parametrize(
    ("what", "status", "said"),
    [
        (DatabaseObjects("postgresql", False, reason="refused"), Status.UNKNOWN, "not checked: refused"),
        (DatabaseObjects("postgresql", True), Status.UNKNOWN, "was not observed"),
        (DatabaseObjects("oracle", True), Status.UNKNOWN, "a kind of database that is not known: oracle"),
        (DatabaseObjects("postgresql", True, unread={"sequences": "waited for a lock"}), Status.UNKNOWN, "could not be read: waited for a lock"),
        (DatabaseObjects("postgresql", True, not_offered={"sequences": "none before 14"}), Status.UNKNOWN, "none before 14"),
        (seen(unseen={"sequences": UnseenObjects(2, ["GRANT x TO y"])}), Status.UNKNOWN, "2 that the account may not see are not judged; no sequence"),
        (seen(ticket(0.99), unseen={"sequences": UnseenObjects(1, ["GRANT x TO y"])}), Status.FAIL, "1 that the account may not see is not judged"),
    ],
    ids=["refused", "left out", "another kind", "unread", "not offered", "in part", "fails in part"],
)  # fmt: skip
def test_what_was_not_read_is_no_pass(what: DatabaseObjects, status: Status, said: str) -> None:
    verdict = judge(what, Limits(), NOW)

    assert verdict is not None
    assert verdict.status is status
    assert said in verdict.message


def test_a_kind_without_sequences_is_not_judged() -> None:
    assert judge(DatabaseObjects("redis", True), Limits(), NOW) is None
