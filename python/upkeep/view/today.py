"""How a site stands: what needs a person, what runs, what is late, what comes. For the page and the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from upkeep.model.answer import Isolated, Outcome, isolated_to_json
from upkeep.model.occurrence import Debt, Occurrence
from upkeep.model.remedies import command
from upkeep.model.stored_text import name
from upkeep.model.text import age, ago, counted, exact, thousands, wrap
from upkeep.model.verdicts import Severity, Status
from upkeep.rules.alerts.model import OPEN, Alert, Member
from upkeep.rules.blindness import Spot
from upkeep.rules.incidents import Incident
from upkeep.rules.reviews import people_of, title_of
from upkeep.rules.trouble_groups import Told, TroubleGroup, causes_first, grouped
from upkeep.rules.waivers import WaiverState
from upkeep.services import reviews
from upkeep.services.alerts.messages import headline as headline_of_alert
from upkeep.services.incidents import ISOLATION
from upkeep.site.schedule_file import Schedule
from upkeep.store import (
    Connection,
    alerts,
    findings,
    incidents,
    isolated_hosts,
    occurrences,
    run_requests,
    runs,
    silences,
    waivers,
)
from upkeep.store import page_queries as queries
from upkeep.store.page_queries import WantedFindings
from upkeep.view.alerts import kind_of
from upkeep.view.incidents import print_incidents
from upkeep.view.json import finding_document
from upkeep.view.lists import Column, print_columns
from upkeep.view.model import Counts, RunSummary, Trouble
from upkeep.view.result import as_sentence, clauses, headline, leading
from upkeep.view.reviews import ReviewRow, row_of, signers_of
from upkeep.view.schedule import Upcoming
from upkeep.view.screen import STYLES, Letters, Piece, Screen
from upkeep.view.stored import of_run
from upkeep.view.troubles import TroubleRow, print_rows

WORST = 8
LOOKED_THROUGH = 200
"""At most this many findings are grouped by cause: many hosts with one problem leave room for another."""
RUNNING = 20
COMING = 5
NEWEST = 5
LISTED = 10
CLAUSE_COLUMNS = 120
TERMINAL_CLAUSE_COLUMNS = 60
ALERTS = 50
SOON = timedelta(days=7)
# A driver begins within seconds; what waits longer is late.
LATE_AFTER = timedelta(minutes=2)
LETTERS = Letters()


@dataclass(frozen=True)
class Viewer:
    """Of which site it is told, and to whom.

    site: as the store knows it, empty for all; folder: as a command takes it; coming: each procedure's next occurrence,
    the soonest first; person: who looks, by their id in the schedule, empty for somebody who is not in it.
    """

    site: str
    folder: str
    schedule: Schedule | None
    coming: Sequence[Upcoming]
    now: datetime
    person: str = ""


@dataclass(frozen=True)
class Opens:
    """Reviews that open this week: those of a procedure that is due. number: how many."""

    title: str
    at: datetime
    number: int


@dataclass(frozen=True)
class Owed:
    """What must be signed within a week, and what opens in it.

    teams: titles of those that who looks belongs to; empty: of all.
    """

    rows: list[ReviewRow]
    teams: tuple[str, ...]
    by_team: dict[str, int]
    opens: list[Opens]

    @property
    def late(self) -> int:
        """How many are overdue."""
        return sum(one.standing.overdue for one in self.rows)


@dataclass(frozen=True)
class Approval:
    """What somebody has asked for, and another person must approve. noun: waiver or silence."""

    noun: str
    id: int
    text: str
    by: str
    at: datetime


@dataclass(frozen=True)
class Today:
    """How a site stands.

    isolated: the hosts that are cut off. incidents: those that are open, the newest first; worst: findings; raised: the
    severity that the site gives some of them for alerts, by their numbers; blind: checks that cannot be done, and no
    finding says so yet; badly: the newest run of each procedure that failed; alerts: those that nobody has
    acknowledged, each with its headline.
    """

    headline: str
    clauses: str
    kind: str
    summary: RunSummary
    worst: list[TroubleGroup[findings.Finding]]
    raised: Mapping[int, Severity]
    blind: list[TroubleGroup[Trouble]]
    running: list[RunSummary]
    asked: list[run_requests.RunRequest]
    badly: list[RunSummary]
    newest: list[RunSummary]
    incidents: list[Incident]
    isolated: Mapping[str, Isolated]
    coming: list[Upcoming]
    late: list[Occurrence]
    debts: list[Debt]
    alerts: list[tuple[Alert, str]]
    approvals: list[Approval]
    owed: Owed

    @property
    def sentence(self) -> str:
        """The answer, in one sentence."""
        said = f"{self.headline}: {self.clauses}" if self.clauses else self.headline
        return as_sentence(LETTERS, said)

    @property
    def counts(self) -> Counts:
        """What there is: of an isolated host, a part is unknown."""
        counts = self.summary.counts
        return replace(counts, unknown=counts.unknown + len(self.isolated))

    @property
    def blind_shown(self) -> int:
        """How many checks that cannot be done are shown."""
        return sum(len(one.things) for one in self.blind)

    @property
    def worst_shown(self) -> int:
        """How many findings are shown."""
        return sum(len(one.things) for one in self.worst)

    @property
    def live(self) -> bool:
        """Whether there is something to watch."""
        return bool(self.running or self.asked or self.incidents)


# --- what there is ---------------------------------------------------------------------------------------------------
def today_of(db: Connection, viewer: Viewer, columns: int = CLAUSE_COLUMNS) -> Today:
    """Return how the site stands. columns: how long a clause of the sentence may be."""
    schedule, site = viewer.schedule, viewer.site
    stand = queries.stand(db, site)
    wanted = WantedFindings(waived=False, as_alerted=True)
    worst = queries.findings(db, site, LOOKED_THROUGH, wanted)
    raised = queries.raised(db, [one.id for one in worst])
    blind = queries.blind_checks(db, site, LOOKED_THROUGH)
    running = [of_run(db, one) for one in runs.unfinished(db, site=site)[:RUNNING]]
    last = [queries.last_run(db, site, one) for one in (schedule.procedures if schedule else ())]
    badly = [of_run(db, one) for one in last if one and one.status != "done"]
    ended = [one for one in queries.runs(db, site, NEWEST) if one.status != runs.RUNNING]
    summary = RunSummary(
        id=None,
        procedure="",
        title="",
        site=site,
        folder=viewer.folder,
        status="done",
        started_at=viewer.now,
        hosts={Outcome.OK: stand.hosts} if stand.hosts else {},
        hosts_in_need=stand.hosts_in_need,
        hosts_unjudged=stand.hosts_unjudged,
        own=stand.own,
        sources=stand.sources,
        counts=Counts(passed=1 if stand.hosts else 0, failed=stand.failed, unknown=stand.blind),
    )
    worst.sort(key=lambda one: _trouble_of(one, raised).order)
    troubles = [_trouble_of(one, raised) for one in worst if one.severity is not Severity.INFO]
    troubles += map(_trouble_of_blind, blind)
    isolated = isolated_hosts.now(db, site)
    troubles += [_trouble_of_isolated(host, one) for host, one in isolated.items()]
    troubles = causes_first(sorted(troubles, key=lambda one: one.order), Trouble.tell)
    kind = "pass"
    if any(one.rank <= 2 for one in (*stand.failed, *raised.values())):
        kind = "fail"
    elif stand.hosts_in_need:
        kind = "warn" if stand.failed else "unknown"
    elif not stand.hosts or badly:
        kind = "unknown"
    return Today(
        headline=headline(LETTERS, summary, troubles),
        clauses=clauses(LETTERS, summary, troubles, columns),
        kind=kind,
        summary=summary,
        worst=_shown(worst, raised, leading(summary, troubles)),
        raised=raised,
        blind=grouped(map(_trouble_of_blind, blind), Trouble.tell)[:WORST],
        running=running,
        asked=run_requests.waiting(db, site or None),
        badly=sorted(badly, key=lambda one: one.started_at, reverse=True),
        newest=[of_run(db, one) for one in ended],
        incidents=[incidents.load(db, one.id) for one in incidents.of_site(db, site)[:LISTED]],
        isolated=isolated,
        coming=list(viewer.coming[:COMING]),
        late=late_ones(db, site, viewer.now),
        debts=occurrences.debts(db, site),
        alerts=_unacknowledged(db, site),
        approvals=_approvals(db, viewer),
        owed=_owed(db, viewer),
    )


def _shown(
    worst: Sequence[findings.Finding],
    raised: Mapping[int, Severity],
    leads: Sequence[TroubleGroup[Trouble]],
) -> list[TroubleGroup[findings.Finding]]:
    """Return the worst findings, among them each that the sentence names."""

    def tell(one: findings.Finding) -> Told:
        told = one.tell()
        return replace(told, apart=(told.apart, raised.get(one.id)))

    named = {(one.first.host, one.first.check, one.first.subject) for one in leads}
    groups = grouped(worst, tell)
    leading_ones = [
        one
        for one in groups
        if any((it.host, it.check_id, it.subject) in named for it in one.things)
    ]
    others = [one for one in groups if one not in leading_ones]
    chosen = leading_ones + others[: max(WORST - len(leading_ones), 0)]
    return [one for one in groups if one in chosen]


def late_ones(db: Connection, site: str, now: datetime) -> list[Occurrence]:
    """Return what should have begun and waits, the most urgent first."""
    return occurrences.waiting(db, site, now - LATE_AFTER)


def needs_answer(alert: Alert) -> bool:
    """Return whether nobody has acknowledged an alert, and somebody should."""
    return alert.status == OPEN and not alert.silenced and alert.settles_at is None


def _unacknowledged(db: Connection, site: str) -> list[tuple[Alert, str]]:
    """Return the worst alerts that nobody has acknowledged, each with its headline."""
    found = [one for one in alerts.open_alerts(db, name(site))[:ALERTS] if needs_answer(one)]
    members: dict[int, list[Member]] = {}
    for one in alerts.members(db, [one.id for one in found[:WORST]]):
        members.setdefault(one.alert_id, []).append(one)
    return [(one, headline_of_alert(one, members.get(one.id, ()))) for one in found[:WORST]]


def _owed(db: Connection, viewer: Viewer) -> Owed:
    """Return what the teams of who looks owe within a week; of somebody who is of no team, what all owe."""
    schedule, person = viewer.schedule, viewer.person
    if schedule is None:
        return Owed([], (), {}, [])
    found = list(reviews.waiting_ones(db, name(viewer.site), viewer.now, viewer.now + SOON))
    own = [one for one in schedule.teams if person and person in people_of(schedule, one)]
    if person:
        own.append(person)
    mine = [one for one in found if {*signers_of(one[0])} & {*own}] if own else found
    rows = [row_of(schedule, *one) for one in mine]
    by_team: dict[str, int] = {}
    for row in rows:
        by_team[row.owners] = by_team.get(row.owners, 0) + 1
    titles = tuple(title_of(schedule, one) for one in own if one in schedule.teams)
    return Owed(rows, titles, by_team, list(_opens(viewer, schedule, own)))


def _approvals(db: Connection, viewer: Viewer) -> list[Approval]:
    """Return what waits for another person's approval, the oldest first."""
    site = name(viewer.site)
    found = [
        Approval(
            "waiver",
            one.id,
            _covers(one.scope.check_id, one.scope.host_pattern),
            one.requested_by,
            one.requested_at,
        )
        for one in waivers.of_site(db, site, viewer.now)
        if one.state(viewer.now) is WaiverState.REQUESTED
    ]
    found += [
        Approval(
            "silence",
            one.id,
            _covers(one.check_pattern, one.host_pattern),
            one.made_by,
            one.made_at,
        )
        for one in silences.lasting(db, site, viewer.now, planned=True)
        if one.waits
    ]
    return sorted(found, key=lambda one: one.at)


