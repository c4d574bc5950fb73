"""A follow-up of an incident was not done in its time."""

from upkeep.judging.check import SelfCheck

ID = "incident_follow_up"
CHECK = SelfCheck(
    title="Every follow-up of an incident is done in its time",
    trouble="Overdue follow-up of an incident",
    source="docs/incidents.md",
    remedy="upkeep incident list --all  # see which",
)
