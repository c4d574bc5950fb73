"""Several drivers run one site, and have read different texts of it."""

from upkeep.judging.check import SelfCheck

ID = "site_revision"
CHECK = SelfCheck(
    title="Every driver has read the same site",
    trouble="Diverging site revisions",
    source="docs/serve.md",
    remedy="decide: restart the drivers that have read the older one",
)
