"""The only place that reads the time of day, and the judgement of whether time may decide things now.

The time of day is compared with CLOCK_BOOTTIME, which counts through suspend and which nobody can set. The difference
of the two is a *line*: it stays the same as long as nobody steps the clock. `believe` is pure; timekeeper.py does the
I/O around it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

STEP_SECONDS = 60.0
"""What the clock moves by less is followed: daemons slew it, and leap seconds come."""
HOLD_SECONDS = 300.0
"""A step that nothing speaks against is believed after so long, by CLOCK_BOOTTIME."""
SURE_SECONDS = 86400.0
"""A larger step that only time speaks for removes nothing: pruning waits for something else to confirm it."""

UNDONE = "it is back where it was"
LASTED = "it has stayed so, and nothing speaks against it"
WENT_BACK = "it went back"


def now() -> datetime:
    """Return the time, aware, in UTC."""
    return datetime.now(UTC)


def boottime() -> float:
    """Return the seconds since this machine has booted, suspend included. Source: clock_gettime(2)."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


@dataclass(frozen=True)
class Sample:
    """The two clocks of a machine at one moment, in seconds; wall since 1970."""

    wall: float
    boottime: float
    boot_id: str

    @property
    def line(self) -> float:
        """What the time of day is ahead of the time since boot."""
        return self.wall - self.boottime


@dataclass(frozen=True)
class Witness:
    """Something else that knows the time. ahead: seconds by which it is ahead of our time of day.

    refutes: whether it may also say that our clock is wrong; not what can only say that it is right.
    """

    name: str
    ahead: float
    refutes: bool = False


@dataclass(frozen=True)
class KnownClock:
    """What is known of a machine's clock, kept in the store.

    boottime: when it was believed last. line: the one that is believed. sure: the one that something beside time itself
    has confirmed, by which pruning goes; above line after a step backwards, until that has lasted. floor: line is the
    least that is possible, for the machine has booted since. held: a line that is not believed yet. back: the line
    before a step backwards, until that has lasted. since: the boottime at which held or back began.
    """

    boot_id: str
    boottime: float
    line: float
    sure: float
    floor: bool = False
    held: float | None = None
    back: float | None = None
    since: float = 0.0

    @property
    def wall(self) -> float:
        """The newest time of day that was believed."""
        return self.line + self.boottime


@dataclass(frozen=True)
class ClockTrust:
    """What to think of a sample. known: to be kept. why: what has let a step be believed, in words.

    step: the seconds of the step that is held, or of one backwards that has not lasted yet; 0 if there is none.
    """

    known: KnownClock
    step: float = 0.0
    why: str = ""

    @property
    def held(self) -> bool:
        """Whether time decides nothing now: it stands still at what was believed last."""
        return self.known.held is not None

    @property
    def now(self) -> datetime:
        """The time by which things are decided."""
        return datetime.fromtimestamp(self.known.wall, UTC)

    @property
    def prune_at(self) -> datetime | None:
        """The time by which things may be removed; None if nothing may be."""
        if self.held:
            return None
        return datetime.fromtimestamp(
            min(self.known.sure, self.known.line) + self.known.boottime, UTC
        )


def believe(sample: Sample, known: KnownClock | None, others: Sequence[Witness] = ()) -> ClockTrust:
    """Return what to think of a sample, by what was known before and what others say."""
    if known is None:
        return ClockTrust(_on_line(sample, sample.line))
    known = _carried(known, sample)
    step = sample.line - known.line
    agreeing = next((one.name for one in others if abs(one.ahead) <= STEP_SECONDS), "")
    if abs(step) <= STEP_SECONDS:
        return _followed(sample, known, step, agreeing)
    if step < 0 and (not known.floor or sample.line >= known.sure - STEP_SECONDS):
        return _gone_back(sample, known, step)
    if agreeing:
        return ClockTrust(_on_line(sample, sample.line), why=agreeing)
    if abs(sample.line - known.sure) <= STEP_SECONDS:
        return ClockTrust(_on_line(sample, sample.line), why=UNDONE)
    return _held(sample, known, step, others)


def _carried(known: KnownClock, sample: Sample) -> KnownClock:
    """Return what is known in terms of the current boot: the time of day is at least what it was before.

    So it is too if the boottime has gone back, as in a virtual machine that was restored.
    """
    if known.boot_id == sample.boot_id and sample.boottime >= known.boottime - 1:
        return known
    line = known.wall - sample.boottime
    sure = line - (known.line - known.sure)
    return KnownClock(sample.boot_id, sample.boottime, line, sure, floor=True)


def _on_line(sample: Sample, sure: float) -> KnownClock:
    """Return that the sample is trusted."""
    return KnownClock(sample.boot_id, sample.boottime, sample.line, sure)


def _followed(sample: Sample, known: KnownClock, step: float, agreeing: str) -> ClockTrust:
    """Return that the clock is where it was, but for what it is slewed by."""
    moved = _on_line(sample, sample.line if agreeing else known.sure + step)
    if known.held is not None:
        return ClockTrust(moved, why=UNDONE)
    if known.back is None:
        return ClockTrust(moved)
    if agreeing or sample.boottime - known.since >= HOLD_SECONDS:
        lag = sample.line - moved.sure
        sure = moved.sure if lag > SURE_SECONDS else sample.line
        return ClockTrust(replace(moved, sure=sure), why=agreeing or LASTED)
    moved = replace(moved, back=known.back, since=min(known.since, sample.boottime))
    return ClockTrust(moved, step=sample.line - known.back)


def _gone_back(sample: Sample, known: KnownClock, step: float) -> ClockTrust:
    """Return that the clock went back: believed at once, for what was ahead may have been what was wrong.

    The line that was sure stays so until this has lasted: a clock that returns to it is believed at once too.
    """
    back = known.line if known.back is None else known.back
    moved = replace(_on_line(sample, known.sure), back=back, since=sample.boottime)
    return ClockTrust(moved, step=step, why=WENT_BACK)


def _held(sample: Sample, known: KnownClock, step: float, others: Sequence[Witness]) -> ClockTrust:
    """Return that a step is held; or believed, if it has lasted and nothing that knows better speaks against it."""
    same = known.held is not None and abs(sample.line - known.held) <= STEP_SECONDS
    since = known.since if same and sample.boottime >= known.since else sample.boottime
    refuted = any(one.refutes and -one.ahead / step > 0.5 for one in others)
    if same and sample.boottime - since >= HOLD_SECONDS and not refuted:
        sure = sample.line if step <= SURE_SECONDS else known.sure
        return ClockTrust(_on_line(sample, sure), why=LASTED)
    return ClockTrust(replace(known, held=sample.line, back=None, since=since), step=step)


def span(seconds: float) -> str:
    """Return about how long it is: `5 min`, `3 h`, `26,663 days`."""
    for unit, length in (("day", 86400), ("h", 3600)):
        if seconds >= 2 * length:
            return f"{seconds / length:,.0f} {unit}{'s' if unit == 'day' else ''}"
    return f"{seconds / 60:.0f} min"
