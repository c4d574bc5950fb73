"""Pure: what is due on a host + what was seen there + now → results."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from ansible_collections.astral.upkeep.plugins.module_utils.host.results import (
    Observation,
    bytes_of,
    from_wire,
    readable,
)
from upkeep.judging.check import CONNECTION, Check, Parts, PastMoment
from upkeep.judging.entries import make_limits
from upkeep.judging.isolated import set_aside
from upkeep.judging.shapes import ShapedObservations, ShapeError
from upkeep.model.answer import SITE_HOST, Due, Isolated, Observed, Outcome, Request, Seen
from upkeep.model.remedies import about, command, first, placed, step
from upkeep.model.text import shortened
from upkeep.model.verdicts import Measure, Result, Severity, Status, Unknown, Verdict, unknown

LAST_SECOND = 253_402_300_800
MEASURES_LIMIT = 50
TEXT_LIMIT_CHARACTERS = 4_000
"""Of a result's message and of its remedy."""
NAME_LIMIT_CHARACTERS = 200
"""Of a measure's name."""
NUMBER_LIMIT = 1e20
RESULTS_LIMIT_BYTES = 24_000_000
"""Of one host. With an answer of 16 MB that is well below what an event of Ansible may have."""
EVERYTHING = "*"
"""The subject of a verdict on all that a check would have looked at."""
SubjectsPast = Mapping[str, Sequence[tuple[datetime, Observation]]]
"""By subject: when and how it was seen before, the oldest first."""
Past = Mapping[str, SubjectsPast]
"""By check."""


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
    whole: list[tuple[int, str]] = []
    parts: Any = answer.get("answers")
    for index, request in enumerate(requests):
        try:
            part = parts[index]
            if part["error"]:
                errors[index] = f"{request.gather}: {part['error']}"
            for wire in part["observations"]:
                observation = from_wire(wire)
                seen.append(Seen(index, observation, evidence_hash(observation.raw)))
            whole += [(index, str(of)) for of in part.get("whole", ())]
        except (LookupError, TypeError, ValueError) as exc:
            errors[index] = (
                f"{request.gather}: an answer with an unexpected structure ({type(exc).__name__})"
            )
    isolated = _isolated(answer.get("isolated"))
    results = judge(host, due, seen, errors, checks, now)
    while (said := sum(map(_weight, results))) > RESULTS_LIMIT_BYTES and seen:
        index = _heaviest(results, seen)
        errors[index] = (
            f"{requests[index].gather}: too many or too long results: of all on this host they have {said} bytes,"
            f" at most {RESULTS_LIMIT_BYTES}"
        )
        seen = [one for one in seen if one.request != index]
        results = judge(host, due, seen, errors, checks, now)
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
        results=tuple(set_aside(results, isolated, checks)),
        uid=answer.get("uid"),
        deferred=deferred(due, checks),
        # What was not read, or not understood, may be one of any set.
        whole=tuple(one for one in whole if one[0] not in errors),
        isolated=isolated,
    )


def deferred(due: Iterable[Due], checks: Mapping[str, Check]) -> tuple[str, ...]:
    """Return the checks that are due and need more than one answer of one host."""
    found = (one.check for one in due if one.check in checks and checks[one.check].is_deferred)
    return tuple(dict.fromkeys(found))


def with_history(due: Iterable[Due], checks: Mapping[str, Check]) -> list[str]:
    """Return the checks that are due and are judged with earlier answers of their host."""
    return [one for one in deferred(due, checks) if checks[one].history is not None]


def _weight(result: Result) -> int:
    """Return about how many bytes the result has as ASCII JSON."""
    texts = (result.subject, result.message, result.remedy)
    return (
        400
        + sum(len(text) if text.isascii() else 12 * len(text) for text in texts)
        + 80 * len(result.measures)
    )


def _heaviest(results: Iterable[Result], seen: Sequence[Seen]) -> int:
    """Return the request whose results have the most bytes."""
    weights = {one.request: 0 for one in seen}
    for one in results:
        if one.observation is not None:
            weights[seen[one.observation].request] += _weight(one)
    return max(weights, key=lambda request: weights[request])


def _clock_offset(clock: object, now: datetime) -> float | None:
    """Return the host's clock minus this one's; None for what is not a time between the years 0 and 9999."""
    if isinstance(clock, bool) or not isinstance(clock, (int, float)):
        return None
    return round(clock - now.timestamp(), 3) if abs(clock) < LAST_SECOND else None


