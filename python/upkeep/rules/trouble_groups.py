"""Pure: what did not pass, by its cause: one line for checks that one thing blinds, and for hosts that all have it.

One function for results, findings, members of alerts and rows of reviews: who shows them says what is told of each.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Set
from dataclasses import dataclass
from typing import Generic, TypeVar

from upkeep.judging.check import CONNECTION
from upkeep.model.remedies import cause_of
from upkeep.model.text import Natural, natural
from upkeep.model.verdicts import Status

T = TypeVar("T")
HOSTS_FOLDED_AT = 4
"""At most this many hosts with the same trouble are one line: of fewer, each keeps its own."""
Order = tuple[float, str, Natural, Natural]
"""What `in_order` gives."""
AROUND_NAMES = "[](){}<>:,;.'\"`"


@dataclass(frozen=True)
class Told:
    """What is told of one trouble, and by what it is put together with others.

    check: empty for a host that was not seen. apart: what else must be the same, such as severity and waiver.
    """

    host: str
    check: str
    subject: str
    status: Status
    message: str
    remedy: str = ""
    apart: object = None

    @property
    def is_of_way(self) -> bool:
        """Whether it is of the way to the host, of which each host's message names its own address."""
        return not self.check or self.subject == CONNECTION


@dataclass(frozen=True)
class TroubleGroup(Generic[T]):
    """Troubles of one cause, in their order: the things themselves, and what is told of each."""

    things: tuple[T, ...]
    told: tuple[Told, ...]

    @property
    def first(self) -> T:
        """The first of them, which stands for them."""
        return self.things[0]

    @property
    def checks(self) -> tuple[str, ...]:
        """The checks, each once, in their order."""
        return tuple(dict.fromkeys(one.check for one in self.told))

    @property
    def hosts(self) -> tuple[str, ...]:
        """The hosts, each once, in their order."""
        return tuple(dict.fromkeys(one.host for one in self.told))

    @property
    def message(self) -> str:
        """The first one's message; `such as` before it, if the others' are not the same to the letter."""
        message = self.told[0].message
        same = all(one.message == message for one in self.told)
        return message if same else f"such as {message}"

    @property
    def remedy(self) -> str:
        """The next step that holds for all of them; empty if each has its own."""
        remedies = {one.remedy for one in self.told}
        return remedies.pop() if len(remedies) == 1 else ""


def in_order(rank: float, check: str, host: str, subject: str) -> Order:
    """Return a key that sorts the worst first, then like to like, web2 before web10. rank: the lower, the worse."""
    return rank, check, natural(host), natural(subject)


def causes_first(things: Iterable[T], tell: Callable[[T], Told]) -> list[T]:
    """Return the things in their order, but what follows from another one of the same host right behind that one."""
    found = list(things)
    told = [tell(one) for one in found]
    places: dict[tuple[str, ...], int] = {}
    for number, one in enumerate(told):
        places.setdefault((one.host, one.check, one.subject), number)
        places.setdefault((one.host, one.check), number)

    def place(number: int) -> tuple[int, bool]:
        host, cause = told[number].host, cause_of(told[number].remedy)
        at = places.get((host, cause, told[number].subject), places.get((host, cause), number))
        return max(number, at), at > number

    return [found[number] for number in sorted(range(len(found)), key=place)]


def grouped(
    things: Iterable[T], tell: Callable[[T], Told], hosts_at: int = HOSTS_FOLDED_AT
) -> list[TroubleGroup[T]]:
    """Return the things by check → cause → hosts, in the order of the first of each.

    Checks that read nothing on a host, for one reason, are one group; so are those that follow from a check that is
    among the things. Groups that differ in nothing but the host are one, where there are hosts_at of them.
    """
    found_all = [(thing, tell(thing)) for thing in things]
    present = {(told.host, told.check) for _thing, told in found_all}
    by_cause: dict[object, list[tuple[int, T, Told]]] = {}
    for number, (thing, told) in enumerate(found_all):
        cause = _cause_on_host(number, told, present)
        by_cause.setdefault(cause, []).append((number, thing, told))
    alike: dict[object, list[list[tuple[int, T, Told]]]] = {}
    for found in by_cause.values():
        alike.setdefault(_cause_on_any_host(told for _number, _thing, told in found), []).append(
            found
        )
    groups = []
    for same in alike.values():
        if len(same) >= hosts_at:
            groups.append([one for found in same for one in found])
        else:
            groups += same
    groups.sort(key=lambda group: group[0][0])
    return [
        TroubleGroup(
            tuple(thing for _number, thing, _told in group),
            tuple(told for _number, _thing, told in group),
        )
        for group in groups
    ]


def _cause_on_host(number: int, told: Told, present: Set[tuple[str, str]]) -> object:
    """Return what is the same for all checks that one thing blinds on a host; of anything else, its number.

    present: host and check of all things. What follows from one of them is one thing, whatever its subjects are called:
    that one says of each what it is.
    """
    if told.status is not Status.UNKNOWN or not told.check:
        return number
    if (told.host, cause_of(told.remedy)) in present:
        return told.host, told.remedy, told.apart
    return told.host, told.subject, told.message, told.apart


def _cause_on_any_host(found: Iterable[Told]) -> object:
    """Return what is the same for a cause on several hosts.

    The next step of what was not seen, and of the way to a host, names its host.
    """
    return tuple(
        (
            one.check,
            one.subject,
            one.status,
            _without_host(one) if one.is_of_way else one.message,
            "" if one.is_of_way or one.status is Status.UNKNOWN else one.remedy,
            one.apart,
        )
        for one in found
    )


def _without_host(told: Told) -> tuple[str, ...]:
    """Return the words of a message, those left out that are the host's name or an address.

    They are only compared with those of other hosts: `ssh: connect to host 192.0.2.7 port 22: No route to host`.
    """
    return tuple(word for word in told.message.split() if not _names_host(word, told.host))


def _names_host(word: str, host: str) -> bool:
    name = word.strip(AROUND_NAMES).rpartition("@")[2]
    if name == host or name.startswith(f"{host}."):
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
