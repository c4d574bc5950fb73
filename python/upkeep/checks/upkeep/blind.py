"""Checks can read nothing on a host that answers. Its subject is what blinds them, and it names all of them.

It follows from no list of what is due on a host; see store/blind.py.
"""

from upkeep.judging.check import SelfCheck

ID = "blind"
CHECK = SelfCheck(
    title="Every check can read what it needs",
    trouble="Check without data",
    source="docs/operate.md",
    remedy="upkeep doctor  # see which hosts cannot be checked, and why",
    controls=("45 CFR 164.312(b)",),
)
