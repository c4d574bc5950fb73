"""Several names of the inventory lead to one machine. A job works on them one after the other."""

from upkeep.judging.check import SelfCheck

ID = "one_machine"
CHECK = SelfCheck(
    title="Each host of a job is a machine of its own",
    trouble="Hosts on one machine",
    source="docs/site.md",
    remedy="decide: keep one of the names in the inventory",
)