def _covers(check: str, host: str) -> str:
    return f"{check} on {host}"


def _opens(viewer: Viewer, schedule: Schedule, own: Sequence[str]) -> Iterator[Opens]:
    """Yield what opens within a week, the soonest first. own: the teams that count; empty: all."""
    for one in viewer.coming:
        procedure = schedule.procedures.get(one.procedure)
        if procedure is None or one.begins > viewer.now + SOON:
            continue
        asked = [each.parties or (each.owner or procedure.owner,) for each in procedure.reviews]
        number = sum(not own or bool({*each} & {*own}) for each in asked)
        if number:
            yield Opens(one.title, one.begins, number)


def _trouble_of(one: findings.Finding, raised: Mapping[int, Severity]) -> Trouble:
    severity = raised.get(one.id, one.severity)
    return Trouble(
        one.host, one.check_id, one.subject, Status.FAIL, severity, one.message, one.remedy,
        observed_at=one.last_seen_at,
    )  # fmt: skip


def _trouble_of_blind(one: Spot) -> Trouble:
    return Trouble(
        one.host, one.check, one.subject, Status.UNKNOWN, None, one.why, "", observed_at=one.since
    )


def _trouble_of_isolated(host: str, one: Isolated) -> Trouble:
    message = f"isolated since {one.since:%Y-%m-%d %H:%M} UTC by {one.by}"
    return Trouble(host, ISOLATION, "", Status.UNKNOWN, None, message, "", observed_at=one.since)


