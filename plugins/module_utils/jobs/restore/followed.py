# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Put something behind what a program is given: only what comes back of it shows that it has read all of it.

A dump may end its client in the middle (`quit`), which then says that all went well.
"""

from __future__ import annotations

from typing import Callable


def followed(read: Callable[[int], bytes], last: bytes) -> Callable[[int], bytes]:
    """Return a function that gives what read gives, and then the last bytes."""
    rest = [last]

    def give(size: int) -> bytes:
        return read(size) or (rest.pop() if rest else b"")

    return give
