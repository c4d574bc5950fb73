"""Who acts on the command line: an account of the operating system, mapped to a user where the site says so.

Whoever can write the database directly is outside of this: its rows are no proof against its owner.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection

from upkeep import clock
from upkeep.account import known_name, name_of
from upkeep.errors import UpkeepError, UsageError
from upkeep.roles import Role
from upkeep.schedule_file import Schedule
from upkeep.store import Store, acts, sessions, users

UNSET = 2**32 - 1


@dataclass(frozen=True)
class Actor:
    """Who acts. account: of the operating system; user: of the page, if the account is one's."""

    account: str
    user: users.User | None

    @property
    def name(self) -> str:
        """What to call them: the user's name or, if the account is nobody's, the account."""
        return self.user.name if self.user else self.account


def account() -> str:
    """Return the account that signed in to this machine, also after sudo; else that of this process."""
    try:
        number = int(Path("/proc/self/loginuid").read_text(encoding="ascii"))
    except (OSError, ValueError):
        number = UNSET
    for uid in (number, os.getuid()):
        if uid != UNSET:
            found = known_name(uid)
            if found:
                return found
    return name_of(os.getuid())


def actor(db: Connection, schedule: Schedule | None) -> Actor:
    """Return who acts here: by people.<id>.accounts of the schedule, or the user who is called like the account."""
    own = account()
    people = schedule.people.items() if schedule else ()
    for person, known in people:
        if own in known.accounts:
            found = users.of_person(db, person)
            if found:
                return Actor(own, found)
    same = users.get(db, own.lower())
    return Actor(own, same if same and not same.disabled_at else None)


def record(
    store: Store,
    schedule: Schedule | None,
    what: str,
    target: str = "",
    *,
    least: Role | None = None,
    detail: str = "",
) -> Actor:
    """Write down what is about to be done on the command line; return who does it.

    Raises UsageError, and writes that down, if the account is that of a user whose role does not reach. An account
    that is no user's is not held up: it can read this program's keys and database anyhow.
    """
    with store.begin() as db:
        who = actor(db, schedule)
        refused = least is not None and who.user is not None and not who.user.role.may(least)
        if refused and least is Role.ADMIN and not _has_admin(db):
            refused = False  # somebody must make the first
        outcome = acts.REFUSED if refused else acts.DONE
        name = who.user.name if who.user else ""
        at = clock.now()
        acts.record(db, acts.Act(at, name, what, target, outcome, detail, acts.CLI, who.account))
    if refused and least and who.user:
        message = f"to {what} needs the role {least.value}; {who.name} is {who.user.role.value}"
        raise UsageError(message, remedy="an admin can give another role: upkeep user role")
    return who


def _has_admin(db: Connection) -> bool:
    return any(one.role.may(Role.ADMIN) and not one.disabled_at for one in users.everyone(db))


def prove(
    store: Store,
    name: str,
    password: str,
    now: datetime,
    *,
    address: str,
    way: str = acts.CLI,
    account: str = "",
) -> users.User:
    """Return the user whose password it is, for what needs to be sure of it again.

    Raises UsageError, and writes that down, if it is not; also where it was tried too often.
    """
    try:
        from upkeep.web import passwords
    except ModuleNotFoundError as exc:
        message = f"passwords need the package {exc.name}"
        raise UpkeepError(message, remedy="pip install 'upkeep[web]'") from exc
    with store.begin() as db:
        wait = sessions.try_password(db, name, address, now)
    if wait > 0:
        raise UsageError(f"too many attempts; try again in {int(wait) + 1} s")
    with store.read() as db:
        found = users.get(db, name)
    kept = found.password_hash if found and found.disabled_at is None else None
    right = passwords.is_right(password, kept)
    with store.begin() as db:
        # Read again: the user may have been turned off while the password was looked at.
        user = users.get(db, name)
        proved = right and user is not None and not user.disabled_at and user.password_hash == kept
        if proved:
            sessions.password_was_right(db, name, address, now)
        else:
            act = acts.Act(now, name, "authenticate", name, acts.REFUSED, "", way, account, address)
            acts.record(db, act)
    if not proved or user is None:
        raise UsageError(f"this is not the password of {name}")
    return user
