"""What the results of an isolated host say: what needs the network there is unknown, because the host is cut off. Pure.

Nobody is called for it, and no check is called blind: the host was cut off on purpose. What a check has seen to pass
stays a pass, and what an isolation does not explain stays what it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from ansible_collections.astral.upkeep.plugins.plugin_utils import payload
from upkeep.judging.check import Check
from upkeep.model.answer import Isolated
from upkeep.model.verdicts import Result, Status, Unknown


def set_aside(
    results: Iterable[Result], isolated: Isolated | None, checks: Mapping[str, Check]
) -> Iterator[Result]:
    """Yield the results, those unknown that the isolation explains; all as they are if the host is not isolated."""
    for one in results:
        check = checks.get(one.check)
        if isolated is None or check is None or not _is_explained(one, check):
            yield one
            continue
        yield replace(
            one,
            status=Status.UNKNOWN,
            severity=None,
            message=f"isolated since {isolated.since:%Y-%m-%d %H:%M} UTC by {isolated.by}: {one.message}",
            remedy="",
            unknown=Unknown.ISOLATED,
            cause="",
        )


def _is_explained(result: Result, check: Check) -> bool:
    """Return whether the result may be so because the host is cut off."""
    if result.status is Status.FAIL:
        return check.needs_network
    return result.is_blind and (check.needs_network or _looks_over_network(check.gather))


def _looks_over_network(gather: str) -> bool:
    return bool(getattr(payload.gathers().get(gather), "NETWORK", False))
