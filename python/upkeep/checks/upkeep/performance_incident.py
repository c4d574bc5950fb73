"""A performance incident is open: people are called until somebody acknowledges, and the record says what was done."""

from upkeep.judging.check import SelfCheck

ID = "performance_incident"
CHECK = SelfCheck(
    title="No performance incident is open",
    trouble="Performance incident",
    source="docs/incidents.md",
    remedy="upkeep incident list  # see how it stands and what is next",
)
