"""With the limits that the site sets, a check passes its known-bad input: such a case would not be told.

That may be meant. It is info: it stands in the list of findings and wakes nobody.
"""

from upkeep.judging.check import SelfCheck

ID = "limits_too_wide"
CHECK = SelfCheck(
    title="Every limit of the site lets a check fail its known-bad input",
    trouble="Limits too wide",
    source="docs/reliability.md",
    remedy="decide: set a narrower limit in the site's entry, or leave it as it is if that is meant",
)
