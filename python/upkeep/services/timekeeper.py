"""Whether time may decide things now: the one place that all ask whose work follows the clock.

While a step of the clock is held, the time that is given here stands still: nothing becomes due, is missed, expires or
escalates by it, and what had been due before goes on. clock.py judges; here is the I/O.
"""

from __future__ import annotations

import ctypes
import socket
import threading
from dataclasses import replace
from datetime import UTC, datetime

from upkeep.checks.upkeep.clock_step import ID as CHECK
from upkeep.checks.upkeep.retention_waits import ID as RETENTION
from upkeep.model import clock
from upkeep.model.clock import (
    STEP_SECONDS,
    SURE_SECONDS,
    ClockTrust,
    KnownClock,
    Sample,
    Witness,
    believe,
    span,
)
from upkeep.model.remedies import command
from upkeep.model.stored_text import name
from upkeep.model.verdicts import Severity
from upkeep.store import Connection, Store, clocks, findings, own_troubles
from upkeep.system import machine

LOOK_SECONDS, LOOK_STEPPED_SECONDS = 10.0, 1.0
"""How long a clock that goes on as it did is not written down, and what others have found is not read."""
LOW_SECONDS, MEDIUM_SECONDS = 600.0, 86400.0
TIME_ERROR, UNSYNCHRONIZED = 5, 0x40


class Timekeeper:
    """Watches this machine's clock for one site. Threads may share it. site_name: as the command line has it."""

    def __init__(self, store: Store, site: str, site_name: str = "") -> None:
        self.store = store
        self.site = name(site)
        self.site_name = site_name
        self.host = socket.gethostname()
        self.boot_id = machine.boot_id()
        self._lock = threading.Lock()
        self._last: ClockTrust | None = None
        self._looked_at = 0.0

    def now(self) -> datetime:
        """Return the time by which things are decided."""
        return self.look().now

    def look(self) -> ClockTrust:
        """Return what to think of the clock now."""
        with self._lock:
            sample, last = self.sample(), self._last
            if last is not None:
                seconds = LOOK_STEPPED_SECONDS if last.step else LOOK_SECONDS
                lately = 0 <= sample.boottime - self._looked_at < seconds
                if last.held and lately:
                    return last
                if lately and abs(sample.line - last.known.line) <= STEP_SECONDS:
                    known = replace(last.known, boottime=sample.boottime, line=sample.line)
                    return replace(last, known=known)
            with self.store.begin() as db:
                self._last = self._judge(db)
            self._looked_at = sample.boottime
            return self._last

    def accept(self) -> float:
        """Believe the clock as it stands, for a person says so; return the seconds of its step, 0 if there was none."""
        person = [Witness("a person says that it is correct", 0.0)]
        with self._lock, self.store.begin() as db:
            known, server, sample = self._known(db)
            step = believe(sample, known).step
            trust = believe(sample, known, person)
            if trust.step:  # it has just gone back
                trust = believe(sample, trust.known, person)
            clocks.save(db, self.host, trust.known, server)
            self._write_down(db, known, trust, sample)
            self._last, self._looked_at = trust, sample.boottime
        return step

    def sample(self) -> Sample:
        """Return the two clocks."""
        return Sample(clock.now().timestamp(), clock.boottime(), self.boot_id)

    def _known(self, db: Connection) -> tuple[KnownClock | None, float | None, Sample]:
        """Return what is known, where the server's clock was beside it in this boot, and the clocks."""
        known, server = clocks.load(db, self.host)
        sample = self.sample()  # only now: the row's lock may have been waited for
        if known is None:
            known = clocks.first(db, self.host, sample)
        elif known.boot_id != sample.boot_id or sample.boottime < known.boottime - 1:
            server = None
        return known, server, sample

    def _judge(self, db: Connection) -> ClockTrust:
        known, before, sample = self._known(db)
        server = clocks.server_line(db, sample)
        trust = believe(sample, known)
        if trust.step or trust.why or _is_unsure(trust.known):
            said = clocks.witnesses(db, self.host, sample, server, before)
            trust = believe(sample, known, [*said, *synchronized(sample)])
        clocks.save(db, self.host, trust.known, before if trust.held and before else server)
        self._write_down(db, known, trust, sample)
        return trust

    # --- what becomes of it ------------------------------------------------------------------------------------------
    def _write_down(
        self, db: Connection, known: KnownClock | None, trust: ClockTrust, sample: Sample
    ) -> None:
        """Record that a step began or ended, and tell of it."""
        was, is_now = _stepped_to(known), _stepped_to(trust.known)
        moved = is_now is not None and (was is None or abs(was - is_now) > STEP_SECONDS)
        if known is not None and was is not None and (moved or is_now is None):
            if known.boot_id != sample.boot_id:
                wrong, until = sample.wall < was + known.boottime, None
            else:
                left = known.held is not None and abs(trust.known.line - was) > STEP_SECONDS
                wrong, until = left or trust.why == clock.UNDONE, _time(was + sample.boottime)
            clocks.ended(db, self.host, trust.why, wrong=wrong, until=until)
        if trust.why == clock.WENT_BACK and known is not None and known.held is None:
            clocks.take_back(db, self.host, trust.step, until=_time(known.line + sample.boottime))
        if moved:
            clocks.began(db, self.host, trust.step, _time(sample.wall))
        told = name(self.host) in findings.own_subjects(db, self.site, CHECK)
        if moved or told != bool(trust.step):
            self._tell_step(db, trust)
        told = name(self.host) in findings.own_subjects(db, self.site, RETENTION)
        waits = not trust.held and _is_unsure(trust.known)
        if told != waits:
            self._tell_waiting(db, trust, waits=waits)

    def _tell_step(self, db: Connection, trust: ClockTrust) -> None:
        size = abs(trust.step)
        severity = Severity.HIGH
        if size < MEDIUM_SECONDS:
            severity = Severity.LOW if size < LOW_SECONDS else Severity.MEDIUM
        by = span(size)
        if trust.held:
            way = "ahead of" if trust.step > 0 else "behind"
            message = (
                f"the clock of {self.host} is {by} {way} its last known time plus its uptime: "
                "until that is confirmed, nothing becomes due, missed, overdue or ended "
                "because of it, and nothing is removed"
            )
        else:
            message = f"the clock of {self.host} went back by {by}; what was done in that time is not done again"
        remedy = f"timedatectl; if it is right now: {self._accept()}"
        level = severity if trust.step else None
        own_troubles.tell(
            db,
            self.site,
            own_troubles.OwnTrouble(CHECK, self.host),
            trust.now,
            level,
            message,
            remedy,
        )

    def _tell_waiting(self, db: Connection, trust: ClockTrust, *, waits: bool) -> None:
        by = span(trust.known.line - trust.known.sure)
        message = (
            f"the clock of {self.host} has gone forward by {by}, and nothing but the passing of "
            "time confirms it: data that is old only because of it is not removed"
        )
        remedy = f"if it is right: {self._accept()}"
        level = Severity.LOW if waits else None
        own_troubles.tell(
            db,
            self.site,
            own_troubles.OwnTrouble(RETENTION, self.host),
            trust.now,
            level,
            message,
            remedy,
        )

    def _accept(self) -> str:
        return command("doctor", "--accept-clock", site=self.site_name)


