"""Waivers as they happen: asked for, approved by somebody else, revoked; what they cover moves with them.

What is decided is in rules/waivers.py; what is kept, in store/waivers.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from upkeep.checks.upkeep.waiver_unused import ID as CHECK
from upkeep.judging import check
from upkeep.model.errors import UsageError
from upkeep.model.nearest import nearest
from upkeep.model.stored_text import name
from upkeep.model.text import exact
from upkeep.model.verdicts import Severity
from upkeep.rules import waivers
from upkeep.rules.alerts.severities import by_name_only
from upkeep.rules.waivers import Waiver, WaiverScope
from upkeep.services.acts import By, HasSchedule, Leader, act, known_as, refuse
from upkeep.site.schedule_file import Schedule
from upkeep.store import Connection, Store, findings, own_troubles
from upkeep.store import waivers as stored

STEP_SECONDS = 15.0


def request(
    store: Store,
    site: HasSchedule,
    scope: WaiverScope,
    reason: str,
    ends_at: datetime,
    by: By,
    now: datetime,
) -> Waiver:
    """Ask for a waiver.

    Raises: UsageError, and writes that down, if it cannot be asked for.
    """

    def do(db: Connection) -> tuple[Waiver, str]:
        who, limit = by.who(site.schedule), longest(site.schedule)
        refuse(waivers.refuse_request(scope, reason, ends_at, who, limit, now))
        _known_check(scope.check_id)
        refuse(refuse_width(db, site, scope))
        until = exact(ends_at, ZoneInfo(site.schedule.time_zone))
        number = stored.request(db, site.key, scope, reason.strip(), ends_at, by=by.name, now=now)
        return _waiver(db, site, number), f"waiver {number}, until {until}: {reason}"

    target = f"{scope.check_id} of {scope.subject_glob} on {scope.host_pattern}"
    return act(store, by, now, "request waiver", target, do)


def approve(
    store: Store, site: HasSchedule, number: int, by: By, now: datetime
) -> tuple[Waiver, int]:
    """Approve a waiver; return it, and how many open findings it changed.

    Raises: UsageError if that cannot be.
    """

    def do(db: Connection) -> tuple[tuple[Waiver, int], str]:
        waiver = _waiver(db, site, number, lock=True)
        refuse(why_not_approved(db, site, waiver, by, now))
        stored.approve(db, number, by.name, now)
        changed = findings.settle_waivers(db, name(site.key), now)
        return (_waiver(db, site, number), changed), f"asked for by {waiver.requested_by}"

    return act(store, by, now, "approve waiver", f"waiver {number}", do)


def why_not_approved(
    db: Connection, site: HasSchedule, waiver: Waiver, by: By, now: datetime
) -> str:
    """Return why somebody may not approve a waiver as it stands, or nothing."""
    requester = known_as(db, waiver.requested_by, site.schedule)
    who, limit = by.who(site.schedule), longest(site.schedule)
    said = waivers.refuse_approval(waiver, requester, who, limit, now)
    return said or refuse_width(db, site, waiver.scope)


def refuse_width(db: Connection, site: HasSchedule, scope: WaiverScope) -> str:
    """Return why a waiver is too wide for what the site watches now, or nothing."""
    found = waivers.width(stored.watched(db, site.key, scope.check_id), scope)
    return waivers.refuse_width(scope, found, by_name=by_name_only(scope.check_id))


def revoke(store: Store, site: HasSchedule, number: int, why: str, by: By, now: datetime) -> int:
    """End a waiver, or withdraw its request; return how many open findings that changed.

    Raises: UsageError if that cannot be.
    """

    def do(db: Connection) -> tuple[None, str]:
        waiver = _waiver(db, site, number, lock=True)
        refuse(waivers.refuse_revocation(waiver, by.who(site.schedule), why, now))
        stored.revoke(db, number, by.name, why.strip(), now)
        return None, why

    act(store, by, now, "revoke waiver", f"waiver {number}", do)
    # A transaction of its own: who takes in an answer locks findings first, then waivers.
    return settle(store, site.key, now)


def settle(store: Store, site: str, now: datetime) -> int:
    """Apply the waivers that hold now to the open findings; return how many changed."""
    with store.begin() as db:
        return findings.settle_waivers(db, name(site), now)


def longest(schedule: Schedule) -> timedelta:
    """Return how far away the end of a waiver may be."""
    return timedelta(seconds=schedule.waivers.longest)


class WaiverWorker:
    """Lets waivers end, and tells of those that cover nothing."""

    name = "waivers"

    def __init__(self, store: Store, leader: Leader) -> None:
        self.store = store
        self.leader = leader
        self.told: dict[str, set[str]] = {}

    def step(self, now: datetime) -> float:
        """Do what is due; return after how many seconds to come again."""
        site = self.leader.site.key
        settle(self.store, site, now)
        with self.store.read() as db:
            unused = {str(one.id): one for one in stored.of_site(db, site, now) if one.unused(now)}
            if site not in self.told:
                self.told[site] = _told_of(db, site)
        for number, waiver in unused.items():
            if number not in self.told[site]:
                self._tell(site, number, now, waiver)
        for number in self.told[site] - set(unused):
            self._tell(site, number, now)
        self.told[site] = set(unused)
        return STEP_SECONDS

    def _tell(self, site: str, number: str, now: datetime, unused: Waiver | None = None) -> None:
        """Report a waiver that it covers nothing, or that this is over."""
        severity = Severity.LOW if unused else None
        text = remedy = ""
        if unused:
            scope = unused.scope
            text = (
                f"waiver {number} has covered nothing for {waivers.UNUSED_AFTER.days} days: "
                f"{scope.check_id} of {scope.subject_glob} on {scope.host_pattern}"
            )
            remedy = f"upkeep waiver revoke {number} --reason 'not needed any more'"
        with self.store.begin() as db:
            own_troubles.tell(
                db,
                site,
                own_troubles.OwnTrouble(CHECK, f"waiver {number}"),
                now,
                severity,
                text,
                remedy,
            )


def _told_of(db: Connection, site: str) -> set[str]:
    """Return the waivers of which is told that they are unused."""
    return {
        one.subject.removeprefix("waiver ")
        for one in findings.open_ones(db, site=site)
        if (one.host, one.check_id) == (own_troubles.HOST, CHECK)
    }


def known_checks() -> Sequence[str]:
    """Return the ids of what can fail: the checks, and what the product says of hosts and of itself."""
    return sorted(check.every())


def _known_check(asked: str) -> None:
    known = known_checks()
    if asked not in known:
        near = nearest(asked, known)
        raise UsageError(f"there is no check {asked!r:.80}{near}", remedy="upkeep check list")


def _waiver(db: Connection, site: HasSchedule, number: int, *, lock: bool = False) -> Waiver:
    found = stored.get(db, site.key, number, lock=lock) if number < 2**31 else None
    if found is None:
        raise UsageError(f"there is no waiver {number}", remedy="upkeep waiver list --all")
    return found
