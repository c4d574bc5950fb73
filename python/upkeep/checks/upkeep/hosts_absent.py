"""Many hosts have left the inventory at once.

What was found on them stays open until a person says that they are meant to be gone.
"""

from upkeep.judging.check import SelfCheck

ID = "hosts_absent"
CHECK = SelfCheck(
    title="Hosts that were observed stay in the inventory",
    trouble="Absent hosts",
    source="docs/operate.md",
    remedy="upkeep host list  # see which; then upkeep host accept",
)
