"""A source of the inventory could not be read. Hosts that only it names are not checked, and are not removed."""

from upkeep.judging.check import SelfCheck

ID = "inventory_source"
CHECK = SelfCheck(
    title="Every source of the inventory can be read",
    trouble="Unreadable inventory source",
    source="docs/site.md",
    remedy="ansible-inventory --list  # see what is wrong",
)
