"""A host could not be reached, or did not answer in time.

It follows from how it went with the host, and is resolved when the host was seen. Its subject is CONNECTION, as of all
that is wrong with the way to a host.
"""

from upkeep.judging.check import SelfCheck

ID = "host_unreachable"
CHECK = SelfCheck(
    title="The host can be reached",
    trouble="Connection failure",
    source="docs/operate.md",
    remedy="upkeep doctor  # see why",
)
