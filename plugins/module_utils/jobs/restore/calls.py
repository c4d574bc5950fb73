# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls to the kernel that nothing in a sandbox makes, as a filter for bubblewrap (--seccomp).

Without them a program gets no user namespace, in which it would have privileges and with them more of the kernel to
try; reads no keys; and opens no file past the paths that are in its sight, which who may read all files could.

Source: seccomp(2), "Linux Socket Filtering" of the kernel's documentation, the tables of system calls of the kernel.
"""

from __future__ import annotations

import errno
import platform
import struct

_NEWUSER = 0x10000000
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _MACHINE, _FIRST_ARGUMENT = 0, 4, 16
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000
_OTHER_ABI = 0x40000000
"""Numbers from here on are of another convention of the same machine (x32)."""
_MACHINES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_CALLS = {
    "x86_64": {
        "clone": 56, "unshare": 272, "clone3": 435, "add_key": 248, "request_key": 249, "keyctl": 250,
        "perf_event_open": 298, "open_by_handle_at": 304, "bpf": 321, "userfaultfd": 323,
    },
    "aarch64": {
        "clone": 220, "unshare": 97, "clone3": 435, "add_key": 217, "request_key": 218, "keyctl": 219,
        "perf_event_open": 241, "open_by_handle_at": 265, "bpf": 280, "userfaultfd": 282,
    },
}  # fmt: skip
_FLAGGED = ("clone", "unshare")


def refusing(machine: str = "") -> bytes:
    """Return the filter for a machine, this one if none is named; nothing where its numbers are not known.

    clone3 is told to be not there, as its flags cannot be seen: the C library then takes clone.
    """
    machine = machine or platform.machine()
    if machine not in _CALLS:
        return b""
    calls = dict(_CALLS[machine])
    flagged = [calls.pop(name) for name in _FLAGGED]
    without = [calls.pop("clone3")]
    denied = sorted(calls.values())
    # From a test to the returns behind it: the tests that are left, the plain return, two of the flags, then three.
    tests = [(_AT_LEAST, _OTHER_ABI, "refuse")]
    tests += [(_EQUAL, one, "refuse") for one in denied]
    tests += [(_EQUAL, one, "missing") for one in without]
    tests += [(_EQUAL, one, "flags") for one in flagged]
    ends = {"flags": 1, "allow": 3, "refuse": 4, "missing": 5}
    program = [
        (_LOAD, 0, 0, _MACHINE),
        (_EQUAL, 0, len(tests) + 1 + ends["refuse"], _MACHINES[machine]),
        (_LOAD, 0, 0, _NUMBER),
    ]
    for place, (kind, value, end) in enumerate(tests):
        program.append((kind, len(tests) - place - 1 + ends[end], 0, value))
    program += [
        (_RETURN, 0, 0, _ALLOW),
        (_LOAD, 0, 0, _FIRST_ARGUMENT),
        (_ANY_BIT, 1, 0, _NEWUSER),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _REFUSE | errno.EPERM),
        (_RETURN, 0, 0, _REFUSE | errno.ENOSYS),
    ]
    return b"".join(struct.pack("=HBBI", *one) for one in program)
