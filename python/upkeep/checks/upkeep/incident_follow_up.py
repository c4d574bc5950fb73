"""A follow-up of an incident was not done on time."""

from upkeep.judging.check import SelfCheck

ID = "incident_follow_up"
CHECK = SelfCheck(
    title="Every follow-up of an incident is done on time",
    trouble="Overdue follow-up of an incident",
    source="docs/incidents.md",
    remedy="upkeep incident list --all  # see which",
)
