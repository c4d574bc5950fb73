"""The schedule runs itself: due times become occurrences, occurrences runs. One step at a time, never blocking.

The database decides what two drivers both want. A driver that dies is noticed by the others: what it had claimed and
not begun waits again, what it had begun is brought to its end; nothing runs twice.
"""

from __future__ import annotations

import re
import socket
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import psutil

from upkeep.checks.upkeep.occurrence_missed import ID as MISSED
from upkeep.checks.upkeep.schedule_entry import ID as ENTRY
from upkeep.checks.upkeep.site_revision import ID as REVISION
from upkeep.model import clock, occurrence, stored_text
from upkeep.model.answer import Isolated
from upkeep.model.errors import ConfigurationError, UpkeepError
from upkeep.model.occurrence import Debt, NewOccurrence, Occurrence
from upkeep.model.remedies import command, first
from upkeep.model.run_end import Ending, Reason, kept
from upkeep.model.verdicts import Severity
from upkeep.run import agent
from upkeep.schedule.calendars import Calendars, calendars_of
from upkeep.schedule.decide import attempt, decide, may_still_run, occurrences_of, together
from upkeep.schedule.due_times import Timing, next_due, timing_of
from upkeep.services.schedule_lint import Remark, readings
from upkeep.services.sites import OTHER_TEXT, apart
from upkeep.site import settings
from upkeep.site.revision import revision_of
from upkeep.site.schedule_file import Procedure
from upkeep.site.site import SCHEDULE, Site, absolute, load_site
from upkeep.store import Store, drivers, findings, isolated_hosts, occurrences, own_troubles, runs
from upkeep.system import account, machine
from upkeep.system.child import Child, start_upkeep

STEP_SECONDS = 1.0
REREAD_SECONDS = 5.0
SEEN_SECONDS = 10.0
A_STEP = timedelta(seconds=clock.STEP_SECONDS)
BEHIND = "the host had not caught up when the next one was due"
STILL_ISOLATED = "the host was still isolated when the next one was due"
DEBT_RETRY = timedelta(minutes=10)
SPREADS_WITHIN = timedelta(minutes=1)
"""So long an edited site may take to be on the machines of all drivers."""
EVER = datetime.min.replace(tzinfo=UTC)
LINE = re.compile(r":\d+(?=: )")
LAST_WORDS = 500
TERMINATE_SECONDS = 15.0


def start_run(site: Site, one: Occurrence, driver_id: str) -> Child:
    """Begin the run of an occurrence, by the schedule as the driver has read it."""
    arguments = ["run", one.schedule, "-i", absolute(site.name)]
    arguments += ["--occurrence", f"{one.id}:{driver_id}"]
    arguments += ["--limit", one.limit] if one.limit else []
    given = site.text.encode()
    return start_upkeep(arguments, settings.told(), given=given, grace=TERMINATE_SECONDS)


