# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The time in which the job may work."""

from __future__ import annotations

import re
import time
from typing import Callable

from ansible_collections.astral.upkeep.plugins.module_utils.jobs.optimize.errors import (
    OptimizeError,
)

HALF_A_DAY_SECONDS = 12 * 3600
_CLOCK = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])")


def end_of_window(text: str, now: float) -> float:
    """Return when a window ends that is declared as `HH:MM` of this host's zone, or as minutes from now.

    A clock time that is more than half a day ahead is the one of today, or of yesterday, which is over.

    Raises: OptimizeError if it is neither.
    """
    clock = _CLOCK.fullmatch(text.strip())
    if clock is None:
        try:
            minutes = float(text)
        except ValueError:
            minutes = -1.0
        if not 0 < minutes <= 24 * 60:
            raise OptimizeError(
                f"window: found {text[:40]!r}; expected its end such as '04:00', or minutes above 0"
            )
        return now + minutes * 60
    here = time.localtime(now)
    hour, minute = int(clock.group(1)), int(clock.group(2))
    ends = [
        time.mktime((here.tm_year, here.tm_mon, here.tm_mday + day, hour, minute, 0, 0, 0, -1))
        for day in (-1, 0, 1)
    ]
    ahead = [one for one in ends if 0 < one - now <= HALF_A_DAY_SECONDS]
    return ahead[0] if ahead else max(one for one in ends if one <= now)


class Window:
    """How much is left of it. The end is fixed at the beginning, by a clock that nobody sets."""

    def __init__(
        self,
        text: str,
        now: float,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.ends_at = end_of_window(text, now)
        self._monotonic, self._sleep = monotonic, sleep
        self._ends = monotonic() + self.ends_at - now

    @property
    def left(self) -> float:
        """How many seconds are left; not negative."""
        return max(0.0, self._ends - self._monotonic())

    @property
    def words(self) -> str:
        """Its end, such as `04:00`, in this host's zone."""
        return time.strftime("%H:%M", time.localtime(self.ends_at))

    def fits(self, seconds: float) -> bool:
        """Return whether what takes so long would end within it."""
        return self.left > seconds

    def pause(self, seconds: float) -> bool:
        """Wait so long, not beyond the end; return whether anything is left of it."""
        self._sleep(min(seconds, self.left))
        return self.left > 0
