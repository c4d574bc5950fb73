"""The site answers within two seconds on average, and most of the time.

Looks at the request times in an access log: their mean and their 95th percentile. nginx logs none in its default
format: add `$request_time` to it, or `%D` to Apache's and `time_unit: us` to the site. A slow client's download counts.
Of lines that were not understood nobody knows how long they took: where they are more than one in twenty, the 95th
percentile may be theirs, and what would pass is unknown. A log of which there is more than can be read fails.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from ansible_collections.astral.upkeep.plugins.module_utils.results import Observation
from upkeep.check import Check
from upkeep.log_verdicts import (
    ACCESS_FORMAT,
    items,
    number,
    partly_read,
    sample,
    short,
    unread_share,
)
from upkeep.verdicts import Measure, Severity, Status, Verdict, failed, passed, unknown

FEW_LINES = 5
"""Fewer lines that were not understood are said, and change nothing."""


@dataclass(frozen=True)
class Params:
    """Limits.

    max_mean_seconds: mean request time from which on it fails, in seconds.
    max_p95_seconds: 95th percentile of request times from which on it fails, in seconds.
    min_timed_requests: below this many timed requests in the window nothing is judged but by its unknown.
    """

    max_mean_seconds: float = 2.0
    max_p95_seconds: float = 4.0
    min_timed_requests: int = 20


def judge(seen: Observation, params: Params, now: datetime) -> Verdict | None:
    """Judge mean and 95th percentile; twice a limit is high."""
    data = seen.data
    requests = number(data, "requests")
    window = number(data, "window_seconds")
    unread = number(data, "unparsed")
    if unread and not requests:
        return unknown(
            f"none of {unread:.0f} lines was understood as a request{sample(data)}",
            *unread_share(data, requests),
            remedy=ACCESS_FORMAT,
        )
    if not requests:
        if partly := partly_read(data, f"no request was read of {window:g} s"):
            return partly
        if data.get("declared") is False:
            return None
        return unknown(f"no request in {window:g} s, so no request time")
    times = data.get("request_time")
    times = times if isinstance(times, Mapping) else {}
    timed = times.get("count", 0)
    if not timed:
        return unknown(
            f"none of {requests:.0f} requests has a request time in the log",
            remedy="add $request_time to nginx's log_format, or %D to Apache's LogFormat "
            "and time_unit: us to the site",
        )
    verdict = judge_times(times, timed, params, items(data, "slow_routes"))
    few = timed < params.min_timed_requests
    if verdict.status is Status.PASS or (few and data.get("over_limit")):
        verdict = partly_read(data, verdict.message, *verdict.measures) or verdict
    if not unread:
        return verdict
    text = f"{verdict.message}; {unread:.0f} lines were not understood{sample(data)}"
    measures = (*verdict.measures, *unread_share(data, requests))
    if verdict.status is Status.PASS and unread >= FEW_LINES and unread * 20 > timed + unread:
        return unknown(
            f"{text}: more than one in twenty may be slow", *measures, remedy=ACCESS_FORMAT
        )
    return replace(verdict, message=text, measures=measures)


def judge_times(
    times: Mapping[str, Any], timed: float, params: Params, routes: list[Mapping[str, Any]]
) -> Verdict:
    """Judge the figures of enough requests."""
    mean, p95 = number(times, "mean"), number(times, "p95")
    measures = (
        Measure("request_time_mean", mean, "s"),
        Measure("request_time_p95", p95, "s"),
        Measure("request_time_p99", number(times, "p99"), "s"),
        Measure("timed_requests", timed),
    )
    text = (
        f"mean {mean:.3g} s (below {params.max_mean_seconds:g} s),"
        f" 95th percentile {p95:.3g} s (below {params.max_p95_seconds:g} s) of {timed:.0f} requests"
    )
    if timed < params.min_timed_requests:
        return unknown(f"{text}; too few to judge, at least {params.min_timed_requests}", *measures)
    over = max(mean / params.max_mean_seconds, p95 / params.max_p95_seconds)
    if over < 1:
        return passed(text, *measures)
    if routes:
        text += f"; most time went to {short(routes[0].get('route'))}"
    return failed(Severity.HIGH if over >= 2 else Severity.MEDIUM, text, *measures)


CHECK = Check(
    title="Site answers fast",
    gather="access_log",
    params=Params(),
    judge=judge,
    source="Astral Core's maintenance schedule, daily: mean response time below 2 s",
    remedy="look at the route named, and at what it waits for: database, upstream, disk (vmstat 1 5)",
)
