"""Sessions of the page, and how often somebody may try a password.

The store knows a session by the hash of its token only; the token itself is in the browser's cookie. Of those who try
passwords no more rows are kept than is told here. Whoever has signed in from an address before is known there: failures
of others, from elsewhere, make them wait neither for their turn nor for their account.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import secrets
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, delete, exists, func, or_, select, update

from upkeep.model.stored_text import shown
from upkeep.store import acts, tables
from upkeep.store.engine.statements import insert, insert_new, upsert
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
MOST_KEPT = 10_000
"""Rows of attempts. Whoever may try again for the longest time is forgotten first."""
KNOWN_FOR = timedelta(days=90)
MOST_KNOWN = 20
"""Addresses that are known of each user."""
WRITTEN_A_DAY = 20
"""Refusals of an account that are acts of their own within a day; of more there is one act an hour."""
TOLD_EACH = timedelta(hours=1)
UNWRITTEN = "unwritten "


@dataclass(frozen=True)
class SignInStanding:
    """What is known of an address.

    known: whether a user has signed in from there. failures: lately. wait: seconds until it may try again.
    """

    network: str
    known: bool = False
    failures: int = 0
    wait: float = 0.0


@dataclass(frozen=True)
class PageSession:
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
    db.execute(insert(db, table).values(values | {"created_at": now, "seen_at": now}))
    return token


def find(db: Connection, token: str, now: datetime) -> PageSession | None:
    """Return the session of the token; None if there is none, it is over, or its user is turned off."""
    table, user = tables.session, tables.app_user
    found = db.execute(
        select(table.c.created_at.label("begun_at"), table.c.seen_at, user)
        .join(user, user.c.id == table.c.user_id)
        .where(table.c.id_hash == _hash(token), user.c.disabled_at.is_(None), ~_is_over(now))
    ).first()
    return PageSession(token, of_row(found), found.begun_at, found.seen_at) if found else None


def touch(db: Connection, token: str, now: datetime) -> None:
    """Record that somebody is still there."""
    table = tables.session
    db.execute(update(table).where(table.c.id_hash == _hash(token)).values(seen_at=now))


def end(db: Connection, token: str) -> None:
    """End the session."""
    db.execute(delete(tables.session).where(tables.session.c.id_hash == _hash(token)))


def network_of(address: str) -> str:
    """Return what counts as one address: of IPv6 a whole /64, for who has one has all of it (RFC 6177)."""
    try:
        at = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return shown(address, 64)
    at = getattr(at, "ipv4_mapped", None) or at
    return str(at) if at.version == 4 else str(ipaddress.ip_network((at, 64), strict=False))


def standing(db: Connection, address: str, now: datetime) -> SignInStanding:
    """Return what is known of an address; nothing is counted."""
    known, user, table = tables.known_address, tables.app_user, tables.sign_in_attempt
    network = network_of(address)
    lately = (known.c.network == network, known.c.last_at > now - KNOWN_FOR)
    of_user = (user.c.name == known.c.account, user.c.disabled_at.is_(None))
    is_known = db.execute(select(exists().where(*lately, *of_user))).scalar_one()
    row = db.execute(select(table).where(table.c.key == f"address {network}")).first()
    if row is None or row.last_at < now - FORGOTTEN_AFTER:
        return SignInStanding(network, is_known)
    wait = (row.next_at - max(now, row.last_at)).total_seconds()
    return SignInStanding(network, is_known, row.failures, max(0.0, wait))


def try_password(db: Connection, account: str, address: str, now: datetime) -> float:
    """Count an attempt as failed before the password is looked at, so that many at once are counted too.

    Return 0, or how many seconds are still to be waited; then nothing is counted.
    """
    table = tables.sign_in_attempt
    limits = _keys(db, account, address, now)
    _forget(db, now, len(limits))
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


def password_was_right(db: Connection, account: str, address: str, now: datetime) -> None:
    """Forget the account's failures; of its address only this one, for others may guess from there. It is known now."""
    table = tables.sign_in_attempt
    own, there = _keys(db, account, address, now)
    db.execute(delete(table).where(table.c.key == own))
    less = {"failures": table.c.failures - 1, "next_at": table.c.last_at}
    db.execute(update(table).where(table.c.key == there, table.c.failures > 0).values(less))
    _remember(db, account, network_of(address), now)