def _stepped_to(known: KnownClock | None) -> float | None:
    """Return the line to which the clock has stepped, as long as that is open."""
    if known is None:
        return None
    return known.held if known.held is not None else known.line if known.back is not None else None


def _is_unsure(known: KnownClock) -> bool:
    return known.line - known.sure > SURE_SECONDS


def _time(wall: float) -> datetime:
    return datetime.fromtimestamp(wall, UTC)


class _Timex(ctypes.Structure):
    """The beginning of struct timex, and room for the rest. Source: adjtimex(2)."""

    _fields_ = [
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("constant", ctypes.c_long),
        ("precision", ctypes.c_long),
        ("tolerance", ctypes.c_long),
        ("seconds", ctypes.c_long),
        ("fraction", ctypes.c_long),
        ("rest", ctypes.c_byte * 256),
    ]


def synchronized(sample: Sample) -> list[Witness]:
    """Return the kernel's word that chrony, timesyncd or ntpd has set the clock; empty if none has since it stepped.

    Whoever else sets the clock makes the kernel forget it; it is what `timedatectl` shows. Source: adjtimex(2).
    """
    buffer = _Timex()
    try:
        state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(buffer))
    except (OSError, AttributeError):
        return []
    if state in (-1, TIME_ERROR) or buffer.status & UNSYNCHRONIZED:
        return []
    return [Witness("the system says that it is synchronized", buffer.seconds - sample.wall)]
