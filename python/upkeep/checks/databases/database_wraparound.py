"""Databases are frozen long before their transaction numbers run out.

A server stops accepting writes before the oldest row that is not frozen is 2^31 transactions, or multixacts, old.
Autovacuum freezes from `autovacuum_freeze_max_age` on; an age far beyond that says that it cannot.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases._database_activity_shape import (
    DatabaseActivity,
    DatabaseAge,
    WraparoundState,
)
from upkeep.checks.databases._sessions import by_limit, listed, psql, reaching, told
from upkeep.checks.databases._topics import of_topic
from upkeep.judging.check import Check, gone
from upkeep.judging.readings import short
from upkeep.model.text import thousands
from upkeep.model.verdicts import Measure, MeasureKind, Severity, Verdict, failed, passed, unknown

END = 2**31
MILLION = 1_000_000


Aged = tuple[int, str, int, DatabaseAge]
"""An age, what it counts, from which one autovacuum freezes, and of which database."""


@dataclass(frozen=True)
class Limits:
    """How old the oldest row that is not frozen may be.

    medium_times: in times of autovacuum_freeze_max_age, or autovacuum_multixact_freeze_max_age.
    high_million: in millions of transactions or multixacts.
    critical_million: in millions of transactions or multixacts.
    """

    medium_times: float = 2.0
    high_million: float = 1300.0
    critical_million: float = 1700.0


@of_topic("wraparound")
def judge(seen: DatabaseActivity, limits: Limits, now: datetime) -> Verdict:
    """Judge the database that is nearest to the end, by transactions and by multixacts."""
    state = seen.wraparound or WraparoundState(0, 0)
    if min(state.freeze_max_age, state.multixact_freeze_max_age) <= 0 or not state.databases:
        return unknown("the server did not report the ages of its databases")
    found = [
        (age, setting, most, one)
        for one in state.databases
        for age, setting, most in (
            (one.age, "transactions", state.freeze_max_age),
            (one.multixact_age, "multixacts", state.multixact_freeze_max_age),
        )
    ]
    if any(age < 0 for age, _unit, _most, _one in found):
        return unknown("a database has an impossible age")
    worst = max(found, key=lambda each: each[0])
    measures = (
        Measure("transactions", max(one.age for one in state.databases)),
        Measure("multixacts", max(one.multixact_age for one in state.databases)),
    )
    # Of each database, the count that is farther; the one that comes to an end first is told first.
    ages = sorted(_by_database(found, lambda each: each[0]), key=lambda each: -each[0])
    grades = [
        (severity, most, f"at most {thousands(int(most))}: writes stop at {thousands(END)}")
        for severity, most in (
            (Severity.CRITICAL, limits.critical_million * MILLION),
            (Severity.HIGH, limits.high_million * MILLION),
        )
    ]
    bad = by_limit(ages, reaching(lambda each: each[0], grades))
    if bad:
        severity, those, _limit = bad[0]
        text = told(bad, lambda each: _aged(each[3], each[0], each[1]), apart=", ")
        return failed(severity, text, *measures, remedy=_freeze(those[0][3]))
    late = _by_database(
        [each for each in found if each[0] >= each[2] * limits.medium_times],
        lambda each: each[0] / each[2],
    )
    if late:
        late.sort(key=lambda each: -each[0] / each[2])
        named = listed([_aged(one, age, unit) for age, unit, _most, one in late], apart="; ")
        text = (
            f"{named}, at most {limits.medium_times:g} times the {thousands(late[0][2])} "
            "from which autovacuum freezes: it cannot keep up"
        )
        return failed(Severity.MEDIUM, text, *measures, remedy=_freeze(late[0][3]))
    age, unit, most, one = worst
    return passed(
        f"{_aged(one, age, unit)}; at most {limits.medium_times:g} times {thousands(most)}",
        *measures,
    )


def _by_database(found: Iterable[Aged], worse: Callable[[Aged], float]) -> list[Aged]:
    """Return of each database the one that is worse."""
    return list({each[3].name: each for each in sorted(found, key=worse)}.values())


def _aged(one: DatabaseAge, age: int, unit: str) -> str:
    return f"{short(one.name, 80)} has rows that are {thousands(age)} {unit} old and not frozen"


def _freeze(one: DatabaseAge) -> str:
    words = (
        "decide: first end what holds old rows, as database_transactions, database_prepared and "
        "database_slots name it"
    )
    return psql(words, "VACUUM (FREEZE)", database=one.name) if one.connectable else words


CHECK = Check(
    title="Databases are frozen long before their transaction numbers run out",
    trouble="Transaction numbers running out",
    gather="database_activity",
    shape=DatabaseActivity,
    since="0.1.0",
    why=(
        "Before the oldest row is 2^31 transactions old, the server refuses all writes, until a "
        "vacuum that may take days is done."
    ),
    cannot_see="How fast transactions begin. Which table it is: database_freeze names it.",
    limits=Limits(),
    judge=judge,
    measures={"transactions": MeasureKind.STATE, "multixacts": MeasureKind.STATE},
    source="check_postgres: txn_wraparound, 1.3 and 1.4 thousand million; PostgreSQL, Routine Vacuuming",
    remedy="decide: freeze the database, and see what keeps autovacuum from it",
    absence={"databases": gone()},
)
