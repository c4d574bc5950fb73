"""The chain of records, verified each day and when a driver starts: where it does not hold, that is a finding.

It is read in a thread of its own. A long chain takes longer than a worker's step may, and nothing here waits for it.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Sequence
from datetime import datetime, timedelta

from upkeep.checks.upkeep.record_chain import ID as CHECK
from upkeep.model.errors import StoreError
from upkeep.model.remedies import command, first
from upkeep.model.stored_text import name
from upkeep.model.verdicts import Severity
from upkeep.services import chain_end, verification
from upkeep.services.acts import Leader
from upkeep.services.signing_key import SIGNING, trusted_keys
from upkeep.site.settings import Settings
from upkeep.store import Store, findings, own_troubles

EACH = timedelta(days=1)
EACH_BROKEN = timedelta(hours=1)
"""How long it is believed to stay as it was found; what is repaired is noticed sooner."""
STEP_SECONDS = 1.0
STOP_SECONDS = 10.0


class ChainWatch:
    """Verifies the chain, and tells if it does not hold. The subject is this machine: each notes an end of its own."""

    name = "records"

    def __init__(self, store: Store, leader: Leader) -> None:
        self.store = store
        self.leader = leader
        self.host = name(socket.gethostname(), 255)
        self.verified_at: datetime | None = None
        self._holds = True
        self._reading: _Reading | None = None

    def step(self, now: datetime) -> float:
        """Begin to verify if it is time, and tell what was found; return after how many seconds to come again."""
        if self._reading is None:
            if self._is_due(now):
                self._reading = _Reading(self.store, self.leader.site.settings)
            return STEP_SECONDS
        if self._reading.is_alive():
            return STEP_SECONDS
        done, self._reading = self._reading, None
        if done.fault is not None:
            raise done.fault
        self._tell(done.problems, now)
        self.verified_at, self._holds = now, not done.problems
        return STEP_SECONDS

    def stop(self, seconds: float) -> None:
        """End what is being verified."""
        if self._reading is not None:
            self._reading.stopping.set()
            self._reading.join(min(seconds, STOP_SECONDS))

    def _is_due(self, now: datetime) -> bool:
        before = self.verified_at
        # A clock that was ahead when it was verified last hides nothing.
        return before is None or not before <= now < before + (EACH if self._holds else EACH_BROKEN)

    def _tell(self, problems: Sequence[str], now: datetime) -> None:
        """Report what does not hold, or that everything holds again."""
        site, trouble = self.leader.site, own_troubles.OwnTrouble(CHECK, self.host)
        with self.store.begin() as db:
            if problems:
                more = f"; and {len(problems) - 1} more" if len(problems) > 1 else ""
                verify = command("review", "verify", site=site.name)
                remedy = first(verify, "see all problems")
                text = f"{problems[0]}{more}"
                own_troubles.tell(db, site.key, trouble, now, Severity.HIGH, text, remedy)
            elif self.host in findings.own_subjects(db, site.key, CHECK):
                text = "every record and review is unchanged since it was signed"
                own_troubles.tell(db, site.key, trouble, now, message=text)


class _Reading(threading.Thread):
    """Reads the chain once. problems: what does not hold; fault: why that is not known."""

    def __init__(self, store: Store, settings: Settings) -> None:
        super().__init__(name="verifying", daemon=True)
        self.store = store
        self.settings = settings
        self.stopping = threading.Event()
        self.problems: list[str] = []
        self.fault: Exception | None = None
        self.start()

    def run(self) -> None:
        """Verify."""
        try:
            self.problems = self._problems()
        except Exception as exc:
            self.fault = exc

    def _problems(self) -> list[str]:
        trusted = trusted_keys(self.settings)
        try:
            end = chain_end.noted(self.settings.state.absolute() / SIGNING, self.store)
        except StoreError as exc:  # `review verify` says no more, and what to do
            return [str(exc)]
        with self.store.read() as db:
            found = verification.problems_of(db, trusted, end, go_on=self._go_on)
            return list(found)

    def _go_on(self) -> None:
        """Raise StoreError if it must end."""
        if self.stopping.is_set():
            raise StoreError("the program was asked to stop")
