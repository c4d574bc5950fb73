"""What the events of a killed driver gave and nobody had taken in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from upkeep.judging.sources import read_answers
from upkeep.model import clock
from upkeep.model.answer import Observed
from upkeep.rules.refusals import Refusals
from upkeep.store import Store, runs
from upkeep.store.answers import add_host


class LeftOver:
    """Writes down what the events of a killed driver gave, and nothing else of them."""

    def __init__(self, run_id: int, store: Store) -> None:
        self.run_id = run_id
        self.store = store
        self.refusals = Refusals()
        self.taken: set[str] = set()
        self.unreadable = 0

    def gave(self, host: str, upkeep: Mapping[str, Any]) -> None:
        """Record what the host gave."""
        try:
            answers = read_answers(upkeep, host)
        except ValueError:
            self.unreadable += 1
            return
        for why in answers.refused:
            self.refused(host, why)
        with self.store.begin() as db:
            if add_host(db, self.run_id, answers.own):
                self.taken.add(host)
            for one in answers.sources:
                add_host(db, self.run_id, one)

    def refused(self, host: str, why: str) -> None:
        """Count what was not believed."""
        self.refusals.add(host, why)

    def finish(self) -> set[str]:
        """Record what was refused; return the hosts whose answers were taken in."""
        with self.store.begin() as db:
            known = {one.host: Observed(**vars(one)) for one in runs.hosts(db, self.run_id)}
            for host in self.refusals.hosts():
                add_host(db, self.run_id, self.refusals.answer(host, known.get(host), clock.now()))
        return self.taken

    def began(self, host: str) -> None:
        """Do nothing: the run has ended."""

    def lost(self, host: str, message: str) -> None:
        """Do nothing: whoever looks again will see."""

    def failed(self, host: str, task: str, message: str) -> None:
        """Do nothing: it may be written down already."""

    def changed(self, host: str, task: str, diff: str) -> None:
        """Do nothing: it may be written down already."""

    def acted(self, host: str, said: object, why_failed: str) -> None:
        """Do nothing: who has begun it is dead, and how the host stands now is seen by looking at it."""

    def left_out(self, host: str, why: str) -> None:
        """Do nothing: it may be written down already."""

    def misnamed(self, why: str) -> None:
        """Do nothing: nothing was taken of it."""

    def written(self) -> bool:
        """Keep the files: the whole workspace is removed at the end."""
        return False
