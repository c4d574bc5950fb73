# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which files are being written: what is not finished is not broken."""

from __future__ import annotations

import os
import re

from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host, HostError

LOCK = re.compile(
    r"\d+: (?:POSIX|FLOCK|OFDLCK)\s+ADVISORY\s+WRITE\s+\S+ ([0-9a-f]+):([0-9a-f]+):(\d+) "
)
DESCRIPTORS_LIMIT = 200_000
FDINFO_BYTES = 4096


class Writers:
    """Who writes to files below some folders; looked up once, and only if it is asked.

    A process of another account is seen by root alone, and one on another host, which writes over the network, by
    nobody: the lack of a writer says little.
    """

    def __init__(self, host: Host) -> None:
        self._folders: tuple[str, ...] = ()
        self._host = host
        self._open: dict[tuple[int, int], str] | None = None
        self._below: dict[str, str] = {}

    def watch(self, folders: list[str]) -> None:
        """Look below these real folders too, when it is asked the first time."""
        self._folders += tuple(f"{folder.rstrip('/')}/" for folder in folders)

    def why(self, device: int, inode: int) -> str:
        """Return why the file is not finished, such as `held open by gzip`; empty if nobody is seen to write to it."""
        if self._open is None:
            self._open = {**self._locked(), **self._held()}
        return self._open.get((device, inode), "")

    def why_below(self, folder: str) -> str:
        """Return why a folder is not finished; empty if nobody is seen to write to a file in it."""
        self.why(0, 0)
        start = f"{folder.rstrip('/')}/"
        return next((why for path, why in self._below.items() if path.startswith(start)), "")

    def _held(self) -> dict[tuple[int, int], str]:
        """Return the files that a process has open for writing."""
        held: dict[tuple[int, int], str] = {}
        looked = 0
        for pid in _listed("/proc", self._host):
            if not pid.isdigit():
                continue
            for number in _listed(f"/proc/{pid}/fd", self._host):
                looked += 1
                if looked > DESCRIPTORS_LIMIT:
                    return held
                try:
                    self._look(f"/proc/{pid}", number, held)
                except (HostError, ValueError):  # it has ended, or closed the file
                    continue
        return held

    def _look(self, process: str, number: str, held: dict[tuple[int, int], str]) -> None:
        path = self._host.readlink(f"{process}/fd/{number}")
        if not path.startswith(self._folders):
            return
        info = self._host.read_head(f"{process}/fdinfo/{number}", FDINFO_BYTES).decode("ascii")
        flags = re.search(r"^flags:\s+([0-7]+)", info, re.MULTILINE)
        if flags and int(flags.group(1), 8) & os.O_ACCMODE != os.O_RDONLY:
            seen = self._host.stat(f"{process}/fd/{number}")
            name = self._host.read(f"{process}/comm", FDINFO_BYTES).strip()
            held[seen.st_dev, seen.st_ino] = self._below[path] = f"held open by {name[:40]}"

    def _locked(self) -> dict[tuple[int, int], str]:
        """Return the files that a process has locked for writing. Source: proc_locks(5)."""
        locked = {}
        try:
            text = self._host.read("/proc/locks")
        except HostError:
            return {}
        for line in text.splitlines():
            match = LOCK.match(line)
            if match:
                major, minor = int(match.group(1), 16), int(match.group(2), 16)
                locked[os.makedev(major, minor), int(match.group(3))] = "locked for writing"
        return locked


def _listed(path: str, host: Host) -> list[str]:
    """Return the names in a folder of /proc; none if it may not be read, or is gone."""
    try:
        return host.names(path)
    except HostError:
        return []
