"""Old rows of tables are frozen in time.

Transactions have numbers that end, so vacuum must mark rows that are older than all of them. Checks the age of each
table beside the age at which autovacuum does so whatever the settings; database_wraparound checks the server.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases._database_objects_shape import (
    DatabaseObjects,
    FrozenTable,
)
from upkeep.checks.databases._objects import Rows, name_of, psql
from upkeep.checks.databases._topics import of_topic
from upkeep.judging.check import Check, gone
from upkeep.model.text import thousands
from upkeep.model.verdicts import Measure, MeasureKind, Severity, Verdict

ALL = 1 << 31


@dataclass(frozen=True)
class Limits:
    """How old a table may be, beside autovacuum_freeze_max_age or its own setting.

    medium_percent: of that age, in percent.
    high_percent: of that age, in percent.
    critical_transactions: transactions left of 2 147 483 648, at which it is critical.
    ignore: shell patterns of names that may be so, such as `public.old_*`.
    """

    medium_percent: float = 115.0
    high_percent: float = 200.0
    critical_transactions: int = 500_000_000
    ignore: tuple[str, ...] = ()


@of_topic("freeze")
def judge(seen: DatabaseObjects, limits: Limits, now: datetime) -> Verdict:
    """Judge the oldest tables."""
    found = seen.freeze or []
    rows = Rows(found, _said, lambda one: _mended(seen.subject, one), limits.ignore)
    most = ALL - limits.critical_transactions
    levels = [
        (
            severity,
            lambda one, limit=limit: round(100 * one.share, 3) >= limit,
            f"limit {limit:g} %",
        )
        for severity, limit in (
            (Severity.HIGH, limits.high_percent),
            (Severity.MEDIUM, limits.medium_percent),
        )
    ]
    critical = (
        Severity.CRITICAL,
        lambda one: max(one.age, one.multixact_age) >= most,
        f"limit {thousands(most)} transactions",
    )
    share = max((100 * one.share for one in found), default=0.0)
    said = (
        f"the oldest is {name_of(found[0].name)}, {share:.0f} % of the age at which it is frozen"
        if found
        else "no table is half as old as it may be"
    )
    limit = f"; limit {limits.medium_percent:g} %"
    return rows.judged(said + limit, critical, *levels, measures=[Measure("oldest", share, "%")])


def _said(one: FrozenTable) -> str:
    what = "the long values of " if one.is_toast else ""
    kind = (
        "multixacts"
        if one.multixact_age / max(1, one.multixact_max_age) > one.age / max(1, one.max_age)
        else "transactions"
    )
    age = one.multixact_age if kind == "multixacts" else one.age
    return (
        f"{what}{name_of(one.name)} is {thousands(age)} {kind} old, {100 * one.share:.0f} % of the age at "
        "which it is frozen"
    )


def _mended(subject: str, one: FrozenTable) -> str:
    if one.is_temporary:
        return "decide: end the session that has the temporary table; vacuum cannot freeze it"
    words = "if it stays, an old or prepared transaction, or a replication slot, holds it"
    return psql(subject, f"VACUUM (FREEZE) {one.name}", words)


CHECK = Check(
    title="Old rows of tables are frozen in time",
    trouble="Table not frozen",
    gather="database_objects",
    shape=DatabaseObjects,
    since="0.1.0",
    why=(
        "When the numbers of transactions end, the server takes no more writes until the oldest "
        "table is frozen."
    ),
    cannot_see=(
        "Tables of databases that are not declared; database_wraparound sees the age of each "
        "database."
    ),
    limits=Limits(),
    judge=judge,
    measures={"oldest": MeasureKind.SHARE},
    source="check_postgres: txn_wraparound; PostgreSQL, Preventing Transaction ID Wraparound Failures",
    remedy="decide: VACUUM (FREEZE) the table, and end what holds old transactions",
    absence={"databases": gone()},
)
