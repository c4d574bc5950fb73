"""`upkeep baseline`: what is normal, proposed by the machine and accepted by a person."""

from __future__ import annotations

import dataclasses
import sys
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

from upkeep.cli.actions import does
from upkeep.cli.opened import opened
from upkeep.cli.options import Json, SiteOption
from upkeep.cli.output import print_json, say
from upkeep.cli.reviews import by_password
from upkeep.model import clock
from upkeep.model.errors import UsageError
from upkeep.model.nearest import nearest
from upkeep.rules.actions import Action
from upkeep.rules.baselines import Better, Proposal, Series, compared
from upkeep.services import baselines as baselining
from upkeep.services.baselines import Acceptance
from upkeep.services.signing_key import load_installation
from upkeep.store import baselines
from upkeep.view import baselines as view
from upkeep.view.screen import Screen

Names = tuple[str, str, str, str]
"""Check, host, subject and measure."""


def _better(text: str) -> Better | None:
    known = {one.value: one for one in Better}
    if text and text not in known:
        message = f"--better: found {text!r:.80}{nearest(text, known)}"
        raise UsageError(message, remedy=f"one of {', '.join(known)}")
    return known.get(text)


def _row_document(row: view.BaselineRow) -> dict[str, Any]:
    one, newest = row.baseline, row.newest
    return {
        "series": _series_document(one.series),
        "better": one.better.value,
        "level": dataclasses.asdict(one.level),
        "record": one.number,
        "accepted_by": one.accepted_by,
        "accepted_at": one.accepted_at,
        "reason": one.reason,
        "newest": {"at": newest[0], "value": newest[1]} if newest else None,
        "compared": compared(newest[1], one).text if newest else "",
        "proposal": _proposal_document(row.proposal),
    }


def _proposal_document(one: Proposal) -> dict[str, Any]:
    return {
        "series": _series_document(one.series),
        "better": one.better.value,
        "level": dataclasses.asdict(one.level) if one.level else None,
        "replaces": one.before.number if one.before else None,
        "change": one.change,
        "refused": one.refused,
    }


def _series_document(one: Series) -> dict[str, str]:
    values = dataclasses.asdict(one)
    del values["site"]
    return values


# --- the commands -----------------------------------------------------------------------------------------------------
cli = typer.Typer(rich_markup_mode=None)
baseline_group = typer.Typer(
    help="What is normal for a measure.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
cli.add_typer(baseline_group, name="baseline")
MeasuredCheck = Annotated[str, typer.Argument(metavar="CHECK", help="Id of the check.")]
MeasuredHost = Annotated[str, typer.Argument(metavar="HOST", help="A host.")]
MeasuredSubject = Annotated[str, typer.Argument(metavar="SUBJECT", help="As results name it.")]
MeasureName = Annotated[str, typer.Argument(metavar="MEASURE", help="As the check calls it.")]
BetterWay = Annotated[
    str,
    typer.Option("--better", help="lower or higher; as accepted before, else lower."),
]


@baseline_group.command("list")
@does(Action.LOOK)
def list_baselines(inventory: SiteOption = "", as_json: Json = False) -> None:
    """List the accepted baselines.

    Each with its newest value, and whether a better one is proposed.
    """
    with opened(inventory) as (site, store), store.read() as db:
        now = clock.now()
        rows = [
            view.BaselineRow(
                one,
                baselines.newest_value(db, one.series, now),
                baselines.proposal_for(db, one.series, None, now),
            )
            for one in baselines.of_site(db, site.key)
        ]
    if as_json:
        print_json({"baselines": [_row_document(one) for one in rows]})
        return
    view.print_baselines(Screen(sys.stdout), rows, ZoneInfo(site.schedule.time_zone), inventory)


@baseline_group.command("propose")
@does(Action.LOOK)
def propose(
    check: MeasuredCheck,
    host: MeasuredHost,
    subject: MeasuredSubject,
    measure: MeasureName,
    better: BetterWay = "",
    inventory: SiteOption = "",
    as_json: Json = False,
) -> int:
    """Show the baseline that the last 28 days propose.

    Exit status: 1 if they propose none.
    """
    names = (check, host, subject, measure)
    with opened(inventory) as (site, store), store.read() as db:
        series = baselines.series_of(site.key, *names)
        proposal = baselines.proposal_for(db, series, _better(better), clock.now())
    if as_json:
        print_json({"proposal": _proposal_document(proposal)})
    else:
        zone = ZoneInfo(site.schedule.time_zone)
        view.print_proposal(Screen(sys.stdout), proposal, zone, site.name)
    return 1 if proposal.refused else 0


@baseline_group.command("accept")
@does(Action.ACCEPT_BASELINE)
def accept(
    check: MeasuredCheck,
    host: MeasuredHost,
    subject: MeasuredSubject,
    measure: MeasureName,
    reason: Annotated[str, typer.Option("--reason", help="Why this is normal from now on.")],
    better: BetterWay = "",
    inventory: SiteOption = "",
) -> None:
    """Accept the proposed baseline, and sign it.

    Asks for your password on the terminal.
    """
    names = (check, host, subject, measure)
    with opened(inventory) as (site, store):
        series = baselines.series_of(site.key, *names)
        now, way = clock.now(), _better(better)
        with store.read() as db:
            seen = baselines.proposal_for(db, series, way, now)
        if seen.refused or seen.level is None:
            raise UsageError(f"nothing can be accepted: {seen.refused}")
        say(view.proposed(seen, ZoneInfo(site.schedule.time_zone)))
        installation = load_installation(site.settings)
        what = f"accept {seen.level.median:.4g} as the baseline"
        by = by_password(site, store, Action.ACCEPT_BASELINE, what)
        made = baselining.accept(
            store, installation, Acceptance(series, way, seen, reason), by, now
        )
    say(f"baseline {made.level.median:.4g}, spread {made.level.spread:.4g}; record {made.number}")
