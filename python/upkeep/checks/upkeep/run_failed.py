"""A run failed, was stopped, or lost its driver; so nobody can say that its procedure was executed."""

from upkeep.judging.check import SelfCheck

ID = "run_failed"
CHECK = SelfCheck(
    title="Every run completes",
    trouble="Failed run",
    source="docs/operate.md",
    remedy="upkeep run list  # see which run failed; `upkeep run show` with its number says why",
)
