"""The arrows of the house in one place: procedure → run → host: observe → judge → result → store → view.

Read this first. A run is written down before it begins, each host's results as they come, and its end; what was
written is what is shown. A driver that was killed leaves a run without an end, which the next start finds.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import tempfile
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import psutil

from ansible_collections.astral.upkeep.plugins.module_utils.host.urls import masked
from upkeep.judging.check import load
from upkeep.judging.judge import EVERYTHING, with_next_steps
from upkeep.judging.sources import read_answers
from upkeep.model import clock
from upkeep.model.answer import OWN_NAMES, SITE_HOST, Observed, Outcome
from upkeep.model.errors import ConfigurationError, RunError, StoreError, UsageError
from upkeep.model.isolation import HostAct
from upkeep.model.run_end import Reason
from upkeep.model.stored_text import name
from upkeep.rules.blindness import HostLook, look_of
from upkeep.rules.isolation_said import isolation_said
from upkeep.rules.refusals import SHOWN_REASONS, Refusals, without_results
from upkeep.run import ansible
from upkeep.services import kept_files
from upkeep.services.leftover import LeftOver
from upkeep.site import machines
from upkeep.site.inventory import read_inventory
from upkeep.site.settings import why_not_private
from upkeep.store import (
    Store,
    absent,
    blind,
    leases,
    occurrences,
    own_troubles,
    run_requests,
    runs,
    site_results,
)
from upkeep.store.answers import add_hosts, settle_forged
from upkeep.store.spool import Spool
from upkeep.system import account, child, machine

LEASE_POLL_SECONDS = 1.0
OWN_PLAYBOOKS = "astral.upkeep."
SEVERAL = re.compile(r"[,:&!]")
"""What makes a pattern of hosts more than one name; in ranges, too, such as web[1:3]."""
SEPARATE = re.compile(r"[,@]")
"""Patterns with these are put together by commas, others by colons."""
GATHERED_SECONDS = 0.4
GATHERED_ANSWERS = 50
"""For so long, or until this many are there, answers wait to be written down together."""
MACHINE = "machine "
"""Before what stands for a machine, under whatever names, among the hosts that a run has taken."""
ROUNDS = 5
"""So often Ansible begins again after a worker's death: each round ends, or names a host that is then left out."""
ELSEWHERE = "set UPKEEP_WORKSPACE to a folder of your own, best in memory"
STRANGE = timedelta(days=1)
ENDED_EARLY = "Ansible ended early"
NOTHING = ansible.AnsibleEnd(complete=False, status=-1)
HELD_BACK = "upkeep_held_back"
"""By this variable our own playbooks do no jobs, and say why; they look at every host all the same."""
GONE = (
    "no play started for it: it was removed from the inventory after the run had listed its "
    "hosts, or earlier plays had failed"
)
LATE = "it was added to the inventory after the run had listed its hosts"


@dataclass(frozen=True)
class Task:
    """What is to be run, where, and how: a procedure of the schedule, or one check by hand.

    site: what stands for it, for the record; empty for the embedded one. folder: for -i, if that is another. checks:
    the ids that are due; None for all that the hosts ask for. by_hand: the one check that somebody runs, which is no
    procedure. entries: what to check instead of what the hosts ask for.
    occurrence: which one this run counts for, and its driver. absent_percent: when more hosts have left
    the inventory, what was found on them stays open for now. blind_after: how many seconds a check may read nothing, if
    the site says so. asked_by: the person who wants it. request: the number under which somebody asked for it on the
    page. variables: what the playbook is told besides, as Ansible's extra variables. contains: whether it isolates or
    releases hosts that somebody has named: it waits for no other run, and begins though a source of the inventory
    cannot be read.
    """

    procedure: str
    title: str
    playbook: str
    inventory: str
    site: str = ""
    hosts: str = "all"
    limit: str = ""
    checks: tuple[str, ...] | None = None
    by_hand: str = ""
    entries: tuple[Mapping[str, Any], ...] | None = None
    check_mode: bool = False
    diff: bool = False
    forks: int = 10
    host_timeout_seconds: int = 120
    run_timeout_seconds: float = 3600.0
    changes_hosts: bool = False
    absent_percent: int = 20
    blind_after: float | None = None
    occurrence: tuple[int, str] | None = None
    asked_by: str = ""
    request: int | None = None
    folder: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, Any] = field(default_factory=dict)
    contains: bool = False


