from __future__ import annotations

from ansible_collections.astral.upkeep.plugins.module_utils.results import Observation

ARGUMENTS = {}


def gather(params, host):
    import os
    import time

    if os.path.exists("/tmp/slow"):
        time.sleep(100)
    text = host.read("/proc/meminfo")
    return [
        Observation(
            "memory",
            {l.split(":")[0]: int(l.split()[1]) * 1024 for l in text.splitlines()},
            raw=text,
        )
    ]
