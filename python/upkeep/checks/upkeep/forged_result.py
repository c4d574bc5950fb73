"""A host, or a task on it, gave results that only `observe` may give. They were not believed.

It is resolved by a run without any, and follows from no list of what is due on a host; so it is not retired with one.
"""

from upkeep.judging.check import SelfCheck

ID = "forged_result"
CHECK = SelfCheck(
    title="Every result of the host is Upkeep's own",
    trouble="Forged result",
    source="docs/security.md",
    remedy="decide: look at the tasks of the playbook, and at who can write on the host",
    controls=("45 CFR 164.312(c)(1)",),
)
