"""Hosts that have left an inventory: what was seen on them is retired, unless too many have left at once.

So do sources of which no host is asked any more.

An inventory that comes from elsewhere may be empty for an hour, and an edit may lose a group. What was wrong with those
hosts must not end because of that. So it stays open until a person says that they are gone for good, until they are
back, or until they have been absent for a day; not less, because others of them come back before.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, func, select

from upkeep.model.answer import OWN_NAMES, UNSEEN
from upkeep.model.source import is_source
from upkeep.model.stored_text import name
from upkeep.store import findings, own_troubles, tables
from upkeep.store.engine.statements import batched, upsert

AT_LEAST = 2
"""Fewer hosts than this may always leave."""
AFTER = timedelta(hours=23, minutes=30)
"""A day, less by what daily runs begin and take differently."""


@dataclass(frozen=True)
class Absent:
    """A host that a procedure does not find any more. since: when it was first missing; run_id: when last."""

    procedure: str
    host: str
    since: datetime
    run_id: int


def too_many(absent: int, known: int, percent: int) -> bool:
    """Return whether more of the known hosts have left than is plausible, so that the inventory is rather wrong."""
    return absent >= AT_LEAST and absent * 100 > known * percent


def settle(
    db: Connection, run_id: int, percent: int, at: datetime, idle: Collection[str] = ()
) -> list[str]:
    """Retire what a procedure has seen on hosts that are not in its present run; return those that are kept for now.

    For a run that was not limited, whose inventory could be read, and that named every host of its pattern. percent:
    the percentage of the procedure's hosts that may leave at once. idle: sources that are still asked
    about, and of which nothing was due.
    """
    run = db.execute(
        select(tables.run.c.site, tables.run.c.procedure).where(tables.run.c.id == run_id)
    ).one()
    host = tables.run_host
    here = set(db.execute(select(host.c.host).where(host.c.run_id == run_id)).scalars())
    known = _known(db, run.site, run.procedure, run_id)
    gone = known - here - set(idle)
    gone -= _not_looked_at(db, run_id, run.site, gone)
    waited_for = waiting(db, run.site)
    before = {one.host: one.since for one in waited_for if one.procedure == run.procedure}
    _forget(db, run.site, run.procedure, set(before) - gone)
    since = {one: before.get(one, at) for one in gone}
    fresh = {one for one, then in since.items() if at - then < AFTER}
    if not too_many(len(fresh), len(known), percent):
        # One of those that vanished together, here or from another procedure, is not a host that leaves by itself.
        fresh &= {one.host for one in waited_for}
    held = sorted(fresh)
    leaving = gone - set(held)
    findings.retire_hosts(db, run_id, leaving, at)
    _forget(db, run.site, run.procedure, leaving)
    key = {"site": run.site, "procedure": run.procedure}
    rows = [{**key, "host": one, "since": since[one], "run_id": run_id} for one in held]
    upsert(db, tables.absent_host, rows, ["site", "procedure", "host"])
    own_troubles.tell_absent(db, run.site, run.procedure, held, len(known), at)
    return held


def _not_looked_at(db: Connection, run_id: int, site: str, gone: Collection[str]) -> set[str]:
    """Return the sources of which a run says nothing because the host that looks at them has given nothing."""
    run, host = tables.run, tables.run_host
    unseen = select(host.c.host).where(
        host.c.run_id == run_id, host.c.outcome.in_([one.value for one in UNSEEN])
    )
    away = set(db.execute(unseen).scalars())
    last: dict[str, tuple[int, str]] = {}
    for some in batched(sorted(one for one in gone if is_source(one)) if away else ()):
        query = select(host.c.host, host.c.seen_from, func.max(host.c.run_id).label("run_id"))
        query = query.join(run, run.c.id == host.c.run_id)
        query = query.where(run.c.site == site, host.c.seen_from != "", host.c.host.in_(some))
        for one in db.execute(query.group_by(host.c.host, host.c.seen_from)):
            last[one.host] = max(last.get(one.host, (0, "")), (one.run_id, one.seen_from))
    return {source for source, (_run, looker) in last.items() if looker in away}


def _known(db: Connection, site: str, procedure: str, run_id: int) -> set[str]:
    """Return the hosts of which the procedure's runs until this one were the last to say something."""
    run, latest = tables.run, tables.latest_result
    runs = select(run.c.id).where(run.c.site == site, run.c.procedure == procedure)
    query = select(latest.c.host).where(
        latest.c.site == site,
        latest.c.host.not_in(OWN_NAMES),
        latest.c.run_id.in_(runs),
        latest.c.run_id <= run_id,
    )
    return set(db.execute(query.distinct()).scalars())


def waiting(db: Connection, site: str) -> list[Absent]:
    """Return the hosts of a site that are absent and of which nothing is retired yet."""
    table = tables.absent_host
    query = select(table.c.procedure, table.c.host, table.c.since, table.c.run_id)
    query = query.where(table.c.site == name(site)).order_by(table.c.procedure, table.c.host)
    return [Absent(*row) for row in db.execute(query)]


def accept(db: Connection, site: str, hosts: Collection[str], at: datetime) -> int:
    """Retire what was seen on absent hosts, for a person says that they have left; return how many findings that is.

    That holds for each procedure: also for those that have not been run since.
    """
    retired = 0
    last: dict[str, int] = {}
    procedures = set()
    for one in waiting(db, site):
        if one.host in hosts:
            last[one.host] = max(one.run_id, last.get(one.host, 0))
            procedures.add(one.procedure)
            _forget(db, name(site), one.procedure, [one.host])
    groups: dict[int, list[str]] = {}
    for host, run_id in last.items():
        groups.setdefault(run_id, []).append(host)
    for run_id, leaving in groups.items():
        for newest in _newest_runs(db, name(site), run_id):
            retired += findings.retire_hosts(db, newest, leaving, at)
    for procedure in sorted(procedures):
        left = [one.host for one in waiting(db, site) if one.procedure == procedure]
        own_troubles.tell_absent(db, site, procedure, left, 0, at)
    return retired


def _newest_runs(db: Connection, site: str, until: int) -> list[int]:
    """Return the newest run of each of a site's procedures, of those up to a run."""
    run = tables.run
    query = select(func.max(run.c.id)).where(run.c.site == site, run.c.id <= until)
    return sorted(db.execute(query.group_by(run.c.procedure)).scalars())


def _forget(db: Connection, site: str, procedure: str, hosts: Iterable[str]) -> None:
    table = tables.absent_host
    for some in batched(sorted(hosts)):
        mine = (table.c.site == site, table.c.procedure == procedure, table.c.host.in_(some))
        db.execute(delete(table).where(*mine))
