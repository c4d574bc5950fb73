# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a repository has been read, part by part: a cycle that goes on where the last verification ended.

A pack's part is decided by the first byte of its name, as restic decides it for `check --read-data-subset=n/t`; a pack
that comes into a part that has been read already is not proved before the next cycle.
"""

from __future__ import annotations

from typing import Any, Collection, Iterable, Sequence

from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._snapshots import (
    Snapshot,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.times import iso
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.errors import (
    NotTriedError,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.ledger import Ledger

MOST_PARTS = 256
"""restic divides by one byte of a pack's name."""
NAME_CHARACTERS = 16
"""So much of a pack's name is kept: 64 bits of a checksum are no other pack's."""
USUAL_DAYS = 90.0
"""In how many days a cycle is to end if the set does not say it, as of the check `backup_restore_coverage`."""
KEPT_PACKS = 100_000
KEPT_SNAPSHOTS = 10_000
SHOWN_NEVER = 50


def part_of(pack: str, parts: int) -> int:
    """Return in which part a pack is, from 1."""
    return int(pack[:2], 16) % parts + 1


class Cycle:
    """The cycle of one set. done: the parts that were read and are good.

    repository: what tells it from another one that takes its place; what was read of that one proves nothing.
    """

    def __init__(self, ledger: Ledger, name: str, parts: int, repository: str, now: float) -> None:
        if not 1 <= parts <= MOST_PARTS:
            raise NotTriedError(f"parts: found {parts}; expected 1 to {MOST_PARTS}")
        self._ledger, self._name, self.parts = ledger, name, parts
        self._said, self._kept = ledger.cycle(name), ledger.kept(name)
        if self._kept.get("repository") != repository:
            self._said, self._kept = {}, {"repository": repository}
        self.done: list[int] = sorted(self._said.get("done") or [])
        if self._said.get("parts") != parts or len(self.done) >= parts:
            self.done = []
            self._said.update(parts=parts, began_at=iso(now), done=[], unproved=0)
            self._kept.update(read={}, began=now, position=0)
        self._began: float = self._kept["began"]

    def next(self) -> int:
        """Return the part that comes next."""
        return next(one for one in range(1, self.parts + 1) if one not in self.done)

    def read(self, part: int, packs: Collection[str], now: float) -> None:
        """Take down that a part was read and is good, with the names of the packs that were in it before that."""
        self.done = sorted({*self.done, part})
        read = self._kept["read"]
        mine = [one[:NAME_CHARACTERS] for one in packs if part_of(one, self.parts) == part]
        if sum(map(len, read.values())) // NAME_CHARACTERS + len(mine) <= KEPT_PACKS:
            read[str(part)] = "".join(sorted(mine))
        else:
            read[str(part)] = ""  # every pack in it counts as not proved
        if len(self.done) == self.parts:
            self._said["last_full_at"] = iso(now)
            self._kept["proved_until"] = self._began

    def reached(self, share: float, position: int, now: float) -> None:
        """Take down how far a program has come that reads from the beginning to the end; share: 0 to 1."""
        self.done = list(range(1, int(share * self.parts) + 1))
        self._kept["position"] = position
        if share >= 1:
            self._said["last_full_at"] = iso(now)
            self._kept["proved_until"] = self._began

    @property
    def position(self) -> int:
        """Return where the program that reads from beginning to end has stopped."""
        return int(self._kept.get("position") or 0)

    def restored(self, snapshot: str) -> None:
        """Take down that a snapshot was restored in whole."""
        names = [one for one in self._kept.get("restored") or [] if one != snapshot]
        self._kept["restored"] = [*names, snapshot][-KEPT_SNAPSHOTS:]

    def unproved(self, packs: Iterable[str]) -> int:
        """Return how many packs are in parts that had been read before these packs came."""
        read = {
            int(part): {
                names[start : start + NAME_CHARACTERS]
                for start in range(0, len(names), NAME_CHARACTERS)
            }
            for part, names in self._kept["read"].items()
        }
        return sum(
            one[:NAME_CHARACTERS] not in read.get(part_of(one, self.parts), set())
            for one in packs
            if part_of(one, self.parts) in self.done
        )

    def never(self, snapshots: Sequence[Snapshot]) -> list[str]:
        """Return the snapshots that were neither restored in whole nor there when a full cycle began."""
        restored = set(self._kept.get("restored") or [])
        until = float(self._kept.get("proved_until") or 0)
        return [one.name for one in snapshots if one.name not in restored and one.taken >= until]

    def behind(self, now: float, cycle_days: float | None) -> bool:
        """Return whether more parts must be read now, so that the cycle ends on time."""
        if len(self.done) >= self.parts:
            return False
        days = cycle_days or USUAL_DAYS
        return len(self.done) / self.parts < (now - self._began) / (days * 86_400)

    def covered(self) -> str:
        """Return how much of the repository was read in this cycle."""
        return f"{len(self.done)} of {self.parts}"

    def keep(self, snapshots: Sequence[Snapshot], unproved: int) -> None:
        """Write it down."""
        said: dict[str, Any] = {"last_full_at": None, **self._said, "done": self.done}
        said.update(unproved=unproved, never=self.never(snapshots)[:SHOWN_NEVER])
        there = {one.name for one in snapshots}
        kept = [one for one in self._kept.get("restored") or [] if one in there]
        self._ledger.keep(self._name, {**self._kept, "restored": kept})
        self._ledger.keep_cycle(self._name, said)
