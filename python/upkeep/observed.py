"""What one host gave in one run: requests, observations, verdicts. The `upkeep` key of a task's result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any

from ansible_collections.astral.upkeep.plugins.module_utils.results import (
    Observation,
    from_wire,
    to_wire,
)
from upkeep.verdicts import Measure, Result, Severity, Status

VERSION = 1


class Outcome(Enum):
    """How it went with a host in a run; says nothing about verdicts."""

    OK = "ok"
    UNREACHABLE = "unreachable"
    TIMED_OUT = "timed_out"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Request:
    """One gather to be run on a host. params: without secrets."""

    gather: str
    params: dict[str, Any]


@dataclass(frozen=True)
class Due:
    """One check that is due on a host. request: index of what it judges; limits: those that the site set."""

    check: str
    request: int
    limits: dict[str, Any]


@dataclass(frozen=True)
class Seen:
    """One observation. request: index of the request it answers; sha256: of its raw bytes, empty without any."""

    request: int
    observation: Observation
    sha256: str = ""


@dataclass(frozen=True)
class Observed:
    """What one host gave in one run.

    host: its name in the inventory.
    message: why the outcome is not ok.
    observed_at: by the controller's clock.
    seconds: from the connection's start to the answer.
    python: the host's version; empty if it was not reached.
    clock_offset_seconds: the host's clock minus the controller's, good to about the round trip.
    asked: the checks that were asked for, as the host's groups list them; `*` for all that they list; empty if other
    things were asked than they list: then nothing follows from what is absent.
    """

    host: str
    outcome: Outcome
    observed_at: datetime
    message: str = ""
    seconds: float = 0.0
    python: str = ""
    clock_offset_seconds: float | None = None
    requests: tuple[Request, ...] = ()
    due: tuple[Due, ...] = ()
    seen: tuple[Seen, ...] = ()
    results: tuple[Result, ...] = field(default=())
    asked: tuple[str, ...] = ()


def to_json(observed: Observed) -> dict[str, Any]:
    """Return JSON types, in the shape of the version that stands in them."""
    return {
        "version": VERSION,
        "host": observed.host,
        "outcome": observed.outcome.value,
        "observed_at": observed.observed_at.isoformat(),
        "message": observed.message,
        "seconds": observed.seconds,
        "python": observed.python,
        "clock_offset_seconds": observed.clock_offset_seconds,
        "requests": [asdict(request) for request in observed.requests],
        "due": [asdict(due) for due in observed.due],
        "seen": [
            {"request": seen.request, "sha256": seen.sha256, **to_wire(seen.observation)}
            for seen in observed.seen
        ],
        "results": [result_to_json(result) for result in observed.results],
        "asked": list(observed.asked),
    }


def from_json(data: Mapping[str, Any]) -> Observed:
    """Return what `to_json` made; raise KeyError, TypeError or ValueError if it did not."""
    if data["version"] != VERSION:
        raise ValueError(f"version {data['version']!r} of an observed host; expected {VERSION}")
    return Observed(
        host=data["host"],
        outcome=Outcome(data["outcome"]),
        observed_at=datetime.fromisoformat(data["observed_at"]),
        message=data["message"],
        seconds=data["seconds"],
        python=data["python"],
        clock_offset_seconds=data["clock_offset_seconds"],
        requests=tuple(Request(**request) for request in data["requests"]),
        due=tuple(Due(**due) for due in data["due"]),
        seen=tuple(Seen(seen["request"], from_wire(seen), seen["sha256"]) for seen in data["seen"]),
        results=tuple(result_from_json(result) for result in data["results"]),
        asked=tuple(data.get("asked", ())),
    )


def result_to_json(result: Result) -> dict[str, Any]:
    """Return a result as JSON types."""
    return {
        "host": result.host,
        "check": result.check,
        "subject": result.subject,
        "status": result.status.value,
        "severity": result.severity.value if result.severity else None,
        "message": result.message,
        "remedy": result.remedy,
        "measures": [
            {"name": one.name, "value": one.value, "unit": one.unit} for one in result.measures
        ],
        "controls": list(result.controls),
        "observed_at": result.observed_at.isoformat() if result.observed_at else None,
        "evidence_sha256": result.evidence_sha256,
        "observation": result.observation,
    }


def result_from_json(data: Mapping[str, Any]) -> Result:
    """Return what `result_to_json` made."""
    return Result(
        host=data["host"],
        check=data["check"],
        subject=data["subject"],
        status=Status(data["status"]),
        severity=Severity(data["severity"]) if data["severity"] else None,
        message=data["message"],
        remedy=data["remedy"],
        measures=tuple(Measure(**measure) for measure in data["measures"]),
        controls=tuple(data["controls"]),
        observed_at=datetime.fromisoformat(data["observed_at"]) if data["observed_at"] else None,
        evidence_sha256=data["evidence_sha256"],
        observation=data["observation"],
    )
