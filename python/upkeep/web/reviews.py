"""Reviews: what people must sign, the evidence, their signatures with files, and handing over."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date
from typing import Any
from urllib.parse import quote

from starlette.responses import Response

from upkeep.model.errors import UsageError
from upkeep.model.stored_text import name
from upkeep.rules.actions import Action
from upkeep.rules.review_failures import NEEDS_NOTE, missed_in, words_of
from upkeep.rules.reviews import (
    UNSEEN,
    FollowUp,
    Form,
    ReviewStanding,
    ReviewVerdict,
    in_force,
    name_of,
    people_able,
    refusal,
    refuse_hand_over,
    title_of,
)
from upkeep.services import reviews
from upkeep.services.acts import signer_of
from upkeep.services.reviews import Given
from upkeep.site.schedule_file import Schedule
from upkeep.store import acts, files, review_evidence, users
from upkeep.store import reviews as stored
from upkeep.store.review_evidence import Shown
from upkeep.store.reviews import KeptReview
from upkeep.view.incident_evidence import incident_lines, incident_words, incidents_title
from upkeep.view.reviews import (
    asked_words,
    in_time_words,
    row_of,
    run_by,
    signers_of,
    waits_words,
)
from upkeep.web.html import go_to, page
from upkeep.web.routing import GET, NO_SITE, POST, Ask, PageError, Route
from upkeep.web.sign_in import proved

ROWS = 100
FOLLOW_UPS = 3
FORM_BYTES = 50_000_000
SHA256 = re.compile(r"[0-9a-f]{64}")
# A file of somebody else is never shown by the browser, and if it were, could do nothing.
DOWNLOAD_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; sandbox; frame-ancestors 'none'",
    "Content-Type": "application/octet-stream",
}
# On a review's form; who signs also says which of these.
EMPTY = Form(ReviewVerdict.PASS)


# --- looking ---------------------------------------------------------------------------------------------------------
def list_reviews(ask: Ask) -> tuple[list[tuple[KeptReview, ReviewStanding]], bool]:
    """Return what must be signed, the soonest due first, with `all` what was opened last; and whether there is more."""
    more = False
    site, team = _site(ask), ask.query.get("team", "")
    with ask.store.read() as db:
        if ask.query.get("all"):
            kept = stored.newest(db, site, ROWS + 1)
            more = len(kept) > ROWS
            kept = kept[:ROWS]
            found = list(reviews.standings(db, kept, ask.now))
        else:
            found = list(reviews.waiting_ones(db, site, ask.now))
    return [one for one in found if not team or team in signers_of(one[0])], more


def show_reviews(ask: Ask) -> Response:
    """Show what must be signed."""
    schedule = ask.schedule
    rows = [row_of(schedule, *one) for one in list_reviews(ask)[0]]
    owners = {owner for row in rows for owner in signers_of(row.review)} | set(schedule.teams)
    return page(
        ask, "reviews.html", rows=rows, team=ask.query.get("team", ""), everything=bool(ask.query.get("all")),
        waiting=sum(not row.standing.is_done for row in rows),
        late=sum(row.standing.overdue for row in rows),
        owners={one: title_of(schedule, one) for one in sorted(owners)},
    )  # fmt: skip


def whole(ask: Ask) -> Shown:
    """Return a review with how it stands, its signatures, its follow-ups, and what was collected."""
    with ask.store.read() as db:
        return review_evidence.look(db, the_review(ask, db), ask.now)


def show_review(ask: Ask, *, message: str = "", status: int = 200) -> Response:
    """Show what a review asks, what was collected for it, who has signed, and the form to sign."""
    schedule = ask.schedule
    shown = whole(ask)
    found, signed = shown.review, shown.signatures
    now_of = [one["now"] for one in shown.evidence["checks"]] if shown.evidence else []
    valid = [one.number for one in in_force(signed)]
    can_sign = ask.setting.installation is not None
    refused = _refusal(ask, schedule, found, signed)
    return page(
        ask, "review.html", status=status, row=row_of(schedule, found, shown.standing), review=found,
        standing=shown.standing, signatures=signed, follow_ups=shown.follow_ups,
        incidents_title=incidents_title, incident_words=incident_words, incident_lines=incident_lines,
        evidence=shown.evidence, collected_at=shown.collected_at, lacking=shown.lacking,
        run_by=run_by(shown.evidence), opened_since=shown.opened_since, unseen=UNSEEN, refused=refused,
        valid=valid, corrected={one.corrects: one.number for one in signed if one.corrects},
        correctable=[one for one in valid if not _refusal(ask, schedule, found, signed, one)],
        owner=title_of(schedule, found.owner), message=message, verdicts=list(ReviewVerdict),
        typed=lambda key: ask.form.get(key, ""),
        owners=_owners(schedule), rows_of_follow_ups=range(1, FOLLOW_UPS + 1),
        most_files=reviews.MOST_FILES, titles=lambda one: title_of(schedule, one),
        may_renew=ask.may(Action.RENEW_REVIEW) and not signed and can_sign,
        takers=_takers(ask, schedule, found) if can_sign else {},
        asked=asked_words(schedule, found), waits=waits_words(schedule, shown.standing),
        in_time=in_time_words(found, shown.standing), hashes=shown.hashes,
        names={one.number: name_of(schedule, one) for one in signed}, missed=missed_in(shown.evidence),
        explain=f"{NEEDS_NOTE}: {words_of(shown.failing)}" if shown.failing else "",
        can_sign=can_sign, failing=sum(bool(one["fail"]) for one in now_of),
        unknown=sum(bool(one["unknown"]) and not one["fail"] for one in now_of),
    )  # fmt: skip


def download(ask: Ask) -> Response:
    """Give a file that a signature of the review names, or the evidence that was shown; to be kept, never to be run."""
    sha256 = ask.path["sha256"]
    with ask.store.read() as db:
        found = the_review(ask, db)
        signed = stored.signatures_of(db, found.id)
        names = {file.sha256: file.name for one in signed for file in one.attachments}
        for shown in (found.evidence_sha256, *(one.evidence_sha256 for one in signed)):
            names.setdefault(shown, f"evidence-{shown[:12]}.json")
        if not SHA256.fullmatch(sha256) or sha256 not in names:
            raise PageError(404, "No such file belongs to this review.")
        content = files.content_of(db, sha256)
    if content is None:
        raise PageError(404, "This file is not kept.", remedy="upkeep review verify says more.")
    known = reviews.file_name(names[sha256])
    plain = re.sub(r"[^\x20-\x7e]", "_", known)
    disposition = f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(known, safe='')}"
    return Response(content, 200, {**DOWNLOAD_HEADERS, "Content-Disposition": disposition})


# --- doing -----------------------------------------------------------------------------------------------------------
def sign(ask: Ask) -> Response:
    """Sign, after the password was given once more. What was typed stays on the form if it cannot be."""
    if ask.setting.installation is None or ask.setting.coming is None:
        raise PageError(409, NO_SITE)
    calendars = ask.setting.coming.calendars(ask.now)
    if calendars is None:
        raise PageError(409, "Nothing can be signed while the schedule cannot be read.")
    with ask.store.read() as db:
        number = the_review(ask, db).id
    try:
        form = _form_of(ask)
        given = [Given(one.name, one.content) for one in ask.files]
        handed = reviews.Submission(form, given, _shown(ask))
        reviews.sign(_signing(ask), calendars, number, handed, proved(ask), ask.now)
    except UsageError as exc:
        return show_review(ask, message=f"Nothing was signed: {exc}.", status=422)
    return go_to(f"/reviews/{number}")


def hand_over(ask: Ask) -> Response:
    """Give the review to another team or person, after the password was given once more."""
    schedule = ask.schedule
    owner, reason = ask.form.get("owner", ""), ask.form.get("reason", "")
    with ask.store.read() as db:
        number = the_review(ask, db).id
    try:
        by = proved(ask)
        to = reviews.Handing(owner, reason)
        reviews.hand_over(_signing(ask), schedule, number, to, by, ask.now)
    except UsageError as exc:
        return show_review(ask, message=f"Not handed over: {exc}.", status=422)
    return go_to(f"/reviews/{number}")


def renew(ask: Ask) -> Response:
    """Collect what there is now."""
    with ask.store.read() as db:
        found = the_review(ask, db)
    try:
        reviews.renew(ask.store, ask.installation, found, ask.now, ask.schedule)
    except UsageError as exc:
        raise PageError(409, f"Nothing was collected: {exc}.") from exc
    with ask.store.begin() as db:
        acts.record(db, ask.act("renew review", f"review {found.id}"))
    return go_to(f"/reviews/{found.id}")


def _signing(ask: Ask) -> reviews.SigningContext:
    """Return where the site's reviews are signed."""
    return reviews.SigningContext(ask.store, _site(ask), ask.installation)


