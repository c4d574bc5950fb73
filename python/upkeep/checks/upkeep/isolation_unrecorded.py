"""A host says that it is isolated, and no incident has isolated it.

Somebody has done so by a plain play, or the record of it was lost, or the host does not tell the truth: what needs the
network there is unknown meanwhile, and jobs leave the host as it is. It is resolved by an answer that says otherwise,
and by an incident in which the host is isolated.
"""

from upkeep.judging.check import SelfCheck

ID = "isolation_unrecorded"
CHECK = SelfCheck(
    title="Every isolated host was isolated in an incident",
    trouble="Isolation without an incident",
    source="docs/incidents.md",
    remedy="upkeep incident list  # isolate it in one of them, or open one: then it is recorded",
    controls=("45 CFR 164.308(a)(6)(ii)",),
)