def _isolated(said: Any) -> Isolated | None:
    """Return how a host is isolated; None if it says nothing of it, or a time between no years of ours."""
    if not said or not 0 <= said["since"] < LAST_SECOND:
        return None
    return Isolated(said["id"], datetime.fromtimestamp(said["since"], UTC), said["by"])


def evidence_hash(raw: str) -> str:
    """Return the SHA-256 of a raw text's bytes; empty if there are none."""
    if not raw:
        return ""
    return hashlib.sha256(bytes_of(raw)).hexdigest()


def judge(
    host: str,
    due: Iterable[Due],
    seen: Sequence[Seen],
    errors: Mapping[int, str],
    checks: Mapping[str, Check],
    now: datetime,
    past: Past | None = None,
) -> list[Result]:
    """Return a result for each due check and each observation that it judges.

    errors: why a request could not be answered, by index; its checks are then unknown as a whole.
    past: of the checks with history; None if it is not known here: then they give no result.
    """
    results: dict[tuple[str, str], list[Result]] = {}
    shaped = ShapedObservations()
    of_request: dict[int, list[tuple[int, Seen]]] = {}
    for index, one in enumerate(seen):
        of_request.setdefault(one.request, []).append((index, one))
    for item in due:
        check = checks.get(item.check)
        if check is not None and check.of_site:
            continue
        if item.request in errors:
            verdict = unknown(errors[item.request])
            _add(results, result_of(host, item, checks, EVERYTHING, verdict, now))
        if past is None and check is not None and check.is_deferred:
            continue
        own: dict[str, Result] = {}
        say = _judge_of(check, item, now, shaped, past or {})
        for index, one in of_request.get(item.request, ()):
            for result in _judged(host, item, checks, one, say, now):
                result = replace(result, evidence_sha256=one.sha256, observation=index)
                known = own.setdefault(result.subject, result)
                if _badness(result) > _badness(known):
                    own[result.subject] = result
        for result in own.values():
            _add(results, result)
    return [_settled(given) for given in results.values()]


def _badness(result: Result) -> tuple[int, int]:
    """Return what is larger for the worse of two results of one subject, which a host has given twice in one answer."""
    if result.has_nothing_to_judge:
        return -1, 0
    order = (Status.PASS, Status.UNKNOWN, Status.FAIL)
    return order.index(result.status), -result.severity.rank if result.severity else 0


def judge_again(
    observed: Observed, checks: Mapping[str, Check], due: Sequence[Due], past: Past
) -> Observed:
    """Return the same observations with today's rules and these limits, as of when they were seen.

    A check whose gather had failed stays as it was: there is nothing to judge. So does a check with history that is not
    in past: what it was judged with is not kept any more.
    """
    stays = {name for name in with_history(due, checks) if name not in past}
    at = observed.observed_at
    judged = [one for one in due if one.check not in stays]
    again = set_aside(
        judge(observed.host, judged, observed.seen, {}, checks, at, past), observed.isolated, checks
    )
    kept = [one for one in observed.results if one.observation is None or one.check in stays]
    return replace(observed, due=tuple(due), results=(*kept, *again))


def judge_deferred(observed: Observed, checks: Mapping[str, Check], past: Past) -> Observed:
    """Return an answer with the results of those checks that were left to the driver."""
    due = [one for one in observed.due if one.check in observed.deferred]
    at = observed.observed_at
    found = judge(observed.host, due, observed.seen, {}, checks, at, past)
    given = set_aside(found, observed.isolated, checks)
    return replace(observed, results=(*observed.results, *given))


def unseen(
    host: str,
    outcome: Outcome,
    message: str,
    due: Sequence[Due],
    requests: Sequence[Request],
    checks: Mapping[str, Check],
    now: datetime,
) -> Observed:
    """Return the answer of an unseen host: an unknown for each due check, and what is wrong with the connection."""
    results: dict[tuple[str, str], list[Result]] = {}
    for item in due:
        if item.check in checks and checks[item.check].of_site:
            continue
        verdict = unknown(message)
        _add(results, result_of(host, item, checks, EVERYTHING, verdict, now))
    way = Seen(0, Observation(CONNECTION, {"problem": message}), "")
    for check in checks.values():
        item = Due(check.id, 0, {})
        if check.gather != CONNECTION:
            continue
        found = _judge_of(check, item, now, ShapedObservations(), {})(way.observation)
        if found is not None:
            _add(results, result_of(host, item, checks, CONNECTION, found, now))
    return Observed(
        host=host,
        outcome=outcome,
        observed_at=now,
        message=message,
        requests=tuple(requests),
        due=tuple(due),
        results=tuple(_settled(given) for given in results.values()),
    )


