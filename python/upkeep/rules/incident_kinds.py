"""Which checks are of incidents, and of drills; and how what they find says of which kind of incident it is. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from upkeep.checks.upkeep.drill_follow_up import ID as DRILL_FOLLOW_UP
from upkeep.checks.upkeep.drill_overdue import ID as DRILL_OVERDUE
from upkeep.checks.upkeep.incident_drill import ID as DRILL
from upkeep.checks.upkeep.incident_follow_up import ID as FOLLOW_UP
from upkeep.checks.upkeep.incident_overdue import ID as OVERDUE
from upkeep.checks.upkeep.performance_incident import ID as PERFORMANCE
from upkeep.checks.upkeep.security_incident import ID as SECURITY

__all__ = [
    "CHECKS",
    "DRILL",
    "DRILLS",
    "DRILL_FOLLOW_UP",
    "DRILL_OVERDUE",
    "FOLLOW_UP",
    "MARK",
    "OF_INCIDENTS",
    "OVERDUE",
    "kind_of",
    "named_in",
    "procedure_of",
]
CHECKS: Mapping[str, str] = {"security": SECURITY, "performance": PERFORMANCE}
"""By the kind of incident, the check that fails as long as one is open: its alert calls people."""
DRILLS = frozenset({DRILL, DRILL_OVERDUE, DRILL_FOLLOW_UP})
"""What says the same of drills; each trouble of these begins with MARK."""
OF_INCIDENTS = frozenset({*CHECKS.values(), OVERDUE, FOLLOW_UP, *DRILLS})
MARK = "Drill: "
"""What each message of a drill begins with."""
_PROCEDURES = {f"incident {kind}": kind for kind in CHECKS}


def procedure_of(kind: str) -> str:
    """Return what stands in the place of a finding's procedure: no procedure has a blank in its id."""
    return f"incident {kind}"


def kind_of(procedure: str) -> str:
    """Return the kind of incident that stands in a procedure's place; empty if it is a procedure."""
    return _PROCEDURES.get(procedure, "")


def named_in(subject: str) -> tuple[str, str]:
    """Return how an incident is called, and its number, from the subject of a finding of it: `Incident.subjects`."""
    word, number, *_more = subject.split()
    return f"{word} {number}", number
