"""Pure: what did not pass, by its cause: one line for checks that one thing blinds, and for hosts that all have it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from upkeep.model.verdicts import Status
from upkeep.view.model import Trouble

HOSTS_FOLDED_AT = 4
"""So many hosts with the same trouble are one line: of fewer, each keeps its own."""


@dataclass(frozen=True)
class TroubleGroup:
    """Troubles of one cause.

    troubles: all of them, in their order. first: the one that stands for them.
    """

    troubles: tuple[Trouble, ...]

    @property
    def first(self) -> Trouble:
        """The first of them."""
        return self.troubles[0]

    @property
    def checks(self) -> tuple[str, ...]:
        """The checks, each once, in their order."""
        return tuple(dict.fromkeys(one.check for one in self.troubles))

    @property
    def hosts(self) -> tuple[str, ...]:
        """The hosts, each once, in their order."""
        return tuple(dict.fromkeys(one.host for one in self.troubles))

    @property
    def remedy(self) -> str:
        """The next step that holds for all of them; empty if each has its own."""
        remedies = {one.remedy for one in self.troubles}
        return remedies.pop() if len(remedies) == 1 else ""


def grouped(troubles: Iterable[Trouble], hosts_at: int = HOSTS_FOLDED_AT) -> list[TroubleGroup]:
    """Return the troubles by check → cause → hosts, in the order of the first of each.

    Checks that see nothing on a host, for one reason, are one group. Groups that differ in nothing but the host are
    one, where there are hosts_at of them.
    """
    by_cause: dict[object, list[Trouble]] = {}
    for one in troubles:
        by_cause.setdefault(_cause_on_host(one), []).append(one)
    alike: dict[object, list[list[Trouble]]] = {}
    for found in by_cause.values():
        alike.setdefault(_cause_on_any_host(found), []).append(found)
    groups: list[TroubleGroup] = []
    for same in alike.values():
        if len(same) >= hosts_at:
            groups.append(TroubleGroup(tuple(one for found in same for one in found)))
        else:
            groups += [TroubleGroup(tuple(found)) for found in same]
    return sorted(groups, key=lambda group: group.first.order)


def _cause_on_host(one: Trouble) -> object:
    """Return what is the same for all checks that one thing blinds on a host; of anything else, the trouble itself."""
    if one.status is Status.UNKNOWN and one.check:
        return one.host, one.subject, one.message, one.waiver
    return one


def _cause_on_any_host(found: Sequence[Trouble]) -> object:
    """Return what is the same for a cause on several hosts. The next step of what was not seen names its host."""
    plain = (replace(one, host="", observed_at=None, evidence_sha256="") for one in found)
    return tuple(replace(one, remedy="") if one.status is Status.UNKNOWN else one for one in plain)
