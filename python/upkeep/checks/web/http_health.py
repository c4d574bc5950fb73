"""Health endpoints answer as expected, and soon.

Each URL is asked a few times, on a new connection each time. It fails as critical if no try is answered, or each with a
wrong status; as high if only some are; as high if the answer does not say what the site declared (`json`, `contains`),
or tells of a component that is down; as medium if it is slow. A name that does not exist and a refused connection are
faults of what was declared; a resolver that is silent says nothing of the endpoint, so that it is unknown.
JSON that readers would not agree on (a name twice, NaN, any depth, too long) is unknown where it had to be judged.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation
from upkeep.checks.web._timings import STEPS, TryTimes, finite, try_times
from upkeep.judging.check import DECLARED, Check
from upkeep.judging.readings import short
from upkeep.model.remedies import look, quote
from upkeep.model.verdicts import Measure, MeasureKind, Severity, Verdict, failed, passed, unknown


@dataclass(frozen=True)
class Limits:
    """What is expected of an endpoint.

    status: the HTTP statuses that are right; if empty, 200 to 299.
    mean_seconds: the mean over the tries, from the name's look-up to the last byte, must be below it.
    p95_seconds: the 95th percentile over the tries must be below it.
    bad_states: what a component says of itself when it is down, in any case of letters.
    """

    status: tuple[int, ...] = ()
    mean_seconds: float = 2.0
    p95_seconds: float = 4.0
    bad_states: tuple[str, ...] = (
        "down",
        "fail",
        "failed",
        "failing",
        "error",
        "unhealthy",
        "critical",
        "out_of_service",
        "unavailable",
        "disconnected",
        "false",
    )


def judge(seen: Observation, limits: Limits, now: datetime) -> Verdict:
    """Judge the tries, then what the last answer says, then the times."""
    tries = _list(seen.data.get("tries"))
    if not tries or not all(isinstance(one, Mapping) for one in tries):
        return unknown("the observation has no attempt")
    times = try_times(tries)
    measures = _measures(times, tries)
    ask = _ask(seen)
    bad = [text for text in (_wrong(one, limits) for one in tries) if text]
    if len(bad) == len(tries):
        return failed(
            Severity.CRITICAL,
            f"{bad[-1]}; the same in all {len(tries)} attempts"
            if len(set(bad)) == 1 and len(tries) > 1
            else bad[-1],
            *measures,
            remedy=ask,
        )
    if bad:
        text = f"{len(bad)} of {len(tries)} attempts: {bad[-1]}"
        return failed(Severity.HIGH, text, *measures, remedy=ask)
    unmet = _unmet(seen.data, limits)
    odd = [
        f"{short(one, 80)} in {name}"
        for name in ("json", "components")
        for one in _entries(seen.data.get(name))
        if not isinstance(one, Mapping)
    ]
    if unmet:
        return failed(
            Severity.HIGH,
            "; ".join(unmet[:3]) + (f"; and {len(unmet) - 3} more" if len(unmet) > 3 else ""),
            *measures,
            remedy=ask,
        )
    if odd:
        return unknown(f"the observed answer was not understood: {odd[0]}", *measures)
    unreadable = seen.data.get("json_unreadable")
    if unreadable:
        return unknown(f"cannot be judged: {short(unreadable)}", *measures)
    if seen.data.get("components_cut") is True and not _list(seen.data.get("json")):
        count = len(_list(seen.data.get("components")))
        return unknown(
            f"has {count} or more components; the rest was not checked",
            *measures,
            remedy="decide: declare what is expected: json: {status: up}",
        )
    if times is None:
        return unknown("the observation has no times", *measures)
    if times.mean >= limits.mean_seconds:
        limit = f"below {limits.mean_seconds:g} s expected"
        return failed(
            Severity.MEDIUM,
            f"{times.mean:.2f} s on average, {limit}{times.slowest_step}",
            *measures,
            remedy=ask,
        )
    if times.p95 >= limits.p95_seconds:
        limit = f"below {limits.p95_seconds:g} s expected"
        return failed(
            Severity.MEDIUM,
            f"{times.p95:.2f} s at the 95th percentile, {limit}{times.slowest_step}",
            *measures,
            remedy=ask,
        )
    return passed(
        f"{tries[-1].get('status')} in {times.mean:.2f} s on average, below {limits.mean_seconds:g} s expected",
        *measures,
    )


def _ask(seen: Observation) -> str:
    """Return how to ask the endpoint as the gather did; empty, if that is nothing to paste."""
    way = seen.data.get("way")
    way = way if isinstance(way, Mapping) else {}
    words = [quote(seen.subject) if "*" not in seen.subject else ""]
    if way.get("connect_to"):
        words += ["--connect-to", quote(f"::{way['connect_to']}")]
    if way.get("ca_file"):
        words += ["--cacert", quote(way["ca_file"])]
    if way.get("method"):
        words += ["--request", quote(way["method"])]
    if seen.data.get("verified") is False:
        words.append("--insecure")
    line = " ".join(["curl -isS", *words])
    return look(line, "see what it says; then read its log") if all(words) else ""


def _wrong(one: Mapping[str, Any], limits: Limits) -> str:
    """Return what is wrong with a try, or an empty text."""
    status = one.get("status")
    if not isinstance(status, int) or isinstance(status, bool):
        return f"no answer: {short(one.get('problem', 'no reason was given'))}"
    right = status in limits.status if limits.status else 200 <= status < 300
    if right:
        return ""
    expected = " or ".join(map(str, limits.status)) or "200 to 299"
    more = f", {short(one['problem'])}" if one.get("problem") else ""
    return f"status {status}{more}; expected {expected}"


def _unmet(data: Mapping[str, Any], limits: Limits) -> list[str]:
    """Return what the site declared and the answer does not say, and the components that are down."""
    unmet = []
    contains = data.get("contains")
    if isinstance(contains, Mapping) and contains.get("found") is not True:
        unmet.append(f"the answer does not contain {short(contains.get('wanted', ''), 60)!r}")
    if data.get("json_problem"):
        unmet.append(f"the answer is {short(data['json_problem'])}")
    declared = set()
    for one in _list(data.get("json")):
        if not isinstance(one, Mapping):
            continue
        path, wanted = str(one.get("path")), one.get("wanted")
        declared.add(path)
        if one.get("found") is not True:
            unmet.append(f"{short(path, 80)} is not there; expected {short(wanted, 60)!r}")
        elif not one.get("same", _same(one.get("value"), wanted)):
            unmet.append(
                f"{short(path, 80)} is {short(one.get('value'), 60)!r}; expected {short(wanted, 60)!r}"
            )
    bad_states = {state.lower() for state in limits.bad_states}
    for one in _list(data.get("components")):
        if not isinstance(one, Mapping) or one.get("path") in declared:
            continue
        state = str(one.get("state")).lower()
        if state in bad_states:
            unmet.append(f"{short(one.get('path'), 80)} is {short(one.get('state'), 60)!r}")
    return unmet


def _same(value: Any, wanted: Any) -> bool:
    """Return whether a value is the one wanted; true is not 1, and a list of wanted ones means any of them."""
    if isinstance(wanted, list):
        return any(_same(value, one) for one in wanted)
    if isinstance(value, bool) or isinstance(wanted, bool):
        return value is wanted
    return bool(value == wanted)


def _measures(times: TryTimes | None, tries: list[Mapping[str, Any]]) -> tuple[Measure, ...]:
    """Return the series: mean, percentiles, and the mean of each step."""
    answered = sum(1 for one in tries if finite(one.get("total_seconds")) is not None)
    measures = [Measure("answered", round(100 * answered / len(tries), 1), "%")]
    if times is not None:
        measures += [
            Measure("mean", round(times.mean, 4), "s"),
            Measure("p50", round(times.p50, 4), "s"),
            Measure("p95", round(times.p95, 4), "s"),
            *(Measure(step, round(mean, 4), "s") for step, mean in times.steps.items()),
        ]
    return tuple(measures)


def _entries(value: Any) -> list[Any]:
    """Return what stands in the list; what is no list, as a text, and nothing if it was not told."""
    return value if isinstance(value, list) else [] if value is None else [str(value)]


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


CHECK = Check(
    title="Health endpoints answer as expected",
    trouble="Health endpoint failure",
    gather="http_health",
    needs_network=True,
    since="0.1.0",
    needs={"urls": ["https://portal.example.org/api/health"]},
    why="The endpoint reports problems of the application and its parts before users do.",
    cannot_see=(
        "What the endpoint does not report: an application that claims to be healthy and is "
        "not. The users' own connection: the endpoint is requested from the host, with its "
        "resolver and network."
    ),
    limits=Limits(),
    judge=judge,
    measures={
        "answered": MeasureKind.SHARE,
        **dict.fromkeys(("mean", "p50", "p95", *STEPS), MeasureKind.LATENCY),
    },
    source="RFC 9110; draft-inadarei-api-health-check-06; Spring Boot actuator's health endpoint",
    remedy="decide: ask the endpoint from the host, and find in the log of the application what is wrong",
    controls=("45 CFR 164.308(a)(7)(i)",),
    absence=DECLARED,
)
