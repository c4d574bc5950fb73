"""What a host says of its isolation, once it is taken in: typed, bounded, and as it may be kept and shown."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

CONFIRMED, NOT_CONFIRMED = "confirmed", ("armed", "loaded")
RELEASED, NOT_ISOLATED = "released", "none"

_TIMERS = {
    "confirm": "nobody has confirmed its isolation in time",
    "longest": "its longest time had come",
    "visit": "nobody came within half an hour after its reboot",
}


def released_by_person(released_by: str) -> bool:
    """Return whether a host says that somebody has released it; else it names a timer."""
    return released_by.startswith("by ")


def why_released_itself(released_by: str) -> str:
    """Return why a host has released itself, by the timer that it names; empty of a timer that is not ours."""
    return _TIMERS.get(released_by.partition("-")[0], "")


@dataclass(frozen=True)
class ObstacleSaid:
    """What speaks against isolating a host. id: by which it is overridden; firm: nothing overrides it."""

    id: str
    said: str
    remedy: str = ""
    firm: bool = False
    overridden: bool = False


@dataclass(frozen=True)
class IsolationSaid:
    """How a host says that it stands.

    unless_confirmed_at: when it releases itself if nobody confirms its isolation. kept: what stays, each in words.
    cut_sockets, cut_entries: how many open connections, and entries of conntrack, were cut; left: of those that were
    not, each in words; of a plan, those that would be. proofs_held, proofs_unsure: how many tries have shown that
    what is forbidden fails, and how many said nothing; leaks: what got through.
    """

    state: str
    id: str = ""
    since: datetime | None = None
    until: datetime | None = None
    unless_confirmed_at: datetime | None = None
    by: str = ""
    kept: tuple[str, ...] = ()
    cut_sockets: int = 0
    cut_entries: int = 0
    left_number: int = 0
    left: tuple[str, ...] = ()
    obstacles: tuple[ObstacleSaid, ...] = ()
    snapshot_sha256: str = ""
    snapshot_problem: str = ""
    proofs_held: int = 0
    proofs_unsure: int = 0
    leaks: tuple[str, ...] = ()
    others_changed: tuple[str, ...] = ()
    released_at: datetime | None = None
    released_by: str = ""
    warnings: tuple[str, ...] = ()

    @property
    def refused(self) -> tuple[ObstacleSaid, ...]:
        """What stands against it still."""
        return tuple(one for one in self.obstacles if not one.overridden)


@dataclass(frozen=True)
class HostAct:
    """What a host says when it was isolated or released, or when that was tried. why_failed: empty if it went well."""

    host: str
    said: IsolationSaid
    why_failed: str = ""
