"""A run gave events that Ansible's own callback did not write. They were not believed."""

from upkeep.judging.check import SelfCheck

ID = "forged_event"
CHECK = SelfCheck(
    title="Every event of a run is Ansible's own",
    trouble="Forged event",
    source="docs/security.md",
    remedy="upkeep run list  # see which; then look at who can write what Ansible reads",
    controls=("45 CFR 164.312(c)(1)",),
)
