"""An incident in the evidence of a review: its response, its phases, and what of a drill was really done.

Pure.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from upkeep.rules.incidents import Incident, fold, rehearsed


def until_then(incident: Incident, until: datetime) -> Incident:
    """Return an incident as it stood at a time: what was entered later is no evidence of before."""
    return fold(incident.id, [one for one in incident.entries if one.at <= until])


def summary(incident: Incident, now: datetime) -> dict[str, Any]:
    """Return an incident as JSON types, without names of people and what was written down."""
    response = incident.response
    return {
        "id": incident.id,
        "drill": incident.opened.drill,
        "kind": incident.opened.kind,
        "severity": incident.opened.severity,
        "title": incident.opened.title,
        "opened_at": incident.opened_at.isoformat(),
        "closed_at": incident.closed_at.isoformat() if incident.closed_at else None,
        "response_seconds": response.total_seconds() if response is not None else None,
        "phases": [
            {
                "title": phase.title,
                "within_seconds": phase.within_seconds,
                "took_seconds": _took(incident, index),
                "late": incident.was_late(index, now),
            }
            for index, phase in enumerate(incident.opened.phases)
        ],
        "steps": [
            {"title": one.step.title, "counts_as": one.word, "really_on": list(one.really_on)}
            for one in (rehearsed(incident) if incident.opened.drill else ())
        ],
    }


def _took(incident: Incident, index: int) -> float | None:
    """Return after how many seconds from the opening a phase has ended; None if it has not."""
    ended = incident.ended_at(index)
    if ended is None or index > incident.phase:
        return None
    return (ended - incident.opened_at).total_seconds()
