"""A check: a rule with its judge function. Its id is its file name in `upkeep/checks/`."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cache
from typing import Any

from ansible_collections.astral.upkeep.plugins.module_utils.results import Observation
from upkeep.verdicts import Kind, Verdict

CONNECTION = "connection"
"""Instead of a gather: the way to the host, observed by the controller. Also the subject of what is found there."""
Parts = Callable[[Observation], Sequence[Observation]]
Judge = Callable[[Observation, Any, datetime], Verdict | None]


@dataclass(frozen=True)
class Check:
    """A rule on what one gather observes.

    gather: the file in plugins/module_utils/gather/ whose observations it judges; or CONNECTION, of which it is given
    `problem`, why a host could not be reached.
    params: a frozen dataclass with the default limits, units in the names; its docstring explains each.
    judge: pure; is called for each observation without an error; None if the rule does not concern it.
    parts: takes an observation of several subjects apart, into one for each; pure. Without it, there is one.
    source: what the rule rests on (RFC, manual page, peer tool).
    remedy: the first step when it fails, a command where there is one.
    controls: such as `45 CFR 164.312(b)`.
    measures: each that it may give, by name, and what its number is like over time.
    detects_intruders: whoever broke in would want it quiet; so no pattern silences it, nor does a maintenance window.
    """

    title: str
    gather: str
    params: Any
    judge: Judge
    source: str
    remedy: str
    controls: tuple[str, ...] = ()
    detects_intruders: bool = False
    parts: Parts | None = None
    measures: Mapping[str, Kind] = field(default_factory=dict)
    id: str = ""
    description: str = ""


@cache
def load() -> Mapping[str, Check]:
    """Return every check there is, by id."""
    package = importlib.import_module("upkeep.checks")
    checks = {}
    for found in pkgutil.iter_modules(package.__path__):
        module = importlib.import_module(f"upkeep.checks.{found.name}")
        checks[found.name] = replace(
            module.CHECK, id=found.name, description=(module.__doc__ or "").strip()
        )
    return checks
