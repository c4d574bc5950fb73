"""An entry of the schedule cannot be used, such as a rule that is never due. The rest of the schedule runs."""

from upkeep.judging.check import SelfCheck

ID = "schedule_entry"
CHECK = SelfCheck(
    title="Every entry of the schedule can be used",
    trouble="Unusable schedule entry",
    source="docs/schedule.md",
    remedy="upkeep schedule lint  # see what is wrong, with file and line",
)
