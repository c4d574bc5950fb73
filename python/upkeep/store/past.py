"""What a host said before: the earlier observations that checks with history are judged with, and which they were."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

from sqlalchemy import Connection, select, update

from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation
from upkeep.judging.check import Check, History
from upkeep.judging.judge import Past
from upkeep.model.answer import Observed
from upkeep.model.stored_text import name, packed
from upkeep.store import tables
from upkeep.store.engine.statements import batched


@dataclass(frozen=True)
class JudgedWith:
    """The past of a host, and by check the reports that it is from, the oldest first."""

    past: Past
    reports: Mapping[str, Sequence[int]]


def find(db: Connection, site: str, observed: Observed, checks: Mapping[str, Check]) -> JudgedWith:
    """Return what the checks with history that are due on a host are judged with: answers of runs before this one."""
    reports: dict[str, list[int]] = {}
    for check, history, gathers in _with_history(observed, checks):
        reports[check] = _reports(db, site, observed, history, gathers)
    return JudgedWith(of_reports(db, observed, checks, reports), reports)


def of_reports(
    db: Connection,
    observed: Observed,
    checks: Mapping[str, Check],
    reports: Mapping[str, Sequence[int]],
) -> Past:
    """Return the past of the answer's subjects that is in these reports. One that is not kept is left out."""
    past: dict[str, dict[str, list[tuple[datetime, Observation]]]] = {}
    wanted = {one.observation.subject for one in observed.seen}
    for check, _history, gathers in _with_history(observed, checks):
        if check not in reports:
            continue
        past[check] = {}
        for at, seen in _observations(db, reports[check], gathers, wanted):
            past[check].setdefault(seen.subject, []).append((at, seen))
    return past


def keep(db: Connection, report_id: int, reports: Mapping[str, Sequence[int]]) -> None:
    """Record with which earlier reports an answer was judged."""
    table = tables.report
    said = packed({check: list(ids) for check, ids in reports.items()})
    db.execute(update(table).where(table.c.id == report_id).values(judged_with=said))


def kept(db: Connection, said: str | None) -> dict[str, list[int]]:
    """Return by check the reports that an answer was judged with, if their observations are all still there."""
    judged_with: dict[str, list[int]] = json.loads(said) if said else {}
    known: set[int] = set()
    report, run = tables.report, tables.run
    for some in batched({one for ids in judged_with.values() for one in ids}):
        query = select(report.c.id).join(run, run.c.id == report.c.run_id)
        found = db.scalars(query.where(report.c.id.in_(some), run.c.observations_kept))
        known |= set(found)
    return {check: ids for check, ids in judged_with.items() if known.issuperset(ids)}


def _with_history(
    observed: Observed, checks: Mapping[str, Check]
) -> list[tuple[str, History, set[str]]]:
    """Return the checks with history that are due, each with the gathers that it judges: one, if all is well."""
    found: dict[str, set[str]] = {}
    histories: dict[str, History] = {}
    for one in observed.due:
        check = checks.get(one.check)
        if check and check.history and one.request < len(observed.requests):
            histories[check.id] = check.history
            found.setdefault(check.id, set()).add(observed.requests[one.request].gather)
    return [(check, histories[check], gathers) for check, gathers in found.items()]


def _reports(
    db: Connection, site: str, observed: Observed, history: History, gathers: Collection[str]
) -> list[int]:
    """Return the earlier answers of a host that have a gather, thinned out, the oldest first."""
    report, run = tables.report, tables.run
    span = timedelta(days=history.days)
    begins = observed.observed_at - span
    rows = db.execute(
        select(report.c.id, report.c.observed_at, report.c.requests)
        .join(run, run.c.id == report.c.run_id)
        .where(
            report.c.host == name(observed.host, 255),
            report.c.observed_at >= begins,
            report.c.observed_at < observed.observed_at,
            run.c.site == name(site),
            run.c.observations_kept,
        )
        .order_by(report.c.observed_at, report.c.id)
    )
    newest: dict[int, int] = {}
    for row in rows:
        if not _gathers_of(row.requests).isdisjoint(gathers):
            newest[int((row.observed_at - begins) / span * history.at_most)] = row.id
    return list(newest.values())


@lru_cache(maxsize=1000)
def _gathers_of(requests: str) -> frozenset[str]:
    """Return what was asked for in a report. Hosts are asked the same day after day."""
    return frozenset(one["gather"] for one in json.loads(requests))


def _observations(
    db: Connection, reports: Sequence[int], gathers: Collection[str], subjects: Collection[str]
) -> Iterable[tuple[datetime, Observation]]:
    """Yield what was seen of the subjects in these reports, the oldest first."""
    report, table = tables.report, tables.observation
    for some in batched(reports):
        rows = db.execute(
            select(table, report.c.requests, report.c.observed_at)
            .join(report, report.c.id == table.c.report_id)
            .where(report.c.id.in_(some), table.c.error == "")
            .order_by(report.c.observed_at, table.c.id)
        )
        for row in rows:
            if row.subject in subjects and _gather_of(row.requests, row.request) in gathers:
                yield row.observed_at, Observation(row.subject, json.loads(row.data))


@lru_cache(maxsize=1000)
def _gather_of(requests: str, number: int) -> str:
    found: list[dict[str, str]] = json.loads(requests)
    return found[number]["gather"] if number < len(found) else ""
