"""Looks at a server's counters of statements, as database_statements returns them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from math import sqrt
from pathlib import Path
from random import Random
from typing import Any

from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases._database_statements_shape import (
    DatabaseStatements,
    StatementCounters,
    StatementLoad,
)
from upkeep.checks.databases._shifts import Interval
from upkeep.judging.check import PastMoment

NOW = datetime(2026, 11, 27, 9, tzinfo=UTC)
RECORDED = Path(__file__).parents[1] / "unit/recorded/databases/statements"
RESET = "2026-10-01T00:00:00+00:00"


def statement(
    calls: int, total_seconds: float, queryid: str = "7", **more: Any
) -> StatementCounters:
    given = {"database": "shop", "account": "shop", "shape": f"SELECT {queryid}"}
    return StatementCounters(queryid, calls=calls, total_seconds=total_seconds, **{**given, **more})


def looked(
    hours: float,
    *rows: StatementCounters,
    total: float | None = None,
    version: str = "16.14",
    **more: Any,
) -> PastMoment:
    """Return a look this many hours after NOW."""
    at = NOW + timedelta(hours=hours)
    seconds = sum(one.total_seconds for one in rows) if total is None else total
    given: dict[str, Any] = {
        "read_in": "shop",
        "most_known": 5000,
        "evicted": 0,
        "reset_at": RESET,
        **more,
    }
    load = StatementLoad(at.isoformat(), seconds, 1000, len(rows), list(rows), **given)
    seen = DatabaseStatements("postgresql", True, version=version, statements=load)
    return PastMoment(at, seen)


def unchanged(
    random: Random, count: int, spread: float, slower: float = 1.0, since: int = 0
) -> list[Interval]:
    """Return intervals of a load whose mean differs by this spread from one to the next; slower from `since` on."""
    found = []
    for number in range(count):
        calls, varies = random.randint(2_000, 6_000), 0.8
        mean = 0.025 * (1 + random.gauss(0, spread)) * (1 + random.gauss(0, varies / sqrt(calls)))
        mean *= slower if number >= since else 1.0
        began = NOW + timedelta(hours=number)
        found.append(Interval(began, began + timedelta(hours=1), calls, mean, mean * varies))
    return found


def recorded(name: str) -> list[list[PastMoment]]:
    """Return by statement the looks at it that were recorded while pgbench ran, the oldest first."""
    said = json.loads((RECORDED / name).read_text())
    looks: dict[str, list[PastMoment]] = {queryid: [] for queryid in said["statements"]}
    for one in said["looks"]:
        for queryid, (calls, total, mean, stddev) in one["counters"].items():
            row = statement(calls, total, queryid, mean_seconds=mean, stddev_seconds=stddev)
            at = datetime.fromisoformat(one["at"])
            load = StatementLoad(
                one["at"], one["total_seconds"], 0, 40, [row], evicted=0, reset_at=RESET
            )
            seen = DatabaseStatements("postgresql", True, version=said["version"], statements=load)
            looks[queryid].append(PastMoment(at, seen))
    return list(looks.values())


def recorded_server(name: str) -> list[PastMoment]:
    """Return the looks at all statements that were recorded while pgbench ran, the oldest first."""
    said = json.loads((RECORDED / name).read_text())
    found = []
    for one in said["looks"]:
        rows = [statement(row[0], row[1], queryid) for queryid, row in one["counters"].items()]
        load = StatementLoad(
            one["at"], one["total_seconds"], 0, 40, rows, evicted=0, reset_at=RESET
        )
        seen = DatabaseStatements("postgresql", True, version=said["version"], statements=load)
        found.append(PastMoment(datetime.fromisoformat(one["at"]), seen))
    return found


def slowed(looks: Sequence[PastMoment], factor: float, since: int) -> list[PastMoment]:
    """Return the looks at a statement as if each call had taken longer by this factor from one of them on."""
    found = list(looks[:since])
    base = looks[since - 1].seen.statements
    for one in looks[since:]:
        load = one.seen.statements
        row, was = load.worst[0], base.worst[0]
        total = was.total_seconds + (row.total_seconds - was.total_seconds) * factor
        slow = statement(
            row.calls,
            total,
            row.queryid,
            mean_seconds=total / row.calls,
            stddev_seconds=row.stddev_seconds,
        )
        more = load.total_seconds + total - row.total_seconds
        seen = StatementLoad(load.at, more, 0, 40, [slow], evicted=0, reset_at=RESET)
        found.append(
            PastMoment(
                one.at,
                DatabaseStatements("postgresql", True, version=one.seen.version, statements=seen),
            )
        )
    return found
