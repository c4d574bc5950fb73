"""A time of day that the test turns, for this process's own clock and for every Python that it starts.

What is started while it is turned, and what that starts in turn, has the same time of day, which goes on as the real
one does. What counts seconds (the monotonic clock, the uptime) is left alone: a run's limit and a wait are as long as
ever. To Upkeep, a turn is a step of the clock.
"""

from __future__ import annotations

import contextlib
import os
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest

from upkeep.model import clock

SECONDS, MARK = "TURNED_BY_SECONDS", "TURNED_BY"
CUSTOMIZE = f"""
import os, sys, time
if "{SECONDS}" in os.environ:
    # What it would load to decorate tests and to read texts: that is most of a program's start.
    loads = {{name: None for name in ("pytest", "dateutil.parser")}}
    loads |= {{name: type(sys)(name) for name in ("inspect", "unittest")}}
    loads["unittest"].TestCase = object
    loads = {{name: one for name, one in loads.items() if name not in sys.modules}}
    sys.modules.update(loads)
    import time_machine
    for name in loads:
        del sys.modules[name]
    time_machine.travel(time.time() + float(os.environ["{SECONDS}"]), tick=True).start()
"""


class TurnedClock:
    """The time of day. folder: a new one, for what tells other processes of it."""

    def __init__(self, patch: pytest.MonkeyPatch, folder: Path) -> None:
        self.patch = patch
        self.ahead = timedelta()
        self.mark = uuid.uuid4().hex
        folder.mkdir()
        (folder / "sitecustomize.py").write_text(CUSTOMIZE)
        patch.setenv(MARK, self.mark)
        patch.setenv("PYTHONPATH", str(folder), prepend=os.pathsep)
        patch.setattr(clock, "now", self.now)

    def turn(self, to: datetime) -> None:
        """Let it be so late for this process, and for what is started from now on."""
        self.ahead = to - datetime.now(UTC)
        self.patch.setenv(SECONDS, str(self.ahead.total_seconds()))

    def now(self) -> datetime:
        """Return the time of day."""
        return datetime.now(UTC) + self.ahead

    def running(self) -> list[str]:
        """Return what was started while it was turned, and still runs."""
        found = []
        for one in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if one.environ().get(MARK) == self.mark:
                    found.append(" ".join(one.cmdline()))
        return found
