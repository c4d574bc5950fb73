"""What is read most: Today, runs, findings; and a run that is asked for."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from starlette.responses import Response

from upkeep.model.text import Natural, counted, natural
from upkeep.model.verdicts import Result, Severity, Status
from upkeep.rules.actions import Action
from upkeep.rules.trouble_groups import causes_first, grouped
from upkeep.rules.waivers import Waiver
from upkeep.site.host_limit import why_not_again
from upkeep.store import acts, doubts, findings, run_requests, runs
from upkeep.store import alerts as stored_alerts
from upkeep.store import answers as stored
from upkeep.store import page_queries as queries
from upkeep.store.page_queries import WantedFindings
from upkeep.view.model import HostInRun, RunSummary, Trouble
from upkeep.view.report import excerpt
from upkeep.view.result import clauses, headline
from upkeep.view.screen import Letters
from upkeep.view.stored import finding_of, hosts_of, of_run
from upkeep.view.today import Today, Viewer, today_of
from upkeep.view.troubles import Troubles
from upkeep.web.alerts import AlertRow, rows_of
from upkeep.web.html import go_to, link, page
from upkeep.web.routing import GET, POST, Ask, PageError, Route

ROWS = 50
TROUBLES = 100
HOSTS = 100
RESULTS_OF_HOST = 1_000
EVIDENCE_CHARACTERS = 100_000
ASKED = ("status", "severity", "host", "check", "waived")
SHA256 = re.compile(r"[0-9a-f]{64}")
LETTERS = Letters()
CLAUSE_COLUMNS = 120


# --- today -----------------------------------------------------------------------------------------------------------
def today(ask: Ask) -> Today:
    """Return how it stands, for who asks."""
    coming = ask.setting.coming.next(ask.now) if ask.setting.coming else ()
    person = ask.session.user.person if ask.session else ""
    schedule = ask.setting.schedule()
    viewer = Viewer(ask.setting.site, ask.setting.folder, schedule, coming, ask.now, person)
    with ask.store.read() as db:
        return today_of(db, viewer)


def show_today(ask: Ask) -> Response:
    """Show what needs a person, what runs, what comes next, what is overdue."""
    found = today(ask)
    return page(ask, "today.html", today=found, alerts=[AlertRow(*one) for one in found.alerts])


# --- runs ------------------------------------------------------------------------------------------------------------
def show_runs(ask: Ask) -> Response:
    """Show runs, newest first."""
    procedure = ask.query.get("procedure", "")
    rows, older = list_runs(ask)
    return page(
        ask, "runs.html", runs=rows, older=older, procedure=procedure,
        live=any(one.status == runs.RUNNING for one in rows), later=ask.number("before"),
    )  # fmt: skip


def list_runs(ask: Ask) -> tuple[list[RunSummary], str]:
    """Return a page of runs, and the query that gives the next one, empty at the end."""
    procedure = ask.query.get("procedure", "")
    with ask.store.read() as db:
        found = queries.runs(
            db, ask.setting.site, ROWS + 1, before=ask.number("before"), procedure=procedure
        )
        rows = [of_run(db, one) for one in found[:ROWS]]
    older = link("", procedure=procedure, before=rows[-1].id) if len(found) > ROWS else ""
    return rows, older


@dataclass(frozen=True)
class HostRow:
    """A host in a run's table."""

    host: HostInRun
    need: int
    kind: str


