"""Baselines: what a person has accepted as normal, how it is now, and what the values propose."""

from __future__ import annotations

import hashlib
from typing import Any

from starlette.responses import Response

from upkeep.model.errors import UsageError
from upkeep.rules.actions import Action
from upkeep.rules.baselines import Better, Proposal, Series, compared
from upkeep.services import actors
from upkeep.services import baselines as baselining
from upkeep.services.acts import Proved
from upkeep.services.baselines import Acceptance
from upkeep.store import acts, baselines
from upkeep.view.baselines import BaselineRow, proposed
from upkeep.web.html import go_to, link, page
from upkeep.web.routing import GET, POST, Ask, PageError, Route

NAMES = ("check", "host", "subject", "measure")


def show_baselines(ask: Ask) -> Response:
    """Show the accepted baselines, those first for which a better one is proposed."""
    with ask.store.read() as db:
        rows = [
            BaselineRow(
                one,
                baselines.newest_value(db, one.series, ask.now),
                baselines.proposal_for(db, one.series, None, ask.now),
            )
            for one in baselines.of_site(db, ask.setting.site)
        ]
    rows.sort(key=lambda row: bool(row.proposal.refused))
    return page(
        ask, "baselines.html", rows=rows, compared=compared, path=_path,
        better=sum(not row.proposal.refused for row in rows),
    )  # fmt: skip


def show_series(ask: Ask, *, message: str = "", status: int = 200) -> Response:
    """Show what the values of one series propose, what was accepted before, and the form to accept."""
    series, way = _series(ask), _better(ask)
    with ask.store.read() as db:
        proposal = baselines.proposal_for(db, series, way, ask.now)
        history = baselines.history(db, series)
    return page(
        ask, "baseline.html", status=status, series=series, proposal=proposal, message=message,
        said=proposed(proposal, ask.zone), history=history, ways=list(Better),
        shown=_stamp(proposal), may_accept=ask.may(Action.ACCEPT_BASELINE) and ask.setting.installation is not None,
        reason=ask.form.get("reason", ""), names=NAMES,
    )  # fmt: skip


def accept(ask: Ask) -> Response:
    """Accept what was shown, after the password was given once more."""
    if ask.setting.installation is None:
        raise PageError(409, "Nothing can be signed here: this page knows no site.")
    series, way = _series(ask), _better(ask)
    try:
        password = ask.form.get("password", "")
        user = actors.prove(
            ask.store, ask.user, password, ask.now, address=ask.address, way=acts.WEB
        )
        told = f"password on the page, from {ask.address}"
        by = Proved(user, acts.WEB, address=ask.address, authenticated=told)
        seen = _shown(ask, series, way)
        reason = ask.form.get("reason", "")
        baselining.accept(
            ask.store,
            ask.setting.installation(),
            Acceptance(series, way, seen, reason),
            by,
            ask.now,
        )
    except UsageError as exc:
        return show_series(ask, message=f"Nothing was accepted: {exc}.", status=422)
    return go_to(_path(series))


def _shown(ask: Ask, series: Series, way: Better | None) -> Proposal:
    """Return the proposal, if it is the one that the form showed.

    Raises: UsageError if it is another by now.
    """
    with ask.store.read() as db:
        seen = baselines.proposal_for(db, series, way, ask.now)
    if _stamp(seen) != ask.form.get("shown", ""):
        raise UsageError("the proposal has changed since it was shown; read it again")
    return seen


def _series(ask: Ask) -> Series:
    asked: dict[str, Any] = {key: ask.form.get(key) or ask.query.get(key, "") for key in NAMES}
    if not all(asked[key] for key in NAMES if key != "subject"):
        raise PageError(422, "A series is named by its check, host, subject and measure.")
    return baselines.series_of(ask.setting.site, *(asked[key] for key in NAMES))


def _better(ask: Ask) -> Better | None:
    said = ask.form.get("better") or ask.query.get("better", "")
    known = {one.value: one for one in Better}
    if said and said not in known:
        raise PageError(422, "Better is lower or higher.")
    return known.get(said)


def _stamp(proposal: Proposal) -> str:
    """Return by what a form says which proposal it showed."""
    before = proposal.before.number if proposal.before else 0
    return hashlib.sha256(repr((proposal.level, before, proposal.better)).encode()).hexdigest()


def _path(series: Series) -> str:
    return link("/baselines/series", **{key: getattr(series, key) for key in NAMES})


ROUTES = (
    Route(GET, "/baselines", Action.LOOK, show_baselines),
    Route(GET, "/baselines/series", Action.LOOK, show_series),
    Route(POST, "/baselines/series", Action.ACCEPT_BASELINE, accept, hashes=True),
)
