"""A follow-up of a drill was not done on time. What a drill has taught is real work."""

from upkeep.judging.check import SelfCheck

ID = "drill_follow_up"
CHECK = SelfCheck(
    title="Every follow-up of a drill is done on time",
    trouble="Drill: overdue follow-up",
    source="docs/incidents.md",
    remedy="upkeep incident list --all  # see which",
)