# --- for programs ----------------------------------------------------------------------------------------------------
def today_document(found: Today) -> dict[str, Any]:
    """Return it as JSON says it; times are ISO 8601 in UTC."""
    worst = [one for group in found.worst for one in group.things]
    return {
        "sentence": found.sentence,
        "hosts": sum(found.summary.hosts.values()),
        "hosts_in_need": found.summary.hosts_in_need,
        "blind_checks": found.summary.counts.unknown,
        "findings": {one.value: number for one, number in found.summary.counts.failed.items()},
        "worst": [finding_document(one) for one in worst[:WORST]],
        "running": [one.id for one in found.running],
        "did_not_end_well": [one.id for one in found.badly],
        "incidents": [one.id for one in found.incidents],
        "isolated": [
            {"host": host, **isolated_to_json(one)} for host, one in found.isolated.items()
        ],
        "alerts": [one.id for one, _headline in found.alerts],
        "reviews": [one.review.id for one in found.owed.rows],
        "to_approve": [{"kind": one.noun, "id": one.id} for one in found.approvals],
        "late": [
            {"procedure": one.schedule, "due_at": one.due_at.isoformat()} for one in found.late
        ],
        "still_due": [
            {"procedure": one.schedule, "host": one.host, "due_at": one.due_at.isoformat()}
            for one in found.debts
        ],
        "coming": [
            {"procedure": one.procedure, "due_at": one.due.isoformat()} for one in found.coming
        ],
    }


