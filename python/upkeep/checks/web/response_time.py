"""The site answers within two seconds on average, and most of the time.

Examines the request times in an access log: their mean and their 95th percentile. nginx logs none in its default
format: add `$request_time` to it, or `%D` to Apache's and `time_unit: us` to the site. A slow client's download counts.

Where more than one number of a line may be its request time, the verdict has to be the same for the largest and for the
least of them: else it is unknown, and says which parameter decides. So it is where no number tells its unit.

Of a line that was not understood, or that has no time beside others that have one, nobody knows how long it took.
Fewer than `few_unread` of them are said; from there on what would pass is unknown if they could make it fail: if a
minute each would lift the mean over its limit, or if they are more than one in twenty, for the 95th percentile may be
theirs. What fails does. A log of which there is more than can be read fails.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from ansible_collections.astral.upkeep.plugins.module_utils.gather.web._access_log_shape import (
    AccessLog,
    SlowRoute,
    TimeFigures,
)
from upkeep.judging.check import Check, gone
from upkeep.judging.log_verdicts import (
    ACCESS_FORMAT,
    UNREAD_SHARE,
    in_use,
    partly_read,
    sample,
    short,
    unread_share,
)
from upkeep.model.verdicts import (
    Measure,
    MeasureKind,
    Severity,
    Status,
    Verdict,
    failed,
    nothing_to_judge,
    passed,
    unknown,
)

ADD_TIMES = "decide: add $request_time to nginx's log_format, or %D to Apache's LogFormat and time_unit: us to the site"
LONGEST_SECONDS = 60.0
"""So long nginx and Apache wait for what is behind them, if nobody has told them otherwise."""
DECIDED_BY = {
    "time_place": (
        "more than one number of a line may be the request time",
        "say which it is: time_place: -1 is the last word of a line, -2 the one before it, 1 the first behind the size",
    ),
    "time_unit": (
        "the numbers that may be request times do not tell their unit",
        "say it: time_unit: us for Apache's %D, ms or s; none of it is a time if the log has none",
    ),
    "time_unit and time_place": (
        "more than one number of a line may be the request time, and none tells its unit",
        "say both: time_unit: us for Apache's %D, and time_place: -1 for the last word of a line",
    ),
    "fields": (
        "more than one field of a line may be the request time",
        "say which it is: fields: {request_time: NAME}",
    ),
}


@dataclass(frozen=True)
class Limits:
    """Limits.

    max_mean_seconds: mean request time from which on it fails, in seconds.
    max_p95_seconds: 95th percentile of request times from which on it fails, in seconds.
    min_timed_requests: below this many timed requests in the window nothing is judged but by its unknown.
    few_unread: from this many lines on without a time that could be read, what would pass may be unknown.
    """

    max_mean_seconds: float = 2.0
    max_p95_seconds: float = 4.0
    min_timed_requests: int = 20
    few_unread: int = 5


def judge(seen: AccessLog, limits: Limits, now: datetime) -> Verdict | None:
    """Judge mean and 95th percentile; twice a limit is high."""
    requests, unread, window = seen.requests, seen.unparsed, seen.window_seconds
    if unread and not requests:
        return unknown(
            f"none of {unread} lines was understood as a request{sample(seen.unparsed_sample)}",
            *unread_share(unread, requests),
            remedy=ACCESS_FORMAT,
        )
    if not requests:
        if partly := partly_read(seen, f"no request of the last {window:g} s was read"):
            return partly
        if seen.declared is False and not in_use(seen, now):
            return None
        return nothing_to_judge(f"no request in {window:g} s, so no request time")
    times = seen.request_time
    timed = times.count
    decided_by = DECIDED_BY.get(seen.time_decided_by)
    if not timed:
        reason, remedy = decided_by or ("", ADD_TIMES)
        text = f"none of {requests} requests has a request time in the log"
        return unknown(f"{text} that can be told: {reason}" if reason else text, remedy=remedy)
    verdict = judge_times(times, limits, seen.slow_routes)
    if seen.request_time_least is not None and decided_by:
        least = judge_times(seen.request_time_least, limits)
        verdict = milder(verdict, least, *decided_by)
    few = timed < limits.min_timed_requests
    if verdict.status is Status.PASS or few:
        verdict = partly_read(seen, verdict.message, *verdict.measures) or verdict
    return doubted(verdict, seen, limits)


def milder(most: Verdict, least: Verdict, reason: str, remedy: str) -> Verdict:
    """Return the verdict if it is one, whichever of several numbers is the request time; else unknown."""
    if most.status is not least.status:
        text = f"{reason}: by the largest, {most.message}; by the least, {least.message}"
        return unknown(text, *most.measures, remedy=remedy)
    return least if most.status is Status.FAIL else most


def doubted(verdict: Verdict, seen: AccessLog, limits: Limits) -> Verdict:
    """Return the verdict with what is said of lines whose time is not known; unknown if they could make it fail."""
    times, unread, untimed = seen.request_time, seen.unparsed, seen.untimed
    without = unread + untimed
    text, measures, remedy = verdict.message, verdict.measures, ADD_TIMES
    if untimed:
        text += f"; {untimed} requests have no time"
    if unread:
        text += f"; {unread} lines were not understood{sample(seen.unparsed_sample)}"
        measures = (*measures, *unread_share(unread, seen.requests))
        remedy = ACCESS_FORMAT
    lines = times.count + without
    mean = ((times.mean or 0.0) * times.count + LONGEST_SECONDS * without) / lines
    slow = mean >= limits.max_mean_seconds or without * 20 > lines
    if verdict.status is Status.PASS and without >= limits.few_unread and slow:
        return unknown(f"{text}: they may be slow", *measures, remedy=remedy)
    return replace(verdict, message=text, measures=measures)


def judge_times(times: TimeFigures, limits: Limits, routes: Sequence[SlowRoute] = ()) -> Verdict:
    """Judge the figures of enough requests."""
    timed, mean, p95, p99 = times.count, times.mean, times.p95, times.p99
    if mean is None or p95 is None or p99 is None:
        return unknown(f"not all figures of the {timed} request times were observed")
    measures = (
        Measure("request_time_mean", mean, "s"),
        Measure("request_time_p95", p95, "s"),
        Measure("request_time_p99", p99, "s"),
        Measure("timed_requests", timed),
    )
    text = (
        f"mean {mean:.3g} s (below {limits.max_mean_seconds:g} s),"
        f" 95th percentile {p95:.3g} s (below {limits.max_p95_seconds:g} s) of {timed} requests"
    )
    if timed < limits.min_timed_requests:
        few = f"{text}; too few to judge, at least {limits.min_timed_requests}"
        return nothing_to_judge(few, *measures)
    over = max(mean / limits.max_mean_seconds, p95 / limits.max_p95_seconds)
    if over < 1:
        return passed(text, *measures)
    if routes:
        text += f"; most time went to {short(routes[0].route)}"
    return failed(Severity.HIGH if over >= 2 else Severity.MEDIUM, text, *measures)


CHECK = Check(
    title="Site answers fast",
    trouble="Slow responses",
    gather="access_log",
    shape=AccessLog,
    since="0.1.0",
    why="People leave a slow site long before it fails.",
    cannot_see=(
        "Time in the browser. Requests that did not reach this server, such as those that a CDN "
        "answered or lost."
    ),
    limits=Limits(),
    judge=judge,
    measures={
        "request_time_mean": MeasureKind.LATENCY,
        "request_time_p95": MeasureKind.LATENCY,
        "request_time_p99": MeasureKind.LATENCY,
        "timed_requests": MeasureKind.STATE,
        UNREAD_SHARE: MeasureKind.SHARE,
    },
    source="Astral Core's maintenance schedule, daily: mean response time below 2 s",
    remedy="vmstat 1 5  # see what the host does; then find what the named route waits for",
    absence={"logs": gone()},
)
