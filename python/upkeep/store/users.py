"""Users of the page: who may sign in, as what. Passwords come here only as hashes."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection, Row, delete, func, select, update

from upkeep.model.roles import Role
from upkeep.model.stored_text import shown
from upkeep.store import tables
from upkeep.store.engine.statements import Values, insert

NAME = re.compile(r"[a-z0-9][a-z0-9._@-]{0,99}")


@dataclass(frozen=True)
class User:
    """Somebody who may sign in.

    person: their id in the site's schedule.yml, or empty. shared: several people use it, so an act by it is nobody's.
    """

    id: int
    name: str
    person: str
    role: Role
    password_hash: str = field(repr=False)
    shared: bool
    created_at: datetime
    disabled_at: datetime | None


def add(
    db: Connection,
    name: str,
    role: Role,
    password_hash: str,
    now: datetime,
    *,
    person: str = "",
    shared: bool = False,
) -> bool:
    """Add a user; False if there is one of that name, who may have been turned off."""
    values: Values = {"name": name, "role": role.value, "password_hash": password_hash}
    values |= {"shared": shared, "person": shown(person, 100), "created_at": now}
    made = db.execute(
        insert(db, tables.app_user)
        .values(values)
        .on_conflict_do_nothing()
        .returning(tables.app_user.c.id)
    )
    return made.first() is not None


def get(db: Connection, name: str) -> User | None:
    """Return the user, or None."""
    table = tables.app_user
    row = db.execute(select(table).where(table.c.name == name)).first()
    return of_row(row) if row else None


def everyone(db: Connection) -> list[User]:
    """Return all users by name."""
    return [of_row(row) for row in db.execute(select(tables.app_user).order_by("name"))]


def other_admins(db: Connection, name: str) -> int:
    """Count the admins who could sign in if that user could not."""
    table = tables.app_user
    where = (table.c.role == Role.ADMIN.value, table.c.disabled_at.is_(None))
    # Two admins who turn each other off at once come here one after the other.
    found = db.execute(select(table.c.name).where(*where).order_by(table.c.id).with_for_update())
    return sum(one != name for one in found.scalars())


def set_role(db: Connection, name: str, role: Role) -> bool:
    """Give the user another role; False if there is no such user."""
    table = tables.app_user
    changed = update(table).where(table.c.name == name).values(role=role.value)
    return db.execute(changed).rowcount == 1


def set_person(db: Connection, name: str, person: str) -> bool:
    """Return which person of the site a user is; False if there is no such user."""
    table = tables.app_user
    changed = update(table).where(table.c.name == name).values(person=shown(person, 100))
    return db.execute(changed).rowcount == 1


def set_password(db: Connection, name: str, password_hash: str) -> bool:
    """Give the user another password, and end all their sessions; False if there is no such user."""
    table = tables.app_user
    changed = update(table).where(table.c.name == name).values(password_hash=password_hash)
    if db.execute(changed).rowcount != 1:
        return False
    _end_sessions(db, name)
    return True


def turn_off(db: Connection, name: str, now: datetime) -> bool:
    """Let the user sign in no more, and end all their sessions; False if they could not sign in anyhow."""
    table = tables.app_user
    where = (table.c.name == name, table.c.disabled_at.is_(None))
    off = db.execute(update(table).where(*where).values(disabled_at=now)).rowcount == 1
    _end_sessions(db, name)
    return off


def turn_on(db: Connection, name: str) -> bool:
    """Let the user sign in again; False if they could anyhow."""
    table = tables.app_user
    where = (table.c.name == name, table.c.disabled_at.is_not(None))
    return db.execute(update(table).where(*where).values(disabled_at=None)).rowcount == 1


def sessions_of(db: Connection) -> dict[int, int]:
    """Return how many sessions there are of each user, by the user's number."""
    table = tables.session
    rows = db.execute(
        select(table.c.user_id, func.count().label("number")).group_by(table.c.user_id)
    )
    return {row.user_id: row.number for row in rows}


def of_row(row: Row[tuple[object, ...]]) -> User:
    """Return the user of a row of the table."""
    values = {name: row._mapping[name] for name in User.__dataclass_fields__}
    return User(**values | {"role": Role(values["role"])})


def _end_sessions(db: Connection, name: str) -> None:
    user, session = tables.app_user, tables.session
    ids = select(user.c.id).where(user.c.name == name)
    db.execute(delete(session).where(session.c.user_id.in_(ids)))
