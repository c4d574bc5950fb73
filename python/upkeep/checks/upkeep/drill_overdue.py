"""A phase of a drill has not ended in its time."""

from upkeep.judging.check import SelfCheck

ID = "drill_overdue"
CHECK = SelfCheck(
    title="Every phase of a drill ends in its time",
    trouble="Drill: overdue phase",
    source="docs/incidents.md",
    remedy="upkeep incident list  # see what is left",
)
