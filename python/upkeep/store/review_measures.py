"""The measures of a review: their series over its period, how they stand to their targets, what nobody has seen."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from heapq import merge
from itertools import accumulate, pairwise
from operator import itemgetter
from statistics import fmean
from typing import Any

from sqlalchemy import Connection, case, exists, false, func, or_, select

from upkeep.judging.check import load
from upkeep.model.stored_text import name
from upkeep.model.text import natural
from upkeep.model.verdicts import Status, Unknown
from upkeep.rules.targets import Objective, Rhythm, SeriesLook, Slot, judge, slots_of, target_of
from upkeep.schedule.due_times import timing_of
from upkeep.site.schedule_file import Schedule
from upkeep.store import tables
from upkeep.store.engine.statements import batched

SERIES, VALUES = 40, 1_000_000
"""At most this many series are shown of a measure, as long as they have no more values than that together."""
STEPS = 12
"""The period is cut into this many parts of the same length, for the trends."""
EVERYWHERE = "all"
"""The pattern of hosts that needs no Ansible to be understood."""
LONGEST_RUN = timedelta(days=1)
"""No run that began earlier than that before a period has seen anything in it."""
Period = tuple[datetime, datetime]


@dataclass(frozen=True)
class _Series:
    fingerprint: str
    host: str
    subject: str


def collect(
    db: Connection,
    site: str,
    wanted: Sequence[Mapping[str, Any]],
    schedule: Schedule,
    period: Period,
) -> list[dict[str, Any]]:
    """Return each measure's series over the period, with its mean, its extremes, its trend and its target."""
    time = _Time(db, name(site), schedule, period)
    return [_measure(db, name(site), one, time) for one in wanted]


class _Time:
    """When a check is due on a host in a period, as the schedule has it."""

    def __init__(self, db: Connection, site: str, schedule: Schedule, period: Period) -> None:
        self.db = db
        self.site = site
        self.schedule = schedule
        self.period = period
        self._slots: dict[tuple[str, ...], list[Slot]] = {}
        self._covers: dict[tuple[str, str], bool] = {}

    def slots(self, check: str, host: str) -> list[Slot]:
        """Return the times between the due times of a check on a host."""
        procedures = self.schedule.procedures
        those = tuple(
            procedure
            for procedure, one in procedures.items()
            if one.rule is not None
            and (one.checks is None or check in one.checks)
            and (one.hosts == EVERYWHERE or self._is_of(procedure, host))
        )
        if those not in self._slots:
            timings = [(timing_of(self.schedule, one), procedures[one].duration) for one in those]
            rhythms = [Rhythm(timing, seconds) for timing, seconds in timings if timing]
            self._slots[those] = slots_of(rhythms, *self.period)
        return self._slots[those]

    def _is_of(self, procedure: str, host: str) -> bool:
        """Return whether a procedure has been run for a host, seen or not, by the end of the period."""
        if (procedure, host) not in self._covers:
            run, there = tables.run, tables.run_host
            mine = (run.c.procedure == procedure, run.c.site == self.site)
            query = select(run.c.id).join(there, there.c.run_id == run.c.id)
            query = query.where(*mine, there.c.host == host, run.c.started_at <= self.period[1])
            newest = query.order_by(run.c.id.desc()).limit(1)
            self._covers[procedure, host] = self.db.execute(newest).first() is not None
        return self._covers[procedure, host]


def _measure(db: Connection, site: str, wanted: Mapping[str, Any], time: _Time) -> dict[str, Any]:
    """Return one measure: what is asked of it, and each series that has ever had a value."""
    latest, table = tables.latest_result, tables.measure
    measure = name(wanted["name"], 100)
    there = exists().where(table.c.fingerprint == latest.c.fingerprint, table.c.name == measure)
    where = (latest.c.site == site, latest.c.check_id == wanted["check"], there)
    query = select(latest.c.fingerprint, latest.c.host, latest.c.subject).where(*where)
    rows = sorted(db.execute(query), key=lambda row: (natural(row.host), natural(row.subject)))
    check = load().get(wanted["check"])
    target = target_of(wanted, check.measures.get(wanted["name"]) if check else None)
    unit = ""
    series = []
    found = [_Series(*row) for row in rows]
    found += _never_seen(db, site, wanted["check"], {one.host for one in found})
    for one in _most_telling(db, found, measure, target, time.period):
        values, its_unit = _values(db, one, measure, time.period)
        unit = its_unit or unit
        looks = list(_looks(values, _unknown(db, site, one, time.period)))
        before = _before(db, one, measure, time.period[0])
        judged = judge(target, time.slots(wanted["check"], one.host), looks, before)
        series.append(
            {"host": one.host, "subject": one.subject}
            | _described(values, time.period)
            | {
                "meets": judged.meets,
                "figure": _short(judged.figure),
                "unseen": _short(judged.unseen),
                "unseen_seconds": _short(judged.unseen_seconds),
                "seconds": _short(judged.seconds),
            }
        )
    return {
        "check": wanted["check"],
        "name": wanted["name"],
        "unit": unit,
        "at_most": target.at_most,
        "at_least": target.at_least,
        "rule": target.rule if target.is_one else None,
        "share": target.share if target.is_one and target.rule == "within" else None,
        "series": series,
        "left_out": len(found) - len(series),
    }