def _form_of(ask: Ask) -> Form:
    """Return what was filled in.

    Raises: UsageError for what cannot be read.
    """
    said = ask.form.get("verdict", "")
    try:
        verdict = ReviewVerdict(said)
    except ValueError:
        raise UsageError("choose a verdict: pass, fail or not applicable") from None
    corrects = ask.form.get("corrects", "")
    if corrects and not (corrects.isascii() and corrects.isdecimal() and len(corrects) < 10):
        raise UsageError("there is no such signature to correct")
    texts = {key: ask.form.get(key, "") for key in ("note", "reason", "alone", "on_behalf_of")}
    return Form(
        verdict,
        **texts,
        follow_ups=tuple(_follow_ups(ask)),
        corrects=int(corrects) if corrects else None,
    )


def _shown(ask: Ask) -> str:
    """Return the hash of the evidence that was on the page with the form."""
    sha256 = ask.form.get("evidence", "")
    if not sha256:
        raise UsageError("the form does not say which evidence was shown; load the page again")
    return sha256


def _follow_ups(ask: Ask) -> Iterator[FollowUp]:
    for row in range(1, FOLLOW_UPS + 1):
        text, owner, due = (
            ask.form.get(f"follow_up_{part}_{row}", "").strip() for part in ("text", "owner", "due")
        )
        if not text and not due:
            continue
        try:
            yield FollowUp(owner, date.fromisoformat(due), text)
        except ValueError:
            message = f"follow-up {row} needs the day on which it is due"
            raise UsageError(message) from None


