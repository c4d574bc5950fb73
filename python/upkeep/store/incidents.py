"""Incidents: a row for lists and locks, and their entries, which are records of the chain."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Connection, Row, insert, or_, select, update

from upkeep.model.answer import Isolated
from upkeep.model.isolation import CONFIRMED, NOT_ISOLATED, RELEASED
from upkeep.model.stored_text import fingerprint, name
from upkeep.rules import incidents
from upkeep.rules.completion import month_of
from upkeep.rules.incident_chain import IncidentRow
from upkeep.rules.incidents import RECORD, Acted, Closed, Incident, IncidentEntry, Opened, entry_of
from upkeep.rules.responses import ResponseFigure, responses
from upkeep.store import findings, isolated_hosts, records, tables
from upkeep.store.engine.statements import insert as insert_or


def open_one(
    db: Connection, key: Ed25519PrivateKey, site: str, entry: IncidentEntry, opened: Opened
) -> Incident:
    """Open an incident by its first entry."""
    values = {
        "site": name(site),
        "kind": opened.kind,
        "drill": opened.drill,
        "opened_at": entry.at,
        "owed": 0,
    }
    table = tables.incident
    number = int(db.execute(insert(table).values(values).returning(table.c.id)).scalar_one())
    return append(db, key, site, number, entry)


def append(
    db: Connection, key: Ed25519PrivateKey, site: str, number: int, entry: IncidentEntry
) -> Incident:
    """Add an entry, in the transaction that does what it says; return the incident after it."""
    records.append(db, key, RECORD, str(number), incidents.record_of(entry, name(site)))
    made, table = load(db, number), tables.incident
    values: dict[str, Any] = {"owed": made.owed}
    if isinstance(entry.said, Closed):
        values["closed_at"] = entry.at
    db.execute(update(table).where(table.c.id == number).values(values))
    isolated_hosts.note(db, site, _told_by(entry))
    return made


def _told_by(entry: IncidentEntry) -> list[isolated_hosts.IsolationTold]:
    """Return what hosts have said of themselves in an act; nothing of what may end by itself any moment."""
    said = entry.said
    if not isinstance(said, Acted) or said.found is None:
        return []
    found = said.found
    if found.state == CONFIRMED:
        isolated = Isolated(found.id, found.since or entry.at, found.by)
    elif found.state in (RELEASED, NOT_ISOLATED):
        isolated = None
    else:
        return []
    return [isolated_hosts.IsolationTold(host, isolated, entry.at) for host in said.hosts]


def get(db: Connection, site: str, number: int, *, lock: bool = False) -> IncidentRow | None:
    """Return the site's incident, or None; lock: nobody else enters anything until the transaction ends."""
    table = tables.incident
    query = select(table).where(table.c.id == number, table.c.site == name(site))
    row = db.execute(query.with_for_update() if lock else query).first()
    return _of_row(row) if row else None


def load(db: Connection, number: int) -> Incident:
    """Return an incident as its entries make it.

    Raises: ValueError if they make none.
    """
    return incidents.fold(number, map(entry_of, records.of(db, RECORD, str(number))))


def of_site(
    db: Connection, site: str, *, closed_since: datetime | None = None, everything: bool = False
) -> list[IncidentRow]:
    """Return the open incidents, the newest first; or all.

    closed_since: with those that have closed since, or have follow-ups that are not done.
    """
    table = tables.incident
    query = select(table).where(table.c.site == name(site)).order_by(table.c.id.desc())
    if not everything:
        more = [table.c.closed_at > closed_since, table.c.owed > 0] if closed_since else []
        query = query.where(or_(table.c.closed_at.is_(None), *more))
    return [_of_row(row) for row in db.execute(query)]


def opened_between(
    db: Connection, site: str, since: datetime, until: datetime | None = None
) -> list[Incident]:
    """Return the site's incidents that were opened then, since < opened <= until, the oldest first."""
    table = tables.incident
    where = [table.c.site == name(site), table.c.opened_at > since]
    where += [table.c.opened_at <= until] if until else []
    ids = db.execute(select(table.c.id).where(*where).order_by(table.c.id)).scalars()
    return [load(db, one) for one in ids.all()]


def figure_of(
    db: Connection, site: str, month: str, kind: str, zone: str, now: datetime
) -> ResponseFigure:
    """Return how fast people responded to a month's incidents.

    Raises: UsageError for what is not a month.
    """
    begins, _ends = month_of(month, zone)
    # One is never seen after it was opened.
    later = opened_between(db, site, begins - timedelta.resolution)
    return responses(later, month, kind, zone, now)


def isolations(db: Connection, site: str) -> set[tuple[str, str]]:
    """Return the isolations that stand by what the site's incidents have done: each as its host and its id."""
    rows = of_site(db, site, everything=True)
    return {pair for one in rows for pair in incidents.isolations(load(db, one.id)).items()}


def everything(db: Connection) -> list[IncidentRow]:
    """Return the incidents of all sites."""
    table = tables.incident
    return [_of_row(row) for row in db.execute(select(table).order_by(table.c.id))]


# --- alerts ----------------------------------------------------------------------------------------------------------
def claim_alert(db: Connection, alert: int, number: int) -> bool:
    """Record that an alert belongs to an incident; False if it belongs to one already."""
    table = tables.incident_alert
    values = {"alert_id": alert, "incident_id": number}
    made = insert_or(db, table).values(values).on_conflict_do_nothing().returning(table.c.alert_id)
    return db.execute(made).first() is not None


def claimed(db: Connection, alerts: Iterable[int]) -> set[int]:
    """Return which alerts belong to an incident already."""
    table = tables.incident_alert
    query = select(table.c.alert_id).where(table.c.alert_id.in_(sorted(alerts)))
    return set(db.execute(query).scalars())


def calls(db: Connection, site: str, incident: Incident) -> list[int]:
    """Return the alerts that call people to an incident, to its phases and follow-ups, the oldest first."""
    keys = [
        fingerprint(name(site), check, findings.OWN_HOST, name(subject))
        for check, subject in incident.subjects
    ]
    finding, member = tables.finding, tables.alert_finding
    query = (
        select(member.c.alert_id)
        .join(finding, finding.c.id == member.c.finding_id)
        .where(finding.c.fingerprint.in_(keys))
        .distinct()
        .order_by(member.c.alert_id)
    )
    return list(db.execute(query).scalars())


def called_by(db: Connection, site: str, alert: int) -> list[int]:
    """Return the open incidents of a site to which an alert calls people."""
    return [one.id for one in of_site(db, site) if alert in calls(db, site, load(db, one.id))]


@dataclass(frozen=True)
class SentMessage:
    """A message that has arrived at its channel."""

    id: int
    recipient: str
    channel: str
    title: str
    sent_at: datetime


def sent_messages(db: Connection, alerts: Iterable[int]) -> list[SentMessage]:
    """Return what was sent of these alerts, in the order of the outbox."""
    table = tables.outbox
    query = (
        select(table.c.id, table.c.recipient, table.c.channel, table.c.title, table.c.sent_at)
        .where(table.c.alert_id.in_(sorted(alerts)), table.c.sent_at.is_not(None))
        .order_by(table.c.id)
    )
    return [SentMessage(**row._mapping) for row in db.execute(query)]


def _of_row(row: Row[Any]) -> IncidentRow:
    return IncidentRow(**row._mapping)
