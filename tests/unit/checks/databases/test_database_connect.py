"""Limits of database_connect."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial

import pytest
from pasted import problems
from verdicts import verdict_of

from ansible_collections.astral.upkeep.plugins.module_utils.databases.refusals import MISSING
from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases._databases_shape import (
    DatabaseAnswer,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation
from upkeep.checks.databases.database_connect import CHECK, Limits
from upkeep.judging.shapes import ShapeError
from upkeep.model.verdicts import Measure, Severity, Status, failed, passed, unknown

judge = partial(verdict_of, CHECK)
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def database(**data: object) -> Observation:
    answered = {
        "kind": "postgresql",
        "declared": True,
        "connected": True,
        "answer": 42,
        "version": "15.14",
    }
    return Observation("postgresql localhost:5432", {**answered, **data})


CORRECT = (
    "decide: correct the user or the password of its entry in `databases`, or the account's rights"
)
LISTENS = "ss -ltnp 'sport = :5432'  # see whether anybody listens there"


def refused(**data: object) -> Observation:
    return database(connected=False, reason='FATAL: role "root" does not exist', **data)


@pytest.mark.parametrize(
    ("seconds", "severity"),
    [(1.0, None), (1.001, Severity.MEDIUM), (4.0, Severity.MEDIUM), (4.001, Severity.HIGH)],
)
def test_times(seconds: float, severity: Severity | None) -> None:
    seen = database(connect_seconds=seconds - 0.25, query_seconds=0.25)

    verdict = judge(seen, Limits(), NOW)

    status = Status.FAIL if severity else Status.PASS
    assert (verdict.status, verdict.severity) == (status, severity)


def test_messages_state_value_and_limit() -> None:
    seen = database(connect_seconds=0.5, query_seconds=0.25, in_recovery=True)
    measures = (
        Measure("answer", 0.75, "s"),
        Measure("connect", 0.5, "s"),
        Measure("query", 0.25, "s"),
    )

    assert judge(seen, Limits(), NOW) == passed(
        "answers in 0.750 s, at most 1 s (version 15.14, a standby)", *measures
    )
    assert judge(seen, Limits(medium_seconds=0.5), NOW) == failed(
        Severity.MEDIUM,
        "answered in 0.750 s (connect 0.500 s, query 0.250 s), at most 0.5 s",
        *measures,
    )


@pytest.mark.parametrize(
    ("seen", "verdict"),
    [
        (
            refused(denied=True),
            failed(Severity.CRITICAL, 'FATAL: role "root" does not exist', remedy=LISTENS),
        ),
        (
            refused(declared=False),
            failed(
                Severity.HIGH,
                'found on the host, but does not answer: FATAL: role "root" does not exist',
                remedy=LISTENS,
            ),
        ),
        (database(answer=41), failed(Severity.CRITICAL, "answered '41', expected 42")),
        (database(kind="redis"), failed(Severity.CRITICAL, "answered '42', expected 'PONG'")),
        (database(kind="oracle"), failed(Severity.CRITICAL, "answered '42', expected None")),
        (
            database(kind="oracle", answer=None),
            failed(Severity.CRITICAL, "answered 'None', expected None"),
        ),
        (database(loading=True), failed(Severity.CRITICAL, "is still loading its data")),
        (database(), unknown("answered, but the time was not measured")),
        (
            Observation("?", {"kind": "redis", "connected": False}),
            failed(Severity.HIGH, "found on the host, but does not answer: no connection"),
        ),
    ],
)
def test_states(seen: Observation, verdict: object) -> None:
    assert judge(seen, Limits(), NOW) == verdict


@pytest.mark.parametrize(
    ("kind", "answer"),
    [("postgresql", 42), ("mariadb", 42), ("sqlite", 42), ("redis", "PONG")],
)
def test_each_engine_has_its_answer(kind: str, answer: object) -> None:
    seen = database(kind=kind, answer=answer, connect_seconds=0.5)

    assert judge(seen, Limits(), NOW) == passed(
        "answers in 0.500 s, at most 1 s (version 15.14)",
        Measure("answer", 0.5, "s"),
        Measure("connect", 0.5, "s"),
    )


def test_a_time_that_was_told_and_is_none_does_not_pass() -> None:
    with pytest.raises(ShapeError, match=r"query_seconds: expected float or nothing, got str"):
        judge(database(connect_seconds=0.1, query_seconds="5"), Limits(), NOW)


@pytest.mark.parametrize("odd", [-5.0, float("nan"), float("inf")])
def test_a_time_that_cannot_be_does_not_pass(odd: float) -> None:
    verdict = judge(database(connect_seconds=0.1, query_seconds=odd), Limits(), NOW)

    assert verdict.status is Status.UNKNOWN
    assert verdict.message.startswith("answered with impossible times: ")


def test_one_that_was_found_and_refuses_us_is_unknown() -> None:
    verdict = judge(refused(declared=False, denied=True), Limits(), NOW)

    assert verdict.status is Status.UNKNOWN
    assert verdict.message == 'answers, but refuses this account: FATAL: role "root" does not exist'
    assert "discover: false" in verdict.remedy


FILE = "ls -ld '/srv/a b.db'  # "
STEPS = [
    ("postgresql a@localhost:5432/shop", "denied", CORRECT),
    ("redis localhost:6379", "denied", CORRECT),
    ("postgresql localhost:5432", "refused", LISTENS),
    ("postgresql localhost:5432", "late", LISTENS),
    ("postgresql db1:5432/shop", "refused", "nc -vz -w 5 db1 5432  # "),
    ("mariadb /srv/s.sock", "refused", "ss -xl src /srv/s.sock  # see whether anybody listens"),
    ("postgresql localhost:5432/x", "no database", "decide: correct the name"),
    ("postgresql u@db9:5432", "no name", "getent ahosts db9  # "),
    ("postgresql localhost:5432", "full", "fix what database_pool says first"),
    ("postgresql localhost:5432", "starting", "decide: wait until it has started"),
    ("postgresql localhost:5432", "closed", "decide: see the server's log"),
    ("postgresql localhost:5432", "other", "decide: see the server's log"),
    ("redis localhost:6379", "tls", "decide: correct `tls`"),
    ("mariadb a@/srv/s.sock:/shop", "no right", "namei -l /srv/s.sock  # "),
    ("sqlite /srv/a b.db", "missing", FILE),
    ("sqlite /srv/a b.db", "no sqlite", FILE),
    ("sqlite /srv/a b.db", "no file", FILE),
    ("sqlite /srv/a b.db", "no right", "namei -l '/srv/a b.db'  # "),
    ("sqlite /srv/a b.db", "damaged", "decide: restore the file"),
    ("sqlite /srv/a b.db", "other", "decide: see what it is"),
    ("sqlite /srv/a\nb.db", "no sqlite", "decide: see what it is"),
]


@pytest.mark.parametrize(("subject", "cause", "begins"), STEPS)
def test_the_next_step_is_of_the_cause(subject: str, cause: str, begins: str) -> None:
    data = {"connected": False, "declared": True, "reason": "so", "cause": cause}
    kind = subject.partition(" ")[0]

    verdict = judge(Observation(subject, {"kind": kind, **data}), Limits(), NOW)

    assert verdict.severity is Severity.CRITICAL
    assert verdict.remedy.startswith(begins)
    assert problems(verdict.remedy) == []


@pytest.mark.parametrize(
    ("cause", "begins"),
    [
        ("locked", "lsof /srv/a.db  # "),
        ("hot journal", "decide: start its application"),
        ("lone log", "decide: start its application"),
        ("empty", "decide: restore it, if it has had data"),
    ],
)
def test_a_file_that_is_well_for_its_application_is_unknown(cause: str, begins: str) -> None:
    data = {"kind": "sqlite", "connected": False, "declared": True, "reason": "so", "cause": cause}

    verdict = judge(Observation("sqlite /srv/a.db", data), Limits(), NOW)

    assert (verdict.status, verdict.message) == (Status.UNKNOWN, "not opened: so")
    assert verdict.remedy.startswith(begins)


def test_a_file_whose_name_cannot_be_pasted_is_no_server_either() -> None:
    seen = DatabaseAnswer(
        "sqlite",
        False,
        subject="sqlite /srv/\x1b[31m.db",
        declared=True,
        cause=MISSING,
        reason="no such file",
    )

    verdict = CHECK.judge(seen, Limits(), NOW)

    assert verdict is not None
    assert verdict.remedy.startswith("decide: see what it is; correct the path")
