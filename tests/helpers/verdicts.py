"""What a check says of an observation, asked as the judge asks it: of the shape that the check names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import is_dataclass
from datetime import datetime
from typing import Any, get_args, get_type_hints

from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation
from upkeep.judging.canaries import Canary
from upkeep.judging.check import Check, PastMoment
from upkeep.judging.entries import make_limits
from upkeep.judging.shapes import VERSION_KEY, ShapedObservations

Past = Sequence[tuple[datetime, Observation]]
NOTHING: Past = ()


def undeclared(kind: Any, data: Any, place: str = "") -> list[str]:
    """Return the places in data that the shape does not declare."""
    inner = [one for one in get_args(kind) if one is not type(None)]
    if isinstance(data, list):
        return [at for one in data for at in undeclared(inner[0], one, f"{place}[]")]
    kind = inner[0] if inner else kind
    if not isinstance(data, dict) or not is_dataclass(kind):
        return []
    kinds = get_type_hints(kind)
    found = [f"{place}.{name}" for name in data if name not in kinds and name != VERSION_KEY]
    known = (name for name in data if name in kinds)
    return found + [at for one in known for at in undeclared(kinds[one], data[one], one)]


def verdict_of(
    check: Check, seen: Observation, limits: Any, now: datetime, past: Past = NOTHING
) -> Any:
    """Return the verdict, or None, on what a gather observed: all of it is declared.

    past: when and how it was seen before, for a check with history.

    Raises: ShapeError if the observation has not its shape.
    """
    assert check.shape is None or not undeclared(check.shape, seen.data)
    return verdict_of_any(check, seen, limits, now, past)


def verdict_of_any(
    check: Check, seen: Observation, limits: Any, now: datetime, past: Past = NOTHING
) -> Any:
    """Return the verdict, or None, on what a host may say.

    Raises: ShapeError if the observation has not its shape.
    """
    shaped = ShapedObservations()
    given = [shaped.of(check.shape, seen), limits, now]
    if check.history is not None:
        given.append([PastMoment(at, shaped.of(check.shape, one)) for at, one in past])
    return check.judge(*given)


def of_canary(check: Check, canary: Canary) -> Any:
    """Return what a check says of its canary; one of the site, of its one subject."""
    limits = make_limits(check, canary.limits)
    if check.of_site:
        (verdict,) = check.judge(canary.hosts, limits, canary.now).values()
        return verdict
    return verdict_of(check, canary.observation, limits, canary.now, canary.history)
