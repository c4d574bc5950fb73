"""Sessions of the page, and how often somebody may try a password.

The store knows a session by the hash of its token only; the token itself is in the browser's cookie.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, delete, insert, or_, select, update

from upkeep.store import tables
from upkeep.store.statements import insert_new
from upkeep.store.texts import shown
from upkeep.store.users import User, of_row

TOKEN_BYTES = 32
IDLE = timedelta(hours=1)
ABSOLUTE = timedelta(hours=12)
# A page that is read is written down at most so often.
SEEN_EACH = timedelta(minutes=1)

FREE_FAILURES = 3
# An account's wait is short, or anybody could lock anybody else out; an address may wait longer.
ACCOUNT_WAIT_SECONDS = 60
ADDRESS_WAIT_SECONDS = 900
FORGOTTEN_AFTER = timedelta(hours=2)


@dataclass(frozen=True)
class Session:
    """Somebody is signed in. token: what the browser sends."""

    token: str
    user: User
    created_at: datetime
    seen_at: datetime

    @property
    def form_token(self) -> str:
        """What a form of this session carries, and no other site can know."""
        return hmac.new(self.token.encode(), b"form", hashlib.sha256).hexdigest()


def begin(db: Connection, user: User, now: datetime, address: str) -> str:
    """Begin a session; return its token."""
    table = tables.session
    db.execute(delete(table).where(_is_over(now)))
    token = secrets.token_urlsafe(TOKEN_BYTES)
    values = {"id_hash": _hash(token), "user_id": user.id, "address": shown(address, 64)}
    db.execute(insert(table).values(values | {"created_at": now, "seen_at": now}))
    return token


def find(db: Connection, token: str, now: datetime) -> Session | None:
    """Return the session of the token; None if there is none, it is over, or its user is turned off."""
    table, user = tables.session, tables.app_user
    found = db.execute(
        select(table.c.created_at.label("begun_at"), table.c.seen_at, user)
        .join(user, user.c.id == table.c.user_id)
        .where(table.c.id_hash == _hash(token), user.c.disabled_at.is_(None), ~_is_over(now))
    ).first()
    return Session(token, of_row(found), found.begun_at, found.seen_at) if found else None


def touch(db: Connection, token: str, now: datetime) -> None:
    """Write down that somebody is still there."""
    table = tables.session
    db.execute(update(table).where(table.c.id_hash == _hash(token)).values(seen_at=now))


def end(db: Connection, token: str) -> None:
    """End the session."""
    db.execute(delete(tables.session).where(tables.session.c.id_hash == _hash(token)))


def try_password(db: Connection, account: str, address: str, now: datetime) -> float:
    """Count an attempt as failed before the password is looked at, so that many at once are counted too.

    Return 0, or how many seconds are still to be waited; then nothing is counted.
    """
    table = tables.sign_in_attempt
    db.execute(delete(table).where(table.c.last_at < now - FORGOTTEN_AFTER))
    limits = _keys(account, address)
    rows = [{"key": key, "failures": 0, "last_at": now, "next_at": now} for key in sorted(limits)]
    insert_new(db, table, rows)
    query = select(table).where(table.c.key.in_(limits)).order_by(table.c.key).with_for_update()
    known = db.execute(query).all()
    if any(row.last_at > now for row in known):
        # From a clock that was ahead: nobody waits for it longer than they would have.
        for row in known:
            ahead = max(row.last_at - now, timedelta())
            values = {"last_at": row.last_at - ahead, "next_at": row.next_at - ahead}
            db.execute(update(table).where(table.c.key == row.key).values(values))
        known = db.execute(query).all()
    wait: float = max((row.next_at - now).total_seconds() for row in known)
    if wait > 0:
        return wait
    for row in known:
        failures = row.failures + 1
        seconds = min(2 ** min(failures - FREE_FAILURES, 20), limits[row.key])
        next_at = now + timedelta(seconds=seconds) if failures > FREE_FAILURES else now
        values = {"failures": failures, "last_at": now, "next_at": next_at}
        db.execute(update(table).where(table.c.key == row.key).values(values))
    return 0.0


def password_was_right(db: Connection, account: str, address: str) -> None:
    """Forget the account's failures; of its address only this one, for others may guess from there."""
    table = tables.sign_in_attempt
    own, there = _keys(account, address)
    db.execute(delete(table).where(table.c.key == own))
    less = {"failures": table.c.failures - 1, "next_at": table.c.last_at}
    db.execute(update(table).where(table.c.key == there, table.c.failures > 0).values(less))


def _keys(account: str, address: str) -> dict[str, int]:
    """Return the keys of an account and of an address, with how long each may have to wait."""
    return {
        f"account {shown(account, 100)}": ACCOUNT_WAIT_SECONDS,
        f"address {shown(address, 64)}": ADDRESS_WAIT_SECONDS,
    }


def _is_over(now: datetime) -> ColumnElement[bool]:
    """Return the condition for what is over; what was seen later than now would last until a wrong clock's time."""
    table = tables.session
    ahead = table.c.seen_at > now + SEEN_EACH
    return or_(table.c.seen_at <= now - IDLE, table.c.created_at <= now - ABSOLUTE, ahead)


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