def record_refusal(db: Connection, act: acts.Act) -> None:
    """Record a refused sign-in; after many of an account within a day, one act an hour stands for all.

    Acts are never removed, so what a stranger can make of them is bounded.
    """
    table = tables.act
    alike = (table.c.what == act.what, table.c.outcome == act.outcome, table.c.target == act.target)
    day = table.c.at > act.at - timedelta(days=1)
    count = select(func.count()).select_from(table).where(day, table.c.who == act.who, *alike)
    if db.execute(count).scalar_one() < WRITTEN_A_DAY:
        acts.record(db, act)
        return
    unwritten = tables.sign_in_attempt
    row = {"key": UNWRITTEN + act.target, "last_at": act.at, "next_at": act.at + TOLD_EACH}
    more = {"failures": unwritten.c.failures + 1, "last_at": act.at}
    statement = insert(db, unwritten).values(**row, failures=1)
    db.execute(statement.on_conflict_do_update(index_elements=["key"], set_=more))
    _tell_unwritten(db, replace(act, detail="", address=""))


def _tell_unwritten(db: Connection, act: acts.Act) -> None:
    """Record how many refusals were not, an hour after the first of them."""
    table = tables.sign_in_attempt
    due = or_(table.c.next_at <= act.at, table.c.last_at > act.at)
    is_one = table.c.key.startswith(UNWRITTEN, autoescape=True)
    query = select(table).where(is_one, due).order_by(table.c.key).with_for_update()
    for row in db.execute(query).all():
        since = row.next_at - TOLD_EACH
        detail = f"{row.failures} more since {since:%Y-%m-%d %H:%M} UTC"
        acts.record(db, replace(act, target=row.key.removeprefix(UNWRITTEN), detail=detail))
        db.execute(delete(table).where(table.c.key == row.key))


def _keys(db: Connection, account: str, address: str, now: datetime) -> dict[str, int]:
    """Return the keys of an account and of an address, with how long each may have to wait.

    An account that is known at the address has a key of its own there, which no name that is tried elsewhere makes.
    """
    network, account = network_of(address), shown(account, 100)
    own = f"account {account}"
    if _known_at(db, account, network, now):
        own = f"known {network} {account}"
    return {own: ACCOUNT_WAIT_SECONDS, f"address {network}": ADDRESS_WAIT_SECONDS}


def _known_at(db: Connection, account: str, network: str, now: datetime) -> bool:
    known = tables.known_address
    pair = (known.c.account == account, known.c.network == network)
    lately = known.c.last_at > now - KNOWN_FOR
    return bool(db.execute(select(exists().where(*pair, lately))).scalar_one())


def _remember(db: Connection, account: str, network: str, now: datetime) -> None:
    """Record that the user has signed in from there, and forget what is old or too much."""
    known = tables.known_address
    row = {"account": account, "network": network, "last_at": now}
    upsert(db, known, [row], ["account", "network"])
    db.execute(delete(known).where(known.c.last_at < now - KNOWN_FOR))
    newest = select(known.c.network).where(known.c.account == account)
    kept = newest.order_by(known.c.last_at.desc(), known.c.network).limit(MOST_KNOWN)
    networks = list(db.execute(kept).scalars())
    db.execute(delete(known).where(known.c.account == account, known.c.network.not_in(networks)))


def _forget(db: Connection, now: datetime, coming: int) -> None:
    """Remove attempts that are old, and of too many with those that come the ones that wait for nothing any more."""
    table = tables.sign_in_attempt
    _tell_unwritten(db, acts.Act(now, "", "sign in", outcome=acts.REFUSED))
    counted = ~table.c.key.startswith(UNWRITTEN, autoescape=True)
    db.execute(delete(table).where(table.c.last_at < now - FORGOTTEN_AFTER, counted))
    count = db.execute(select(func.count()).select_from(table)).scalar_one()
    more = count + coming - MOST_KEPT
    if more <= 0:
        return
    oldest = select(table.c.key).where(counted).order_by(table.c.next_at).limit(more)
    # Two who do this at once take others each, and wait for nobody.
    keys = list(db.execute(oldest.with_for_update(skip_locked=True)).scalars())
    db.execute(delete(table).where(table.c.key.in_(keys)))


def _is_over(now: datetime) -> ColumnElement[bool]:
    """Return the condition for what is over; what was seen later than now would last until a wrong clock's time."""
    table = tables.session
    ahead = table.c.seen_at > now + SEEN_EACH
    return or_(table.c.seen_at <= now - IDLE, table.c.created_at <= now - ABSOLUTE, ahead)


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
