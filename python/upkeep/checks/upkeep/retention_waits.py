"""Nothing is removed, because the clock made a step that only its lasting speaks for."""

from upkeep.judging.check import Told

ID = "retention_waits"
CHECK = Told(
    title="What is older than its days is removed",
    source="docs/operate.md",
    remedy="upkeep doctor --accept-clock  # if it is right now",
    harmless=True,
)
