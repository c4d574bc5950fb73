"""A phase of a drill has not ended on time."""

from upkeep.judging.check import SelfCheck

ID = "drill_overdue"
CHECK = SelfCheck(
    title="Every phase of a drill ends on time",
    trouble="Drill: overdue phase",
    source="docs/incidents.md",
    remedy="upkeep incident list  # see what is left",
)