def with_next_steps(observed: Observed, site: str) -> Observed:
    """Return the answer with a next step for all that could not be seen and has none of its own. site: its folder."""
    if not any(one.is_blind and not one.remedy for one in observed.results):
        return observed
    results = (
        replace(one, remedy=_next_step(observed, one, site))
        if one.is_blind and not one.remedy
        else one
        for one in observed.results
    )
    return replace(observed, results=tuple(results))


def _next_step(observed: Observed, one: Result, site: str) -> str:
    """Return the next step for what could not be seen; the doctor looks at hosts, and at no source."""
    if observed.host == SITE_HOST:
        return first(command("doctor", site=site), "see which host cannot be checked, and why")
    where = {"site": site, "limit": observed.looker}
    if observed.seen_from and observed.outcome is Outcome.OK:
        return first(command("check", one.check, **where), "check again once it is fixed")
    return first(command("doctor", **where), "see why")


def _judged(
    host: str,
    item: Due,
    checks: Mapping[str, Check],
    seen: Seen,
    say: Callable[[Observation], Verdict | None],
    now: datetime,
) -> Iterator[Result]:
    """Yield a result for each subject that the check finds in the observation."""
    for part in _parts(checks.get(item.check), seen):
        found = say(part.observation)
        if found is not None:
            yield result_of(host, item, checks, part.observation.subject, found, now)


def _parts(check: Check | None, seen: Seen) -> list[Seen]:
    """Return the observation, or one for each subject that the check finds in it."""
    if check is None or check.parts is None or seen.observation.error:
        return [seen]
    try:
        of = seen.observation.of
        parts = check.parts(seen.observation)
        return [replace(seen, observation=replace(one, of=of)) for one in parts]
    except Exception:  # then the check is asked about the whole, and says what is wrong
        return [seen]


def _judge_of(
    check: Check | None,
    item: Due,
    now: datetime,
    shaped: ShapedObservations,
    past: Past,
) -> Callable[[Observation], Verdict | None]:
    """Return what says what the check says of an observation. Its limits are read once, however many there are.

    Nothing that a check does, and nothing that a host says, stops the others.
    """
    if check is None:
        return lambda _seen: unknown(f"there is no check {item.check!r} in this program")
    try:
        limits = make_limits(check, item.limits)
    except Exception as exc:
        verdict = not_judged(exc)
        return lambda seen: _not_seen(seen) or verdict

    past_of = _by_part(check, past.get(check.id, {})) if check.history else {}

    def before(seen: Observation) -> Iterator[list[PastMoment]]:
        """Yield what the judge of a check with history is given too."""
        if check.history is not None:
            known = past_of.get(seen.subject, ())
            yield [
                PastMoment(at, fits)
                for at, one in known
                if (fits := shaped.if_it_fits(check.shape, one)) is not None
            ]

    def say(seen: Observation) -> Verdict | None:
        if seen.error:
            return _not_seen(seen)
        try:
            verdict = check.judge(shaped.of(check.shape, seen), limits, now, *before(seen))
            return None if verdict is None else bounded(typed_verdict(verdict))
        except ShapeError as exc:
            return unknown(str(exc))
        except (Exception, SystemExit) as exc:
            return not_judged(exc)

    return say


def _by_part(check: Check, past: SubjectsPast) -> SubjectsPast:
    """Return how each subject was seen before that the check finds in what was observed."""
    if check.parts is None:
        return past
    found: dict[str, list[tuple[datetime, Observation]]] = {}
    for at, seen in (one for known in past.values() for one in known):
        for part in _parts_then(check.parts, seen):
            found.setdefault(part.subject, []).append((at, part))
    return found


def _parts_then(parts: Parts, seen: Observation) -> Sequence[Observation]:
    try:
        return parts(seen)
    except Exception:  # an older program may have observed something else
        return ()


def _not_seen(seen: Observation) -> Verdict | None:
    """Return the unknown of what the gather could not see; None if it has seen it."""
    return unknown(seen.error, remedy=step(seen.data.get("cannot"))) if seen.error else None


