"""A site by a clock that tests turn: what is due runs at once, its hosts answer as they are told, reviews open."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from cheap_passwords import PASSWORD, password_hash
from store_samples import begun

from upkeep.model.answer import Observed, Outcome
from upkeep.model.occurrence import Occurrence
from upkeep.model.roles import Role
from upkeep.model.verdicts import Result
from upkeep.rules.reviews import Form, ReviewStanding, ReviewVerdict, Signature, standing
from upkeep.run import agent
from upkeep.schedule.calendars import calendars_of
from upkeep.schedule.decide import occurrences_of
from upkeep.schedule.due_times import due_times, timing_of
from upkeep.services.acts import Proved
from upkeep.services.reviews import Given, Reviews, SigningContext, Submission, sign
from upkeep.services.signing_key import load_installation
from upkeep.site.site import Site, load_site
from upkeep.store import Store, drivers, occurrences, reviews, runs, users
from upkeep.store.answers import add_hosts

__all__ = ["PASSWORD", "Reviewed", "password_hash", "write_site"]
AFTER = timedelta(minutes=15)
"""So long after a due time somebody looks."""


def write_site(folder: Path, state: Path, schedule: Mapping[str, Any]) -> Path:
    """Write a site of that schedule, with two hosts."""
    (folder / "inventory").mkdir(parents=True, exist_ok=True)
    (folder / "inventory" / "hosts.yml").write_text("all: {hosts: {web1: {}, web2: {}}}\n")
    (folder / "schedule.yml").write_text(json.dumps(schedule))
    (folder / "upkeep.toml").write_text(f'state = "{state}"\nrun_timeout_seconds = 3600\n')
    return folder


class Reviewed:
    """A site with its reviews. revision: of the site, as its driver says it.

    away: when a host does not answer. down: when no driver is there. apart: what a test lets be due itself.
    """

    revision = "the one"

    def __init__(self, folder: Path, store: Store, now: datetime) -> None:
        self.site: Site = load_site(str(folder))
        self.store = store
        self.now = self.looked = now
        self.calendars = calendars_of(self.site.schedule, self.site.folder)
        self.away: dict[str, tuple[datetime, datetime]] = {}
        self.down: list[tuple[datetime, datetime]] = []
        self.results: dict[str, Sequence[Result]] = {}
        self.apart: set[str] = set()
        with store.begin() as db:
            drivers.activate(db, self.site.key, self.revision, "tests", now)
        self.reviews = Reviews(store, self)
        self.reviews.step(now)
        self.installation = load_installation(self.site.settings)
        self.users: dict[str, users.User] = {}

    def on(self, store: Store) -> Reviewed:
        """Return the same on a copy of its store."""
        other = copy.copy(self)
        for name in ("away", "down", "results", "apart", "users"):
            setattr(other, name, copy.copy(getattr(self, name)))
        other.store = store
        other.reviews = Reviews(store, other)
        return other

    # Machines.
    def go(self, to: datetime) -> None:
        """Turn the clock: what is due until then runs in its time, and reviews open, a quarter of an hour after."""
        dues = []
        for name in self.site.schedule.procedures:
            timing = timing_of(self.site.schedule, name)
            if timing and name not in self.apart:
                dues += [(due, name) for due in due_times(timing, self.now, to)]
        for due, name in sorted(dues):
            self.occur(name, due)
            self.now = max(self.now, due) + AFTER
            if self.site.schedule.procedures[name].reviews:
                self.reviews.step(self.now)
        self.now = max(self.now, to)
        self.reviews.step(self.now)

    def occur(self, name: str, due: datetime) -> None:
        """Let a procedure be due: skipped in a blackout, missed and caught up on if no driver is there, else run."""
        schedule = self.site.schedule
        timing = timing_of(schedule, name)
        assert timing is not None
        seen = max((ends for begins, ends in self.down if begins <= due < ends), default=due)
        before = due - timedelta(microseconds=1)
        procedure = schedule.procedures[name]
        made = occurrences_of(self.site.key, procedure, timing, self.calendars, before, seen)
        made = [one for one in made if one.due_at == due]  # each due time is looked at by itself
        with self.store.begin() as db:
            occurrences.make(db, made)
            for one in occurrences.waiting(db, self.site.key, seen + AFTER):
                self._run(db, one, max(seen, one.begins_at))
        self.now = max(self.now, seen)

    def _run(self, db: Any, one: Occurrence, began: datetime) -> None:
        at = began + timedelta(minutes=1)
        occurrences.claim(db, one.id, "driver", began)
        start = begun(procedure=one.schedule, site=self.site.key, started_at=began)
        run_id = runs.start(db, start)
        occurrences.begin(db, one.id, "driver", run_id)
        gone = [host for host, (begins, ends) in self.away.items() if begins <= at < ends]
        answers = [self.answer(host, at, away=host in gone) for host in ("web1", "web2")]
        add_hosts(db, run_id, answers)
        agent.end_run(db, run_id, "partial" if gone else "done", "", at)

    def answer(self, host: str, at: datetime, *, away: bool) -> Observed:
        """What a host gives to a run."""
        outcome = Outcome.UNREACHABLE if away else Outcome.OK
        seen = [replace(one, host=host, observed_at=at) for one in self.results.get(host, ())]
        return Observed(
            host, outcome, at, "no route" if away else "", results=() if away else tuple(seen)
        )

    # People.
    def user(
        self, name: str, person: str = "", role: Role = Role.APPROVER, **more: bool
    ) -> users.User:
        """Add a user."""
        with self.store.begin() as db:
            users.add(db, name, role, password_hash(), self.now, person=person, **more)
            found = users.get(db, name)
        assert found is not None
        self.users[name] = found
        return found

    def sign(
        self,
        review: int,
        user: str,
        verdict: ReviewVerdict = ReviewVerdict.PASS,
        *,
        given: Sequence[Given] = (),
        evidence: str = "",
        **form: Any,
    ) -> Signature:
        """Sign a review as a user, who says what they have looked at."""
        form.setdefault(
            "note", "" if verdict is ReviewVerdict.NOT_APPLICABLE else "all of it looked at"
        )
        by = Proved(self.users[user], authenticated="password of a test")
        handed = Submission(Form(verdict, **form), given, evidence)
        return sign(self.signing, self.calendars, review, handed, by, self.now)

    @property
    def signing(self) -> SigningContext:
        """Where its reviews are signed."""
        return SigningContext(self.store, self.site.key, self.installation)

    def all(self) -> list[tuple[reviews.KeptReview, ReviewStanding]]:
        """Every review with how it stands now, in the order in which they were due."""
        with self.store.read() as db:
            long = timedelta(days=10_000)
            found = reviews.between(db, self.site.key, self.now - long, self.now + long)
            signed = reviews.signatures(db, (one.id for one in found))
        return [(one, standing(one.asked, signed[one.id], self.now)) for one in found]

    def one(self, item: str) -> reviews.KeptReview:
        """The newest review of an item."""
        return [review for review, _standing in self.all() if review.item == item][-1]
