"""Limits of database_sequences."""

from __future__ import annotations

import shlex
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
from upkeep.model.remedies import command_of, words_of
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
        (seen(unseen={"sequences": UnseenObjects(2, statements=["GRANT x TO y"])}), Status.UNKNOWN, "2 that the account may not see are not judged; no sequence"),
        (seen(ticket(0.99), unseen={"sequences": UnseenObjects(1, statements=["GRANT x TO y"])}), Status.FAIL, "1 that the account may not see is not judged"),
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


SMALL, INTEGER, BIG = 32_767, 2_147_483_647, 9_223_372_036_854_775_807
WIDER = "decide: its column must be bigint too; ALTER COLUMN TYPE bigint rewrites the table"
BOUND = "decide: see first that its column and its readers take larger numbers"
LAST = "decide: no type has more numbers; make its increment smaller, or let it begin anew"


@pytest.mark.parametrize(
    ("kind", "bounds", "increment", "statement", "words"),
    [
        ("smallint", (1, SMALL), 1, "ALTER SEQUENCE public.ticket AS bigint", WIDER),
        ("smallint", (-SMALL - 1, -1), -1, "ALTER SEQUENCE public.ticket AS bigint", WIDER),
        ("smallint", (1, SMALL - 1), 1, f"ALTER SEQUENCE public.ticket MAXVALUE {SMALL}", BOUND),
        ("smallint", (-SMALL, -1), -1, f"ALTER SEQUENCE public.ticket MINVALUE {-SMALL - 1}", BOUND),
        ("smallint", (-SMALL - 1, 100), 5, f"ALTER SEQUENCE public.ticket MAXVALUE {SMALL}", BOUND),
        ("integer", (1, INTEGER), 1, "ALTER SEQUENCE public.ticket AS bigint", WIDER),
        ("integer", (1, 1000), 10, f"ALTER SEQUENCE public.ticket MAXVALUE {INTEGER}", BOUND),
        ("bigint", (1, INTEGER), 1, f"ALTER SEQUENCE public.ticket MAXVALUE {BIG}", BOUND),
        ("bigint", (-1000, -1), -1, f"ALTER SEQUENCE public.ticket MINVALUE {-BIG - 1}", BOUND),
        ("bigint", (1, BIG), 1000, "", LAST),
        ("bigint", (-BIG - 1, -1), -1, "", LAST),
        ("number", (1, 1000), 1, "", ""),
    ],
)  # fmt: skip
def test_a_sequence_near_its_end_gets_more_numbers(
    kind: str, bounds: tuple[int, int], increment: int, statement: str, words: str
) -> None:
    """By its bound, as long as its type has more; then by its type; nothing of one that nobody knows."""
    one = SequenceState("public.ticket", kind, 0, bounds[1], bounds[0], increment, 0.99)
    verdict = judge(seen(one, subject="postgresql upkeep@127.0.0.1:5432/shop"), Limits(), NOW)

    assert verdict is not None
    command = shlex.split(command_of(verdict.remedy))
    assert command[-1:] == ([statement] if statement else [])
    assert words_of(verdict.remedy) == words


def test_what_gives_more_numbers_is_known_of_postgresql_alone() -> None:
    verdict = judge(DatabaseObjects("mariadb", True, sequences=[ticket(0.99)]), Limits(), NOW)

    assert verdict is None or verdict.remedy == ""