# --- for people ------------------------------------------------------------------------------------------------------
def print_today(
    screen: Screen, found: Today, zone: ZoneInfo, now: datetime, site: str, procedure: str = "daily"
) -> None:
    """Print the answer, then what needs a person, then what runs, is late and comes.

    site: as a command takes it; procedure: one to run first.
    """
    lines = wrap(screen.text(found.sentence), screen.width) if screen.live else [found.sentence]
    for line in lines:
        screen.line((screen.text(line), f"bold {STYLES[found.kind]}"))
    if not found.summary.hosts:
        # A run that has seen no host is not to be repeated as it was.
        first = f"First: {command('run', procedure, site=site)}"
        if found.newest:
            first = f"See what there is and can be reached: {command('doctor', site=site)}"
        screen.line(screen.text(first))
    _print_incidents(screen, found, zone, now, site)
    _print_isolated(screen, found, now)
    _print_alerts(screen, found, now, site)
    _print_worst(screen, found, site)
    _print_blind(screen, found)
    _print_reviews(screen, found, zone, now, site)
    _print_approvals(screen, found, now, site)
    _print_runs(screen, found, now)
    _print_overdue(screen, found, now)
    _print_coming(screen, found, zone, now)
    screen.flush()


def _head(screen: Screen, heading: str) -> None:
    screen.line()
    screen.line((heading, "bold"))


def _more(screen: Screen, left: int, see: str) -> None:
    """Say how many are not shown, and what shows them."""
    if left > 0:
        screen.line(f"and {thousands(left)} more: {screen.text(see)}")


def _print_incidents(
    screen: Screen, found: Today, zone: ZoneInfo, now: datetime, site: str
) -> None:
    if not found.incidents:
        return
    _head(screen, "Open incidents")
    print_incidents(screen, found.incidents, zone, now, site)
    number = str(found.incidents[0].id)
    screen.line(f"Next: {screen.text(command('incident', 'status', number, site=site))}")


def _print_isolated(screen: Screen, found: Today, now: datetime) -> None:
    if not found.isolated:
        return
    _head(screen, "Isolated")
    columns = [Column("host", subject=True), Column("for"), Column("by", gives=True)]
    rows: list[list[Piece]] = [
        [host, age((now - one.since).total_seconds()), one.by]
        for host, one in list(found.isolated.items())[:LISTED]
    ]
    print_columns(screen, columns, rows)
    _more(screen, len(found.isolated) - LISTED, "see their incidents")


def _print_alerts(screen: Screen, found: Today, now: datetime, site: str) -> None:
    if not found.alerts:
        return
    _head(screen, "Not acknowledged")
    columns = [Column("alert", right=True), Column("open for"), Column("what", subject=True)]
    rows: list[list[Piece]] = [
        [
            str(one.id),
            age((now - one.opened_at).total_seconds()),
            (f"{screen.signs[kind_of(one.severity)]} {said}", STYLES[kind_of(one.severity)]),
        ]
        for one, said in found.alerts
    ]
    print_columns(screen, columns, rows)
    first = found.alerts[0][0]
    screen.line(f"Next: {screen.text(command('alert', 'show', str(first.id), site=site))}")


def _print_worst(screen: Screen, found: Today, site: str) -> None:
    if not found.worst:
        return
    _head(screen, "Needs attention")
    doctor = f"{command('doctor', site=site)}  # see why"
    rows = [
        TroubleRow.of(_trouble_of(group.first, found.raised)).for_all(group, doctor, name_all=False)
        for group in found.worst
    ]
    print_rows(screen, rows)
    left = found.summary.counts.failing - found.worst_shown
    _more(screen, left, command("finding", "list", site=site))


