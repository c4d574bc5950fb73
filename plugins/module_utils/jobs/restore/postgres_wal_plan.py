# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which files of a folder of WAL continue a base backup, one after the other and from timeline to timeline.

Source: PostgreSQL, xlogarchive.c and timeline.c; pg_receivewal, which names its files as walmethods.c does.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Dict, Iterable, List, Optional, Tuple

from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.postgres_wal import (
    GAP_LIMIT,
    name_of_segment,
    number_of,
)

_PACKED = r"(?:\.(?:gz|bz2|xz|zst|lz4))?"
_SEGMENT = re.compile(rf"([0-9A-F]{{24}})(\.partial)?{_PACKED}(\.partial)?\Z")
_HISTORY = re.compile(rf"([0-9A-F]{{8}})\.history{_PACKED}\Z")
_OTHER = re.compile(r"([0-9A-F]{24})(?!\.[0-9A-F]{8}\.backup)[^0-9A-F]")
_UNFINISHED = re.compile(r"[._~-]?(?:tmp|temp|part|new|filepart)?~?\Z")
_SWITCH = re.compile(r"(\d+)\s+([0-9A-F]{1,8})/([0-9A-F]{1,8})(?:\s|\Z)")
Switches = List[Tuple[int, int]]
"""The timelines that one comes from, oldest first, each with the position in the log at which it was left."""


@dataclass
class WalFiles:
    """What is in a folder of WAL, by what it is of: names of segments, or numbers of timelines. Values: names of files.

    cut: files of segments that are shorter than one. others: what may be a segment, and is not understood.
    """

    whole: Dict[str, str] = field(default_factory=dict)
    partial: Dict[str, str] = field(default_factory=dict)
    histories: Dict[int, str] = field(default_factory=dict)
    others: Dict[str, str] = field(default_factory=dict)
    cut: Dict[str, str] = field(default_factory=dict)


def sorted_files(names: Iterable[str]) -> WalFiles:
    """Return what the files of a folder are, by their names."""
    found = WalFiles()
    for name in sorted(names):
        segment, history, other = (one.match(name) for one in (_SEGMENT, _HISTORY, _OTHER))
        if segment:
            kind = found.partial if segment.group(2) or segment.group(3) else found.whole
            kind.setdefault(segment.group(1), name)
        elif history:
            found.histories.setdefault(int(history.group(1), 16), name)
        elif other and not _UNFINISHED.match(name[24:]):
            found.others.setdefault(other.group(1), name)
    return found


def parse_history(text: str) -> Switches:
    """Return what a history file says of a timeline: those that it comes from.

    Raises: ValueError if it says nothing.
    """
    found = []
    for line in text.splitlines():
        match = _SWITCH.match(line.strip())
        if match:
            timeline, high, low = match.groups()
            found.append((int(timeline), position(high, low)))
        elif line.strip() and not line.strip().startswith("#"):
            raise ValueError("a line is not understood")
    if not found:
        raise ValueError("it names no timeline")
    return found


def position(high: str, low: str) -> int:
    """Return a position in the log, in bytes, from its two hexadecimal numbers."""
    return (int(high, 16) << 32) + int(low, 16)


def position_words(at: int) -> str:
    """Return a position as PostgreSQL writes it."""
    return f"{at >> 32:X}/{at & 0xFFFFFFFF:X}"


def followed(first: str, size: int, histories: Dict[int, Switches]) -> Switches:
    """Return the timelines that a recovery follows, oldest first, each with the position at which it begins.

    first: the first segment that is needed. histories: what each history file says. The newest timeline counts, of
    those that were left behind the beginning of the backup.
    """
    start = int(first[:8], 16)
    begins = number_of(first, size) * size
    newest: Switches = []
    for timeline in sorted(histories):
        parents = histories[timeline]
        places = [place for place, one in enumerate(parents) if one[0] == start and one[1] > begins]
        if timeline > start and places:
            newest = [*parents[places[0] :], (timeline, 0)]
    found = [(start, 0)]
    for before, after in zip(newest, newest[1:]):
        found.append((after[0], before[1]))
    return found


