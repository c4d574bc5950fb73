"""Silences and acknowledgements as they happen, from the command line and from the page alike.

What is decided is in rules/silences.py; what is kept, in store/silences.py and store/alerts.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from upkeep.model.errors import UsageError
from upkeep.model.stored_text import name
from upkeep.model.text import exact
from upkeep.rules import silences
from upkeep.rules.actions import Action
from upkeep.rules.alerts.severities import by_name_only
from upkeep.rules.silences import Known, Silence, SilenceScope
from upkeep.rules.width import Width
from upkeep.services import chain_end, incidents, waivers
from upkeep.services.acts import By, HasSchedule, act, known_as, refuse
from upkeep.services.signing_key import Installation
from upkeep.site.schedule_file import Schedule
from upkeep.store import Connection, Store, alerts, users
from upkeep.store import silences as stored
from upkeep.store.silences import NewSilence

WAY = "to silence for longer, ask for a waiver: upkeep waiver ask --help"


def add(
    store: Store,
    site: HasSchedule,
    scope: SilenceScope,
    reason: str,
    ends_at: datetime,
    by: By,
    now: datetime,
) -> tuple[Silence, Width]:
    """Make a silence; return it, and how wide it is with what the same person keeps quiet already.

    One that is too wide for one person waits until another says yes.
    Raises: UsageError, and writes that down, if it cannot be made.
    """
    (made,) = add_each(store, site, [scope], reason, ends_at, by, now)
    return made


def add_each(
    store: Store,
    site: HasSchedule,
    scopes: Sequence[SilenceScope],
    reason: str,
    ends_at: datetime,
    by: By,
    now: datetime,
) -> list[tuple[Silence, Width]]:
    """Make all of these silences, or none; return each as `add` does.

    Raises: UsageError, and writes that down, if one cannot be made.
    """

    def do(db: Connection) -> tuple[list[tuple[Silence, Width]], str]:
        made = [_add(db, site, one, reason, ends_at, by, now) for one in scopes]
        return [one for one, _detail in made], "; ".join(detail for _one, detail in made)

    target = ", ".join(f"{one.check_pattern} on {one.host_pattern}" for one in scopes)
    return act(store, by, now, "silence", target, do)


def _add(
    db: Connection,
    site: HasSchedule,
    scope: SilenceScope,
    reason: str,
    ends_at: datetime,
    by: By,
    now: datetime,
) -> tuple[tuple[Silence, Width], str]:
    """Make one silence; return it with its width, and what the audit log says of it."""
    key = name(site.key)
    who, limit = by.who(site.schedule), longest(site.schedule)
    checks = {one: by_name_only(one) for one in waivers.known_checks()}
    watched = stored.watched(db, key)
    checks |= {one.check: by_name_only(one.check) for one in watched}
    known = Known(checks, stored.known_hosts(db, key))
    said = silences.refuse(scope, reason, ends_at, who, limit, now, known)
    refuse(said, WAY if ends_at - now > limit else "")
    alone = silences.width(watched, [scope], by_name_only)
    others = _alone_before(db, key, by, limit, now)
    together = silences.width(watched, [scope, *others], by_name_only)
    by_pattern = [one for one, by_name in checks.items() if not by_name]
    wide = silences.needs_another(scope, alone, together, by_pattern)
    if wide and not who.person:
        message = (
            f"a silence of so much ({together}) needs a second person,"
            f" and {who.name} is no person of the schedule"
        )
        raise UsageError(message, remedy=f"name fewer hosts or checks; or: {_becomes_known(by)}")
    number = stored.add(
        db, key, NewSilence(check=scope.check_pattern, host=scope.host_pattern, severity=scope.severity,
        reason=reason.strip(), by=by.name, at=now, begins=now, ends=ends_at, needs_approval=wide),
    )  # fmt: skip
    waits = ", waits for a second person" if wide else ""
    until = exact(ends_at, ZoneInfo(site.schedule.time_zone))
    detail = f"silence {number}, until {until}{waits}: {reason}"
    return (_silence(db, key, number), together), detail


def approve(store: Store, site: HasSchedule, number: int, by: By, now: datetime) -> Silence:
    """Approve a wide silence that somebody else has made.

    Raises: UsageError if that cannot be.
    """
    key = name(site.key)

    def do(db: Connection) -> tuple[Silence, str]:
        found = _silence(db, key, number, lock=True)
        refuse(why_not_approved(db, site, found, by, now))
        stored.approve(db, number, by.name, now)
        return _silence(db, key, number), f"made by {found.made_by}"

    return act(store, by, now, "approve silence", f"silence {number}", do)


def why_not_approved(
    db: Connection, site: HasSchedule, silence: Silence, by: By, now: datetime
) -> str:
    """Return why somebody may not say yes to a silence as it stands, or nothing."""
    maker = known_as(db, silence.made_by, site.schedule)
    who, limit = by.who(site.schedule), longest(site.schedule)
    return silences.refuse_approval(silence, maker, who, limit, now)


def end(store: Store, site: HasSchedule, number: int, by: By, now: datetime) -> None:
    """End a silence before its time.

    Raises: UsageError if that cannot be.
    """

    def do(db: Connection) -> tuple[None, str]:
        who = by.who(site.schedule)
        refuse(silences.refuse_actor(who, Action.END_SILENCE, own=False))
        _silence(db, name(site.key), number, lock=True)
        stored.end(db, number, by.name, now)
        return None, ""

    act(store, by, now, "end silence", str(number), do)


@dataclass(frozen=True)
class Acknowledgement:
    """What somebody says who takes care of an alert.

    installation: gives the key that signs the entry, where the alert calls people to an incident.
    """

    until: datetime
    note: str
    installation: Callable[[], Installation]


def acknowledge(
    store: Store, site: HasSchedule, number: int, said: Acknowledgement, by: By, now: datetime
) -> None:
    """Record that somebody has an alert, for no longer than a silence may last.

    Of an alert that calls people to an incident, it is an entry of the incident too.
    Raises: UsageError, and writes that down, if that cannot be.
    """

    def do(db: Connection) -> tuple[bool, str]:
        who = by.who(site.schedule)
        limit = max(
            longest(site.schedule), timedelta(seconds=site.schedule.alerts.acknowledged_for)
        )
        refuse(
            silences.refuse_actor(who, Action.ACKNOWLEDGE, own=False)
            or silences.refuse_end("an acknowledgement", said.until, limit, now)
        )
        local = said.until.astimezone(ZoneInfo(site.schedule.time_zone))
        alerts.acknowledge(db, number, by.name, now, local, said.note)
        entry = incidents.acknowledgement(by, site.schedule, number, said.note, now)
        entered = incidents.acknowledged(db, site, number, entry, said.installation)
        return entered, f"until {exact(local)}" + (f": {said.note}" if said.note else "")

    if act(store, by, now, "acknowledge alert", str(number), do):
        chain_end.note(said.installation().folder, store)


def unacknowledge(store: Store, site: HasSchedule, number: int, by: By, now: datetime) -> None:
    """Withdraw an acknowledgement. From now on people are notified as if it had expired.

    Raises: UsageError, and writes that down, if nobody has acknowledged the alert or it is closed.
    """

    def do(db: Connection) -> tuple[None, str]:
        who = by.who(site.schedule)
        refuse(silences.refuse_actor(who, Action.UNACKNOWLEDGE, own=False))
        before = alerts.unacknowledge(db, number, by.name, now)
        return None, f"acknowledged by {before.acknowledged_by}"

    act(store, by, now, "withdraw acknowledgement", str(number), do)


def longest(schedule: Schedule) -> timedelta:
    """Return how far away the end of a silence may be."""
    return timedelta(seconds=schedule.alerts.longest_silence)


def _alone_before(
    db: Connection, key: str, by: By, limit: timedelta, now: datetime
) -> list[SilenceScope]:
    """Return what the same person keeps quiet already without a second one, as whichever user."""
    person = by.user.person if by.user else ""
    same = {one.name for one in users.everyone(db) if person and one.person == person} | {by.name}
    found = stored.lasting(db, key, now, longest=limit)
    return [one.scope for one in found if one.made_by in same and not one.needs_approval]


def _becomes_known(by: By) -> str:
    """Return how somebody becomes a person of the schedule."""
    if by.user:
        return "upkeep user person --help  # says which person of the schedule a user is"
    return f"give a person of schedule.yml `accounts: [{by.account}]`, and add its user: upkeep user add --help"


def _silence(db: Connection, key: str, number: int, *, lock: bool = False) -> Silence:
    found = stored.get(db, key, number, lock=lock) if number < 2**31 else None
    if found is None:
        message = f"there is no active silence {number}"
        raise UsageError(message, remedy="upkeep silence list")
    return found