def show_run(ask: Ask) -> Response:
    """Show a run: how it stands, what did not pass, and its hosts."""
    run_id = int(ask.path["id"])
    with ask.store.read() as db:
        run = _run(db, run_id)
        summary = of_run(db, run)
        hosts = list(hosts_of(db, run_id))
        results = queries.not_passed(db, run_id, TROUBLES)
        needs = queries.needs_by_host(db, run_id)
        doubted = doubts.in_run(db, run_id)
        changes = [_safe(one) for one in runs.changes(db, run_id)]
        occurrence = queries.occurrence_of_run(db, run_id)
    troubles = Troubles(summary.place)
    for host in hosts:
        troubles.add_host(host)
    troubles.add_results(results)
    worst = troubles.worst()
    rows = sorted((_host_row(one, needs) for one in hosts), key=_by_need)
    start = ask.number("hosts") or 0
    groups = grouped(worst, Trouble.tell)[:TROUBLES]
    shown = _shown(summary, worst, hosts)
    return page(
        ask, "run.html", run=summary, doubts=doubted, worst=groups, rows=rows[start : start + HOSTS],
        shown_troubles=sum(len(one.things) for one in groups),
        start=start, more_hosts=len(rows) > start + HOSTS, hosts=len(rows), changes=changes,
        limit=run.limit, report=_report(ask, run_id), occurrence=occurrence, check_mode=run.check_mode,
        not_passed=summary.counts.failing + summary.counts.unknown, **shown,
    )  # fmt: skip


def _shown(summary: RunSummary, worst: list[Trouble], hosts: list[HostInRun]) -> dict[str, Any]:
    """Return the sentence on top, with its kind."""
    live = summary.status == runs.RUNNING
    only = hosts[0].name if len(hosts) == 1 else ""
    said = headline(LETTERS, replace(summary, status="done") if live else summary, worst, only)
    if live:
        said = f"Running; {counted(len(hosts), 'host')} so far"
    kind = "pass"
    if worst:
        kind = "fail" if worst[0].order[0] < 2 else "warn" if worst[0].order[0] > 3 else "unknown"
    elif not summary.counts.total or summary.status != "done":
        kind = "running" if live else "unknown"
    return {
        "headline": said,
        "clauses": clauses(LETTERS, summary, worst, CLAUSE_COLUMNS),
        "headline_kind": kind,
        "live": live,
    }


def _host_row(host: HostInRun, needs: dict[str, queries.HostNeeds]) -> HostRow:
    need = needs.get(host.name)
    if host.unseen:
        return HostRow(host, need.count if need else 0, "unknown")
    if need is None:
        return HostRow(host, 0, "pass")
    return HostRow(
        host, need.count, "fail" if need.rank <= 2 else "unknown" if need.rank < 3 else "warn"
    )


def _by_need(row: HostRow) -> tuple[int, int, Natural]:
    return ("fail", "unknown", "warn", "pass").index(row.kind), -row.need, natural(row.host.name)


def show_host(ask: Ask) -> Response:
    """Show all results of one host in a run."""
    run_id, name = int(ask.path["id"]), ask.path["host"]
    with ask.store.read() as db:
        summary = of_run(db, _run(db, run_id))
        found = queries.host_in_run(db, run_id, name)
        if found is None:
            raise PageError(404, f"Run {run_id} has no host of that name.")
        results = queries.results_of_host(db, run_id, name, RESULTS_OF_HOST)
        doubted = doubts.in_run(db, run_id, name)
        changes = [_safe(one) for one in runs.changes(db, run_id) if one.host == name]
    bad = [one for one in results if one.status is not Status.PASS and not one.has_nothing_to_judge]
    worst = causes_first(sorted(map(Trouble.of, bad), key=lambda one: one.order), Trouble.tell)
    host = HostInRun(
        found.host,
        found.outcome,
        found.message,
        found.observed_at,
        found.seconds,
        found.python,
        seen_from=found.seen_from,
        isolated=found.isolated,
    )
    return page(
        ask, "host.html", run=summary, doubts=doubted, host=host, changes=changes,
        bad=grouped(worst, Trouble.tell), not_passed=len(bad),
        nothing=[one for one in results if one.has_nothing_to_judge],
        passed=[one for one in results if one.status is Status.PASS],
        cut=len(results) == RESULTS_OF_HOST,
    )  # fmt: skip


def _safe(change: runs.Change) -> runs.Change:
    """Return a change whose text is fit to be shown."""
    seen = excerpt(change.text)
    return replace(change, text=seen.text + seen.note)