def _print_blind(screen: Screen, found: Today) -> None:
    if not found.blind:
        return
    _head(screen, "Cannot be checked")
    print_rows(screen, [TroubleRow.of_group(one, found.summary.place) for one in found.blind])
    left = found.summary.counts.unknown - found.blind_shown
    if left > 0:
        screen.line(f"and {counted(left, 'more check')}")


def _print_reviews(screen: Screen, found: Today, zone: ZoneInfo, now: datetime, site: str) -> None:
    owed = found.owed
    if not owed.rows and not owed.opens:
        return
    _head(screen, "To sign this week")
    columns = [
        Column("review", right=True), Column("due"), Column("title", subject=True), Column("status", gives=True),
    ]  # fmt: skip
    rows: list[list[Piece]] = [
        [
            str(one.review.id),
            f"{one.review.due_at.astimezone(zone):%a %Y-%m-%d %H:%M}",
            one.review.title,
            (one.words, STYLES[one.kind] if one.kind else ""),
        ]
        for one in owed.rows[:LISTED]
    ]
    if rows:
        print_columns(screen, columns, rows)
    _more(screen, len(owed.rows) - LISTED, command("review", "list", site=site))
    if owed.opens:
        soon = [
            f"{screen.text(one.title, 80)} {one.at.astimezone(zone):%a %H:%M}"
            f" ({counted(one.number, 'review')})"
            for one in owed.opens
        ]
        for line in wrap(f"Opens this week: {', '.join(soon)}.", screen.width):
            screen.line(line)


def _print_approvals(screen: Screen, found: Today, now: datetime, site: str) -> None:
    if not found.approvals:
        return
    _head(screen, "To approve")
    columns = [Column("what", subject=True), Column("asked"), Column("by", gives=True)]
    rows: list[list[Piece]] = [
        [f"{one.noun} {one.id}: {one.text}", ago(one.at, now), one.by]
        for one in found.approvals[:LISTED]
    ]
    print_columns(screen, columns, rows)
    _more(screen, len(found.approvals) - LISTED, command("waiver", "list", site=site))
    first = found.approvals[0]
    how = command(first.noun, "approve", str(first.id), site=site)
    screen.line(f"Next: {screen.text(how)}")


def _print_runs(screen: Screen, found: Today, now: datetime) -> None:
    if found.running or found.asked:
        _head(screen, "Running")
    for run in found.running:
        title = screen.text(run.title or run.procedure, 100)
        screen.line(f"run {run.id}  {title}, started {ago(run.started_at, now)}")
    for one in found.asked:
        said = f"{one.procedure} was requested by {one.asked_by} {ago(one.asked_at, now)}"
        screen.line(screen.text(f"{said} and is waiting for a driver", 300))
    if found.badly:
        _head(screen, "Last run incomplete")
    for run in found.badly:
        said = (
            f"run {run.id}  {run.title or run.procedure}, {ago(run.started_at, now)}: {run.status}"
        )
        cause = f" ({run.cause})" if run.cause else ""
        for line in wrap(screen.text(said + cause, 400), screen.width):
            screen.line(line)


def _print_overdue(screen: Screen, found: Today, now: datetime) -> None:
    if found.late or found.debts:
        _head(screen, "Overdue")
    for one in found.late[:LISTED]:
        on = f" on {one.named}" if one.host else ""
        said = f"{one.schedule}{on} was due {ago(one.due_at, now)} and is waiting for a driver"
        screen.line((f"{screen.signs['warn']} ", STYLES["warn"]), screen.text(said, 300))
    for debt in found.debts[:LISTED]:
        lasts = age((now - debt.due_at).total_seconds())
        said = f"{debt.schedule} is still due on {debt.host}, for {lasts}: {debt.reason}"
        screen.line((f"{screen.signs['warn']} ", STYLES["warn"]), screen.text(said, 300))
    left = len(found.late[LISTED:]) + len(found.debts[LISTED:])
    _more(screen, left, command("occurrence", "list", site=found.summary.place))


def _print_coming(screen: Screen, found: Today, zone: ZoneInfo, now: datetime) -> None:
    if not found.coming:
        return
    _head(screen, "Coming up")
    columns = [
        Column("due"),
        Column("at"),
        Column("procedure", subject=True),
        Column("title", gives=True),
    ]
    rows: list[list[Piece]] = [
        [ago(one.due, now), exact(one.due, zone), one.procedure, one.title] for one in found.coming
    ]
    print_columns(screen, columns, rows)
