"""The chain of signed records does not hold: something was changed, or is missing."""

from upkeep.judging.check import SelfCheck

ID = "record_chain"
CHECK = SelfCheck(
    title="Every signed record of a review is unchanged",
    trouble="Broken chain of records",
    source="docs/reviews.md",
    remedy="upkeep review verify  # see which record was changed",
    controls=("45 CFR 164.312(c)(1)",),
)
