"""A channel of alerts does not take what it is given. Those whom it reaches hear of nothing through it."""

from upkeep.judging.check import SelfCheck

ID = "channel"
CHECK = SelfCheck(
    title="Every channel delivers",
    trouble="Channel failure",
    source="docs/alerts.md",
    remedy="upkeep alert list  # see what was not sent; then test the channel: upkeep alert test",
    controls=("45 CFR 164.308(a)(6)(ii)",),
)
