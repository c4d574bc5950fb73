"""Enough memory is available. (Stand-in until the resources branch lands.)"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ansible_collections.astral.upkeep.plugins.module_utils.results import Observation
from upkeep.check import Check
from upkeep.verdicts import Verdict, passed


@dataclass(frozen=True)
class Params:
    """at_least_percent: x."""

    at_least_percent: float = 10.0


def judge(seen: Observation, params: Params, now: datetime) -> Verdict:
    return passed("%d bytes" % seen.data["MemAvailable"])


CHECK = Check(
    title="Memory",
    gather="memory",
    params=Params(),
    judge=judge,
    source="proc(5)",
    remedy="free -h",
)
