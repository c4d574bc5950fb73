"""A drill of an incident goes on: it calls people as an incident does, and says that it is a drill."""

from upkeep.judging.check import SelfCheck

ID = "incident_drill"
CHECK = SelfCheck(
    title="No drill of an incident goes on",
    trouble="Drill: incident",
    source="docs/incidents.md",
    remedy="upkeep incident list  # see how it stands and what is next",
)
