"""Waivers: what is accepted for a time, asked for by one person, approved by another."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from starlette.responses import Response

from upkeep.model.errors import UsageError
from upkeep.model.stored_text import name
from upkeep.model.verdicts import Severity
from upkeep.rules import waivers
from upkeep.rules.actions import Action
from upkeep.rules.trouble_groups import grouped
from upkeep.rules.waivers import Waiver, WaiverScope, WaiverState
from upkeep.services import waivers as waiving
from upkeep.services.acts import By, SiteAsRead
from upkeep.site.fields import seconds_of, within
from upkeep.store import acts, findings
from upkeep.store import page_queries as queries
from upkeep.store import waivers as stored
from upkeep.store.page_queries import WantedFindings
from upkeep.view.json import waiver_document
from upkeep.web.html import go_to, page
from upkeep.web.routing import GET, POST, Ask, PageError, Route
from upkeep.web.runs import the_finding

ROWS = 100
COVERED = 50


def list_waivers(ask: Ask) -> tuple[list[Waiver], dict[int, int]]:
    """Return the waivers that hold or wait for approval, or all, and how many open findings each covers."""
    site, everything = _place(ask).key, bool(ask.query.get("all"))
    with ask.store.read() as db:
        found = stored.of_site(db, site, ask.now, everything=everything)
        return found[:ROWS] if everything else found, findings.waived_by(db, name(site))


def documents(ask: Ask) -> list[dict[str, Any]]:
    """Return them as JSON types."""
    found, covered = list_waivers(ask)
    return [waiver_document(one, covered.get(one.id, 0), ask.now) for one in found]


def show_waivers(ask: Ask) -> Response:
    """Show what waits for approval, then what holds, the first to end first."""
    found, covered = list_waivers(ask)
    waits = [one for one in found if one.state(ask.now) is WaiverState.REQUESTED]
    others = [one for one in found if one not in waits]
    return page(
        ask, "waivers.html", waits=waits, others=others, covered=covered,
        everything=bool(ask.query.get("all")),
    )  # fmt: skip


def show_waiver(ask: Ask, *, message: str = "", status: int = 200) -> Response:
    """Show a waiver: what it covers now, who asked, who approved, and what can be done."""
    with ask.store.read() as db:
        found = _the_waiver(ask, db)
        wanted = WantedFindings(waived=True, check=found.scope.check_id)
        covered = [
            one for one in queries.findings(db, ask.setting.site, COVERED, wanted)
            if one.waiver_id == found.id
        ]  # fmt: skip
        number = findings.waived_by(db, name(found.site)).get(found.id, 0)
        no_approval = waiving.why_not_approved(db, _place(ask), found, _by(ask), ask.now)
    by = _by(ask).who(ask.schedule)
    return page(
        ask, "waiver.html", status=status, waiver=found, state=found.state(ask.now),
        covered=grouped(covered, findings.Finding.tell),
        more=number - len(covered), message=message, no_approval=no_approval,
        may_revoke=not waivers.refuse_revocation(found, by, "said", ask.now),
    )  # fmt: skip


def show_request(ask: Ask, *, message: str = "", status: int = 200) -> Response:
    """Show the form that asks for a waiver, of a finding if one is named."""
    asked: dict[str, str] = dict(ask.form)
    number = ask.number("finding")
    if number is not None and not asked:
        with ask.store.read() as db:
            found = the_finding(ask, db, number)
        asked = {
            "check": found.check_id, "host": found.host, "subject": found.subject,
            "severity": found.severity.value,
        }  # fmt: skip
    longest = waiving.longest(ask.schedule)
    asked.setdefault("lasts", within(min(timedelta(days=30), longest).total_seconds()))
    return page(
        ask, "waiver_new.html", status=status, asked=lambda key: asked.get(key, ""), message=message,
        severities=list(Severity), longest=within(longest.total_seconds()), known=waiving.known_checks(),
    )  # fmt: skip


def request(ask: Ask) -> Response:
    """Ask for a waiver."""
    try:
        scope = _scope(ask)
        ends = ask.now + timedelta(seconds=_lasts(ask))
        reason = ask.form.get("reason", "")
        made = waiving.request(ask.store, _place(ask), scope, reason, ends, _by(ask), ask.now)
    except UsageError as exc:
        return show_request(ask, message=f"Nothing was asked for: {exc}.", status=422)
    return go_to(f"/waivers/{made.id}")


def approve(ask: Ask) -> Response:
    """Approve what somebody else has asked for."""
    with ask.store.read() as db:
        number = _the_waiver(ask, db).id
    try:
        waiving.approve(ask.store, _place(ask), number, _by(ask), ask.now)
    except UsageError as exc:
        return show_waiver(ask, message=f"Nothing was approved: {exc}.", status=422)
    return go_to(f"/waivers/{number}")


def revoke(ask: Ask) -> Response:
    """End a waiver, or withdraw its request."""
    with ask.store.read() as db:
        number = _the_waiver(ask, db).id
    try:
        why = ask.form.get("reason", "")
        waiving.revoke(ask.store, _place(ask), number, why, _by(ask), ask.now)
    except UsageError as exc:
        return show_waiver(ask, message=f"Nothing was revoked: {exc}.", status=422)
    return go_to(f"/waivers/{number}")


def _scope(ask: Ask) -> WaiverScope:
    check, host, subject, said = (
        ask.form.get(key, "").strip() for key in ("check", "host", "subject", "severity")
    )
    known = {one.value: one for one in Severity}
    if said not in known:
        raise UsageError("choose the severity up to which the waiver applies")
    return WaiverScope(check, host, subject, known[said])


def _lasts(ask: Ask) -> float:
    text = ask.form.get("lasts", "").strip()
    try:
        return seconds_of(text)
    except ValueError as exc:
        raise UsageError(f"{text[:40] or 'nothing'} is not a duration; expected {exc}") from None


def _the_waiver(ask: Ask, db: Any) -> Waiver:
    number = int(ask.path["id"])
    found = stored.get(db, _place(ask).key, number) if number < 2**31 else None
    if found is None:
        raise PageError(404, "There is no such waiver.")
    return found


def _place(ask: Ask) -> SiteAsRead:
    return SiteAsRead(ask.setting.site, ask.schedule)


def _by(ask: Ask) -> By:
    if ask.session is None:
        raise PageError(401, "Sign in first.")
    return By(ask.session.user, acts.WEB, address=ask.address)


ROUTES = (
    Route(GET, "/waivers", Action.LOOK, show_waivers),
    Route(GET, "/waivers/new", Action.REQUEST_WAIVER, show_request),
    Route(POST, "/waivers/new", Action.REQUEST_WAIVER, request),
    Route(GET, "/waivers/{id:int}", Action.LOOK, show_waiver),
    Route(POST, "/waivers/{id:int}/approve", Action.APPROVE_WAIVER, approve),
    Route(POST, "/waivers/{id:int}/revoke", Action.REVOKE_WAIVER, revoke),
)
