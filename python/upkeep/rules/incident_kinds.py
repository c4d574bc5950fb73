"""Which checks are of incidents, and of drills; and how what they find says of which kind of incident it is. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from upkeep.checks.upkeep import (
    drill_follow_up,
    drill_overdue,
    incident_drill,
    incident_follow_up,
    incident_overdue,
    performance_incident,
    security_incident,
)

CHECKS: Mapping[str, str] = {
    "security": security_incident.ID,
    "performance": performance_incident.ID,
}
"""By the kind of incident, the check that fails as long as one is open: its alert calls people."""
OVERDUE, FOLLOW_UP = incident_overdue.ID, incident_follow_up.ID
DRILL, DRILL_OVERDUE, DRILL_FOLLOW_UP = incident_drill.ID, drill_overdue.ID, drill_follow_up.ID
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
