"""The page's answers as JSON: the same documents as the command's `--json`, where there is one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from upkeep.model.stored_text import name
from upkeep.rules.actions import Action
from upkeep.store import acts, answers, clocks, run_requests, runs
from upkeep.store import alerts as stored_alerts
from upkeep.view.incidents import entry_document, incident_document, told_of
from upkeep.view.json import (
    alert_document,
    completion_document,
    dumps,
    finding_document,
    plain,
    review_document,
    run_document,
    whole_review_document,
)
from upkeep.view.restores import restore_document, standing_document
from upkeep.view.stored import hosts_of, of_run
from upkeep.view.today import today_document
from upkeep.web import alerts, completion, incidents, restores, reviews, waivers
from upkeep.web import runs as pages
from upkeep.web.routing import GET, POST, Ask, PageError, Route


def show_me(ask: Ask) -> Response:
    """Return who one is, and give the token that every POST must carry."""
    if ask.session is None:
        raise PageError(401, "Sign in first.")
    user = ask.session.user
    return _json({"name": user.name, "role": user.role.value, "form_token": ask.session.form_token})


def show_today(ask: Ask) -> Response:
    """Return how it stands."""
    return _json(today_document(pages.today(ask)))


def show_runs(ask: Ask) -> Response:
    """Give runs, newest first; the header Link says where the next page is."""
    rows, older = pages.list_runs(ask)
    documents = [run_document(one, (), ()) for one in rows]
    found = [one["run"] | {"counts": one["counts"]} for one in documents]
    return _json({"runs": found, "more": bool(older)}, older)


def show_run(ask: Ask) -> Response:
    """Give a run with all its results."""
    run_id = int(ask.path["id"])
    with ask.store.read() as db:
        run = runs.get(db, run_id) if run_id < 2**31 else None
        if run is None:
            raise PageError(404, f"There is no run {run_id}.")
        summary = of_run(db, run)
        changes = [vars(one) for one in runs.changes(db, run_id)]
        hosts = list(hosts_of(db, run_id))
        document = run_document(summary, hosts, answers.results_of(db, run_id), changes)
    return _json(document)


def show_findings(ask: Ask) -> Response:
    """Give findings, worst first; the header Link says where the next page is."""
    rows, more = pages.list_findings(ask)
    documents = [finding_document(one) for one, _waiver in rows]
    return _json({"findings": documents, "more": bool(more)}, more)


def show_alerts(ask: Ask) -> Response:
    """Give the open alerts, worst first."""
    with ask.store.read() as db:
        every = stored_alerts.open_alerts(db, name(ask.setting.site))
        found = every[: pages.ROWS]
        members = stored_alerts.members(db, [one.id for one in found])
    mine = {one.id: [member for member in members if member.alert_id == one.id] for one in found}
    documents = [alert_document(one, mine[one.id]) for one in found]
    return _json({"alerts": documents, "more": len(every) > len(found)})


def show_alert(ask: Ask) -> Response:
    """Give an alert."""
    with ask.store.read() as db:
        found = alerts.the_alert(ask, db, int(ask.path["id"]))
        closed = found.closed_at is not None
        members = stored_alerts.members(db, [found.id], everything=closed)
    return _json({"alert": alert_document(found, members)})


def acknowledge(ask: Ask) -> Response:
    """Acknowledge an alert."""
    alerts.acknowledge(ask)
    return show_alert(ask)


def unacknowledge(ask: Ask) -> Response:
    """Withdraw an acknowledgement."""
    alerts.unacknowledge(ask)
    return show_alert(ask)


def show_reviews(ask: Ask) -> Response:
    """Give what must be signed, the soonest due first; with `all`, what was opened last."""
    found, more = reviews.list_reviews(ask)
    return _json({"reviews": [review_document(*one) for one in found], "more": more})


def show_review(ask: Ask) -> Response:
    """Give a review with its signatures and what was collected for it."""
    return _json({"review": whole_review_document(reviews.whole(ask))})


def show_waivers(ask: Ask) -> Response:
    """Give the waivers that hold or wait for approval; with `all`, the newest."""
    return _json({"waivers": waivers.documents(ask)})


def show_incidents(ask: Ask) -> Response:
    """Give the open incidents, or all, the newest first."""
    found, more = incidents.list_incidents(ask)
    documents = [incident_document(one, ask.now) for one in found]
    return _json({"incidents": documents, "more": more})


def show_incident(ask: Ask) -> Response:
    """Give an incident, with its record and notifications."""
    found = incidents.the_incident(ask)
    document = incident_document(found, ask.now)
    document["entries"] = [entry_document(one) for one in found.entries]
    document["told"] = plain(told_of(found))
    return _json({"incident": document})


def show_restores(ask: Ask) -> Response:
    """Give verifications of backups, newest first; the header Link says where the next page is."""
    found, older = restores.list_restores(ask)
    sets = [standing_document(one) for one in restores.sets_of(ask)]
    documents = [restore_document(one) for one in found]
    return _json({"restores": documents, "sets": sets, "more": bool(older)}, older)


def show_restore(ask: Ask) -> Response:
    """Give a verification of a backup."""
    return _json({"restore": restore_document(restores.the_restore(ask))})


def show_completion(ask: Ask) -> Response:
    """Give a month's completion."""
    return _json(completion_document(completion.month_asked(ask)))