# --- small things ----------------------------------------------------------------------------------------------------
def the_review(ask: Ask, db: Any) -> KeptReview:
    """Return the site's review of the path's number."""
    found = stored.get(db, _site(ask), int(ask.path["id"]))
    if found is None:
        raise PageError(404, "There is no such review.")
    return found


def _refusal(
    ask: Ask,
    schedule: Schedule,
    found: KeptReview,
    signed: Sequence[Any],
    corrects: int | None = None,
) -> str:
    """Return why who asks may not sign the review, or correct a signature of it; empty if they may."""
    if ask.session is None:
        return ""
    form = replace(EMPTY, corrects=corrects, note="x" if corrects else "")
    return refusal(schedule, found.asked, signed, signer_of(ask.session.user), form)


def _takers(ask: Ask, schedule: Schedule, found: KeptReview) -> dict[str, str]:
    """Return to whom who asks may give the review, with what they are called."""
    if ask.session is None or found.closed_at:
        return {}
    signer = signer_of(ask.session.user)
    with ask.store.read() as db:
        able = people_able(map(signer_of, users.everyone(db)))
    return {
        one: title
        for one, title in _owners(schedule).items()
        if one != found.owner and not refuse_hand_over(schedule, found.asked, signer, one, able)
    }


def _owners(schedule: Schedule) -> dict[str, str]:
    """Return who a review or a follow-up can be given to, with what they are called."""
    return {one: title_of(schedule, one) for one in (*schedule.teams, *schedule.people)}


def _site(ask: Ask) -> str:
    return name(ask.setting.site)


ROUTES = (
    Route(GET, "/reviews", Action.LOOK, show_reviews),
    Route(GET, "/reviews/{id:int}", Action.LOOK, show_review),
    Route(GET, "/reviews/{id:int}/files/{sha256}", Action.DOWNLOAD_FILE, download),
    Route(
        POST,
        "/reviews/{id:int}/sign",
        Action.SIGN_REVIEW,
        sign,
        FORM_BYTES,
        hashes=True,
    ),
    Route(
        POST,
        "/reviews/{id:int}/hand-over",
        Action.HAND_OVER,
        hand_over,
        hashes=True,
    ),
    Route(POST, "/reviews/{id:int}/renew", Action.RENEW_REVIEW, renew, again=show_review),
)
