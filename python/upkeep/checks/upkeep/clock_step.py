"""The clock of a machine that runs the schedule was set. What hangs on the time waits until it is believed."""

from upkeep.judging.check import SelfCheck

ID = "clock_step"
CHECK = SelfCheck(
    title="The controller's clock does not jump",
    trouble="Clock step",
    source="docs/serve.md",
    remedy="upkeep doctor --accept-clock  # decide: accept the clock if it is right now",
    controls=("45 CFR 164.312(b)",),
)
