"""Occurrences of schedules: their states, and what is known of one. How they end stands in run_end."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from upkeep.model.run_end import DONE as DONE
from upkeep.model.run_end import FAILED as FAILED
from upkeep.model.run_end import PARTIAL as PARTIAL
from upkeep.model.run_end import SKIPPED as SKIPPED
from upkeep.model.run_end import Reason, read

DUE, CATCH_UP, DEBT = "due", "catch_up", "debt"
CLAIMED, RUNNING = "claimed", "running"
MISSED = "missed"
OPEN = (DUE, CLAIMED, RUNNING)
"""States without an end. The state `due` waits for a driver."""


@dataclass(frozen=True)
class NewOccurrence:
    """An occurrence to be made.

    kind: due, catch_up or debt. host: of a debt, else empty. hosts: all of them, with commas between, where several
    hosts pay their debts together; host is then the first. ends_by: done later is late. next_due_at: when a debt of it
    expires. owed: whether a host that is not seen owes it. lacks: what it should do and cannot. cause: why it ended as
    it did, for people; reasons: the same for the program, as run_end.kept gives them.
    """

    site: str
    schedule: str
    due_at: datetime
    begins_at: datetime
    ends_by: datetime
    next_due_at: datetime | None
    priority: int = 5
    lacks: str = ""
    owed: bool = False
    kind: str = DUE
    host: str = ""
    state: str = DUE
    cause: str = ""
    hosts: str = ""
    reasons: str = ""

    @property
    def limit(self) -> str:
        """The hosts that it is for, as a pattern of Ansible; empty for all."""
        return self.hosts or self.host

    @property
    def why(self) -> frozenset[Reason]:
        """Why the occurrence ended as it did, in words."""
        return read(self.reasons)

    @property
    def named(self) -> str:
        """The hosts that it is for, as people are told: the first, and how many more."""
        more = self.hosts.count(",")
        return f"{self.host} and {more} more" if more else self.host


@dataclass(frozen=True)
class Occurrence(NewOccurrence):
    """An occurrence as it is kept."""

    id: int = 0
    driver_id: str = ""
    claimed_at: datetime | None = None
    run_id: int | None = None
    finished_at: datetime | None = None


@dataclass(frozen=True)
class Debt:
    """A host that owes a procedure since due_at. expires_at: when the next one is due, which replaces it."""

    site: str
    schedule: str
    host: str
    due_at: datetime
    expires_at: datetime | None
    reason: str
    tried_at: datetime