class Progress(Protocol):
    """Who is shown how a run goes."""

    def host_began(self, name: str) -> None:
        """Show that work on the host begins."""

    def host_done(self, observed: Observed) -> None:
        """Show that the host's results are in."""

    def job_did(self, host: str, task: str, kind: str, text: str) -> None:
        """Show what a job did. kind: changed, also for what it would have; failed; left_out, then text says why."""

    def expects(self, hosts: int) -> None:
        """Show how many hosts are in the run."""

    def progressed(self, host: str, step: str, share: float | None) -> None:
        """Show what a job does on the host. share: of the step, 0 to 1. An empty step: nothing now."""


def run(
    task: Task,
    store: Store,
    workspaces: Path,
    progress: Progress,
    time_of: Callable[[], datetime] = clock.now,
    acted: Callable[[HostAct], object] = lambda _act: None,
) -> int:
    """Run the task, write down all that comes, and return the run's number.

    time_of: the time by which things are decided, which is not that of a clock that has stepped. acted: is told what
    each host says of its isolation.
    Raises: StoreError
    before anything has run if the store or the workspace cannot be written; later, what cannot be written waits in the
    workspace for the next start.
    """
    limit = _limit(task)
    # The run's time is that of all that follows: listing hosts, waiting for them, Ansible, and the account at the end.
    with contextlib.closing(child.Stop(task.run_timeout_seconds)) as stop:
        began_at = time_of()
        workspace = _new_workspace(workspaces, store)
        try:
            run_id = _begin(task, store, workspace, began_at)
            with store.read() as db:
                answered, silent = runs.turns(db, task.site, task.procedure)
        except BaseException:  # there is no run that could have an end
            shutil.rmtree(workspace, ignore_errors=True)
            raise
        with _Intake(
            run_id, task.folder or task.site, store, workspace, progress, stop, began_at
        ) as intake:
            intake.tells_acts = acted
            order = replace(
                _order(task, workspace, limit, run_id), answered=answered, silent=silent
            )
            _run(task, order, intake, stop)
    return run_id


def _run(task: Task, order: ansible.Order, intake: _Intake, stop: child.Stop) -> None:
    """Run Ansible, and record the end and each host that gave nothing."""
    ended = NOTHING
    does_jobs = task.changes_hosts and not task.check_mode
    try:
        if does_jobs:
            ended = _do_jobs(task, order, intake, stop)
        if intake.held_back and task.playbook.startswith(OWN_PLAYBOOKS):
            order = replace(order, variables={**order.variables, HELD_BACK: intake.held_back})
        if not does_jobs or HELD_BACK in order.variables:
            ended = _work(task, order, intake, stop)
    except (RunError, OSError) as exc:
        ended = replace(NOTHING, stopped=_cause_of(exc))
    intake.add_unread(ansible.unread_sources(order))
    intake.account_for_begun(ended)
    if not ended.complete and not ended.no_hosts:
        hosts = intake.listed or ansible.hosts_of(order) or sorted(intake.begun)
        intake.account_for(hosts, ended.stopped or intake.held_back or ENDED_EARLY)
    intake.judge_site(task)
    status, cause, reason = intake.verdict(ended, task.by_hand)
    intake.heard_all = (
        ended.complete and not ended.stopped and not ended.no_hosts and intake.unread == []
    )
    intake.finish(status, cause, reason, task=task)


def _do_jobs(
    task: Task, order: ansible.Order, intake: _Intake, stop: child.Stop
) -> ansible.AnsibleEnd:
    """Run Ansible on the hosts that the run has taken and on no others, on each machine once at a time.

    Nothing is begun with half an inventory: without a source, hosts lack what it says of them, and a pattern that
    leaves its groups out would reach those.
    """
    listing = ansible.list_hosts(order, stop)
    intake.list_hosts(listing.hosts)
    if listing.unread and not task.contains:
        intake.hold_back(listing.unread, order.answered)
        return NOTHING
    places = machines.resolved(listing.machines, stop)
    intake.twins = machines.twins(listing.hosts, places)
    taken = [*listing.hosts, *{f"{MACHINE}{one}" for one in places.values()}]
    if not task.contains:
        intake.take_hosts(task.site, taken, wait=bool(task.occurrence))
    for hosts in machines.turns(listing.hosts, places) or [[]]:
        one_turn = replace(order, only=hosts, whole=not task.contains)
        ended = _work(task, one_turn, intake, stop)
        if not ended.complete or ended.stopped or stop.reason:
            break
        intake.account_for_begun(ended)
    unread = ansible.unread_sources(order)
    if unread and not ended.complete and not intake.begun and not task.contains:
        intake.hold_back(unread, order.answered)
    if not intake.held_back:
        late = set(ansible.other_hosts(order)).difference(listing.hosts)
        intake.leave_out(sorted(late), LATE)
        gone = set(listing.hosts).difference(ansible.hosts_of(order))
        intake.leave_out(sorted(gone) if ended.complete or ended.no_hosts else [], GONE)
    # A later turn's hosts may have gone when others have had theirs.
    return replace(ended, no_hosts=ended.no_hosts and not intake.begun)