def show_report(ask: Ask) -> Response:
    """Give the run's report, the file that was written at its end."""
    path = _report(ask, int(ask.path["id"]))
    if not path:
        raise PageError(
            404, "This run has no report here.", remedy="It is on the driver that ran it."
        )
    policy = (
        "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none';"
        " form-action 'none'; frame-ancestors 'none'"
    )
    # Its own policy, in the file, allows its one style only.
    return Response(
        path.read_bytes(), media_type="text/html", headers={"Content-Security-Policy": policy}
    )


def show_evidence(ask: Ask) -> Response:
    """Give the raw text behind an observation, as text and nothing else."""
    sha256 = ask.path["sha256"]
    if not SHA256.fullmatch(sha256):
        raise PageError(404, "That is not a SHA-256.")
    with ask.store.read() as db:
        raw = stored.evidence_of(db, sha256)
    if raw is None:
        raise PageError(404, "This evidence is no longer kept.")
    headers = {"Content-Security-Policy": "sandbox; default-src 'none'; frame-ancestors 'none'"}
    return Response(raw, media_type="text/plain; charset=utf-8", headers=headers)


def _report(ask: Ask, run_id: int) -> Any:
    path = ask.setting.reports / f"run-{run_id}.html" if ask.setting.reports else None
    return path if path and path.is_file() else None


def _run(db: Any, run_id: int) -> runs.Run:
    found = runs.get(db, run_id) if run_id < 2**31 else None
    if found is None:
        raise PageError(
            404, f"There is no run {run_id}.", remedy="It may be older than runs are kept."
        )
    return found


# --- a run that is asked for -----------------------------------------------------------------------------------------
def show_restart(ask: Ask) -> Response:
    """Show what is to be done again, and ask once more."""
    with ask.store.read() as db:
        run = _run(db, int(ask.path["id"]))
        summary = of_run(db, run)
    return page(
        ask, "restart.html", run=summary, limit=run.limit, problem=_cannot_restart(ask, run)
    )


def restart(ask: Ask) -> Response:
    """Ask for the run's procedure once more, on the same hosts."""
    with ask.store.begin() as db:
        run = _run(db, int(ask.path["id"]))
        problem = _cannot_restart(ask, run)
        if problem:
            raise PageError(409, problem)
        request = run_requests.ask(
            db, run.site, run.procedure, ask.user, ask.now, limit=run.limit, restart_of=run.id
        )
        acts.record(db, ask.act("restart run", str(run.id), detail=run.procedure))
    return go_to(f"/requests/{request}")


def show_request(ask: Ask) -> Response:
    """Show what became of a run that was asked for."""
    with ask.store.read() as db:
        number = int(ask.path["id"])
        request = run_requests.get(db, number) if number < 2**31 else None
        run = runs.get(db, request.run_id) if request and request.run_id else None
        summary = of_run(db, run) if run else None
    if request is None:
        raise PageError(404, "There is no such request.")
    live = not request.message and (summary is None or summary.status == runs.RUNNING)
    return page(ask, "request.html", request=request, run=summary, live=live)


def _cannot_restart(ask: Ask, run: runs.Run) -> str:
    """Return why the run cannot be done again from here; empty if it can."""
    schedule = ask.setting.schedule()
    if run.status == runs.RUNNING:
        return f"Run {run.id} is still running."
    if run.check_mode:
        return "This run only showed what it would change; run it with --check on the command line."
    if schedule is not None and run.procedure not in schedule.procedures:
        return f"{run.procedure} is not a procedure of the site's schedule; run it on the command line."
    if run.site != ask.setting.site:
        return f"It belongs to another site, {run.site or 'the one that comes with the program'}."
    return why_not_again(run.limit)


# --- findings --------------------------------------------------------------------------------------------------------
def show_findings(ask: Ask) -> Response:
    """Show what is wrong now, worst first; or what was."""
    rows, more = list_findings(ask)
    found = sorted((one for one, _waiver in rows), key=lambda one: one.order)
    with ask.store.read() as db:
        stand = queries.stand(db, ask.setting.site)
        raised = queries.raised(db, [one.id for one in found])
    asked = {name: ask.query.get(name, "") for name in ASKED}
    return page(
        ask, "findings.html", more=more,
        findings=grouped(found, findings.Finding.tell), raised=raised,
        covered={one.id: waiver for one, waiver in rows if waiver}, stand=stand, asked=asked,
        total=sum(stand.failed.values()), severities=list(Severity),
        narrowed=any(asked[name] for name in ASKED if name != "status"),
    )  # fmt: skip


