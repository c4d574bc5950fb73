"""A review was not signed on time."""

from upkeep.judging.check import SelfCheck

ID = "review_overdue"
CHECK = SelfCheck(
    title="Every review is signed on time",
    trouble="Overdue review",
    source="docs/reviews.md",
    remedy="upkeep review list  # see which",
    controls=("45 CFR 164.308(a)(1)(ii)(D)",),
    harmless=True,
)