def _begin(task: Task, store: Store, workspace: Path, at: datetime) -> int:
    """Record that the run begins, and that it is what was asked for or due; return its number."""
    with store.begin() as db:
        start = begun(task, workspace, at)
        if task.request is not None:
            start = replace(start, asked_by=_asked_for(db, task))
        run_id = runs.start(db, start)
        if task.request is not None:
            run_requests.became(db, task.request, run_id)
        if task.occurrence and not occurrences.begin(db, *task.occurrence, run_id):
            raise UsageError(f"occurrence {task.occurrence[0]} is claimed by another driver")
        return run_id


def _asked_for(db: Any, task: Task) -> str:
    """Return who asked for the run on the page.

    Raises: UsageError if nobody waits for it under that number.
    """
    found = run_requests.get(db, task.request or 0)
    wanted = (name(task.site), task.procedure, True, None)
    if found is None or wanted != (
        found.site, found.procedure, found.taken_at is not None, found.run_id
    ):  # fmt: skip
        raise UsageError(f"request {task.request} is not waiting for a run of {task.procedure}")
    return found.asked_by


def _work(
    task: Task,
    order: ansible.Order,
    intake: _Intake,
    stop: child.Stop,
) -> ansible.AnsibleEnd:
    """Run Ansible until every host had its turn, and return how it ended.

    Ansible ends at once when one of its workers is dead, and does not say whose. The hosts that had not had their turn
    are then asked again, one at a time if more than one was in work: so the next death has a name. A host on which a
    job has begun is not: nobody knows how far it came.
    """
    ended = ansible.run(order, intake)
    if (
        not ended.started
        and ended.status > 0
        and not ended.stopped
        and _matches_nothing(task, order.limit)
    ):
        return replace(ended, no_hosts=True)
    dead: set[str] = set()
    touched: set[str] = set()
    for _round in range(ROUNDS):
        if ended.complete or ended.stopped or ended.status <= 0 or not ended.open:
            break
        touched |= ended.touched
        if len(ended.open) == 1:
            dead |= set(ended.open)
        done = set() if task.changes_hosts else set(intake.outcomes)
        there = ansible.hosts_of(order) if order.only is None else order.only
        rest = [one for one in there if one not in dead | touched | done]
        if not rest or stop.reason:
            break
        left = ended.touched | (dead & set(ended.open))
        intake.account_for_begun(
            replace(ended, open={one: ended.open.get(one, "") for one in left})
        )
        intake.asked_again |= set(rest)
        again = replace(order, only=rest, forks=1 if len(ended.open) > 1 else order.forks)
        ended = ansible.run(again, intake)
    return ended


def _matches_nothing(task: Task, limit: str) -> bool:
    """Return whether it is the limit that leaves no host: Ansible says so in a sentence only."""
    try:
        return bool(limit) and not read_inventory(task.inventory, limit, task.environment)
    except ConfigurationError:
        return False


def recover(store: Store) -> list[str]:
    """Bring every run that a killed driver has left to its end; return a sentence for each.

    What Ansible had handed over but the driver had not written down is still in the run's workspace, which only the
    account that began the run can read: those of others are left to them.
    """
    found = []
    with store.read() as db:
        ours = [one for one in runs.unfinished(db) if one.started_by == account.own_name()]
        left = [one for one in ours if not _alive(one)]
    for one in left:
        workspace = Path(one.workspace)
        ansible.end_leftovers(workspace)
        spool = Spool(workspace / "spool")
        taken = set(spool.load(store, one.id))
        left_over = LeftOver(one.id, store)
        ansible.leftovers(workspace, left_over)
        taken |= left_over.finish()
        crash = ("crashed", "its driver was killed, or the machine went down", clock.now(), None)
        status, cause, ended_at, reason = spool.end() or crash
        with store.begin() as db:
            end_run(db, one.id, status, cause, max(one.started_at, ended_at), reason)
        shutil.rmtree(workspace, ignore_errors=True)
        hosts = "1 host" if len(taken) == 1 else f"{len(taken)} hosts"
        more = f"; results of {hosts} were recovered" if taken else ""
        unreadable = spool.unreadable + left_over.unreadable
        more += f"; {unreadable} results cannot be read" if unreadable else ""
        found.append(f"run {one.id} was left without an end: {status}, {cause}{more}")
    return found