def list_findings(ask: Ask) -> tuple[list[tuple[findings.Finding, Waiver | None]], str]:
    """Return a page of findings, each with the waiver that covers it; and the query of the next one, if any."""
    asked = {name: ask.query.get(name, "") for name in ASKED}
    known = {one.value: one for one in Severity}
    status = asked["status"] or findings.OPEN
    with ask.store.read() as db:
        found = queries.findings(
            db, ask.setting.site, ROWS + 1,
            WantedFindings(
                status=status, severity=known.get(asked["severity"]), host=asked["host"],
                check=asked["check"], waived={"yes": True, "no": False}.get(asked["waived"]),
                after=_after(ask.query.get("after", "")),
            ),
        )  # fmt: skip
        rows = findings.with_waivers(db, found, ask.now)
    if len(rows) <= ROWS:
        return rows, ""
    last = rows[ROWS - 1][0]
    after = f"{last.severity.rank},{last.opened_at.isoformat()},{last.id}"
    return rows[:ROWS], link("", **asked, after=after)


def _after(text: str) -> tuple[int, datetime, int] | None:
    """Return where the last page ended; None if that is not said, or nonsense."""
    found = re.fullmatch(r"(\d),([0-9T:.+-]{19,32}),(\d{1,9})", text)
    try:
        at = datetime.fromisoformat(found[2]) if found else None
    except ValueError:
        return None
    return (int(found[1]), at, int(found[3])) if found and at and at.tzinfo else None


def show_finding(ask: Ask) -> Response:
    """Show a finding: what, where, since when, how bad, its alert, the next step; then the evidence and its history."""
    number = int(ask.path["id"])
    with ask.store.read() as db:
        found = the_finding(ask, db, number)
        ((found, waiver),) = findings.with_waivers(db, [found], ask.now)
        alerts = rows_of(db, stored_alerts.of_finding(db, found.id))
        raised = queries.raised(db, [found.id])
        events = queries.events(db, found.id, 100)
        newest = queries.newest_result(db, found.fingerprint)
        raw = stored.evidence_of(db, newest[1].evidence_sha256) if newest else None
    seen = raw[:EVIDENCE_CHARACTERS].decode("utf-8", "backslashreplace") if raw else ""
    return page(
        ask, "finding.html", found=found, waiver=waiver, shown=finding_of(found), events=events,
        run_id=newest[0] if newest else None, result=_result(newest),
        evidence=excerpt(seen) if seen else None, alerts=alerts, raised=raised,
    )  # fmt: skip


def the_finding(ask: Ask, db: Any, number: int) -> findings.Finding:
    """Return the finding of that number."""
    found = queries.finding(db, number) if number < 2**31 else None
    if found is None:
        raise PageError(404, "There is no such finding.")
    return found


def _result(newest: tuple[int, Result] | None) -> Result | None:
    return newest[1] if newest else None


ROUTES = (
    Route(GET, "/", Action.LOOK, show_today),
    Route(GET, "/runs", Action.LOOK, show_runs),
    Route(GET, "/runs/{id:int}", Action.LOOK, show_run),
    Route(GET, "/runs/{id:int}/hosts/{host:path}", Action.LOOK, show_host),
    Route(GET, "/runs/{id:int}/report", Action.LOOK, show_report),
    Route(GET, "/runs/{id:int}/restart", Action.RESTART_RUN, show_restart),
    Route(POST, "/runs/{id:int}/restart", Action.RESTART_RUN, restart),
    Route(GET, "/requests/{id:int}", Action.LOOK, show_request),
    Route(GET, "/findings", Action.LOOK, show_findings),
    Route(GET, "/findings/{id:int}", Action.LOOK, show_finding),
    Route(GET, "/evidence/{sha256}", Action.LOOK, show_evidence),
)