class Scheduler:
    """A driver of one site. start: what begins the run of an occurrence; another one in tests."""

    name = "scheduler"

    def __init__(
        self,
        site_name: str,
        store: Store,
        start: Callable[[Site, Occurrence, str], Child] = start_run,
    ) -> None:
        self.site_name = site_name
        self.store = store
        self.start = start
        self.children: dict[int, Child] = {}
        self.stopping = False
        self.problems: list[str] = []
        self.doubts: list[Remark] = []
        self.site = load_site(site_name, self.problems)
        self.key = self.site.key
        self.next: dict[str, datetime | None] = {}
        self._take_in(self.site)
        process = psutil.Process()
        self.driver = drivers.Driver(
            id=uuid.uuid4().hex,
            site=self.key,
            revision=self.revision,
            host=socket.gethostname(),
            pid=process.pid,
            process_started=process.create_time(),
            boot_id=machine.boot_id(),
        )
        self.apart_since: datetime | None = None
        self.told_apart: bool | None = None
        self.others_since: dict[str, datetime] = {}
        self.last_step: datetime | None = None
        self.seen_until = 0.0
        self.reread_at = 0.0
        self.started = False

    # What is called.
    def step(self, now: datetime) -> float:
        """Do what is due; return after how many seconds to come again."""
        if not timedelta() <= now - (self.last_step or now) <= A_STEP:
            self.next = {}  # the clock was set: what comes next is looked at again
        self.last_step = now
        self._reread(now)
        if time.monotonic() >= self.seen_until or not self.started:
            self._be_seen(now)
        self._reap(now)
        with self.store.read() as db:
            holds = drivers.active_revision(db, self.key) == self.revision
            early = occurrences.is_any_early(db, self.key, now)
        self._tell_revision(holds, now)
        if holds and not self.stopping:
            if early:
                self._reopen(now)
            self._make(now)
            self._collect_debts(now)
            self._begin(now)
        return STEP_SECONDS

    def stop(self, grace_seconds: float) -> None:
        """End in order: nothing new begins; runs may finish within the time, then they are interrupted."""
        self.stopping = True
        self._wait_for_runs(grace_seconds)
        for child in self.children.values():
            child.ask()
        self._wait_for_runs(TERMINATE_SECONDS)
        for child in self.children.values():
            child.end()  # those that are still there, and all that they have started
        self._wait_for_runs(TERMINATE_SECONDS)
        with self.store.begin() as db:
            self._goodbye(db, self.driver, clock.now())

    def _wait_for_runs(self, seconds: float) -> None:
        """Take in the runs that end within that time."""
        ends = time.monotonic() + seconds
        while self.children and time.monotonic() < ends:
            self._reap(clock.now())
            time.sleep(0.05)

    # The site.
    def _take_in(self, site: Site) -> None:
        self.calendars: Calendars = calendars_of(site.schedule, site.folder)
        self.site = site
        self.read = self.revision = revision_of(site)
        self.timings: dict[str, Timing] = {}
        for name in site.schedule.procedures:
            timing = timing_of(site.schedule, name)
            if timing:
                self.timings[name] = timing
        self.next = {}

    def _reread(self, now: datetime) -> None:
        """Take in a site that was edited; keep the last good one if it cannot be used."""
        if time.monotonic() < self.reread_at and self.started:
            return
        self.reread_at = time.monotonic() + REREAD_SECONDS
        problems: list[str] = []
        if self.started:
            try:
                if revision_of(self.site) == self.read:
                    return
                if self.site.text and not (self.site.folder / SCHEDULE).is_file():
                    raise ConfigurationError(
                        f"{self.site.folder / SCHEDULE}: does not exist any more"
                    )
                site = load_site(self.site_name, problems)
                if site.key != self.site.key:
                    message = (
                        f"{site.folder}: its id is now {site.key!r}; this driver was started "
                        f"with {self.site.key!r}"
                    )
                    raise ConfigurationError(message, remedy="systemctl restart upkeep")
                self._take_in(site)
                self._activate(now)
            except (UpkeepError, OSError) as exc:
                self.read = ""  # until it can be used, it is looked at again and again
                problems += [
                    f"{line}; the last valid one stays in use" for line in str(exc).splitlines()
                ]
            doubts = readings(self.site.schedule, now)
            if problems == self.problems and doubts == self.doubts:
                return
            self.problems, self.doubts = problems, doubts
        else:
            problems = self.problems
            self.doubts = readings(self.site.schedule, now)
            self._activate_first(now)
            self.started = True
        self._tell_problems(problems, now)

    def _activate_first(self, now: datetime) -> None:
        """At the start, another text holds on only if a living driver has read it."""
        self.apart_since, self.told_apart = EVER, None  # that is told at once
        self._be_seen(now)
        with self.store.begin() as db:
            holding = drivers.active_revision(db, self.key)
            others = drivers.others(db, self.key, self.driver.id)
            if not any(one.revision == holding for one in others):
                drivers.activate(db, self.key, self.revision, self._who(), now)
            findings.retire_procedures(db, self.key, set(self.site.schedule.procedures), now)

    def _activate(self, now: datetime) -> None:
        with self.store.begin() as db:
            drivers.activate(db, self.key, self.revision, self._who(), now)
            occurrences.forget_schedules(db, self.key, self.timings, now)
            findings.retire_procedures(db, self.key, set(self.site.schedule.procedures), now)

    def _tell_revision(self, holds: bool, now: datetime) -> None:
        """Return whether another text of the site holds than ours; an edited one gets some time to be everywhere."""
        self.apart_since = None if holds else min(self.apart_since or now, now)
        apart = self.apart_since is not None and now - self.apart_since >= SPREADS_WITHIN
        if apart == self.told_apart:
            return
        message = (
            "this driver has read other files of the site than the valid ones, so it runs nothing"
        )
        remedy = "copy the valid files here, or stop the drivers that have read them"
        if self.site.identity.id:
            remedy += "; a copy for something else needs an id of its own, in its upkeep.toml"
        wrong = Severity.HIGH if apart else None
        with self.store.begin() as db:
            own_troubles.tell(
                db,
                self.key,
                own_troubles.OwnTrouble(REVISION, self.driver.host),
                now,
                wrong,
                message,
                remedy,
            )
        self.told_apart = apart

    def _who(self) -> str:
        return f"{account.own_name()} on {self.driver.host}"

    def _tell_problems(self, problems: list[str], now: datetime) -> None:
        """Report each entry that cannot be used, or is read in two ways; and when it is right, whoever told of it."""
        remedy = f"{command('schedule', 'lint', site=self.site_name)}  # and fix what it says"
        wrong = {
            stored_text.name(one.about): (Severity.LOW, f"{one.about} {one.text}", one.remedy)
            for one in self.doubts
        }
        wrong.update(
            {stored_text.name(_entry_of(one)): (Severity.HIGH, one, remedy) for one in problems}
        )
        with self.store.begin() as db:
            holds = drivers.active_revision(db, self.key) == self.revision
            fixed = findings.own_subjects(db, self.key, ENTRY) - wrong.keys() if holds else set()
            for subject, (severity, text, todo) in sorted(wrong.items()):
                own_troubles.tell(
                    db, self.key, own_troubles.OwnTrouble(ENTRY, subject), now, severity, text, todo
                )
            for subject in sorted(fixed):
                own_troubles.tell(db, self.key, own_troubles.OwnTrouble(ENTRY, subject), now)

    # Drivers.
    def _be_seen(self, now: datetime) -> None:
        """Record that this driver is alive, and clear up after drivers that are not."""
        self.seen_until = time.monotonic() + SEEN_SECONDS
        with self.store.begin() as db:
            drivers.seen(db, self.driver_now(), now)
            silent = set(drivers.silent(db, self.key, now))
            for other in drivers.others(db, self.key, self.driver.id):
                here = other.host == self.driver.host and other.boot_id == self.driver.boot_id
                if (here and not _lives(other)) or (not here and other.id in silent):
                    self._goodbye(db, other, now)
            self._tell_other_folders(db, now)
            orphans = drivers.orphans(db, self.key)
        if not orphans:
            return
        agent.recover(self.store)
        with self.store.begin() as db:
            for occurrence_id, run_id in orphans:
                if run_id is None:
                    drivers.wake(db, occurrence_id)
                else:
                    self._end_far_run(db, run_id, now)

    def _tell_other_folders(self, db: Any, now: datetime) -> None:
        """Report machines that have no driver and act as this site on another text; that they do not any more."""
        if not self.site.identity.id or drivers.active_revision(db, self.key) != self.revision:
            return
        driven = {stored_text.name(one.host) for one in drivers.others(db, self.key, "")}
        found = {
            stored_text.name(one.machine): one
            for one in apart(db, self.key, self.revision, now)
            if stored_text.name(one.machine) not in driven
        }
        self.others_since = {one: self.others_since.get(one, now) for one in found}
        for other, since in self.others_since.items():
            if now - since >= SPREADS_WITHIN:
                there = found[other]
                message = (
                    f"{there.folder} on {other} also acts as {self.key!r}, with different files"
                )
                trouble = own_troubles.OwnTrouble(REVISION, other)
                own_troubles.tell(db, self.key, trouble, now, Severity.HIGH, message, OTHER_TEXT)
        for other in findings.own_subjects(db, self.key, REVISION) - found.keys() - driven:
            own_troubles.tell(db, self.key, own_troubles.OwnTrouble(REVISION, other), now)

    def _goodbye(self, db: Any, one: drivers.Driver, now: datetime) -> None:
        """Forget a driver; what it has read is nobody's trouble any more."""
        drivers.goodbye(db, one.id)
        if stored_text.name(one.host) in findings.own_subjects(db, self.key, REVISION):
            own_troubles.tell(db, self.key, own_troubles.OwnTrouble(REVISION, one.host), now)

    def _end_far_run(self, db: Any, run_id: int, now: datetime) -> None:
        """End a run of a dead driver on another machine; those on this one have been recovered, or still live."""
        run = runs.get(db, run_id)
        if run and run.status == runs.RUNNING and run.driver_host != self.driver.host:
            cause = f"its driver on {run.driver_host} does not respond any more"
            agent.end_run(db, run_id, "crashed", cause, now)

    def driver_now(self) -> drivers.Driver:
        """Return ourselves, with the site as we have read it."""
        return drivers.Driver(**{**vars(self.driver), "revision": self.revision})

    # Occurrences.
    def _reopen(self, now: datetime) -> None:
        """Make occurrences wait again that a clock that was ahead has made missed; withdraw their reports."""
        with self.store.begin() as db:
            for name, host in sorted(occurrences.reopen(db, self.key, now)):
                missed = own_troubles.of(MISSED, name, host)
                last = "" if host else occurrences.last_settled(db, self.key, name, now)
                told = findings.own_subjects(db, self.key, MISSED)
                if missed.subject in told and last != occurrence.MISSED:
                    own_troubles.tell(db, self.key, missed, now)
                if host and findings.on_host(name, own_troubles.MANY_HOSTS) in told:
                    own_troubles.tell_no_more_behind(db, self.key, name, now)

    def _make(self, now: datetime) -> None:
        """Turn due times into occurrences."""
        if not self.next:
            # Most are not due: nothing is written for them.
            with self.store.read() as db:
                known = occurrences.looked(db, self.key, now)
            for name, timing in self.timings.items():
                rule, until = known.get(name, ("", now))
                if rule == repr(timing) and until <= now:
                    self.next[name] = next_due(timing, until)
        for name, timing in self.timings.items():
            coming = self.next.get(name, now)
            if coming is None or now < coming:
                continue
            procedure = self.site.schedule.procedures[name]
            with self.store.begin() as db:
                after = occurrences.look(db, self.key, name, repr(timing), now)
                if after is not None:
                    made = occurrences_of(self.key, procedure, timing, self.calendars, after, now)
                    occurrences.make(db, made)
                    self._tell_missed(db, name, made, now)
            self.next[name] = next_due(timing, now)

    def _tell_missed(self, db: Any, name: str, made: list[NewOccurrence], now: datetime) -> None:
        missed = [one for one in made if one.state == occurrence.MISSED]
        if not missed:
            return
        count = f"{len(missed)} occurrences" if len(missed) > 1 else "the occurrence"
        message = f"{count} up to {missed[-1].due_at:%Y-%m-%d %H:%M} UTC missed: {missed[-1].cause}"
        own_troubles.tell(
            db,
            self.key,
            own_troubles.of(MISSED, name),
            now,
            Severity.MEDIUM,
            message,
            first(command("occurrence", "list", site=self.site_name), "see which"),
        )

    def _collect_debts(self, now: datetime) -> None:
        """Start catch-up runs for hosts that owe something, at intervals, until the next occurrence is due."""
        with self.store.read() as db:
            owed = occurrences.debts(db, self.key)
            trying = occurrences.being_tried(db, self.key) if owed else set()
            cut_off = isolated_hosts.now(db, self.key) if owed else {}
        due: dict[str, list[Debt]] = {}
        late: dict[str, list[Debt]] = {}
        for one in owed:
            procedure = self.site.schedule.procedures.get(one.schedule)
            if procedure is None:
                continue
            is_left = procedure.changes and one.host in cut_off
            if one.expires_at is not None and one.expires_at <= now:
                late.setdefault(one.schedule, []).append(one)
            elif is_left or (one.schedule, one.host) in trying:
                continue
            elif self._is_for_a_try(one, procedure, now):
                due.setdefault(one.schedule, []).append(one)
        for schedule, debts in late.items():
            self._strike_out(debts, self.site.schedule.procedures[schedule], cut_off, now)
        for schedule, debts in due.items():
            procedure = self.site.schedule.procedures[schedule]
            several = agent.takes_several(self.site.playbook(procedure), procedure.hosts)
            with self.store.begin() as db:
                for those in together(debts) if several else [[one] for one in debts]:
                    occurrences.tried(db, those, now)
                    occurrences.make(db, [attempt(those, procedure, now)])

    def _is_for_a_try(self, one: Debt, procedure: Procedure, now: datetime) -> bool:
        if timedelta() <= now - one.tried_at < DEBT_RETRY:
            return False  # a time ahead of now comes from a clock that was wrong
        if procedure.changes and self.calendars.blackout(now):
            return False
        return may_still_run(procedure, one.due_at, now)

    def _strike_out(
        self,
        those: list[Debt],
        procedure: Procedure,
        cut_off: Mapping[str, Isolated],
        now: datetime,
    ) -> None:
        """Remove the debts of a procedure that the next occurrence replaces, and report it.

        cut_off: the isolated hosts, which no job changes: nobody is called for what they owe.
        """
        with self.store.begin() as db:
            struck = [one for one in those if occurrences.strike_out(db, one)]
            behind = []
            for one in struck:
                ended = Ending(occurrence.MISSED, BEHIND, (Reason.BEHIND,))
                if procedure.changes and one.host in cut_off:
                    ended = Ending(occurrence.SKIPPED, STILL_ISOLATED, (Reason.ISOLATED,))
                else:
                    behind.append(one)
                tried = replace(
                    attempt([one], procedure, now),
                    due_at=one.due_at,
                    state=ended.state,
                    cause=ended.cause,
                    reasons=kept(ended.reasons),
                )
                occurrences.make(db, [tried])
            if behind:
                own_troubles.tell_behind(db, behind, procedure.title, self.site_name, now)

    def _begin(self, now: datetime) -> None:
        """Claim what waits, the most urgent first, as long as there is room, and begin it."""
        with self.store.read() as db:
            waiting = occurrences.waiting(db, self.key, now)
            under_way = occurrences.under_way(db, self.key)
        room = self.site.settings.runs_at_once - len(under_way)
        newest = {
            one.schedule: one.due_at
            for one in sorted(waiting, key=lambda one: one.due_at)
            if not one.host
        }
        for one in waiting:
            procedure = self.site.schedule.procedures.get(one.schedule)
            if procedure is None:
                continue
            running = next((each for each in under_way if each.schedule == one.schedule), None)
            newer = not one.host and newest[one.schedule] > one.due_at
            decision = decide(one, procedure, self.calendars, now, running=running, newer=newer)
            if decision.ended:
                with self.store.begin() as db:
                    occurrences.end(db, one.id, decision.ended, now, (occurrence.DUE,))
                    if decision.ended.state == occurrence.MISSED:
                        self._tell_late(db, one, procedure, decision.ended.cause, now)
                continue
            if not decision.begin or room <= 0:
                continue
            with self.store.begin() as db:
                claimed = occurrences.claim(db, one.id, self.driver.id, now)
            if claimed:
                self.children[one.id] = self.start(self.site, one, self.driver.id)
                under_way.append(one)
                room -= 1

    def _reap(self, now: datetime) -> None:
        """Take in the runs that have ended."""
        for occurrence_id, child in list(self.children.items()):
            status = child.ended()
            if status is None:
                continue
            agent.recover(self.store)  # a run whose process was killed has no end yet
            with self.store.begin() as db:
                said = " ".join(child.last_words().split())[-LAST_WORDS:]
                said = said or f"its process ended with status {status}"
                still = (occurrence.CLAIMED, occurrence.RUNNING)
                failed = Ending(occurrence.FAILED, said, (Reason.NO_END,))
                if occurrences.end(db, occurrence_id, failed, now, still):
                    self._tell_failed(db, occurrence_id, now)
            child.close()
            del self.children[occurrence_id]

    def _tell_failed(self, db: Any, occurrence_id: int, now: datetime) -> None:
        """Report an occurrence whose process ended before its run began."""
        one = occurrences.get(db, occurrence_id)
        procedure = self.site.schedule.procedures.get(one.schedule) if one else None
        if one and procedure:
            own_troubles.tell_end(db, one, procedure.title, now)

    def _tell_late(
        self, db: Any, one: Occurrence, procedure: Procedure, why: str, now: datetime
    ) -> None:
        """Report an occurrence that waited too long."""
        remedy = first(command("run", one.schedule, site=self.site_name), "catch up")
        message = f"{procedure.title}, due {one.due_at:%Y-%m-%d %H:%M} UTC: {why}"
        own_troubles.tell(
            db,
            self.key,
            own_troubles.of(MISSED, one.schedule),
            now,
            Severity.MEDIUM,
            message,
            remedy,
        )


def _entry_of(problem: str) -> str:
    """Return what a problem is about, without its line number, which moves with every edit."""
    return LINE.sub("", problem.split(": found")[0], count=1)[:200]


def _lives(other: drivers.Driver) -> bool:
    try:
        began = float(psutil.Process(other.pid).create_time())
        return abs(began - other.process_started) < 1.0
    except psutil.Error:
        return False
