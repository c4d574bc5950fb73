"""An occurrence was not run on time: no driver ran, it waited too long, or hosts had not caught up with it."""

from upkeep.judging.check import SelfCheck

ID = "occurrence_missed"
CHECK = SelfCheck(
    title="Every occurrence runs on time",
    trouble="Missed occurrence",
    source="docs/serve.md",
    remedy="upkeep occurrence list  # see which, and why",
)
