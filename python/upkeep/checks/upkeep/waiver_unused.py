"""A waiver has covered nothing for a while. Nobody needs it any more, or it names the wrong thing."""

from upkeep.judging.check import SelfCheck

ID = "waiver_unused"
CHECK = SelfCheck(
    title="Every waiver covers something",
    trouble="Unused waiver",
    source="docs/waivers.md",
    remedy="upkeep waiver list  # see which; then upkeep waiver revoke",
    harmless=True,
)
