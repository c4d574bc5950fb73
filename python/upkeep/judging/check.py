"""A check: a rule with its judge function. Its id is its file name in `upkeep/checks/`."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import Enum
from functools import cache
from typing import Any

from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation
from upkeep.model.verdicts import MeasureKind

CONNECTION = "connection"
"""Instead of a gather: the way to the host, observed by the controller. Also the subject of what is found there."""
Parts = Callable[[Observation], Sequence[Observation]]
Judge = Callable[..., Any]
"""Takes an observation, or the shape that its check names, its limits, and the time at which it was seen; returns a
Verdict or None. A check with history is given that too: a sequence of PastMoment, the oldest first.

A check of the site is given a mapping of what was seen, by host a sequence, and returns its verdicts by subject.
"""


class Meaning(Enum):
    """What it means that a subject of a check is absent.

    resolves: the trouble was the thing itself, such as a listener: it is over. gone: only what had the trouble is gone,
    such as a file system that was full: nobody has seen it pass.
    """

    RESOLVES = "resolves"
    GONE = "gone"


@dataclass(frozen=True)
class Absence:
    """What it means that a subject of a set is absent. words: said of the subject, without any name of the host's."""

    meaning: Meaning
    words: str = "is not there any more"


def resolves(words: str = Absence.words) -> Absence:
    """Return an absence that ends the trouble: the trouble was the thing itself."""
    return Absence(Meaning.RESOLVES, words)


def gone(words: str = Absence.words) -> Absence:
    """Return an absence that is no recovery: what had the trouble is gone."""
    return Absence(Meaning.GONE, words)


@dataclass(frozen=True)
class History:
    """How much of a subject's past a judge is given: at most this many moments of the last days.

    Of more, it is given the newest of each of at_most equal parts of that time.
    """

    days: float
    at_most: int = 60


@dataclass(frozen=True)
class PastMoment:
    """How a subject was seen before. seen: as the judge is given it now."""

    at: datetime
    seen: Any


SITE_SET = "site"
"""The set that all subjects of a check of the site are of."""
DECLARED: Mapping[str, Absence] = {}
"""What absence means to a check whose subjects are declared by the site, or are on every host: nothing ends with it."""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """What has a check's id: findings, alerts, silences, waivers and ratings go by it.

    title: the healthy case, as a sentence. trouble: a noun for what is wrong when it fails, such as `Low disk space`.
    source: what the rule rests on (RFC, manual page, peer tool; a page of our own documentation).
    remedy: the first step when it fails, a command where there is one.
    controls: such as `45 CFR 164.312(b)`.
    detects_intruders: whoever broke in would want it quiet; so no pattern silences it, nor does a maintenance window.
    rating: 1 to 4, how urgent it is for people where the site says nothing; None as severe as the finding is.
    family: the folder that its file stands in.
    """

    title: str
    trouble: str
    source: str
    remedy: str
    controls: tuple[str, ...] = ()
    detects_intruders: bool = False
    rating: int | None = None
    id: str = ""
    family: str = ""
    description: str = ""


@dataclass(frozen=True, kw_only=True)
class SelfCheck(Rule):
    """A rule of which Upkeep itself tells whether it holds: no site asks for it, and nothing judges it again.

    harmless: a pattern may silence it. All others mean that we may be blind or mute.
    """

    harmless: bool = False


@dataclass(frozen=True, kw_only=True)
class Check(Rule):
    """A rule on what one gather observes.

    gather: the file in plugins/module_utils/gather/ whose observations it judges; or CONNECTION, of which it is given
    `problem`, why a host could not be reached.
    since: the release that it came with, such as `0.1.0`: a family has it from then on. Empty for a site's own.
    needs: the gather's parameters without which it has nothing to look at, each with an example.
    why: what becomes of it where nobody looks. cannot_see: what may be wrong all the same when it passes.
    limits: a frozen dataclass with the default limits, units in the names; its docstring explains each.
    shape: the dataclass that the gather declares for its data: what judge is given; without it, the observation itself.
    judge: pure; is called for each observation without an error; None if the rule does not concern it.
    needs_network: whether what it judges works through the network only, so that it fails because its host is isolated.
    of_site: whether it is judged once for all hosts, such as whether they agree. So it is when a run has ended that was
    not limited; a host that was not seen makes what would pass unknown.
    history: how much of the past judge is given; None if it needs none. Only the driver has it: in a plain playbook
    run such a check gives no result.
    parts: takes an observation of several subjects apart, into one for each; pure. Without it, there is one. What
    was seen before is taken apart, too.
    measures: each that it may give, by name, and what its number is like over time.
    absence: what it means that a subject is absent, by the set (Observation.of) that it is of; None moves nothing.
    """

    gather: str
    limits: Any
    judge: Judge
    shape: type | None = None
    needs_network: bool = False
    of_site: bool = False
    history: History | None = None
    since: str = ""
    needs: Mapping[str, Any] = field(default_factory=dict)
    why: str = ""
    cannot_see: str = ""
    absence: Mapping[str, Absence] | None = None
    parts: Parts | None = None
    measures: Mapping[str, MeasureKind] = field(default_factory=dict)

    @property
    def is_deferred(self) -> bool:
        """Return whether it needs more than one answer of one host, which only the driver has."""
        return self.of_site or self.history is not None

    def subjects(self, seen: Observation) -> list[str]:
        """Return the subjects that it finds in an observation."""
        try:
            parts = self.parts(seen) if self.parts and not seen.error else (seen,)
            return [one.subject for one in parts]
        except Exception:  # what a host says may be anything: then the whole is judged
            return [seen.subject]


_of_site: Mapping[str, Check] = {}


def use(own: Mapping[str, Check]) -> None:
    """Make a site's own checks known beside the program's, in this process; they replace those of another site."""
    global _of_site
    _of_site = dict(own)
    every.cache_clear()
    load.cache_clear()


@cache
def every() -> Mapping[str, Rule]:
    """Return all that has a check's id: the program's own, and those of the site in use."""
    return dict(sorted({**own_of_program(), **_of_site}.items()))


@cache
def own_of_program() -> Mapping[str, Rule]:
    """Return what the program itself has: the files in the families' folders; what begins with _ is not a check."""
    package = importlib.import_module("upkeep.checks")
    checks: dict[str, Rule] = {}
    for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        name = found.name.rpartition(".")[2]
        if found.ispkg or name.startswith("_"):
            continue
        module = importlib.import_module(found.name)
        if name in checks:
            raise ImportError(f"two checks are called {name}; one of them is {module.__file__}")
        family = found.name.split(".")[-2]
        description = (module.__doc__ or "").strip()
        checks[name] = replace(module.CHECK, id=name, family=family, description=description)
    return checks


@cache
def load() -> Mapping[str, Check]:
    """Return the checks that a site may ask for, by id."""
    return {name: one for name, one in every().items() if isinstance(one, Check)}
