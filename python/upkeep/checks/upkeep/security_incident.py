"""A security incident is open: people are called until somebody acknowledges, and the record says what was done."""

from upkeep.judging.check import SelfCheck

ID = "security_incident"
CHECK = SelfCheck(
    title="No security incident is open",
    trouble="Security incident",
    source="docs/incidents.md",
    remedy="upkeep incident list  # see how it stands and what is next",
    controls=("45 CFR 164.308(a)(6)(ii)",),
)