def end_run(
    db: Any, run_id: int, status: str, cause: str, at: datetime, reason: Reason | None = None
) -> None:
    """Record a run's end, what it means for its occurrence, and give back the hosts that it held.

    Whoever writes it down tells of it too: the driver that began the run may be dead.
    """
    if runs.finish(db, run_id, status, cause, at):
        one = occurrences.run_ended(db, run_id, status, cause, at, reason)
        run = runs.get(db, run_id)
        if one and run:
            own_troubles.tell_end(db, one, run.title, at)
        if run:
            own_troubles.tell_caught_up(db, run, at)
        leases.release(db, run_id)


class _Intake:
    """Writes down what hosts give, as it comes, and knows who has given nothing yet."""

    def __init__(
        self,
        run_id: int,
        folder: str,
        store: Store,
        workspace: Path,
        progress: Progress,
        stop: child.Stop,
        began_at: datetime,
    ) -> None:
        self.run_id = run_id
        self.folder = folder
        self.store = store
        self.workspace = workspace
        self.spool = Spool(workspace / "spool")
        self.progress = progress
        self.begun: set[str] = set()
        self.outcomes: dict[str, Outcome] = {}
        self.is_blind = False
        self.judged = 0
        self.trouble = ""
        self.job_failures: dict[str, str] = {}
        self.stopping = stop
        self.asked_again: set[str] = set()
        self.misnaming = ""
        self.unread: list[str] | None = None
        self.heard_all = False
        self.twins: dict[str, str] | None = None
        self.listed: Sequence[str] = ()
        self.held_back = ""
        self.not_reached: dict[str, str] = {}
        self.isolated: dict[str, str] = {}
        self.refusals = Refusals()
        self.latest: dict[str, Observed] = {}
        self.idle: set[str] = set()
        self.lookers: dict[str, str] = {}
        self.looks: dict[str, HostLook] = {}
        self.tells_acts: Callable[[HostAct], object] = lambda _act: None
        self.ended = False
        # A run's times are of one clock, whatever the time of day does meanwhile.
        self.began_at, self.began_seconds = began_at, time.monotonic()
        self.waiting: list[Observed] = []
        self.waits_since = 0.0

    def __enter__(self) -> _Intake:
        self._before = {
            number: signal.signal(number, self._on_signal)
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
            if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN  # nohup
        }
        return self

    def __exit__(self, *_error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        if not self.ended:  # an exception of ours: the run still ends
            self.finish("failed", _cause_of(_error[1]))

    def _on_signal(self, number: int, _frame: object) -> None:
        self.stopping.ask(f"interrupted by {signal.Signals(number).name}")

    def take_hosts(self, site: str, hosts: list[str], *, wait: bool) -> None:
        """Take the hosts, so that no other run changes them meanwhile; wait for those that do.

        Raises: RunError if they are not free in time.
        """
        while True:
            with self.store.begin() as db:
                held = leases.take(db, site, hosts, self.run_id, clock.now())
            if not held:
                return
            host = min(
                held, key=lambda one: one.startswith(MACHINE)
            )  # by its name, if that is taken
            holder = held[host]
            host = host.removeprefix(MACHINE)
            if not wait or self.stopping.reason:
                why = f"run {holder} changes {host} now; wait for its end: upkeep show {holder}"
                raise RunError("; ".join(filter(None, [self.stopping.reason, why])))
            recover(self.store)  # its driver may be dead
            self.stopping.wait(LEASE_POLL_SECONDS)

    def list_hosts(self, hosts: Sequence[str]) -> None:
        """Keep which hosts the run has, in all its turns together, and show how many."""
        self.listed = hosts
        self.progress.expects(len(hosts))

    # What the runner tells.
    def began(self, host: str) -> None:
        """Show that work on the host begins."""
        self.begun.add(host)
        self.progress.host_began(host)

    def progressed(self, host: str, step: str, share: float | None) -> None:
        """Show what a job does on the host; it is for people, and is not kept."""
        self.progress.progressed(host, step, share)

    def gave(self, host: str, upkeep: Mapping[str, Any]) -> None:
        """Record what the host gave."""
        try:
            answers = read_answers(upkeep, host)
        except ValueError as exc:
            self.lost(host, f"its result has an unexpected structure: {exc}"[:300], Outcome.FAILED)
            return
        self.idle |= answers.idle
        for why in answers.refused:
            self.refused(host, why)
        # What a play counts is only its own turn, if the hosts were listed before.
        if isinstance(upkeep.get("play_hosts"), int) and not self.asked_again and not self.listed:
            self.progress.expects(upkeep["play_hosts"])
        for observed in (answers.own, *answers.sources):
            other = self.lookers.setdefault(observed.host, observed.looker)
            if other != observed.looker:
                self.refused(
                    host, f"{observed.host} is already checked by {other}: only one host may do it"
                )
                continue
            self._take(_at_a_time_of(observed, clock.now()))

    def lost(self, host: str, message: str, outcome: Outcome = Outcome.UNREACHABLE) -> None:
        """Record that the host gave nothing, unless it has already given something."""
        if self.outcomes.get(host) is not Outcome.OK:
            self._take(Observed(host, outcome, clock.now(), masked(" ".join(message.split()))))

    def failed(self, host: str, task: str, message: str) -> None:
        """Remember that a job failed on a host; one that could not even be observed has given nothing."""
        task = masked(task)
        text = masked(f"{task}: {' '.join(message.split())}")[:500]
        if self.outcomes.get(host) is Outcome.OK:
            self.job_failures[host] = text
            self._note(runs.Change(host, task, "failed", masked(message)))
        else:
            self.lost(host, text, Outcome.FAILED)

    def changed(self, host: str, task: str, diff: str) -> None:
        """Record what a job changed, or would have, and show it."""
        self._note(runs.Change(host, masked(task), "changed", masked(diff)))

    def acted(self, host: str, said: object, why_failed: str) -> None:
        """Pass on what the host says of its isolation; what has another shape is not believed."""
        try:
            found = isolation_said(said)
        except ValueError as exc:
            self.refused(host, f"its isolation has an unexpected structure: {exc}"[:300])
            return
        self.tells_acts(HostAct(host, found, masked(why_failed)))

    def left_out(self, host: str, why: str) -> None:
        """Record that a job leaves a host as it is, because that is isolated."""
        why = masked(why) or "its job_gate is not open"
        self.isolated[host] = why
        if host not in self.outcomes:
            self._take(Observed(host, Outcome.SKIPPED, clock.now(), f"no job changes it: {why}"))
        self._note(runs.Change(host, "", "left_out", why))

    def refused(self, host: str, why: str) -> None:
        """Count what was not believed; it is told at the end."""
        self.refusals.add(host, why)

    def misnamed(self, why: str) -> None:
        """Stop: what is said of this host would be said of us, or of a source."""
        self.misnaming = self.misnaming or why

    def written(self) -> bool:
        """Return whether all that was given is written down."""
        return not self.waiting

    def stop(self) -> str:
        """Return why to stop; asked several times a second, so that no answer waits longer."""
        if self.waiting and time.monotonic() - self.waits_since > GATHERED_SECONDS:
            self._write()
        return self.stopping.reason or self.misnaming

    # What the run makes of it.
    def account_for_begun(self, ended: ansible.AnsibleEnd) -> None:
        """Record the hosts on which work began and did not end, and those of which Ansible told nothing."""
        early = ended.stopped or ("" if ended.complete else ENDED_EARLY)
        for host, task in sorted(ended.open.items()):
            self._gave_no_answer(
                host, task, early or f"Ansible reported no end of the task {task!r}"
            )
        for host in sorted(ended.silent):
            self._gave_no_answer(host, "", "Ansible counts the host, but reported nothing about it")

    def hold_back(self, sources: Sequence[str], answered: Collection[str]) -> None:
        """Record that no job is started, for these sources of the inventory cannot be read.

        Of the listed hosts, those owe it that have answered the procedure before: of a job that never looks nobody
        could tell that it has been done, and it would be tried again and again.
        """
        self.add_unread(sources)
        self.listed = [one for one in self.listed if one in answered]
        self.held_back = "; ".join(["no job is started", *self._unread()])

    def add_unread(self, sources: Sequence[str] | None) -> None:
        """Record sources that could not be read; None: Ansible has not said."""
        if sources is not None:
            self.unread = list(dict.fromkeys([*(self.unread or ()), *sources]))

    def leave_out(self, hosts: Sequence[str], why: str) -> None:
        """Record hosts of the procedure that the job did not work on."""
        self.not_reached |= dict.fromkeys(hosts, why)
        self.account_for(hosts, why)

    def account_for(self, hosts: Sequence[str], reason: str) -> None:
        """Record the hosts that have given nothing."""
        for host in hosts:
            if host in OWN_NAMES or host in self.outcomes:
                continue
            if host in self.begun:
                self._gave_no_answer(host, "", reason)
            else:
                self.lost(host, reason, Outcome.NOT_BEGUN)

    def _gave_no_answer(self, host: str, task: str, why: str) -> None:
        text = f"started, but gave no answer: {why}"
        if self.outcomes.get(host) is Outcome.OK:
            self.failed(host, task, text)
        else:
            self.lost(host, text, Outcome.FAILED)

    def judge_site(self, task: Task) -> None:
        """Judge what is judged once for all hosts; a run of some hosts says nothing of all."""
        self._write()
        if task.limit or self.trouble or Outcome.OK not in self.outcomes.values():
            return
        spoken = () if task.entries is not None else task.checks
        try:
            # Only read: a judge that takes long keeps nobody else from writing.
            with self.store.read() as db:
                at = clock.now()
                found = site_results.judge_run(
                    db,
                    self.run_id,
                    task.site,
                    load(),
                    at,
                    (EVERYTHING,) if spoken is None else spoken,
                )
        except StoreError as exc:
            self.trouble = str(exc)
            return
        if found is not None:
            self._take(found)

    def verdict(
        self, ended: ansible.AnsibleEnd, by_hand: str = ""
    ) -> tuple[str, str, Reason | None]:
        """Return the run's status, its cause and, where it is partial for a reason of its own, which.

        by_hand: the one check that was run, which some host has to ask for.
        """
        self._write()  # some checks are judged only then
        status, cause = self._verdict(ended)
        if status == "done" and self.is_blind:
            return "partial", "some checks could not read what they need", Reason.BLIND
        if status == "done" and self.isolated:
            host, why = next(iter(self.isolated.items()))
            more = f"; {len(self.isolated)} such hosts" if len(self.isolated) > 1 else ""
            return status, f"no job changed {host}: {why}{more}", Reason.ISOLATED
        skipped = set(self.outcomes.values()) == {Outcome.SKIPPED} and not self.judged
        if status == "done" and by_hand and skipped:
            return "failed", f"no host in this run asks for {by_hand}", None
        return status, cause, None

    def _verdict(self, ended: ansible.AnsibleEnd) -> tuple[str, str]:
        if self.stopping.asked:
            return "interrupted", self.stopping.asked
        if self.misnaming:
            return "failed", self.misnaming
        if ended.no_hosts:
            return "failed", "; ".join(["no host matches", *self._unread()])
        if self.held_back and not ended.complete:
            return "failed", self.held_back
        unseen = sum(
            outcome not in (Outcome.OK, Outcome.SKIPPED) for outcome in self.outcomes.values()
        )
        if ended.stopped or not ended.complete:
            said = " ".join(ended.last_lines[-3:]) or f"Ansible ended with status {ended.status}"
            if ended.status < 0:
                said = "Ansible was killed, by a person or for lack of memory"
            reason = ended.stopped or said
            seen = Outcome.OK in self.outcomes.values()
            return ("partial" if seen else "failed"), reason
        if self.job_failures:
            host, text = next(iter(self.job_failures.items()))
            return "partial", f"a job failed on {host}: {text}"
        if not self.outcomes and not self.begun:
            return "failed", "no host took part: none has opted in to the job (upkeep_jobs)"
        if self.unread:
            return "partial", "; ".join(self._unread())
        if self.not_reached:
            host, why = next(iter(self.not_reached.items()))
            more = f"; {len(self.not_reached)} such hosts" if len(self.not_reached) > 1 else ""
            return "partial", f"the job left {host} out: {why}{more}"
        if unseen:
            return "partial", f"{unseen} of {len(self.outcomes)} hosts not checked"
        if self.refusals.reasons:
            hosts = ", ".join(self.refusals.hosts()[:SHOWN_REASONS]) or "an unknown host"
            return "partial", f"forged results or events of {hosts} were refused"
        if self.asked_again:
            return "done", f"{len(self.asked_again)} hosts were asked again: {ENDED_EARLY}"
        return "done", ""

    def _unread(self) -> list[str]:
        return [
            f"Ansible cannot read the inventory's {one}"
            for one in (self.unread or [])[:SHOWN_REASONS]
        ]

    def finish(
        self,
        status: str,
        cause: str,
        reason: Reason | None = None,
        *,
        task: Task | None = None,
    ) -> None:
        """Record the run's end, and remove its workspace if nothing waits in it.

        task: what was run, if it came so far that something follows from who was there and what was seen.
        """
        # A check by hand with its own parameters tells nothing of those that the site asks for.
        of_site = task if task and task.entries is None else None
        whole = of_site if of_site and self.heard_all and not of_site.limit else None
        self.ended = True
        for host in self.refusals.hosts():
            self._take(self.refusals.answer(host, self.latest.get(host), clock.now()))
        self._write()
        at = self.began_at + timedelta(seconds=time.monotonic() - self.began_seconds)
        cause = "; ".join(filter(None, [cause, self.trouble]))
        try:
            self.spool.load(self.store, self.run_id)
            with self.store.begin() as db:
                # First who is missing, and why: who is behind with something and missing is not done with it.
                self._settle_inventory(db, at, whole=whole is not None)
                if whole:
                    absent.settle(db, self.run_id, whole.absent_percent, at, self.idle)
                end_run(db, self.run_id, status, cause, at, reason)
                self._settle_refusals(db, at)
                self._settle_isolations(db, at)
                if of_site:
                    after = of_site.blind_after
                    limit = None if after is None else timedelta(seconds=after)
                    blind.settle(db, self.run_id, of_site.site, self.looks.values(), limit, at)
        except StoreError as exc:
            # The next start finds what could not be written in the run's workspace.
            self.spool.put_end(status, cause, at, reason)
            message = f"run {self.run_id} ended as {status} but its end cannot be stored: {exc}"
            remedy = "upkeep run list  # after freeing space or starting the database; results wait in memory"
            raise StoreError(message, remedy=remedy) from exc
        shutil.rmtree(self.workspace, ignore_errors=True)

    def _settle_inventory(self, db: Any, at: datetime, *, whole: bool) -> None:
        run = runs.get(db, self.run_id)
        if run:
            if self.unread is not None:
                own_troubles.tell_unread(db, run.site, self.unread, run.id, at)
            if self.twins or (whole and self.twins is not None and not self.not_reached):
                own_troubles.tell_twins(db, run.site, run.procedure, self.twins, at)

    def _settle_isolations(self, db: Any, at: datetime) -> None:
        run = runs.get(db, self.run_id)
        if run:
            own_troubles.tell_isolations(db, run.site, at)

    def _settle_refusals(self, db: Any, at: datetime) -> None:
        """Resolve what was said of forged results where there were none, and tell of those of no known host."""
        seen = {host for host, outcome in self.outcomes.items() if outcome is Outcome.OK}
        settle_forged(db, self.run_id, seen - set(self.refusals.hosts()), at)
        run, why = runs.get(db, self.run_id), self.refusals.said("")
        if run and (why or self.heard_all):
            own_troubles.tell_forged(db, run.site, run.procedure, run.id, why, at)

    def _note(self, change: runs.Change) -> None:
        """Record what a job did, then show it; a store that cannot be written costs the record, not the run."""
        self._write()  # what was seen of the host comes before what was done there
        try:
            with self.store.begin() as db:
                runs.add_change(db, self.run_id, change, clock.now())
        except StoreError as exc:
            self.trouble = str(exc)
        self.progress.job_did(change.host, change.task, change.kind, change.text)

    def _take(self, observed: Observed) -> None:
        """Record an answer; answers that come together are written down together, at a commit's cost."""
        observed = with_next_steps(observed, self.folder)
        self.judged += len(observed.results)
        if not observed.seen_from and observed.host != SITE_HOST:
            self.outcomes[observed.host] = observed.outcome
            self.latest[observed.host] = without_results(observed)
        now = time.monotonic()
        self.waits_since = self.waits_since if self.waiting else now
        self.waiting.append(observed)
        if now - self.waits_since > GATHERED_SECONDS or len(self.waiting) >= GATHERED_ANSWERS:
            self._write()

    def _write(self) -> None:
        """Record the answers, then show them.

        A store that failed is not waited for again by each host: the end tries once more.
        """
        answers, self.waiting = self.waiting, []
        if not answers:
            return
        if not self.trouble:
            try:
                with self.store.begin() as db:
                    judged = add_hosts(db, self.run_id, answers)
            except StoreError as exc:
                self.trouble = str(exc)
        for one in answers if self.trouble else judged:
            if self.trouble:
                self.spool.put(self.run_id, one)
            if one.asked and (look := look_of(one)) is not None:
                self.looks[one.host] = look
            self.is_blind = self.is_blind or any(result.is_blind for result in one.results)
            if one.host != SITE_HOST:
                self.progress.host_done(one)


def _at_a_time_of(observed: Observed, now: datetime) -> Observed:
    """Return what a host gave, at a time of this controller's: a time far from now was never observed."""

    def near(at: datetime | None) -> bool:
        return at is None or abs(at - now) < STRANGE

    if near(observed.observed_at) and all(near(one.observed_at) for one in observed.results):
        return observed
    results = [replace(one, observed_at=None) for one in observed.results]
    return replace(observed, observed_at=now, results=tuple(results))


def _order(task: Task, workspace: Path, limit: str, run_id: int) -> ansible.Order:
    """Return what Ansible is to do."""
    variables: dict[str, Any] = {
        **task.variables,
        "upkeep_procedure": task.procedure,
        "upkeep_hosts": task.hosts,
        "upkeep_run": str(run_id),  # a job writes down which run has left something
        # Not the name that an inventory uses: extra variables would win over a host's own.
        "upkeep_default_timeout_seconds": task.host_timeout_seconds,
    }
    if task.checks is not None:
        variables["upkeep_due"] = list(task.checks)
    if task.entries is not None:
        variables["upkeep_entries"] = [dict(entry) for entry in task.entries]
    return ansible.Order(
        playbook=task.playbook,
        inventory=task.inventory,
        workspace=workspace,
        limit=limit,
        check=task.check_mode,
        diff=task.diff,
        forks=task.forks,
        variables=variables,
        environment=task.environment,
        seconds=task.run_timeout_seconds,
    )


def takes_several(playbook: str, hosts: str) -> bool:
    """Return whether a limit of several hosts can be put together with a procedure's hosts."""
    return _asks_itself(playbook, hosts) or not SEVERAL.search(hosts)


def _asks_itself(playbook: str, hosts: str) -> bool:
    """Return whether a playbook reaches no more hosts than the procedure's, whatever the limit."""
    return playbook.startswith(OWN_PLAYBOOKS) or hosts in ("", "all", "*")


def _limit(task: Task) -> str:
    """Return the pattern of all hosts that the run may reach: those of the limit that are the procedure's.

    Our own playbooks ask for the procedure's hosts themselves; a site's own may say `hosts: all`, and reach no more for
    that.
    Raises: UsageError if the two cannot be put together: Ansible's patterns have no brackets.
    """
    if _asks_itself(task.playbook, task.hosts):
        return task.limit
    if not task.limit:
        return task.hosts
    if not SEVERAL.search(task.hosts):
        return f"{task.limit}{',' if SEPARATE.search(task.limit) else ':'}&{task.hosts}"
    if not SEVERAL.search(task.limit) and not task.limit.startswith("@"):
        return f"{task.hosts}{',' if ',' in task.hosts else ':'}&{task.limit}"
    raise UsageError(
        f"--limit {task.limit!r} cannot be combined with the procedure's hosts {task.hosts!r}",
        remedy="limit it to one host or group at a time",
    )


def begun(task: Task, workspace: Path, at: datetime) -> runs.RunStart:
    """Return what is written down before the run begins."""
    driver = psutil.Process()
    return runs.RunStart(
        procedure=task.procedure,
        title=task.title,
        playbook=task.playbook,
        site=task.site,
        inventory=task.inventory,
        limit=task.limit,
        check_mode=task.check_mode,
        diff=task.diff,
        started_at=at,
        started_by=account.own_name(),
        asked_by=task.asked_by,
        driver_host=socket.gethostname(),
        driver_pid=driver.pid,
        driver_started=driver.create_time(),
        boot_id=machine.boot_id(),
        workspace=str(workspace),
    )


def _alive(one: runs.Run) -> bool:
    """Return whether the run's driver still runs; one on another machine is left to that machine."""
    if one.driver_host != socket.gethostname():
        return True
    if one.boot_id != machine.boot_id():
        return False
    try:
        began = float(psutil.Process(one.driver_pid).create_time())
        return abs(began - one.driver_started) < 1.0
    except psutil.Error:
        return False


def _private(folder: Path) -> Path:
    """Return the folder, made for this user alone."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        why = why_not_private(folder)
        if why:
            remedy = f"chmod 700 {folder}" if folder.stat().st_uid == os.geteuid() else ELSEWHERE
            raise StoreError(why, remedy=remedy)
    except OSError as exc:
        raise _no_workspace(folder, exc) from exc
    return folder


def _new_workspace(folder: Path, store: Store) -> Path:
    """Return a new folder there with our name on it.

    Raises: StoreError if there can be none.
    """
    private, made = _private(folder), None
    try:
        made = Path(tempfile.mkdtemp(prefix="run-", dir=private))
        kept_files.claim_workspace(made, store, machine.boot_id())
    except OSError as exc:
        if made is not None:
            shutil.rmtree(made, ignore_errors=True)
        raise _no_workspace(folder, exc) from exc
    return made


def _no_workspace(folder: Path, exc: OSError) -> StoreError:
    message = f"{folder}: a run needs a workspace here: {exc.strerror}"
    return StoreError(
        message, remedy="free space there, or set UPKEEP_WORKSPACE to a folder that can be written"
    )


def _cause_of(exc: object) -> str:
    """Return an exception in one line."""
    return " ".join(str(exc).split())[:500] or type(exc).__name__
