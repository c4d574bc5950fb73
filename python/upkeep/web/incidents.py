"""Incidents: those that are open, one to work through with its clock, steps and record, and what outsiders see."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

from starlette.responses import Response

from upkeep.model.errors import UsageError
from upkeep.rules.actions import Action
from upkeep.rules.incidents import (
    ACTS,
    BEGUN,
    LONGEST_LINK,
    NAMES,
    Acted,
    Assigned,
    Closed,
    FollowUpAdded,
    FollowUpDone,
    HandedOver,
    Incident,
    LinkRevoked,
    Noted,
    Said,
    StepDone,
    StepSkipped,
    ToldPerson,
    isolations,
    rehearsed,
)
from upkeep.services import incidents
from upkeep.services.acts import By, SiteAsRead
from upkeep.services.incidents import Opening, Recording
from upkeep.site.fields import seconds_of
from upkeep.site.incident_plans import KINDS
from upkeep.store import acts
from upkeep.store import incidents as stored
from upkeep.view import incidents as view
from upkeep.view.incident_acts import host_lines
from upkeep.web.html import go_to, page
from upkeep.web.routing import GET, POST, Ask, PageError, Route
from upkeep.web.sign_in import proved

ROWS = 50
LOG = 200
LIVE_SECONDS = 5


# --- looking ---------------------------------------------------------------------------------------------------------
def list_incidents(ask: Ask) -> tuple[list[Incident], bool]:
    """Return the open incidents, or all, the newest first; and whether there are more."""
    with ask.store.read() as db:
        everything = bool(ask.query.get("all"))
        rows = stored.of_site(db, ask.setting.site, everything=everything)
        return [stored.load(db, one.id) for one in rows[:ROWS]], len(rows) > ROWS


def the_incident(ask: Ask) -> Incident:
    """Return the incident that is asked for.

    Raises: PageError if there is none.
    """
    number = int(ask.path["id"])
    try:
        with ask.store.read() as db:
            return incidents.load(db, _place(ask), number)
    except UsageError:
        raise PageError(404, "There is no such incident.") from None


def show_incidents(ask: Ask) -> Response:
    """Show the incidents that are open, each with its phase and clock."""
    found, more = list_incidents(ask)
    return page(
        ask, "incidents.html", found=found, more=more, everything=bool(ask.query.get("all")), view=view,
        still=[one for one in found if one.closed_at is None],
    )  # fmt: skip


def show_new(ask: Ask, *, message: str = "", status: int = 200) -> Response:
    """Show the form that opens one."""
    return page(
        ask, "incident_new.html", status=status, message=message, kinds=KINDS,
        drill_hosts=ask.schedule.incidents.drill_hosts,
    )  # fmt: skip


def show_incident(ask: Ask, *, message: str = "", status: int = 200, link: str = "") -> Response:
    """Show an incident: what phase it is in, how long that has left, what is next, what was done, and by whom."""
    found = the_incident(ask)
    with ask.store.read() as db:
        looks = incidents.looks_of(db, _place(ask), found)
    people = ask.schedule.people
    named = {one: person.name for one, person in people.items()}
    owners = named | {one: team.title for one, team in ask.schedule.teams.items()}
    return page(
        ask, "incident.html", status=status, message=message, link=link, incident=found, view=view,
        words_of=incidents.words_of, phases=list(enumerate(found.opened.phases)), people=named,
        owners=owners, told=view.told_of(found), rehearsed=rehearsed(found) if found.opened.drill else (),
        log=list(reversed(found.entries[-LOG:])), more=max(len(found.entries) - LOG, 0),
        live=found.closed_at is None, live_seconds=LIVE_SECONDS, today=ask.now.astimezone(ask.zone).date(),
        isolated=sorted(isolations(found, confirmed=True)),
        hosts=host_lines(found, looks.isolation, ask.zone, ask.now, ask.setting.folder or ""),
    )  # fmt: skip


def told_file(ask: Ask) -> Response:
    """Give who was notified of what and when as a file, as a regulator asks for it."""
    found = the_incident(ask)
    headers = {"Content-Disposition": f'attachment; filename="incident-{found.id}-told.csv"'}
    return Response("".join(view.told_csv(found)), headers=headers, media_type="text/csv")


def show_outside(ask: Ask) -> Response:
    """Show an incident to somebody who has a link: without names of hosts and texts, unless they may see those."""
    number, token = int(ask.path["id"]), str(ask.path["token"])
    nothing = PageError(404, "There is no such page, or the link has ended.")
    if number >= 2**31 or len(token) > 100:
        raise nothing
    with ask.store.read() as db:
        if stored.get(db, ask.setting.site, number) is None:
            raise nothing
        found = stored.load(db, number)
    link = incidents.link_of(found, token, ask.now)
    if link is None:
        raise nothing
    return page(
        ask, "incident_outside.html", incident=found, link=link, view=view, names=NAMES, wide=True,
        kind_name=lambda entry: NAMES[type(entry.said)], words_of=incidents.words_of,
        phases=list(enumerate(found.opened.phases)),
    )  # fmt: skip


# --- doing -----------------------------------------------------------------------------------------------------------
def open_one(ask: Ask) -> Response:
    """Open an incident, which calls its team."""
    try:
        made = incidents.open_incident(_recording(ask), _opening(ask), _by(ask), ask.now)
    except UsageError as exc:
        return show_new(ask, message=f"Nothing was opened: {exc}.", status=422)
    return go_to(f"/incidents/{made.id}")


def _opening(ask: Ask) -> Opening:
    """Return what was filled in.

    Raises: UsageError for what cannot be read.
    """
    form = ask.form
    kind, severity = form.get("kind", ""), form.get("severity", "")
    if kind not in KINDS:
        raise UsageError("choose the kind of incident")
    if severity not in ("1", "2", "3", "4"):
        raise UsageError("choose a severity from 1 to 4")
    ago = form.get("seen_ago", "").strip()
    seen_at = ask.now - timedelta(seconds=_seconds(ago)) if ago else None
    texts, drill = (form.get("title", ""), form.get("hosts", "")), form.get("drill") == "yes"
    return Opening(kind, int(severity), *texts, drill, seen_at)


def _entering(say: Callable[[Ask], Said]) -> Callable[[Ask], Response]:
    """Return what enters what a form says."""

    def answer(ask: Ask) -> Response:
        number = the_incident(ask).id
        try:
            incidents.enter(_recording(ask), number, say(ask), _by(ask), ask.now)
        except UsageError as exc:
            return show_incident(ask, message=f"Nothing was entered: {exc}.", status=422)
        return go_to(f"/incidents/{number}")

    return answer


def _step(ask: Ask) -> Said:
    step, text = ask.form.get("step", ""), ask.form.get("text", "")
    return StepSkipped(step, text) if ask.form.get("how") == "skip" else StepDone(step, text)


def _assigned(ask: Ask) -> Said:
    post = ask.form.get("post", "")
    if post not in ("commander", "scribe"):
        raise UsageError("choose a post: commander or scribe")
    return Assigned("commander" if post == "commander" else "scribe", ask.form.get("to", ""))


def _told(ask: Ask) -> Said:
    texts = [ask.form.get(one, "") for one in ("whom", "what", "way")]
    return ToldPerson(texts[0], texts[1], texts[2], ask.now)


def _follow_up(ask: Ask) -> Said:
    done = ask.form.get("done", "")
    if done:
        if not (done.isascii() and done.isdecimal() and len(done) < 6):
            raise UsageError("there is no such follow-up")
        return FollowUpDone(int(done), ask.form.get("text", ""))
    try:
        due = date.fromisoformat(ask.form.get("due", "").strip())
    except ValueError:
        raise UsageError("until when: expected a date such as 2026-12-24") from None
    return FollowUpAdded(ask.form.get("text", ""), ask.form.get("owner", ""), due)


def _revoked(ask: Ask) -> Said:
    link = ask.form.get("link", "")
    if not (link.isascii() and link.isdecimal() and len(link) < 6):
        raise UsageError("there is no such link")
    return LinkRevoked(int(link))


def ask_act(ask: Ask) -> Response:
    """Ask for an act on hosts, whose names were typed twice; the driver does it, as a run."""
    number = the_incident(ask).id
    try:
        request = incidents.ask_act(_recording(ask), number, _acted(ask), _by(ask), ask.now)
    except UsageError as exc:
        return show_incident(ask, message=f"Nothing was asked for: {exc}.", status=422)
    return go_to(f"/requests/{request}")


def _acted(ask: Ask) -> Acted:
    """Return what is asked for.

    Raises: UsageError for what cannot be meant.
    """
    act = ask.form.get("act", "")
    names, again = (_hosts(ask.form.get(one, "")) for one in ("hosts", "confirm"))
    if act not in ACTS.values():
        raise UsageError("choose what to do: isolate or release")
    if not names:
        raise UsageError("name the hosts")
    if act == "isolate" and names != again:
        raise UsageError("repeat the names of all these hosts to confirm it")
    return Acted(act, names, BEGUN)


def _hosts(text: str) -> tuple[str, ...]:
    """Return the names in a text, in one order."""
    return tuple(sorted({one for one in re.split(r"[\s,]+", text) if one}))


def advance(ask: Ask) -> Response:
    """Begin the next phase."""
    number = the_incident(ask).id
    try:
        incidents.advance(_recording(ask), number, _by(ask), ask.now)
    except UsageError as exc:
        return show_incident(ask, message=f"The phase goes on: {exc}.", status=422)
    return go_to(f"/incidents/{number}")


def close(ask: Ask) -> Response:
    """Close the incident and sign its lesson, after the password was given once more."""
    number = the_incident(ask).id
    try:
        by = proved(ask)
        said = Closed(ask.form.get("lesson", ""), ask.form.get("unfinished", ""), by.authenticated)
        incidents.enter(_recording(ask), number, said, by, ask.now)
    except UsageError as exc:
        return show_incident(ask, message=f"It is still open: {exc}.", status=422)
    return go_to(f"/incidents/{number}")


def share(ask: Ask) -> Response:
    """Make a link for an outsider, and show it once: its secret is kept nowhere."""
    number = the_incident(ask).id
    try:
        until = ask.now + min(
            timedelta(seconds=_seconds(ask.form.get("lasts", ""))), 2 * LONGEST_LINK
        )
        _link, token = incidents.share(
            _recording(ask), number, ask.form.get("whom", ""), until, _by(ask), ask.now,
            full=ask.form.get("full") == "yes",
        )  # fmt: skip
    except UsageError as exc:
        return show_incident(ask, message=f"No link was made: {exc}.", status=422)
    return show_incident(
        ask, link=f"{ask.schedule.alerts.page.rstrip('/')}/outside/{number}/{token}"
    )


def _seconds(text: str) -> float:
    try:
        return seconds_of(text)
    except ValueError as exc:
        raise UsageError(f"{text[:40] or 'nothing'} is not a duration; expected {exc}") from None


def _recording(ask: Ask) -> Recording:
    """Return where the site's incidents are recorded; without a schedule that can be read there are no phases."""
    if ask.setting.schedule() is None:
        raise PageError(409, "Nothing can be entered while the schedule cannot be read.")
    folder = ask.setting.folder or ask.setting.site
    return Recording(ask.store, _place(ask), ask.installation, folder)


