"""Who acts on the command line: the user of the operating system's account, or whom `--as` names with a password.

Whoever can write the database directly is outside of this: its rows are no proof against its owner.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from upkeep.model import clock
from upkeep.model.errors import UpkeepError, UsageError
from upkeep.model.remedies import command
from upkeep.model.roles import Role
from upkeep.rules.actions import RULES, Action, Needs, needed, refusal, words_of
from upkeep.services import caller, sites
from upkeep.site.schedule_file import Schedule
from upkeep.site.site import Site
from upkeep.store import Connection, Store, acts, sessions, users
from upkeep.system.account import known_name, name_of

UNSET = 2**32 - 1
TERMINAL = "terminal"
"""Where passwords come from on the command line, as an address: guessing there is slowed down too."""


@dataclass(frozen=True)
class Actor:
    """Who acts. account: of the operating system; user: of the page, if the account is one's.

    barred: why the account may not act, though it is not nobody's; empty if nothing bars it.
    """

    account: str
    user: users.User | None
    barred: str = ""

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


def actor(store: Store, schedule: Schedule | None, doing: str) -> Actor:
    """Return who acts here, and write it down if the command was told as whom.

    Without that it is the user of the account: by people.<id>.accounts of the schedule, or who is called like it.
    doing: what, for who is asked for a password.
    Raises: UsageError if that is not right.
    """
    own, name = account(), caller.told()
    if name:
        password, _where = caller.password_of(name, doing)
        found = prove(store, name, password, clock.now(), address=TERMINAL, account=own)
        note_as(store, found, own, doing)
        return Actor(own, found)
    with store.read() as db:
        return Actor(own, *_user_of(db, own, schedule))


def note_as(store: Store, user: users.User, own: str, doing: str) -> None:
    """Record that an account acts as a user whose password was given."""
    with store.begin() as db:
        act = acts.Act(clock.now(), user.name, "act as", doing, way=acts.CLI, account=own)
        acts.record(db, act)


def someone(
    store: Store,
    schedule: Schedule | None,
    action: Action,
    target: str = "",
    *,
    site: Site | None,
    free: bool = False,
) -> Actor:
    """Return who is about to do something on a site, which is claimed by that.

    site: None if it is done to the installation. free: nobody is refused.
    Raises: UsageError if another folder acts as the site; the same, and writes that down, if the account is that of a
    user whose role does not reach or who is turned off, is of several people, or is nobody's where it takes a user: who
    signs or says yes must be known; all else is anybody's as long as there are no users.
    """
    if site is not None:
        sites.claim_read(store, site, clock.now())
    who = actor(store, schedule, action.value)
    if free:
        return who
    said = remedy = ""
    if who.user:
        said = refusal(action, who.user.name, who.user.role)
        role = command("user", "role", who.user.name, needed(action).split()[0])
        remedy = f"{role}  # as an admin, who can give another role"
    elif who.barred:
        said = who.barred
        remedy = f"{command('user', 'list')}  # then say which of them acts, with --as and the name"
    elif _takes_user(store, action):
        said = f"only users may {words_of(action)}, and the account {who.account} is not a user"
        remedy = (
            f"{command('user', 'list')}  # name one with --as; or make the account a user's own: its person in"
            f" schedule.yml takes `accounts: [{who.account}]`"
        )
    if said:
        with store.begin() as db:
            acts.record(db, _act(who, action, target, acts.REFUSED, said))
        raise UsageError(said, remedy=remedy)
    return who


def allowed(store: Store, who: Actor) -> dict[Action, str]:
    """Return what an account may do on the command line, in the order of the table.

    Each with the least role that may, where it may not; empty where it may.
    """
    found = {}
    for action, rule in RULES.items():
        if not rule.signed_in or rule.needs is Needs.MACHINE:
            continue
        if who.user:
            may = not refusal(action, who.user.name, who.user.role)
        else:
            may = not who.barred and not _takes_user(store, action)
        found[action] = "" if may else needed(action)
    return found


def record(
    store: Store,
    schedule: Schedule | None,
    action: Action,
    target: str = "",
    *,
    site: Site | None,
    detail: str = "",
    free: bool = False,
) -> Actor:
    """Record what is about to be done on the command line; return who does it. Raises as `someone` does."""
    who = someone(store, schedule, action, target, site=site, free=free)
    note(store, who, action, target, detail)
    return who


def note(store: Store, who: Actor, action: Action, target: str, detail: str = "") -> None:
    """Record what is about to be done by somebody who may."""
    with store.begin() as db:
        acts.record(db, _act(who, action, target, acts.DONE, detail))


def makes_the_first_admin(store: Store, role: Role) -> bool:
    """Return whether there is no admin yet who may sign in, and this is to be one: whoever comes may do that."""
    if role is not Role.ADMIN:
        return False
    with store.read() as db:
        everyone = users.everyone(db)
    return not any(one.role is Role.ADMIN and not one.disabled_at for one in everyone)


def _act(who: Actor, action: Action, target: str, outcome: str, detail: str) -> acts.Act:
    name = who.user.name if who.user else ""
    return acts.Act(clock.now(), name, action.value, target, outcome, detail, acts.CLI, who.account)


def _takes_user(store: Store, action: Action) -> bool:
    needs = RULES[action].needs
    if needs is not Needs.USER:
        return needs is Needs.ALWAYS
    with store.read() as db:
        return bool(users.everyone(db))


def _user_of(db: Connection, own: str, schedule: Schedule | None) -> tuple[users.User | None, str]:
    """Return the user of an account, or None if it is nobody's; and why nobody can tell, or may act with it.

    A user who was turned off has less than others, never more: their account is not one that is nobody's.
    """
    people = schedule.people.items() if schedule else ()
    persons = [person for person, known in people if own in known.accounts]
    everyone = users.everyone(db)
    theirs = [one for one in everyone if one.person and one.person in persons]
    mine = sorted(theirs, key=lambda one: one.id) or [
        one for one in everyone if one.name == own.lower()
    ]
    on = [one for one in mine if not one.disabled_at]
    if len({one.person for one in on}) > 1:
        names = " and ".join(one.name for one in on)
        return None, f"the account {own} belongs to several people in schedule.yml: {names}"
    if mine and not on:
        return None, f"the account {own} belongs to {mine[0].name}, who is disabled"
    return (on[0] if on else None), ""


def why_refused(user: users.User | None) -> str:
    """Return why a password was refused, for the audit log. Who has typed it is not told which names there are."""
    if user is None:
        return "there is no such user"
    return "the user is disabled" if user.disabled_at else "wrong password"


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

    Raises: UsageError, and writes that down, if it is not; also where it was tried too often.
    """
    try:
        from upkeep.services import passwords
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
            why = why_refused(user)
            act = acts.Act(
                now, name, "authenticate", name, acts.REFUSED, why, way, account, address
            )
            acts.record(db, act)
    if not proved or user is None:
        raise UsageError(f"wrong password for {name}")
    return user
