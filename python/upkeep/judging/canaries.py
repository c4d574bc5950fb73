"""A check's canary: a recorded bad input that it must fail. Fed once a day, it proves that the check still sees."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation
from upkeep.judging.check import Check
from upkeep.judging.judge import Past, judge
from upkeep.judging.site_judge import SeenOnHost, judge_site
from upkeep.model.answer import Due, Seen
from upkeep.model.verdicts import Severity, Status

SUFFIX = ".canary.json"
HOST = "canary"


class CanaryError(ValueError):
    """A canary's file cannot be read; the text names it."""


@dataclass(frozen=True)
class Canary:
    """A known-bad input.

    origin: where it is from. history: how it was seen before, the oldest first. hosts: of a check of the site, what was
    seen on each. limits: those that it is judged with. now: the time at which it is judged. severity: what it must be.
    """

    origin: str
    observation: Observation
    limits: Mapping[str, Any]
    now: datetime
    severity: Severity
    history: Sequence[tuple[datetime, Observation]] = ()
    hosts: Mapping[str, Sequence[Observation]] = field(default_factory=dict)

    def past(self, check: str) -> Past:
        """Return what the check is given of the subject's past."""
        return {check: {self.observation.subject: self.history}}


@dataclass(frozen=True)
class Proof:
    """What a check says of its canary. fails: as it must; message: of its verdict."""

    fails: bool
    message: str


def canary_of(check: Check) -> Canary | None:
    """Return the canary beside the check's file; None if there is none, as a site's own check may have none.

    Raises: CanaryError.
    """
    module = sys.modules[check.judge.__module__]
    path = Path(str(module.__file__)).with_suffix(SUFFIX)
    return _read(path) if path.is_file() else None


@cache
def _read(path: Path) -> Canary:
    try:
        return _canary(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, LookupError, TypeError, AttributeError, StopIteration) as exc:
        expected = (
            "expected JSON with origin, now, limits, observation (subject, data) and severity"
        )
        raise CanaryError(f"{path}: {type(exc).__name__}: {exc}; {expected}"[:400]) from exc


def _canary(said: Mapping[str, Any]) -> Canary:
    hosts = {
        host: [_observation(one) for one in each] for host, each in said.get("hosts", {}).items()
    }
    seen = said.get("observation") or next(iter(said["hosts"].values()))[0]
    return Canary(
        said["origin"],
        _observation(seen),
        said["limits"],
        datetime.fromisoformat(said["now"]),
        Severity(said["severity"]),
        [
            (datetime.fromisoformat(one["at"]), Observation(seen["subject"], one["data"]))
            for one in said.get("history", ())
        ],
        hosts,
    )


def _observation(said: Mapping[str, Any]) -> Observation:
    return Observation(said["subject"], said["data"], said.get("raw", ""))


def prove(check: Check, canary: Canary, limits: Mapping[str, Any] | None = None) -> Proof:
    """Return what the check says of its canary. limits: a site's, beside those of the canary itself."""
    due = Due(check.id, 0, {**canary.limits, **(limits or {})})
    seen = Seen(0, canary.observation)
    if check.of_site:
        hosts = {host: SeenOnHost(due.limits, each) for host, each in canary.hosts.items()}
        found = judge_site(check, hosts, canary.now)
    else:
        past = canary.past(check.id)
        found = judge(HOST, [due], [seen], {}, {check.id: check}, canary.now, past)
    bad = [one for one in found if one.status is Status.FAIL]
    said = (bad or found)[:1]
    return Proof(bool(bad), said[0].message if said else "nothing")