def _never_seen(db: Connection, site: str, check: str, known: set[str]) -> list[_Series]:
    """Return a series for each host on which the check could not see anything, and which has no other.

    What was never seen meets no target.
    """
    latest = tables.latest_result
    blind = (
        latest.c.status == Status.UNKNOWN.value,
        latest.c.unknown != Unknown.NOTHING_TO_JUDGE.value,
    )
    query = select(latest.c.fingerprint, latest.c.host, latest.c.subject)
    query = query.where(latest.c.site == site, latest.c.check_id == check, *blind)
    rows = sorted(db.execute(query), key=lambda row: (natural(row.host), natural(row.subject)))
    first: dict[str, _Series] = {}
    for row in rows:
        if row.host not in known:
            first.setdefault(row.host, _Series(*row))
    return list(first.values())


def _most_telling(
    db: Connection, found: list[_Series], measure: str, target: Objective, period: Period
) -> list[_Series]:
    """Return the series that are shown, in their order: first those that were outside most, then those seen least.

    The database adds up, however many there are: a target that is missed is not left out for others that are met.
    """
    table = tables.measure
    outside = or_(
        false() if target.at_most is None else table.c.value > target.at_most,
        false() if target.at_least is None else table.c.value < target.at_least,
    )
    wrong, number = dict.fromkeys(found, 0), dict.fromkeys(found, 0)
    by_key = {one.fingerprint: one for one in found}
    for some in batched(by_key):
        query = select(table.c.fingerprint, func.sum(case((outside, 1), else_=0)), func.count())
        query = query.where(
            table.c.fingerprint.in_(some),
            table.c.name == measure,
            table.c.observed_at > period[0],
            table.c.observed_at <= period[1],
        )
        for key, its_wrong, its_number in db.execute(query.group_by(table.c.fingerprint)):
            wrong[by_key[key]], number[by_key[key]] = int(its_wrong), its_number
    first = sorted(found, key=lambda one: (-wrong[one], number[one]))[:SERIES]
    read = accumulate(number[one] for one in first)
    chosen = {one for one, values in zip(first, read, strict=True) if values <= VALUES}
    return [one for one in found if one in chosen or one is first[0]]


def _values(
    db: Connection, one: _Series, measure: str, period: Period
) -> tuple[list[tuple[datetime, float]], str]:
    """Return the values of a series in the period, in the order of time, and their unit."""
    table = tables.measure
    mine = (table.c.fingerprint == one.fingerprint, table.c.name == measure)
    within = (table.c.observed_at > period[0], table.c.observed_at <= period[1])
    query = select(table.c.observed_at, table.c.value).where(*mine, *within)
    values = [(row[0], row[1]) for row in db.execute(query.order_by(table.c.observed_at))]
    newest = select(table.c.unit).where(*mine).order_by(table.c.observed_at.desc()).limit(1)
    return values, str(db.execute(newest).scalar() or "")


def _before(db: Connection, one: _Series, measure: str, since: datetime) -> float | None:
    """Return the last value before the period; None if there is none."""
    table = tables.measure
    mine = (table.c.fingerprint == one.fingerprint, table.c.name == measure)
    query = select(table.c.value).where(*mine, table.c.observed_at <= since)
    found: float | None = db.execute(query.order_by(table.c.observed_at.desc()).limit(1)).scalar()
    return found


def _unknown(db: Connection, site: str, one: _Series, period: Period) -> dict[datetime, bool]:
    """Return the looks of the period that came to no verdict, and whether there was nothing to judge."""
    run, result = tables.run, tables.result
    query = (
        select(result.c.observed_at, result.c.unknown)
        .join(run, run.c.id == result.c.run_id)
        .where(
            run.c.site == site,
            run.c.started_at > period[0] - LONGEST_RUN,
            run.c.started_at <= period[1],
            result.c.fingerprint == one.fingerprint,
            result.c.judgement == 0,
            result.c.status == Status.UNKNOWN.value,
            result.c.observed_at > period[0],
            result.c.observed_at <= period[1],
        )
    )
    nothing = Unknown.NOTHING_TO_JUDGE.value
    return {row.observed_at: row.unknown == nothing for row in db.execute(query)}


def _looks(
    values: Sequence[tuple[datetime, float]], unknown: Mapping[datetime, bool]
) -> Iterator[SeriesLook]:
    """Yield what each look has seen. The number of one that could not be judged is not what was seen."""
    seen = (SeriesLook(at, value) for at, value in values if at not in unknown)
    idle = (SeriesLook(at, None) for at, nothing in sorted(unknown.items()) if nothing)
    yield from merge(seen, idle, key=lambda one: one.at)


def _described(values: Sequence[tuple[datetime, float]], period: Period) -> dict[str, Any]:
    """Return what the values of a series are like; the trend is the mean of each step, None where it has none."""
    since, until = period
    ends = [since + (step + 1) * (until - since) / STEPS for step in range(STEPS - 1)]
    edges = [0, *(bisect_left(values, end, key=itemgetter(0)) for end in ends), len(values)]
    numbers = [value for _at, value in values]
    steps = [numbers[first:last] for first, last in pairwise(edges)]
    return {
        "count": len(numbers),
        "first": _short(numbers[0] if numbers else None),
        "last": _short(numbers[-1] if numbers else None),
        "mean": _short(fmean(numbers) if numbers else None),
        "least": _short(min(numbers, default=None)),
        "most": _short(max(numbers, default=None)),
        "trend": [_short(fmean(some) if some else None) for some in steps],
    }


def _short(value: float | None) -> float | None:
    """Return a value as people read it."""
    return None if value is None else float(f"{value:.6g}")
