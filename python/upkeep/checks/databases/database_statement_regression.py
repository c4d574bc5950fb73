"""No statement has become slower.

Compares the mean time of a call in the newest intervals between two checks with the earlier ones, for each of the
statements with the most time. A statement fails if it is slower with certainty: by how much its mean differs from one
interval to the next, and how much of that goes on into the next one, is taken from its own past.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases._database_statements_shape import (
    DatabaseStatements,
    StatementLoad,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation
from upkeep.checks.databases._intervals import (
    intervals,
    key,
    loads,
    milliseconds,
    named,
    see,
    total_between,
)
from upkeep.checks.databases._shifts import (
    CERTAIN,
    LEAST_EARLIER,
    NEWEST,
    Interval,
    Shift,
    shift_of,
)
from upkeep.checks.databases._topics import nothing_seen, of_topic
from upkeep.judging.check import Check, History, PastMoment, gone
from upkeep.judging.readings import short
from upkeep.model.verdicts import (
    Measure,
    MeasureKind,
    Severity,
    Verdict,
    failed,
    nothing_to_judge,
    passed,
)

MOST_STATEMENTS = 40
LEAST_CALLS = 20
"""What was called less often since the server counts it is no subject yet."""


@dataclass(frozen=True)
class Limits:
    """When a statement is slower.

    low_percent: its mean is larger by that, in percent, and it is certain.
    medium_percent: its mean is larger by that, in percent, and it is certain.
    min_calls: calls in an interval, below which it is taken together with the next.
    min_load_percent: its share of the time of all statements, below which it is not judged, in percent.
    """

    low_percent: float = 3.0
    medium_percent: float = 25.0
    min_calls: int = 100
    min_load_percent: float = 1.0


def statements(seen: Observation) -> Sequence[Observation]:
    """Return an observation of the server for each of its statements with the most time; the server if it has none.

    What the account may not see is told of the server.
    """
    load = seen.data.get("statements")
    if not load:
        return (seen,)
    data = {**seen.data, "unseen": {}}
    parts = []
    often = [one for one in load["worst"] if one["calls"] >= LEAST_CALLS]
    for one in often[:MOST_STATEMENTS]:
        inner = " nested" if one.get("nested") else ""
        who = "/".join(short(one[name], 60) for name in ("database", "account") if one.get(name))
        subject = f"{seen.subject} {who} {short(one['queryid'], 30)}{inner}"
        parts.append(Observation(subject, {**data, "statements": {**load, "worst": [one]}}))
    if seen.data.get("unseen") or not parts:
        parts.append(Observation(seen.subject, {**seen.data, "statements": {**load, "worst": []}}))
    return parts


@of_topic("statements", first="database_slow_statements")
def judge(
    seen: DatabaseStatements, limits: Limits, now: datetime, history: Sequence[PastMoment]
) -> Verdict:
    """Judge whether the statement is slower than before."""
    load = seen.statements
    if load is None or not load.worst:
        said = f"no statement with {LEAST_CALLS} calls or more"
        return nothing_seen(seen, "statements", said)
    one = load.worst[0]
    known = [
        (past, row) for past in loads(history, seen) for row in past.worst if key(row) == key(one)
    ]
    found = intervals([*known, (load, one)], limits.min_calls)
    if not found:
        return nothing_to_judge(
            f"fewer than {limits.min_calls} calls since the first check; {named(one)}"
        )
    measure = Measure("mean", found[-1].mean, "s")
    shift = shift_of(found)
    if shift is None:
        least = LEAST_EARLIER + NEWEST[0]
        return nothing_to_judge(
            f"{len(found)} intervals of at least {limits.min_calls} calls, at least {least}: too few "
            f"to compare; {named(one)}",
            measure,
        )
    share = _share(found[-1], [*(past for past, _row in known), load])
    said = f"{_said(shift)}; limit {limits.low_percent:g} % if certain; {named(one)}"
    if share is not None and 100 * share < limits.min_load_percent:
        return passed(
            f"{100 * share:.2g} % of the load, judged from {limits.min_load_percent:g} %; {said}",
            measure,
        )
    for severity, limit in (
        (Severity.MEDIUM, limits.medium_percent),
        (Severity.LOW, limits.low_percent),
    ):
        if shift.errors >= CERTAIN and 100 * shift.change >= limit:
            words = "decide: see what changed: its plan, its data, an index, the server's load"
            return failed(severity, said, measure, remedy=see(seen, one, words))
    return passed(said, measure)


def _share(newest: Interval, looks: Sequence[StatementLoad]) -> float | None:
    """Return the statement's share of the time of all in its newest interval; None if it cannot be told."""
    began, ended = (
        next(one for one in looks if datetime.fromisoformat(one.at) == at)
        for at in (newest.began, newest.ended)
    )
    total = total_between(began, ended)
    return None if total is None else newest.total / total


def _said(shift: Shift) -> str:
    """Return `a call takes 27.5 ms, 10 % more than the 25 ms before`."""
    change = 100 * shift.change
    way = "more" if change >= 0 else "less"
    certainty = "" if abs(shift.errors) >= CERTAIN else ", which may be chance"
    return (
        f"a call takes {milliseconds(shift.after)} in the last {shift.newest} intervals, "
        f"{abs(change):.3g} % {way} than the {milliseconds(shift.before)} of {shift.earlier} before{certainty} "
        f"(their spread is {100 * shift.spread:.2g} %)"
    )


CHECK = Check(
    title="No statement has become slower",
    trouble="Slower statement",
    gather="database_statements",
    shape=DatabaseStatements,
    since="0.1.0",
    why=(
        "A plan that changed, an index that is gone, or data that grew makes a statement slower "
        "long before anyone complains."
    ),
    cannot_see=(
        "A statement that became slower within what its mean varies by anyway. Of one that varies by 2 % from one "
        "interval to the next, 10 % more is named within three intervals, and 5 % within ten, once 50 "
        "are known; of one that varies by 20 %, three times as much within ten. What was slow before the "
        "first check. A statement whose text changed is another one. Statements that the server "
        "forgets between two checks. Whether the whole server is slower."
    ),
    limits=Limits(),
    judge=judge,
    parts=statements,
    history=History(days=60, at_most=120),
    measures={"mean": MeasureKind.LATENCY},
    source="pg_stat_statements; our own limits: 3.4 standard errors of the newest 3, 5 or 10 intervals",
    remedy="decide: see what changed: its plan, its data, an index, the server's load",
    absence={"databases": gone("is not among those with the most time any more")},
)
