"""What becomes of due times: occurrences, misses, catch-ups, skips. Pure; scheduler.py does what is decided here."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from upkeep.model import occurrence
from upkeep.model.occurrence import Debt, NewOccurrence, Occurrence
from upkeep.model.run_end import Ending, Reason
from upkeep.model.stored_text import LIMIT_CHARACTERS
from upkeep.schedule.calendars import Calendars
from upkeep.schedule.due_times import Timing, begins_at, due_times, next_due
from upkeep.site.schedule_file import Procedure

GRACE_SECONDS = 60.0
"""What is found later than this was missed: no driver was running."""
PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
"""A name of a host that Ansible does not read as a pattern of several."""
MISSES_KEPT = 1000
"""At most this many misses are written down one by one; of those before them, the number."""


def occurrences_of(
    site: str,
    procedure: Procedure,
    timing: Timing,
    calendars: Calendars,
    after: datetime,
    now: datetime,
) -> list[NewOccurrence]:
    """Return the occurrences of due times after < due <= now, oldest first, and at most one catch-up."""
    count = 0
    dues: deque[datetime] = deque(maxlen=MISSES_KEPT)
    for due in due_times(timing, after, now):
        dues.append(due)
        count += 1
    made: list[NewOccurrence] = []
    for number, due in enumerate(dues):
        following = dues[number + 1] if number + 1 < len(dues) else next_due(timing, due)
        made.append(_occurrence(site, procedure, timing, calendars, due, following, now))
    if count > len(dues):
        more = f"; so were {count - len(dues)} before it"
        made[0] = replace(made[0], cause=made[0].cause + more)
    catch_up = _catch_up(procedure, calendars, made, now)
    return [*made, catch_up] if catch_up else made


def _occurrence(
    site: str,
    procedure: Procedure,
    timing: Timing,
    calendars: Calendars,
    due: datetime,
    following: datetime | None,
    now: datetime,
) -> NewOccurrence:
    """Return the occurrence of a due time, in the state in which it is made."""
    begins = begins_at(timing, due)
    new = NewOccurrence(
        site=site,
        schedule=timing.key,
        due_at=due,
        begins_at=begins,
        ends_by=begins + timedelta(seconds=procedure.duration),
        next_due_at=following,
        priority=procedure.priority,
        lacks=", ".join(calendars.schedule.lacking_of(timing.key)),
        owed=procedure.is_owed,
    )
    blackout = calendars.blackout(due) if procedure.changes else None
    if blackout:
        cause = f"blackout: {blackout.title}"
        return replace(new, state=occurrence.SKIPPED, cause=cause, reasons=Reason.BLACKOUT.value)
    if (now - begins).total_seconds() <= GRACE_SECONDS:
        return new
    cause = "no driver was running"
    return replace(new, state=occurrence.MISSED, cause=cause, reasons=Reason.NO_DRIVER.value)


def may_still_run(procedure: Procedure, due_at: datetime, now: datetime) -> bool:
    """Return whether the policy for what was missed lets be run now what should have begun then."""
    if isinstance(procedure.missed, float):
        return (now - due_at).total_seconds() <= procedure.missed
    return procedure.missed == "run"


def together(debts: Sequence[Debt]) -> list[list[Debt]]:
    """Return debts of one procedure as they are tried to be paid, those of a list in one run.

    As many as a limit of Ansible's can name exactly, and as a run keeps. A host with a name that a pattern may read
    otherwise is tried alone.
    """
    found: list[list[Debt]] = []
    alone = [[one] for one in debts if not PLAIN.fullmatch(one.host)]
    room = 0
    for one in debts:
        if not PLAIN.fullmatch(one.host):
            continue
        if len(one.host) + 1 > room:
            found.append([])
            room = LIMIT_CHARACTERS
        found[-1].append(one)
        room -= len(one.host) + 1
    return found + alone


def attempt(debts: Sequence[Debt], procedure: Procedure, now: datetime) -> NewOccurrence:
    """Return the occurrence in which hosts are to pay what they owe of a procedure."""
    first = debts[0]
    expire = [one.expires_at for one in debts if one.expires_at is not None]
    return NewOccurrence(
        site=first.site,
        schedule=first.schedule,
        due_at=now,
        begins_at=now,
        ends_by=now + timedelta(seconds=procedure.duration),
        next_due_at=min(expire, default=None),
        priority=procedure.priority,
        kind=occurrence.DEBT,
        host=first.host,
        hosts=",".join(one.host for one in debts) if len(debts) > 1 else "",
        cause=first.reason if len(debts) == 1 else f"still due on {len(debts)} hosts",
    )


def _catch_up(
    procedure: Procedure, calendars: Calendars, made: list[NewOccurrence], now: datetime
) -> NewOccurrence | None:
    """Return one catch-up for all that was missed, if the policy asks for it and nothing newer comes anyhow."""
    if not made or made[-1].state == occurrence.DUE:
        return None
    missed = [one for one in made if one.state == occurrence.MISSED]
    if not missed:
        return None
    newest = missed[-1]
    if not may_still_run(procedure, newest.due_at, now):
        return None
    blackout = calendars.blackout(now) if procedure.changes else None
    begins = blackout.ends if blackout else now
    if newest.next_due_at and begins >= newest.next_due_at:
        return None
    return replace(
        newest,
        kind=occurrence.CATCH_UP,
        state=occurrence.DUE,
        cause=f"for {len(missed)} missed" if len(missed) > 1 else "for the one missed",
        begins_at=begins,
        ends_by=begins + timedelta(seconds=procedure.duration),
    )


@dataclass(frozen=True)
class Decision:
    """What to do with an occurrence that waits. ended: how it ends now; else begin says if it begins."""

    begin: bool = False
    ended: Ending | None = None
    why: str = ""


def decide(
    one: Occurrence,
    procedure: Procedure,
    calendars: Calendars,
    now: datetime,
    *,
    running: Occurrence | None,
    newer: bool,
) -> Decision:
    """Decide on an occurrence that may begin. running: of the same schedule; newer: whether a later one waits too."""
    if newer:
        return _ends(occurrence.MISSED, "the next one was due before it could start", Reason.NEWER)
    blackout = calendars.blackout(now) if procedure.changes else None
    if blackout:
        if one.kind == occurrence.DUE:
            return _ends(occurrence.SKIPPED, f"blackout: {blackout.title}", Reason.BLACKOUT)
        if one.next_due_at and blackout.ends >= one.next_due_at:
            why = f"blackout: {blackout.title}, until the next one is due"
            return _ends(occurrence.MISSED, why, Reason.BLACKOUT)
        return Decision(why=f"waits for the end of the blackout: {blackout.title}")
    if running:
        what = f"the one due at {running.due_at:%Y-%m-%d %H:%M} UTC is still running"
        if procedure.overlap == "skip" and one.kind == occurrence.DUE:
            return _ends(occurrence.SKIPPED, what, Reason.OVERLAP)
        return Decision(why=f"queued: {what}")
    late = (now - one.begins_at).total_seconds()
    if one.kind == occurrence.DUE and late > GRACE_SECONDS:
        waited = f"waited {late / 60:.0f} min for other runs"
        if not may_still_run(procedure, one.begins_at, now):
            return _ends(occurrence.MISSED, waited, Reason.WAITED)
    return Decision(begin=True)


def _ends(state: str, cause: str, reason: Reason) -> Decision:
    return Decision(ended=Ending(state, cause, (reason,)))
