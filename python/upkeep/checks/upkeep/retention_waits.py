"""Nothing is removed, because the clock made a step that only its lasting speaks for."""

from upkeep.judging.check import SelfCheck

ID = "retention_waits"
CHECK = SelfCheck(
    title="Data older than its retention time is removed",
    trouble="Delayed retention",
    source="docs/operate.md",
    remedy="upkeep doctor --accept-clock  # decide: accept the clock if it is right now",
    harmless=True,
)
