"""A check has passed an input that is known to be bad, so nothing that it passes can be believed.

Once a day, after a run, each check is fed its canary, a recorded bad input, with the limits that it is made for.
The finding says since when the check was last seen to fail it.
"""

from upkeep.judging.check import SelfCheck

ID = "check_broken"
CHECK = SelfCheck(
    title="Every check fails its known-bad input",
    trouble="Broken check",
    source="docs/reliability.md",
    remedy=(
        "decide: reinstall Upkeep, or undo the last change of the check's file; then judge the "
        "newest runs again"
    ),
)
