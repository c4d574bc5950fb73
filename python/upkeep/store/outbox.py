"""The outbox: a row per recipient and channel. At least once: what was sent and not marked is sent again.

Of a message to somebody, the row of the best channel waits and the others are spare. If one fails, the next waits;
after the last, the first again, later and later, until a day has passed.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, and_, func, or_, select, update

from upkeep.model.stored_text import shown, told
from upkeep.store import tables
from upkeep.store.engine.statements import Values, insert, upsert

WAITING, SENDING, SENT, FAILED = "waiting", "sending", "sent", "failed"
SPARE, WITHDRAWN = "spare", "withdrawn"
GIVEN_UP_AFTER = timedelta(days=1)
BACKOFF_SECONDS = (30.0, 60.0, 120.0, 300.0, 900.0)
CHANNEL_BACKOFF_SECONDS = (60.0, 120.0, 300.0, 900.0)
"""How long a channel that failed so often in a row is passed over by what can go another way."""
FAR = timedelta(seconds=2 * BACKOFF_SECONDS[-1])
"""Nothing is tried again or leased later than this: what is comes from a clock that was ahead, and is due."""
ERROR_CHARACTERS = 500


@dataclass(frozen=True)
class Letter:
    """A message on the way to one recipient, as one channel may carry it."""

    recipient: str
    channel: str
    position: int
    title: str
    body: str


@dataclass(frozen=True)
class DueMessage:
    """A row that was claimed. lease: proof that it is still ours when it is marked."""

    id: int
    lease: str
    site: str
    message: str
    recipient: str
    channel: str
    position: int
    alert_id: int | None
    dedupe: str
    kind: str
    severity: int
    title: str
    body: str
    made_at: datetime
    tries: int


@dataclass(frozen=True)
class Health:
    """How a channel does. failing_since: None while it works."""

    channel: str
    failing_since: datetime | None
    failures: int
    retry_at: datetime | None
    error: str
    sent_at: datetime | None


@dataclass(frozen=True)
class Sent:
    """What became of a message over one channel."""

    recipient: str
    channel: str
    kind: str
    title: str
    state: str
    due_at: datetime
    sent_at: datetime | None
    tries: int
    error: str


def withdraw_recoveries(db: Connection, alert_id: int, group_key: str, now: datetime) -> None:
    """Withdraw what waits to be said of earlier openings of the group that are over; the next says it of all."""
    table, alert = tables.outbox, tables.alert
    earlier = select(alert.c.id).where(alert.c.group_key == group_key, alert.c.id != alert_id)
    waits = (
        table.c.kind.in_(("recovery", "ended")),
        table.c.state == WAITING,
        table.c.due_at > now,
    )
    db.execute(update(table).where(table.c.alert_id.in_(earlier), *waits).values(state=WITHDRAWN))


@dataclass(frozen=True, kw_only=True)
class Posting:
    """How a message goes out. due_at: not before; dedupe: by what it is the same message; alert_id: if it is of one."""

    kind: str
    severity: int
    dedupe: str
    alert_id: int | None
    due_at: datetime
    now: datetime


def put(
    db: Connection, site: str, message: str, letters: Sequence[Letter], posting: Posting
) -> int:
    """Put a message in, unless it is in already; return how many recipients have got it newly."""
    table = tables.outbox
    new = 0
    for one in letters:
        values = {
            "site": site,
            "message": message,
            "recipient": one.recipient,
            "channel": one.channel,
            "position": one.position,
            "alert_id": posting.alert_id,
            "dedupe": posting.dedupe,
            "kind": posting.kind,
            "severity": posting.severity,
            "title": shown(one.title),
            "body": shown(one.body, 20_000),
            "state": WAITING if one.position == 0 else SPARE,
            "made_at": max(posting.now, posting.due_at),  # tried for a day from then on
            "due_at": posting.due_at,
            "lease": "",
            "tries": 0,
            "error": "",
        }
        made = db.execute(
            insert(db, table).values(values).on_conflict_do_nothing().returning(table.c.id)
        ).first()
        new += made is not None and one.position == 0
    return new


def claim(
    db: Connection, site: str, now: datetime, lease_seconds: float, count: int
) -> list[DueMessage]:
    """Claim what is due, the most severe first; what somebody claimed and did not mark in time is due again."""
    table = tables.outbox
    far = now + FAR
    ready = or_(
        and_(table.c.state == WAITING, table.c.due_at <= now),
        and_(table.c.state == WAITING, table.c.tries > 0, table.c.due_at > far),
        and_(table.c.state == SENDING, table.c.leased_until <= now),
        and_(table.c.state == SENDING, table.c.leased_until > far),
    )
    some = (
        select(table.c.id)
        .where(table.c.site == site, ready)
        .order_by(table.c.severity, table.c.due_at, table.c.id)
        .limit(count)
        .with_for_update(skip_locked=True)
    )
    numbers = list(db.execute(some).scalars())
    lease = secrets.token_hex(8)
    until = now + timedelta(seconds=lease_seconds)
    values: dict[str, Any] = {"state": SENDING, "lease": lease, "leased_until": until}
    values["tries"] = table.c.tries + 1
    rows = db.execute(
        update(table).where(table.c.id.in_(numbers)).values(values).returning(table)
    ).all()
    names = DueMessage.__dataclass_fields__
    found = [DueMessage(**{name: row._mapping[name] for name in names}) for row in rows]
    return sorted(found, key=lambda one: numbers.index(one.id))


def release(db: Connection, due: DueMessage) -> None:
    """Give back what was claimed and not begun."""
    table = tables.outbox
    mine = (table.c.id == due.id, table.c.lease == due.lease, table.c.state == SENDING)
    values = {"state": WAITING, "leased_until": None, "tries": table.c.tries - 1}
    db.execute(update(table).where(*mine).values(values))


def sent(db: Connection, due: DueMessage, now: datetime) -> None:
    """Mark it as sent; its spare channels are not needed. The receiver has it, whoever's lease it is by now."""
    table = tables.outbox
    values = {"state": SENT, "sent_at": now, "leased_until": None, "error": ""}
    db.execute(update(table).where(table.c.id == due.id).values(values))
    db.execute(
        update(table)
        .where(_siblings(due), table.c.id != due.id, table.c.state.in_([SPARE, WAITING]))
        .values(state=SPARE)
    )
    health: Values = {
        "site": due.site,
        "channel": due.channel,
        "failing_since": None,
        "failures": 0,
    }
    health |= {"retry_at": None, "error": "", "sent_at": now}
    upsert(db, tables.channel_health, [health], ["site", "channel"])


