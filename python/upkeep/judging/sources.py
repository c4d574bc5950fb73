"""Pure: which source a gather is asked about. A source is known by what was asked, never by what came back.

A gather that looks at sources, and not at its host, has `SOURCES`, their kinds; its parameter `source` names the one.
Imported inside Ansible before it forks: nothing heavy in here.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from ansible_collections.astral.upkeep.plugins.plugin_utils import payload
from upkeep.judging.check import load
from upkeep.judging.entries import ParameterError, has_template
from upkeep.model.answer import Due, Observed, Outcome, Request, from_json
from upkeep.model.nearest import nearest
from upkeep.model.source import EXPECTED, is_source, kind_of

CONTROLLER = "upkeep_controller"
"""The variable of hosts that look at sources: they are the controller, and connected to without a network."""
SOURCE = "source"
"""The parameter that names the source."""
SOURCES = "sources"
"""Where the answers about sources stand in what a host gave."""
SOURCES_LIMIT = 1_000


def kinds_of(gather: str) -> Sequence[str]:
    """Return the kinds of sources that a gather looks at; none for one that looks at its host, or is not known."""
    kinds: Sequence[str] = getattr(payload.gathers().get(gather), "SOURCES", ())
    return kinds


def source_of(gather: str, params: Mapping[str, Any]) -> str:
    """Return the source that a gather is asked about; empty for the host itself, and where only a template says it.

    Raises: ParameterError for a name that is none, or that is of a kind that the gather does not know.
    """
    kinds = kinds_of(gather)
    said = params.get(SOURCE)
    if not kinds or said in (None, "") or has_template(said):
        return ""
    if not isinstance(said, str) or not is_source(said):
        raise ParameterError(f"{SOURCE}: found {said!r:.160}; expected {EXPECTED}", SOURCE)
    if kind_of(said) not in kinds:
        known = ", ".join(f"{one}/<name>" for one in kinds)
        near = nearest(kind_of(said), kinds)
        message = f"{SOURCE}: found {said!r}; {gather} expects {known}{near}"
        raise ParameterError(message, SOURCE)
    return said


def by_source(requests: Sequence[Request]) -> dict[str, list[int]]:
    """Return the requests of each source, by their indexes; under the empty name, first, those of the host.

    Raises: ParameterError.
    """
    found: dict[str, list[int]] = {"": []}
    for index, request in enumerate(requests):
        found.setdefault(source_of(request.gather, request.params), []).append(index)
    return found


def of_requests(due: Sequence[Due], those: Sequence[int]) -> list[Due]:
    """Return what is due of some requests, by their places in that list."""
    place = {index: number for number, index in enumerate(those)}
    return [replace(one, request=place[one.request]) for one in due if one.request in place]


class Answers(NamedTuple):
    """What a host gave: of itself, of the sources that it looked at, and why others of these are not believed.

    idle: the sources that it is asked about, and of which no check is due now.
    """

    own: Observed
    sources: list[Observed]
    refused: list[str]
    idle: frozenset[str] = frozenset()


def read_answers(given: Mapping[str, Any], host: str) -> Answers:
    """Return what stands under `upkeep` in a task's result of a host.

    A source is believed only if each request of its answer asks for just that source.

    Raises: ValueError if what the host gave of itself has another shape.
    """
    own = from_json(given, host)
    said = given.get(SOURCES, [])
    if not isinstance(said, list) or len(said) > SOURCES_LIMIT:
        return Answers(own, [], [f"its sources are not a list of at most {SOURCES_LIMIT}"])
    checks = load()
    found: dict[str, Observed] = {}
    refused, idle = [], set()
    for one in said:
        try:
            answer = from_json(one, str(one["host"]), seen_from=host)
        except (ValueError, LookupError, TypeError) as exc:
            refused.append(f"a source has an unexpected structure: {exc}"[:300])
            continue
        if why := _why_forged(answer, checks):
            refused.append(why)
        elif answer.outcome is Outcome.SKIPPED:
            idle.add(answer.host)
        else:
            found[answer.host] = answer
    return Answers(own, list(found.values()), refused, frozenset(idle))


def _why_forged(answer: Observed, checks: Collection[str]) -> str:
    """Return why an answer cannot be one about the source that it names; empty if it can be."""
    name = f"the source {answer.host[:160]!r}"
    if not is_source(answer.host):
        return f"{name} is not the name of a source"
    try:
        asked = {source_of(one.gather, one.params) for one in answer.requests}
    except ParameterError as exc:
        return f"{name} was not asked about: {exc}"
    if asked != {answer.host}:
        return f"{name} was not asked about"
    if any(one.request >= len(answer.requests) for one in answer.due):
        return f"{name} has a check that asks for nothing"
    due = {one.check for one in answer.due}
    if not all(one.check in due and one.check in checks for one in answer.results):
        return f"{name} has results of checks that were not due"
    return ""