def _place(ask: Ask) -> SiteAsRead:
    return SiteAsRead(ask.setting.site, ask.schedule)


def _by(ask: Ask) -> By:
    if ask.session is None:
        raise PageError(401, "Sign in first.")
    return By(ask.session.user, acts.WEB, address=ask.address)


def _post(path: str, action: Action, answer: Callable[[Ask], Response], **more: Any) -> Route:
    """Return the route of a form on an incident's page, which is shown again where it is refused."""
    return Route(POST, f"/incidents/{{id:int}}/{path}", action, answer, again=show_incident, **more)


WORK = Action.WORK_ON_INCIDENT
ROUTES = (
    Route(GET, "/incidents", Action.LOOK, show_incidents),
    Route(GET, "/incidents/new", Action.OPEN_INCIDENT, show_new),
    Route(POST, "/incidents/new", Action.OPEN_INCIDENT, open_one, again=show_new),
    Route(GET, "/incidents/{id:int}", Action.LOOK, show_incident),
    Route(GET, "/incidents/{id:int}/told.csv", Action.LOOK, told_file),
    Route(GET, "/outside/{id:int}/{token}", Action.LOOK_FROM_OUTSIDE, show_outside),
    _post("step", WORK, _entering(_step)),
    _post("note", WORK, _entering(lambda ask: Noted(ask.form.get("text", "")))),
    _post("assign", WORK, _entering(_assigned)),
    _post("act", Action.CONTAIN_INCIDENT, ask_act),
    _post("advance", WORK, advance),
    _post(
        "hand-over",
        WORK,
        _entering(lambda ask: HandedOver(ask.form.get("to", ""), ask.form.get("summary", ""))),
    ),
    _post("told", WORK, _entering(_told)),
    _post("follow-up", WORK, _entering(_follow_up)),
    _post("close", Action.CLOSE_INCIDENT, close, hashes=True),
    _post("share", Action.SHARE_INCIDENT, share),
    _post("unshare", Action.SHARE_INCIDENT, _entering(_revoked)),
)