@dataclass
class WalPlan:
    """What a recovery reads. size: bytes of a segment. timeline: the number of the last one that it follows.

    chosen: files by the name of the segment that the server asks for; own: segments that are in the backup itself.
    end: the number of the first segment that is not there. last: the name of the one before it; empty if there is
    none. whole: the number of the last one that the folder has as a whole, None if it has none.
    missing: segments that are not there, and later ones are; at most GAP_LIMIT. expected: name of the one at `end`.
    """

    size: int
    timeline: int
    chosen: Dict[str, str] = field(default_factory=dict)
    partial: List[str] = field(default_factory=list)
    end: int = 0
    last: str = ""
    whole: Optional[int] = None
    missing: List[str] = field(default_factory=list)
    expected: str = ""

    def name_at(self, number: int) -> str:
        """Return the segment of that number that is read from the folder; empty if none is."""
        return next((one for one in self.chosen if number_of(one, self.size) == number), "")


def planned(
    first: str, size: int, files: WalFiles, own: Iterable[str], timelines: Switches
) -> WalPlan:
    """Return which files continue a backup. own: segments that it has itself. timelines: as `followed` returns them."""
    plan = WalPlan(size, timelines[-1][0])
    kept = set(own)

    def owner(number: int) -> str:
        """Return the segment that is due: of the newest timeline that has begun in it or before it."""
        timeline = [one for one, begins in timelines if begins // size <= number][-1]
        return name_of_segment(f"{timeline:08X}", number, size)

    start = plan.end = number_of(first, size)
    known = [one for one in (*files.whole, *kept) if number_of(one, size) >= start]
    farthest = max(
        (number_of(one, size) for one in known if owner(number_of(one, size)) == one), default=-1
    )
    while owner(plan.end) in files.whole or owner(plan.end) in kept:
        plan.last = owner(plan.end)
        if plan.last in files.whole:
            plan.chosen[plan.last], plan.whole = files.whole[plan.last], plan.end
        plan.end += 1
    plan.expected = owner(plan.end)
    for number in range(plan.end, farthest + 1):
        if owner(number) not in files.whole and owner(number) not in kept:
            plan.missing.append(owner(number))
            if len(plan.missing) >= GAP_LIMIT:
                break
    if farthest < plan.end:
        _take_partial(plan, files, timelines)
    return plan


def _take_partial(plan: WalPlan, files: WalFiles, timelines: Switches) -> None:
    """Take the segment that was being written, behind all that are whole.

    Where a timeline begins and has none yet, it is that of the one before.
    """
    number = plan.end
    begun = [one for one, begins in timelines if begins // plan.size <= number]
    begins = dict(timelines)[begun[-1]] // plan.size
    for timeline in reversed(begun[-2:] if begins == number else begun[-1:]):
        name = name_of_segment(f"{timeline:08X}", number, plan.size)
        if name in files.partial or (timeline != begun[-1] and name in files.whole):
            plan.chosen[name] = files.partial.get(name) or files.whole[name]
            plan.partial.append(name)
            plan.last = name
            return


def without_history(first: str, size: int, files: WalFiles, timelines: Switches) -> List[int]:
    """Return the timelines that have WAL behind the beginning of a backup and no history: they cannot be followed."""
    known = {one for one, _begins in timelines} | set(files.histories)
    start = number_of(first, size)
    later = {int(one[:8], 16) for one in files.whole if number_of(one, size) >= start}
    return sorted(one for one in later - known if one > timelines[0][0])


def left_early(size: int, files: WalFiles, own: Iterable[str], timelines: Switches) -> str:
    """Return what is wrong if the last timeline has a history alone, and the one before goes on behind their switch."""
    if len(timelines) < 2:
        return ""
    (before, _begins), (last, switch) = timelines[-2:]
    known = {*files.whole, *files.partial, *own}
    if any(int(one[:8], 16) == last for one in known):
        return ""
    later = [
        one for one in known if int(one[:8], 16) == before and number_of(one, size) > switch // size
    ]
    if not later:
        return ""
    return (
        f"{last:08X}.history ends timeline {before} at {position_words(switch)}: WAL of timeline {last} is missing, "
        f"later one of timeline {before} is there"
    )
