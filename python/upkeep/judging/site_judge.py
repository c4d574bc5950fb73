"""Pure: what was seen on all hosts → the results of a check of the site. They belong to no host."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation
from upkeep.judging.check import Check
from upkeep.judging.entries import make_limits
from upkeep.judging.judge import EVERYTHING, bounded, not_judged, result_of, typed_verdict
from upkeep.judging.readings import short
from upkeep.judging.shapes import ShapedObservations, ShapeError
from upkeep.model.answer import SITE_HOST, Due
from upkeep.model.remedies import first as first_step
from upkeep.model.remedies import quote
from upkeep.model.verdicts import Result, Status, Verdict, unknown

NAMED = 5
"""At most this many hosts that were not seen are named."""


@dataclass(frozen=True)
class SeenOnHost:
    """What one host gave for a check of the site. limits: those that it asks for; seen: None if it returned nothing."""

    limits: Mapping[str, Any]
    seen: Sequence[Observation] | None


def judge_site(check: Check, hosts: Mapping[str, SeenOnHost], now: datetime) -> list[Result]:
    """Return a result for each subject that the check finds on these hosts.

    hosts: those that ask for the check. One that gave nothing, or of which a part could not be seen, may be what the
    verdict would be on: what would pass is unknown then. Nothing that the check does, and nothing that a host says,
    stops others.
    """
    limits = {name: dict(one.limits) for name, one in hosts.items()}
    first = next(iter(limits.values()), {})
    due = Due(check.id, 0, first)
    other = next((name for name, each in limits.items() if each != first), None)
    if other is not None:
        one = next(iter(hosts))
        text = f"{one} and {other} list it with different limits; expected the same on all hosts"
        see = first_step(
            f"upkeep explain {quote(other)} {check.id} -i SITE", f"and the same for {one}"
        )
        return [_result(check, due, EVERYTHING, unknown(text, remedy=see), now)]
    given, unseen = _given(check, hosts)
    try:
        verdicts = _typed(check.judge(given, make_limits(check, first), now))
    except (Exception, SystemExit) as exc:
        return [_result(check, due, EVERYTHING, not_judged(exc), now)]
    if unseen:
        text = _named(unseen)
        verdicts = {one: _doubted(each, text) for one, each in verdicts.items()}
        verdicts = verdicts or {EVERYTHING: unknown(text)}
    return [_result(check, due, one, each, now) for one, each in sorted(verdicts.items())]


def _given(
    check: Check, hosts: Mapping[str, SeenOnHost]
) -> tuple[dict[str, list[Any]], dict[str, str]]:
    """Return what the judge is given, by host, and of which hosts something was not seen or understood, and why."""
    given: dict[str, list[Any]] = {}
    unseen: dict[str, str] = {}
    shaped = ShapedObservations()
    for name, host in sorted(hosts.items()):
        if host.seen is None:
            unseen[name] = "it returned nothing"
            continue
        given[name] = []
        for one in host.seen:
            try:
                if one.error:
                    unseen.setdefault(name, f"{one.subject}: {one.error}")
                else:
                    given[name].append(shaped.of(check.shape, one))
            except ShapeError as exc:
                unseen.setdefault(name, f"{one.subject}: {exc}")
    return given, unseen


def _typed(said: Any) -> dict[str, Verdict]:
    """Return the verdicts by subject.

    Raises: TypeError with what is not of its type: a site's own check may return anything.
    """
    if not isinstance(said, Mapping):
        raise TypeError(f"judge returned {type(said).__name__}; expected verdicts by subject")
    odd = next((one for one in said if not isinstance(one, str) or not one), None)
    if odd is not None:
        raise TypeError(f"judge returned {odd!r:.40} for a subject; expected a text")
    return {one: bounded(typed_verdict(each)) for one, each in said.items()}


def _named(unseen: Mapping[str, str]) -> str:
    some = ", ".join(f"{host} ({short(why, 120)})" for host, why in list(unseen.items())[:NAMED])
    more = f" and {len(unseen) - NAMED} more" if len(unseen) > NAMED else ""
    return f"not checked, or only in part: {some}{more}"


def _doubted(verdict: Verdict, text: str) -> Verdict:
    """Return the verdict; what passes is unknown, for what was not seen may be otherwise."""
    if verdict.status is not Status.PASS:
        return verdict
    return unknown(f"{verdict.message}; {text}", *verdict.measures)


def _result(check: Check, due: Due, subject: str, verdict: Verdict, now: datetime) -> Result:
    found = result_of(SITE_HOST, due, {check.id: check}, subject, verdict, now)
    return replace(found, observation=None)