def restart(ask: Ask) -> Response:
    """Ask for the run's procedure once more."""
    answer = pages.restart(ask)
    request = answer.headers["location"].rpartition("/")[2]
    return _json({"request": int(request)}, status=202)


def show_request(ask: Ask) -> Response:
    """Return what became of a run that was asked for."""
    with ask.store.read() as db:
        number = int(ask.path["id"])
        found = run_requests.get(db, number) if number < 2**31 else None
    if found is None:
        raise PageError(404, "Nobody has asked for that.")
    return _json({"request": found.id, "run": found.run_id, "message": found.message})


def show_acts(ask: Ask) -> Response:
    """Give the audit log, newest first."""
    with ask.store.read() as db:
        found = acts.recent(db, pages.ROWS, ask.number("before"))
        wrong = clocks.wrong_times(db)
    more = f"?before={found[-1].id}" if len(found) == pages.ROWS else ""
    shown = [
        vars(one) | {"at": one.at.isoformat(), "clock": clocks.mark(wrong, "act", one.id, one.at)}
        for one in found
    ]
    return _json({"acts": shown}, more)


def _json(document: Mapping[str, Any], more: str = "", status: int = 200) -> Response:
    headers = {"Link": f'<{more}>; rel="next"'} if more else {}
    text = dumps({"version": 1, **document})
    return Response(text, status, headers, "application/json")


ROUTES = (
    Route(GET, "/api/me", Action.LOOK, show_me),
    Route(GET, "/api/today", Action.LOOK, show_today),
    Route(GET, "/api/runs", Action.LOOK, show_runs),
    Route(GET, "/api/runs/{id:int}", Action.LOOK, show_run),
    Route(POST, "/api/runs/{id:int}/restart", Action.RESTART_RUN, restart),
    Route(GET, "/api/requests/{id:int}", Action.LOOK, show_request),
    Route(GET, "/api/findings", Action.LOOK, show_findings),
    Route(GET, "/api/alerts", Action.LOOK, show_alerts),
    Route(GET, "/api/alerts/{id:int}", Action.LOOK, show_alert),
    Route(POST, "/api/alerts/{id:int}/acknowledge", Action.ACKNOWLEDGE, acknowledge),
    Route(POST, "/api/alerts/{id:int}/unacknowledge", Action.UNACKNOWLEDGE, unacknowledge),
    Route(GET, "/api/reviews", Action.LOOK, show_reviews),
    Route(GET, "/api/reviews/{id:int}", Action.LOOK, show_review),
    Route(GET, "/api/waivers", Action.LOOK, show_waivers),
    Route(GET, "/api/incidents", Action.LOOK, show_incidents),
    Route(GET, "/api/incidents/{id:int}", Action.LOOK, show_incident),
    Route(GET, "/api/restores", Action.LOOK, show_restores),
    Route(GET, "/api/restores/{id:int}", Action.LOOK, show_restore),
    Route(GET, "/api/completion", Action.LOOK, show_completion),
    Route(GET, "/api/acts", Action.LOOK_AT_ACTS, show_acts),
)
