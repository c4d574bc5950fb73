# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a program of the sandbox has ended, where that is no fault of what it read."""

from __future__ import annotations

import contextlib
import os
import re
import signal
from typing import Sequence

from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.errors import (
    NotTriedError,
)

MORE_MEMORY = "decide: how much memory its verification may have (memory_bytes)"
_OUT_OF_MEMORY = ("out of memory", "cannot allocate memory", "memoryerror", "bad_alloc")


def refuse_sudden_end(
    argv: Sequence[str], ended: tuple[int, str], group: str, memory_bytes: int
) -> None:
    """Raise NotTriedError if a program was ended from outside, or for want of memory.

    ended: its status, and what it said. group: the control group of the sandbox; empty if there is none.
    """
    status, err = ended
    if not status:
        return
    program = name_of(argv)
    killed = status in (-signal.SIGKILL, 128 + signal.SIGKILL)
    too_little = any(one in err.lower() for one in _OUT_OF_MEMORY)
    if too_little or (killed and out_of_memory(group)):
        why = f"{program} was ended: it needs more than {memory_bytes} B of memory"
        raise NotTriedError(why, MORE_MEMORY)
    refuse_out_of_memory(program, group, memory_bytes)
    if killed:
        raise NotTriedError(f"{program} was ended by signal 9, and not for want of memory")


def refuse_out_of_memory(program: str, group: str, memory_bytes: int) -> None:
    """Raise NotTriedError if the kernel has ended another program of the group, as all had too much memory together."""
    if out_of_memory(group):
        raise NotTriedError(
            f"{program} cannot go on: another program beside it was ended, as all of them need more than "
            f"{memory_bytes} B of memory",
            MORE_MEMORY,
        )


def out_of_memory(group: str) -> bool:
    """Return whether the kernel has ended a program of a control group, as that had reached its bound of memory.

    It says no of an empty name, which is no group. Source: cgroup-v1/memory.rst and cgroup-v2.rst of the kernel.
    """
    for name in ("memory.oom_control", "memory.events") if group else ():
        with contextlib.suppress(OSError), open(
            os.path.join(group, name), encoding="ascii"
        ) as stream:
            return re.search(r"^oom_kill [1-9]", stream.read(), re.MULTILINE) is not None
    return False


def name_of(argv: Sequence[str]) -> str:
    """Return the name of the program that a command is about: a shell may stand before it."""
    words = argv if argv[0] != "sh" else [one for one in argv[1:] if "/bin/" in one[:20]]
    return os.path.basename([*words, "sh"][0])[:60]
