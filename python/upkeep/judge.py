"""Pure: what is due on a host + what was seen there + now → results."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from ansible_collections.astral.upkeep.plugins.module_utils.results import Observation, from_wire
from upkeep.check import CONNECTION, Check
from upkeep.observed import Due, Observed, Outcome, Request, Seen
from upkeep.parameters import make_limits
from upkeep.verdicts import Result, Status, Verdict, unknown

LAST_SECOND = 253_402_300_800
EVERYTHING = "*"
"""The subject of a verdict on all that a check would have looked at."""


def judge_answer(
    host: str,
    due: Sequence[Due],
    requests: Sequence[Request],
    answer: Mapping[str, Any],
    checks: Mapping[str, Check],
    now: datetime,
    seconds: float,
) -> Observed:
    """Return what the host gave, judged.

    answer: the program's, one part per request. What has not the agreed shape makes its request's checks unknown.
    """
    seen: list[Seen] = []
    errors: dict[int, str] = {}
    parts: Any = answer.get("answers")
    for index, request in enumerate(requests):
        try:
            part = parts[index]
            if part["error"]:
                errors[index] = f"{request.gather}: {part['error']}"
            for wire in part["observations"]:
                observation = from_wire(wire)
                seen.append(Seen(index, observation, evidence_hash(observation.raw)))
        except (LookupError, TypeError, ValueError) as exc:
            errors[index] = f"{request.gather}: an answer of another shape ({type(exc).__name__})"
    return Observed(
        host=host,
        outcome=Outcome.OK,
        observed_at=now,
        seconds=round(seconds, 3),
        python=str(answer.get("python", ""))[:40],
        clock_offset_seconds=_clock_offset(answer.get("clock"), now),
        requests=tuple(requests),
        due=tuple(due),
        seen=tuple(seen),
        results=tuple(judge(host, due, requests, seen, errors, checks, now)),
    )


def _clock_offset(clock: object, now: datetime) -> float | None:
    """Return the host's clock minus this one's; None for what is no time between the years 0 and 9999."""
    if isinstance(clock, bool) or not isinstance(clock, (int, float)):
        return None
    if not abs(clock) < LAST_SECOND:
        return None
    return round(clock - now.timestamp(), 3)


def evidence_hash(raw: str) -> str:
    """Return the SHA-256 of a raw text's bytes; empty if there are none."""
    if not raw:
        return ""
    return hashlib.sha256(raw.encode("utf-8", "surrogateescape")).hexdigest()


def judge(
    host: str,
    due: Iterable[Due],
    requests: Sequence[Request],
    seen: Sequence[Seen],
    errors: Mapping[int, str],
    checks: Mapping[str, Check],
    now: datetime,
) -> list[Result]:
    """Return a result for each due check and each observation that it judges.

    errors: why a request could not be answered, by index; its checks are then unknown as a whole.
    """
    results: dict[tuple[str, str], Result] = {}
    for item in due:
        if item.request in errors:
            verdict = unknown(errors[item.request])
            _add(results, _result(host, item, checks, EVERYTHING, verdict, now))
        for index, one in enumerate(seen):
            if one.request != item.request:
                continue
            found = _verdict(checks.get(item.check), item, one, now)
            if found is not None:
                result = _result(host, item, checks, one.observation.subject, found, now)
                _add(results, replace(result, evidence_sha256=one.sha256, observation=index))
    return list(results.values())


def judge_again(observed: Observed, checks: Mapping[str, Check], due: Sequence[Due]) -> Observed:
    """Return the same observations with today's rules and these limits, as of when they were seen.

    A check whose gather had failed stays as it was: there is nothing to judge.
    """
    again = judge(
        observed.host, due, observed.requests, observed.seen, {}, checks, observed.observed_at
    )
    kept = [result for result in observed.results if result.observation is None]
    return replace(observed, due=tuple(due), results=(*kept, *again))


def unseen(
    host: str,
    outcome: Outcome,
    message: str,
    due: Sequence[Due],
    requests: Sequence[Request],
    checks: Mapping[str, Check],
    now: datetime,
    seconds: float,
) -> Observed:
    """Return that a host was not seen: one unknown for each check that is due, and what is wrong with the way there."""
    results: dict[tuple[str, str], Result] = {}
    for item in due:
        remedy = f"upkeep doctor --limit {host}"
        verdict = unknown(message, remedy=remedy)
        _add(results, _result(host, item, checks, EVERYTHING, verdict, now))
    way = Seen(0, Observation(CONNECTION, {"problem": message}), "")
    for check in checks.values():
        item = Due(check.id, 0, {})
        found = _verdict(check, item, way, now) if check.gather == CONNECTION else None
        if found is not None:
            _add(results, _result(host, item, checks, CONNECTION, found, now))
    return Observed(
        host=host,
        outcome=outcome,
        observed_at=now,
        message=message,
        seconds=round(seconds, 3),
        requests=tuple(requests),
        due=tuple(due),
        results=tuple(results.values()),
    )


def _verdict(check: Check | None, item: Due, seen: Seen, now: datetime) -> Verdict | None:
    """Return what the check says; nothing that it does, and nothing that a host says, stops the others."""
    if check is None:
        return unknown(f"there is no check {item.check!r} in this program")
    if seen.observation.error:
        return unknown(seen.observation.error)
    try:
        verdict: Verdict | None = check.judge(
            seen.observation, make_limits(check, item.limits), now
        )
    except Exception as exc:
        return unknown(f"could not be judged: {type(exc).__name__}: {str(exc)[:200]}")
    return verdict


def _result(
    host: str,
    item: Due,
    checks: Mapping[str, Check],
    subject: str,
    verdict: Verdict,
    now: datetime,
) -> Result:
    """Return the verdict with its place."""
    check = checks.get(item.check)
    remedy = verdict.remedy or (check.remedy if check else "")
    return Result(
        host=host,
        check=item.check,
        subject=subject,
        status=verdict.status,
        severity=verdict.severity,
        message=verdict.message,
        remedy="" if verdict.status is Status.PASS else remedy,
        measures=verdict.measures,
        controls=check.controls if check else (),
        observed_at=now,
    )


def _add(results: dict[tuple[str, str], Result], result: Result) -> None:
    """Keep one result per check and subject; two that disagree are unknown, for neither can be right."""
    key = (result.check, result.subject)
    other = results.get(key)
    if other is None or (other.status, other.severity) == (result.status, result.severity):
        results.setdefault(key, result)
        return
    results[key] = replace(
        result,
        status=Status.UNKNOWN,
        severity=None,
        message=f"asked for twice, and the limits disagree: {other.message}; {result.message}",
        measures=(),
    )
