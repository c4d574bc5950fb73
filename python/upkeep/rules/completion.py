"""How much of what was due in a month was done: per procedure and team, runs and reviews together. Pure.

Done on time counts, nothing else. Totals average procedures, never occurrences: eight thousand runs of two minutes
must not hide one audit. What a blackout skipped, and what was signed as not applicable, is left out, and listed.
While a month runs, what the schedule still has due in it is pending.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from statistics import fmean
from typing import Any, Literal
from zoneinfo import ZoneInfo

from upkeep.model import occurrence
from upkeep.model.errors import UsageError
from upkeep.model.run_end import Reason
from upkeep.rules.reviews import ReviewStanding, ReviewVerdict
from upkeep.schedule.due_times import due_times, timing_of
from upkeep.site.schedule_file import Schedule

Count = Literal[
    "done", "partial", "late", "failed", "missed", "skipped", "signed", "overdue", "pending", "left_out"
]  # fmt: skip
COUNTS: tuple[Count, ...] = (
    "done", "partial", "late", "failed", "missed", "skipped", "signed", "overdue", "pending", "left_out",
)  # fmt: skip
GOOD: tuple[Count, ...] = ("done", "signed")
ON_PURPOSE = frozenset({Reason.BLACKOUT, Reason.ISOLATED})
"""Why something was left out that nobody is blamed for."""
NOT_COUNTED: tuple[Count, ...] = ("pending", "left_out")


@dataclass(frozen=True)
class EndedOccurrence:
    """Due times of a procedure that ended alike. times: how many; first and last of them.

    caught_up: they were missed, and state and cause are those of the catch-up.
    """

    procedure: str
    state: str
    cause: str
    times: int
    first: datetime
    last: datetime
    caught_up: bool = False
    reasons: frozenset[Reason] = frozenset()


@dataclass(frozen=True)
class Looked:
    """A review as far as completion goes. what: its title."""

    procedure: str
    team: str
    item: str
    what: str
    due_of: datetime
    due_at: datetime
    standing: ReviewStanding
    reason: str = ""


@dataclass(frozen=True)
class Unopened:
    """A review that never opened, because several due times were missed and the last stood for all."""

    procedure: str
    team: str
    due_of: datetime


@dataclass(frozen=True)
class CompletionRow:
    """A procedure and a team that had something to do in it.

    done, partial, failed, skipped: runs. signed, overdue: reviews. late: of both, what was done after its time.
    missed: of both, what never began. pending: what has its time still, or is due later in the month; left_out: what
    does not count.
    """

    procedure: str
    title: str
    team: str
    done: int = 0
    partial: int = 0
    late: int = 0
    failed: int = 0
    missed: int = 0
    skipped: int = 0
    signed: int = 0
    overdue: int = 0
    pending: int = 0
    left_out: int = 0

    @property
    def counted(self) -> int:
        """How much there was to be done by now."""
        return sum(getattr(self, name) for name in COUNTS if name not in NOT_COUNTED)

    @property
    def rate(self) -> float | None:
        """The share that was done on time, from 0 to 1; None if nothing counts."""
        return sum(getattr(self, name) for name in GOOD) / self.counted if self.counted else None


@dataclass(frozen=True)
class CompletionRemark:
    """Something that a reader must know of. times: how often; first and last: due times."""

    procedure: str
    team: str
    what: str
    why: str
    times: int
    first: datetime
    last: datetime


@dataclass(frozen=True)
class Completion:
    """A month. teams: the average of each team's procedures; total: of all procedures.

    total_then: as it was reckoned while a gap of the schedule made an occurrence partial; None if that made no
    difference. lacking: how much of what the schedule names has no check yet, now. over: whether the month has ended.
    """

    month: str
    begins: datetime
    ends: datetime
    rows: tuple[CompletionRow, ...]
    teams: Mapping[str, float]
    total: float | None
    left_out: tuple[CompletionRemark, ...] = field(default=())
    skipped: tuple[CompletionRemark, ...] = field(default=())
    alone: tuple[CompletionRemark, ...] = field(default=())
    total_then: float | None = None
    lacking: int = 0
    over: bool = True

    @property
    def pending(self) -> int:
        """How much has its time still."""
        return sum(row.pending for row in self.rows)

    @property
    def is_final(self) -> bool:
        """Whether nothing changes any more: the month has ended, and nothing of it is pending."""
        return self.over and not self.pending


def month_of(text: str, zone: str) -> tuple[datetime, datetime]:
    """Return when a month such as 2027-01 begins and ends, in UTC.

    Raises: UsageError for what is not a month.
    """
    found = re.fullmatch(r"(\d{4})-(0[1-9]|1[0-2])", text.strip())
    if not found or not 1970 <= int(found[1]) <= 9000:
        raise UsageError(f"{text!r:.40} is not a month, use YYYY-MM, such as 2027-01")
    year, month = int(found[1]), int(found[2])
    following = (year, month + 1) if month < 12 else (year + 1, 1)
    begins, ends = (
        datetime(*one, 1, tzinfo=ZoneInfo(zone)).astimezone(UTC)
        for one in ((year, month), following)
    )
    return begins, ends


def month_before(now: datetime, zone: str) -> str:
    """Return the month that ended last, as people there have it."""
    local = now.astimezone(ZoneInfo(zone))
    year, month = (local.year, local.month - 1) if local.month > 1 else (local.year - 1, 12)
    return f"{year}-{month:02}"


def complete(
    schedule: Schedule,
    month: str,
    due: Iterable[EndedOccurrence],
    looked: Iterable[Looked],
    unopened: Iterable[Unopened],
    now: datetime,
) -> Completion:
    """Return the month's completion.

    due: its due times, each once. looked: its reviews, by when their procedure was due; follow-ups by when they are.
    """
    begins, ends = month_of(month, schedule.time_zone)
    due, looked, unopened = list(due), list(looked), list(unopened)
    coming = list(_coming(schedule, due, now, ends)) if begins <= now < ends else []

    def sheet_of(*, as_then: bool) -> _Sheet:
        sheet = _Sheet(schedule, as_then=as_then)
        for those in due:
            sheet.add_runs(those)
        for review in looked:
            sheet.add_review(review, now)
        for one in unopened:
            sheet.count(one.procedure, one.team, "missed")
        for procedure, team, times in coming:
            sheet.count(procedure, team, "pending", times)
        return sheet

    sheet = sheet_of(as_then=False)
    rows = tuple(sheet.in_order())
    then = None
    if any(Reason.LACKS in those.reasons for those in due):
        then = _average(_by_procedure(tuple(sheet_of(as_then=True).in_order())))
    return Completion(
        month,
        begins,
        ends,
        rows,
        _averages(rows),
        _average(_by_procedure(rows)),
        tuple(_joined(sheet.left_out)),
        tuple(_joined(sheet.skipped)),
        tuple(sheet.alone),
        then,
        schedule.gaps,
        now >= ends,
    )


def _coming(
    schedule: Schedule, due: Iterable[EndedOccurrence], now: datetime, ends: datetime
) -> Iterator[tuple[str, str, int]]:
    """Yield procedure, team and how often it is due from now on, before the month ends: for runs, then for reviews."""
    known: dict[str, datetime] = {}
    for those in due:
        known[those.procedure] = max(those.last, known.get(those.procedure, those.last))
    for name, procedure in schedule.procedures.items():
        timing = timing_of(schedule, name)
        if timing is None:
            continue
        after = max(now, known.get(name, now))
        times = sum(1 for _due in due_times(timing, after, ends - timedelta.resolution))
        if times:
            yield name, procedure.owner, times
            for review in procedure.reviews:
                yield name, review.owner or procedure.owner, times


def kind_of(those: EndedOccurrence, *, as_then: bool = False) -> Count:
    """Return what due times count as.

    as_then: as programs reckoned for which a gap of the schedule made each of its occurrences partial.
    """
    # What an isolated host owes is done once it is released, and its debt says so.
    reasons = those.reasons - {Reason.ISOLATED}
    if not as_then:
        reasons -= {Reason.LACKS}
    if those.state in occurrence.OPEN:
        return "pending"
    if those.caught_up:
        return _of_catch_up(those.state)
    if those.state == occurrence.SKIPPED and those.reasons & ON_PURPOSE:
        return "left_out"
    if those.state == occurrence.PARTIAL and reasons == {Reason.LATE}:
        return "late"
    if those.state == occurrence.PARTIAL and those.reasons and not reasons:
        return "done"
    kinds: Mapping[str, Count] = {
        occurrence.DONE: "done",
        occurrence.PARTIAL: "partial",
        occurrence.FAILED: "failed",
        occurrence.MISSED: "missed",
        occurrence.SKIPPED: "skipped",
    }
    return kinds[those.state]


def _of_catch_up(state: str) -> Count:
    """Return what a due time counts as that was missed and caught up on: late, if it was."""
    if state in (occurrence.DONE, occurrence.PARTIAL):
        return "late"
    return "failed" if state == occurrence.FAILED else "missed"


def review_kind(review: Looked, now: datetime) -> Count:
    """Return what a review counts as."""
    standing = review.standing
    if not standing.is_done:
        return "overdue" if now > review.due_at else "pending"
    if standing.verdict is ReviewVerdict.NOT_APPLICABLE:
        return "left_out"
    on_time = standing.closed_at is not None and standing.closed_at <= review.due_at
    return "signed" if on_time else "late"


# --- adding up -------------------------------------------------------------------------------------------------------
class _Sheet:
    """Counts, by procedure and team."""

    def __init__(self, schedule: Schedule, *, as_then: bool) -> None:
        self.schedule = schedule
        self.as_then = as_then
        self.counts: dict[tuple[str, str], dict[Count, int]] = {}
        self.left_out: list[CompletionRemark] = []
        self.skipped: list[CompletionRemark] = []
        self.alone: list[CompletionRemark] = []

    def count(self, procedure: str, team: str, kind: Count, times: int = 1) -> None:
        """Add this many."""
        counts = self.counts.setdefault((procedure, team), {})
        counts[kind] = counts.get(kind, 0) + times

    def add_runs(self, those: EndedOccurrence) -> None:
        """Count due times."""
        known = self.schedule.procedures.get(those.procedure)
        team = known.owner if known else ""
        kind = kind_of(those, as_then=self.as_then)
        self.count(those.procedure, team, kind, those.times)
        remark = CompletionRemark(
            those.procedure, team, "run", those.cause, those.times, those.first, those.last
        )
        if kind == "left_out":
            self.left_out.append(remark)
        elif kind == "skipped":
            self.skipped.append(remark)

    def add_review(self, one: Looked, now: datetime) -> None:
        """Count a review."""
        kind = review_kind(one, now)
        self.count(one.procedure, one.team, kind)
        what = f"{one.item}: {one.what}"
        if kind == "left_out":
            why = f"not applicable: {one.reason}"
            self.left_out.append(
                CompletionRemark(one.procedure, one.team, what, why, 1, one.due_of, one.due_of)
            )
        if one.standing.is_done and one.standing.alone:
            why = one.standing.alone
            self.alone.append(
                CompletionRemark(one.procedure, one.team, what, why, 1, one.due_of, one.due_of)
            )

    def in_order(self) -> Iterator[CompletionRow]:
        """Yield the rows in the order of the file; what is not in it any more comes last."""
        procedures = self.schedule.procedures
        order = {name: index for index, name in enumerate(procedures)}

        def place(key: tuple[str, str]) -> tuple[int, str, bool, str]:
            known = procedures.get(key[0])
            own = known is not None and known.owner == key[1]
            return order.get(key[0], len(order)), key[0], not own, key[1]

        for name, team in sorted(self.counts, key=place):
            known = procedures.get(name)
            row = CompletionRow(name, known.title if known else name, team)
            numbers: dict[str, Any] = {str(kind): n for kind, n in self.counts[name, team].items()}
            yield replace(row, **numbers)


def _joined(remarks: Iterable[CompletionRemark]) -> Iterator[CompletionRemark]:
    """Yield remarks of the same thing for the same reason as one."""
    found: dict[tuple[str, str, str, str], CompletionRemark] = {}
    for one in remarks:
        key = (one.procedure, one.team, one.what, one.why)
        before = found.get(key, replace(one, times=0))
        found[key] = replace(
            before,
            times=before.times + one.times,
            first=min(before.first, one.first),
            last=max(before.last, one.last),
        )
    yield from found.values()


def _by_procedure(rows: Iterable[CompletionRow]) -> list[CompletionRow]:
    """Return one row for each procedure, whoever had to do with it."""
    found: dict[str, CompletionRow] = {}
    for row in rows:
        before = found.get(row.procedure)
        if before:
            sums = {name: getattr(before, name) + getattr(row, name) for name in COUNTS}
            row = replace(before, **sums)
        found[row.procedure] = row
    return list(found.values())


def _averages(rows: Sequence[CompletionRow]) -> dict[str, float]:
    """Return each team's average."""
    found = {team: _average([row for row in rows if row.team == team]) for team in _teams(rows)}
    return {team: rate for team, rate in found.items() if rate is not None}


def _teams(rows: Iterable[CompletionRow]) -> list[str]:
    return list(dict.fromkeys(row.team for row in rows))


def _average(rows: Iterable[CompletionRow]) -> float | None:
    """Return the average of the rows' rates; None if nothing counts."""
    rates = [row.rate for row in rows if row.rate is not None]
    return fmean(rates) if rates else None