def typed_verdict(verdict: Any) -> Verdict:
    """Return the verdict.

    Raises: TypeError with what is not of its type: a site's own check may return anything.
    """
    if not isinstance(verdict, Verdict):
        raise TypeError(f"judge returned {type(verdict).__name__}; expected a verdict")
    typed = {
        "status": isinstance(verdict.status, Status),
        "severity": verdict.severity is None or isinstance(verdict.severity, Severity),
        "message": isinstance(verdict.message, str),
        "remedy": isinstance(verdict.remedy, str),
        "cause": isinstance(verdict.cause, str),
        "measures": isinstance(verdict.measures, tuple)
        and all(isinstance(one, Measure) and isinstance(one.name, str) for one in verdict.measures),
    }
    for name, is_so in typed.items():
        if not is_so:
            found = type(getattr(verdict, name)).__name__
            raise TypeError(f"judge returned a verdict with {found} for its {name}")
    return verdict


def not_judged(exc: BaseException) -> Verdict:
    """Return the unknown of what a judge broke on."""
    return unknown(f"could not be judged: {type(exc).__name__}: {str(exc)[:200]}")


def bounded(verdict: Verdict) -> Verdict:
    """Return the verdict, or unknown if its measures are no numbers worth a series: a host gave what they are of."""
    measures = verdict.measures
    if len(measures) > MEASURES_LIMIT:
        return unknown(f"{len(measures)} measures, at most {MEASURES_LIMIT}: {verdict.message}")
    for one in measures:
        if type(one.value) not in (int, float) or not abs(one.value) < NUMBER_LIMIT:
            found = f"the measure {one.name[:NAME_LIMIT_CHARACTERS]} is {str(one.value)[:40]}"
            return unknown(f"{found}; expected a number within ±{NUMBER_LIMIT:g}")
        if len(one.name) > NAME_LIMIT_CHARACTERS:
            found = f"the name of a measure has {len(one.name)} characters"
            return unknown(f"{found}, at most {NAME_LIMIT_CHARACTERS}: {one.name[:40]}…")
    return verdict


def _cut(text: str) -> str:
    """Return what other people said as Unicode text; one that is too long loses its middle and says so."""
    text = readable(text)
    if len(text) <= TEXT_LIMIT_CHARACTERS:
        return text
    return shortened(text, TEXT_LIMIT_CHARACTERS // 2, TEXT_LIMIT_CHARACTERS // 2)


def result_of(
    host: str,
    item: Due,
    checks: Mapping[str, Check],
    subject: str,
    verdict: Verdict,
    now: datetime,
) -> Result:
    """Return the verdict with its place."""
    check = checks.get(item.check)
    # What fixes a failure fixes no blindness: renewing a certificate that could not be read would be a wrong change.
    of_check = check.remedy if check and verdict.status is Status.FAIL else ""
    return Result(
        host=host,
        check=item.check,
        subject=subject,
        status=verdict.status,
        severity=verdict.severity,
        message=_cut(verdict.message),
        remedy=""
        if verdict.status is Status.PASS
        else _cut(placed(about(verdict.remedy or of_check, subject), host)),
        measures=verdict.measures,
        controls=check.controls if check else (),
        observed_at=now,
        unknown=verdict.unknown,
        cause=_cut(verdict.cause)[:NAME_LIMIT_CHARACTERS],
    )


def _add(results: dict[tuple[str, str], list[Result]], result: Result) -> None:
    results.setdefault((result.check, result.subject), []).append(result)


def _settled(given: Sequence[Result]) -> Result:
    """Return one result of those for one check and subject.

    Two that disagree are unknown, for neither can be right. One that could not see hides no failure, and
    makes a pass unknown; each reason of those that could not see is told. One that had nothing to judge says nothing
    beside others.
    """
    given = [one for one in given if not one.has_nothing_to_judge] or given
    judged = [one for one in given if one.status is not Status.UNKNOWN]
    if len({(one.status, one.severity) for one in judged}) > 1:
        return replace(
            judged[-1],
            status=Status.UNKNOWN,
            unknown=Unknown.CANNOT_SEE,
            severity=None,
            message=_joined("listed twice, with different limits: ", judged),
            remedy=judged[-1].remedy or judged[0].remedy,
            measures=(),
        )
    if judged and (judged[0].status is Status.FAIL or len(judged) == len(given)):
        return judged[0]
    unseen_ones = [one for one in given if one.status is Status.UNKNOWN]
    return replace(unseen_ones[0], message=_joined("", unseen_ones))


def _joined(head: str, given: Iterable[Result]) -> str:
    return _cut(head + "; ".join(dict.fromkeys(one.message for one in given)))