def failed(db: Connection, due: DueMessage, error: str, now: datetime) -> str:
    """Mark that a channel did not take it, and let the next one; return the next, empty if all is over."""
    table = tables.outbox
    mine = and_(table.c.id == due.id, table.c.lease == due.lease, table.c.state == SENDING)
    values = {"state": FAILED, "leased_until": None, "error": told(error, ERROR_CHARACTERS)}
    if not db.execute(update(table).where(mine).values(values)).rowcount:
        return due.channel  # somebody else has it, or had more luck
    return _next(db, due, now)


def passed_over(db: Connection, due: DueMessage, now: datetime) -> str:
    """Pass the message to the next channel at once, as this one is known to be dead; return that channel.

    What has no other way stays here, and is tried.
    """
    table = tables.outbox
    health = {one.channel: one for one in channels(db, due.site)}
    others = select(table.c.channel).where(_siblings(due), table.c.position > due.position)
    for channel in db.execute(others.order_by(table.c.position)).scalars():
        known = health.get(channel)
        if known is None or known.retry_at is None or known.retry_at <= now:
            return failed(db, due, "skipped: the channel fails", now)
    return ""


def channel_failed(db: Connection, site: str, channel: str, error: str, now: datetime) -> Health:
    """Record that a channel failed; return how it does."""
    table = tables.channel_health
    where = (table.c.site == site, table.c.channel == channel)
    known = db.execute(select(table).where(*where).with_for_update()).first()
    failures = (known.failures if known else 0) + 1
    since = known.failing_since if known and known.failing_since else now
    wait = CHANNEL_BACKOFF_SECONDS[min(failures, len(CHANNEL_BACKOFF_SECONDS)) - 1]
    values: Values = {
        "site": site,
        "channel": channel,
        "failing_since": since,
        "failures": failures,
    }
    values |= {"retry_at": now + timedelta(seconds=wait), "error": told(error, ERROR_CHARACTERS)}
    values["sent_at"] = known.sent_at if known else None
    upsert(db, table, [values], ["site", "channel"])
    del values["site"]
    return Health(**values)


def channels(db: Connection, site: str) -> list[Health]:
    """Return how the channels do that were used."""
    table = tables.channel_health
    rows = db.execute(select(table).where(table.c.site == site).order_by(table.c.channel))
    return [
        Health(row.channel, row.failing_since, row.failures, row.retry_at, row.error, row.sent_at)
        for row in rows
    ]


def next_due(db: Connection, site: str) -> datetime | None:
    """Return when something is due next; None if nothing waits."""
    table = tables.outbox
    waiting = (table.c.site == site, table.c.state == WAITING)
    at = db.execute(select(table.c.due_at).where(*waiting).order_by(table.c.due_at).limit(1))
    return at.scalar()


def undelivered(db: Connection, site: str) -> int:
    """Return how many messages wait longer than they should, or were given up within a day."""
    table = tables.outbox
    where = (table.c.site == site, table.c.state == WAITING, table.c.tries > 0)
    return int(db.execute(select(func.count()).where(*where)).scalar_one())


def of_alert(db: Connection, alert_id: int) -> list[Sent]:
    """Return what was sent of an alert, or is about to be, oldest first; without spare channels."""
    table = tables.outbox
    rows = db.execute(
        select(table)
        .where(table.c.alert_id == alert_id, table.c.state != SPARE)
        .order_by(table.c.id)
    )
    names = Sent.__dataclass_fields__
    return [Sent(**{name: row._mapping[name] for name in names}) for row in rows]


def _next(db: Connection, due: DueMessage, now: datetime) -> str:
    """Queue the message for the next channel, or later for the first again; return it, empty if given up."""
    table = tables.outbox
    chain = db.execute(
        select(table.c.id, table.c.channel, table.c.position)
        .where(_siblings(due))
        .order_by(table.c.position)
    ).all()
    later = [one for one in chain if one.position > due.position]
    if later:
        following, at = later[0], now
    else:
        if now - due.made_at >= GIVEN_UP_AFTER:
            return ""
        following = chain[0]
        wait = BACKOFF_SECONDS[min(due.tries, len(BACKOFF_SECONDS)) - 1]
        at = now + timedelta(seconds=wait)
    free = table.c.state.in_([SPARE, FAILED])
    db.execute(
        update(table)
        .where(table.c.id == following.id, free)
        .values(state=WAITING, due_at=at, lease="")
    )
    return str(following.channel)


def _siblings(due: DueMessage) -> Any:
    table = tables.outbox
    return and_(
        table.c.site == due.site,
        table.c.message == due.message,
        table.c.recipient == due.recipient,
    )
