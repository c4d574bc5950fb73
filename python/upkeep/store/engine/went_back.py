"""What a restored backup takes back: users as they were, waivers and silences that had ended, what was signed since."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection, func, select
from sqlalchemy.exc import SQLAlchemyError

from upkeep.store import tables


@dataclass(frozen=True)
class UserBefore:
    """A user, as far as it matters who may do what."""

    role: str
    person: str
    password_hash: str = field(repr=False)
    shared: bool
    off: bool


@dataclass(frozen=True)
class StandBefore:
    """What a database says now.

    revoked, ended: the numbers of the waivers and silences that somebody has ended before their time.
    """

    users: Mapping[str, UserBefore]
    revoked: frozenset[int]
    ended: frozenset[int]
    signed: int


def stand(db: Connection) -> StandBefore | None:
    """Return what the database says; None if it cannot say that."""
    user, waiver, silence = tables.app_user, tables.waiver, tables.silence
    try:
        found = db.execute(
            select(
                user.c.name,
                user.c.role,
                user.c.person,
                user.c.password_hash,
                user.c.shared,
                user.c.disabled_at.is_not(None).label("off"),
            )
        ).all()
        revoked = db.execute(select(waiver.c.id).where(waiver.c.revoked_at.is_not(None))).scalars()
        ended = db.execute(select(silence.c.id).where(silence.c.ended_by != "")).scalars()
        return StandBefore(
            {
                row.name: UserBefore(row.role, row.person, row.password_hash, row.shared, row.off)
                for row in found
            },
            frozenset(revoked),
            frozenset(ended),
            db.execute(select(func.count()).select_from(tables.signature)).scalar() or 0,
        )
    except SQLAlchemyError:
        return None


def again(db: Connection, before: StandBefore, now: datetime) -> list[str]:
    """Return the waivers and silences that hold again, though somebody had ended them."""
    waiver, silence = tables.waiver, tables.silence
    held = select(waiver.c.id).where(
        waiver.c.revoked_at.is_(None), waiver.c.approved_at.is_not(None), waiver.c.ends_at > now
    )
    quiet = select(silence.c.id).where(silence.c.ended_by == "", silence.c.ends_at > now)
    return [
        *(
            f"waiver {one} is in force again; it was revoked"
            for one in sorted(before.revoked & set(db.execute(held).scalars()))
        ),
        *(
            f"silence {one} is in force again; it was ended"
            for one in sorted(before.ended & set(db.execute(quiet).scalars()))
        ),
    ]


def lines(before: StandBefore, after: StandBefore) -> list[str]:
    """Return what differs, a line for each user. Pure."""
    found = []
    for name in sorted(before.users.keys() | after.users.keys()):
        was, now = before.users.get(name), after.users.get(name)
        if was is None and now is not None:
            state = "disabled" if now.off else f"may sign in, as {now.role}"
            found.append(f"user {name} exists again: {state}")
        elif now is None and was is not None:
            found.append(f"user {name} is gone; was {was.role}")
        elif was and now and was != now:
            found.append(f"user {name}: {', '.join(_changes(was, now))}")
    if after.signed < before.signed:
        found.append(f"{before.signed - after.signed} signed records that were made since are gone")
    return found


def _changes(was: UserBefore, now: UserBefore) -> Iterator[str]:
    if was.role != now.role:
        yield f"is {now.role} again; was {was.role}"
    if was.off != now.off:
        yield "is disabled again" if now.off else "may sign in again; was disabled"
    if was.password_hash != now.password_hash:
        yield "has an older password again"
    if was.person != now.person:
        yield f"is the person {now.person or 'nobody'} again; was {was.person or 'nobody'}"
    if was.shared != now.shared:
        yield "is shared again" if now.shared else "is not shared again"
