"""What is shown of a run: plain data, made from the store's rows or from the hosts as they come."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from upkeep.model.answer import SITE_HOST, UNSEEN, Isolated, Observed, Outcome
from upkeep.model.text import who_ran
from upkeep.model.verdicts import Result, Severity, Status
from upkeep.rules.trouble_groups import Order, Told, in_order

RESTORE_TRY = "restore try"
"""What a run is called that takes something out of a backup; no procedure can be called so."""


@dataclass(frozen=True)
class Counts:
    """How many results of each kind. failed: by severity; a severity without any may be absent.

    waived: how many of those that failed are covered by a waiver; they fail all the same. unknown: could not see, or
    did not understand; nothing: had nothing to judge, which asks nobody for anything.
    """

    passed: int = 0
    unknown: int = 0
    failed: Mapping[Severity, int] = field(default_factory=dict)
    waived: int = 0
    nothing: int = 0

    @classmethod
    def of(cls, results: Iterable[Result]) -> Counts:
        """Count results."""
        tally = RunTally()
        tally.add_results(results)
        return tally.counts()

    @property
    def failing(self) -> int:
        """How many failed, of whatever severity."""
        return sum(self.failed.values())

    @property
    def total(self) -> int:
        """How many there are."""
        return self.passed + self.unknown + self.failing + self.nothing


@dataclass(frozen=True)
class RunSummary:
    """One run, without its results.

    id: None if the run was not stored.
    site: what stands for it in the store, its id or its path; empty for the embedded default. folder: its path, if that
        is another.
    status: running, done, partial, failed, interrupted or crashed.
    cause: why it is not done, for people.
    hosts: how many hosts ended with each outcome; those not begun are missing. sources: how many of them are sources.
    hosts_in_need: how many hosts have something that did not pass (see `needs`).
    hosts_unjudged: how many hosts were seen, and there was nothing to judge on them.
    site_in_need: how much of the site as a whole did not pass; site_failing: how much of that failed.
    own: how many troubles are Upkeep's own, of no host.
    version: of the program that ran it; started_by: the account that did; asked_by: the person who wanted it.
    given: parameters by which a single check was run just now, each `NAME=VALUE`; they are not stored.
    """

    id: int | None
    procedure: str
    title: str
    site: str
    status: str
    started_at: datetime
    ended_at: datetime | None = None
    cause: str = ""
    hosts: Mapping[Outcome, int] = field(default_factory=dict)
    hosts_in_need: int = 0
    hosts_unjudged: int = 0
    sources: int = 0
    site_in_need: int = 0
    site_failing: int = 0
    own: int = 0
    counts: Counts = Counts()
    version: str = ""
    started_by: str = ""
    asked_by: str = ""
    folder: str = ""
    given: tuple[str, ...] = ()

    @property
    def place(self) -> str:
        """What to give to `-i`; empty for the embedded default."""
        return self.folder or self.site

    @property
    def by(self) -> str:
        """Who wanted it, and by which account it came about."""
        return who_ran(self.started_by, self.asked_by)

    @property
    def noun(self) -> str:
        """What it calls several of those that it looked at."""
        return "hosts and sources" if self.sources else "hosts"

    @property
    def hosts_unseen(self) -> int:
        """How many hosts were due and gave nothing."""
        return sum(self.hosts.get(outcome, 0) for outcome in UNSEEN)


@dataclass(frozen=True)
class HostInRun:
    """How it went with one host or source, without its results; `Observed` has the meaning of the fields."""

    name: str
    outcome: Outcome
    message: str = ""
    observed_at: datetime | None = None
    seconds: float = 0.0
    python: str = ""
    clock_offset_seconds: float | None = None
    seen_from: str = ""
    isolated: Isolated | None = None

    @classmethod
    def of(cls, observed: Observed) -> HostInRun:
        """Return what is shown of an observed host."""
        return cls(
            observed.host,
            observed.outcome,
            observed.message,
            observed.observed_at,
            observed.seconds,
            observed.python,
            observed.clock_offset_seconds,
            observed.seen_from,
            observed.isolated,
        )

    @property
    def unseen(self) -> bool:
        """Whether it was due and gave nothing."""
        return self.outcome in UNSEEN


@dataclass(frozen=True)
class FindingShown:
    """What is wrong with one subject over time.

    count: in how many runs it was seen to fail.
    reopened: how often it came back after it was resolved.
    waiver: what covers it, for people; empty if nothing does.
    resolved_at: None while it is open. retired: it was not seen to pass; it is not watched any more. gone: it
    was not seen to pass either, and is not there any more, as the message says.
    """

    id: int
    host: str
    check: str
    subject: str
    status: Status
    severity: Severity | None
    message: str
    opened_at: datetime
    last_seen_at: datetime
    count: int = 1
    reopened: int = 0
    resolved_at: datetime | None = None
    remedy: str = ""
    retired: bool = False
    gone: bool = False
    waiver: str = ""

    def tell(self) -> Told:
        """Return by what it is put together with others."""
        ended = (self.resolved_at is None, self.retired, self.gone)
        apart = (self.severity, self.waiver, ended)
        names = (self.host, self.check, self.subject)
        return Told(*names, self.status, self.message, self.remedy, apart)


@dataclass(frozen=True)
class ProcedureShown:
    """One procedure of a site. next_at: None if it is not scheduled."""

    id: str
    title: str
    hosts: str
    owner: str = ""
    next_at: datetime | None = None


@dataclass(frozen=True)
class Trouble:
    """One thing that did not pass: a result, or a host that was not seen (then check is empty)."""

    host: str
    check: str
    subject: str
    status: Status
    severity: Severity | None
    message: str
    remedy: str
    controls: tuple[str, ...] = ()
    observed_at: datetime | None = None
    evidence_sha256: str = ""
    waiver: int | None = None
    doubted: bool = False

    @classmethod
    def of(cls, result: Result) -> Trouble:
        """Return what is shown of a result."""
        return cls(
            result.host,
            result.check,
            result.subject,
            result.status,
            result.severity,
            result.message,
            result.remedy,
            result.controls,
            result.observed_at,
            result.evidence_sha256,
            result.waiver,
            result.doubted,
        )

    @classmethod
    def of_host(cls, host: HostInRun, command: str) -> Trouble:
        """Return what is shown of a host that was not seen. command: finds out why."""
        message = host.outcome.value.replace("_", " ")
        if host.message and host.message != message:
            message += f": {host.message}"
        at = host.observed_at
        return cls(host.name, "", "", Status.UNKNOWN, None, message, command, observed_at=at)

    def tell(self) -> Told:
        """Return by what it is put together with others."""
        apart = (self.severity, self.waiver, self.doubted)
        names = (self.host, self.check, self.subject)
        return Told(*names, self.status, self.message, self.remedy, apart)

    @property
    def order(self) -> Order:
        """Worst first, in the precedence of the exit status: high, unknown, medium; then like to like."""
        if self.status is Status.UNKNOWN:
            rank = 2 if not self.check else 3
        else:
            rank = {1: 0, 2: 1, 3: 4, 4: 5, 5: 6}[self.severity.rank if self.severity else 5]
        return in_order(rank, self.check, self.host, self.subject)


def needs(host: HostInRun, results: Iterable[Result]) -> bool:
    """Return whether a host needs a person: something was not seen or is worse than info."""
    return host.unseen or any(
        (result.status is Status.UNKNOWN and not result.has_nothing_to_judge)
        or (result.status is Status.FAIL and result.severity is not Severity.INFO)
        for result in results
    )


def unjudged(host: HostInRun, results: Sequence[Result]) -> bool:
    """Return whether a host was seen, and there was nothing to judge on it."""
    return (
        host.outcome is Outcome.OK
        and bool(results)
        and all(one.has_nothing_to_judge for one in results)
    )


class RunTally:
    """Counts hosts and results as they come; its size does not grow with them."""

    def __init__(self) -> None:
        self.hosts: dict[Outcome, int] = {}
        self.hosts_in_need = 0
        self.hosts_unjudged = 0
        self.sources = 0
        self.site_in_need = 0
        self.site_failing = 0
        self._passed = 0
        self._unknown = 0
        self._failed: dict[Severity, int] = {}
        self._waived = 0
        self._nothing = 0

    def add(self, observed: Observed) -> None:
        """Count a host and its results; of what is of the site as a whole, the results."""
        host = HostInRun.of(observed)
        if host.name == SITE_HOST:
            bad = [one for one in observed.results if needs(host, [one])]
            self.site_in_need += len(bad)
            self.site_failing += sum(one.status is Status.FAIL for one in bad)
            self.add_results(observed.results)
            return
        self.hosts[host.outcome] = self.hosts.get(host.outcome, 0) + 1
        self.sources += bool(observed.seen_from)
        self.hosts_in_need += needs(host, observed.results)
        self.hosts_unjudged += unjudged(host, observed.results)
        self.add_results(observed.results)

    def add_results(self, results: Iterable[Result]) -> None:
        """Count results."""
        for result in results:
            if result.status is Status.PASS:
                self._passed += 1
                continue
            if result.has_nothing_to_judge:
                self._nothing += 1
            elif result.status is Status.UNKNOWN:
                self._unknown += 1
            else:
                severity = result.severity or Severity.INFO
                self._failed[severity] = self._failed.get(severity, 0) + 1
                self._waived += result.waiver is not None

    def counts(self) -> Counts:
        """Return how many results of each kind came so far."""
        return Counts(self._passed, self._unknown, dict(self._failed), self._waived, self._nothing)

    def into(self, summary: RunSummary) -> RunSummary:
        """Return the summary with what was counted."""
        return replace(
            summary,
            hosts=dict(self.hosts),
            hosts_in_need=self.hosts_in_need,
            hosts_unjudged=self.hosts_unjudged,
            sources=self.sources,
            site_in_need=self.site_in_need,
            site_failing=self.site_failing,
            counts=self.counts(),
        )
