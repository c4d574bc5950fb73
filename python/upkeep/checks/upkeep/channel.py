"""A channel of alerts cannot send. People are not notified over it."""

from upkeep.judging.check import SelfCheck

ID = "channel"
CHECK = SelfCheck(
    title="Every channel delivers",
    trouble="Channel failure",
    source="docs/alerts.md",
    remedy="upkeep alert list  # see what was not sent; then test the channel: upkeep alert test",
    controls=("45 CFR 164.308(a)(6)(ii)",),
)
