# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a process asks of the kernel before it becomes a sandbox, and Python has no function for.

Source: prctl(2), keyctl(2), syscalls(2).
"""

from __future__ import annotations

import ctypes
import os
import platform
import signal

_PR_SET_PDEATHSIG = 1
_KEYCTL_JOIN_SESSION_KEYRING = 1
_KEYCTL = {"x86_64": 250, "aarch64": 219, "ppc64le": 271, "s390x": 280, "riscv64": 219}
"""The number of the call keyctl on each machine."""


class Kernel:
    """The calls, looked up before a process is forked: there is little that a fork may do."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None)
        self._keyctl = _KEYCTL.get(platform.machine())

    def end_with_parent(self) -> None:
        """End this process when the one that made it ends, however that ends."""
        self._libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)

    def leave_keyring(self) -> None:
        """Take a new and empty ring of keys: who has the one of a login can read each key in it, whatever its user."""
        if self._keyctl is not None:
            self._libc.syscall(self._keyctl, _KEYCTL_JOIN_SESSION_KEYRING, None)


def in_memory(data: bytes) -> int:
    """Return an open file that is on no disk, and holds the data."""
    number = os.memfd_create("secret")
    os.write(number, data)
    os.lseek(number, 0, os.SEEK_SET)
    return number
