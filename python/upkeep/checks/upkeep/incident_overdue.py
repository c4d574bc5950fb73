"""A phase of an incident has not ended on time."""

from upkeep.judging.check import SelfCheck

ID = "incident_overdue"
CHECK = SelfCheck(
    title="Every phase of an incident ends on time",
    trouble="Overdue phase of an incident",
    source="docs/incidents.md",
    remedy="upkeep incident list  # see what is left",
)
