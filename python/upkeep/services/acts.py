"""The one way in which people decide something: who they are → the rule → the record → the act, in one transaction.

What is refused is written down too, in a transaction of its own, and raised.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeVar

from upkeep.model.errors import UsageError
from upkeep.model.roles import Role
from upkeep.rules.reviews import Signer
from upkeep.rules.waivers import Who
from upkeep.site.schedule_file import Schedule
from upkeep.site.site import Site
from upkeep.store import Connection, Store, acts, users
from upkeep.store.users import User

T = TypeVar("T")


class Leader(Protocol):
    """Who reads the site: the scheduler, which keeps the last good one. revision: of the site as it has read it."""

    site: Site
    revision: str


class HasSchedule(Protocol):
    """What deciding needs to know of a site."""

    @property
    def key(self) -> str:
        """The site as the store names it."""

    @property
    def schedule(self) -> Schedule:
        """The site's schedule."""


@dataclass(frozen=True)
class SiteAsRead:
    """A site as far as deciding goes: its key, and the schedule that somebody has read. A Site is one too."""

    key: str
    schedule: Schedule


@dataclass(frozen=True)
class By:
    """Who acts. user: None for an account of this machine that is nobody's.

    way, account, address: as acts have them.
    """

    user: User | None
    way: str = acts.WEB
    account: str = ""
    address: str = ""

    @property
    def name(self) -> str:
        """What to call them: the user's name or, if the account is nobody's, the account."""
        return self.user.name if self.user else self.account

    def who(self, schedule: Schedule) -> Who:
        """Return them as far as waivers and silences go.

        As long as there are no users, an account of this machine may what an operator may; after that, none gets here.
        """
        return who_of(self.user, schedule) if self.user else Who(self.account, Role.OPERATOR)

    def act(self, now: datetime, what: str, target: str, outcome: str, detail: str) -> acts.Act:
        """Return what is written down of it."""
        name = self.user.name if self.user else ""
        return acts.Act(
            now, name, what, target, outcome, detail, self.way, self.account, self.address
        )


@dataclass(frozen=True)
class Proved(By):
    """A user who has just shown that it is them. authenticated: how, as a signed record has it."""

    user: User
    authenticated: str = ""

    @property
    def signer(self) -> Signer:
        """The user, as far as signing goes."""
        return signer_of(self.user)


def who_of(user: User, schedule: Schedule) -> Who:
    """Return a user as far as waivers and silences go.

    One that is shared is no person, nor is one whose person the schedule does not know.
    """
    person = "" if user.shared or user.person not in schedule.people else user.person
    return Who(user.name, user.role, person, user.shared, user.disabled_at is not None)


def known_as(db: Connection, user: str, schedule: Schedule) -> Who | None:
    """Return the user of that name as far as waivers and silences go; None if there is no such one."""
    found = users.get(db, user)
    return who_of(found, schedule) if found else None


def refuse(said: str, remedy: str = "") -> None:
    """Raise UsageError if something is said against it."""
    if said:
        raise UsageError(said, remedy=remedy)


def act(
    store: Store,
    by: By,
    now: datetime,
    what: str,
    target: str,
    do: Callable[[Connection], tuple[T, str]],
) -> T:
    """Do it and record who did, in one transaction; if it is refused, record that and raise the refusal.

    do: is given the transaction, asks the rules, and returns what it made and a detail for the record. Raises
    UsageError, as `do` does.
    """
    try:
        with store.begin() as db:
            made, detail = do(db)
            acts.record(db, by.act(now, what, target, acts.DONE, detail))
            return made
    except UsageError as exc:
        with store.begin() as db:
            acts.record(db, by.act(now, what, target, acts.REFUSED, str(exc)))
        raise


def signer_of(one: users.User) -> Signer:
    """Return a user as far as signing goes."""
    return Signer(one.name, one.person, one.role, one.shared, one.disabled_at is not None)
