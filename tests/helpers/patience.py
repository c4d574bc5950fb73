"""How long tests wait: so long that only what hangs is given up, on however busy a machine.

No test says that something was quick. It waits for what shall happen, and the time here is many times the usual.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

PATIENCE_SECONDS = 600.0
"""For one thing that is waited for; what is ended by it has hung. pytest's own limit for a test is longer."""
LOOK_SECONDS = 0.1
T = TypeVar("T")


def eventually(
    look: Callable[[], T], what: str = "what is waited for", seconds: float = PATIENCE_SECONDS
) -> T:
    """Wait until it gives something that is true; return that."""
    ends = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < ends, f"{what} did not happen within {seconds:g} s"
        time.sleep(LOOK_SECONDS)
    return found
