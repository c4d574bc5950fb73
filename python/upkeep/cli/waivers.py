"""`upkeep waiver`: what is accepted for a time, by whom and why."""

from __future__ import annotations

import sys
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from upkeep.cli.actions import does
from upkeep.cli.opened import opened
from upkeep.cli.options import Json, SiteOption, numbered
from upkeep.cli.output import print_json, say
from upkeep.cli.times import end_of
from upkeep.model import clock
from upkeep.model.errors import UsageError
from upkeep.model.nearest import nearest
from upkeep.model.remedies import command
from upkeep.model.stored_text import name
from upkeep.model.text import counted, exact
from upkeep.model.verdicts import Severity
from upkeep.rules.actions import Action
from upkeep.rules.waivers import WaiverScope
from upkeep.services import actors, waivers
from upkeep.services.acts import By
from upkeep.site.site import Site
from upkeep.store import Store, acts, findings
from upkeep.store import waivers as stored
from upkeep.view import waivers as view
from upkeep.view.json import waiver_document
from upkeep.view.screen import Screen


def _by(site: Site, store: Store, action: Action, target: str) -> By:
    """Return who is about to do something: it must be known that the second is not the first."""
    known = actors.someone(store, site.schedule, action, target, site=site)
    return By(known.user, acts.CLI, known.account)


def _severity(text: str) -> Severity:
    known = {one.value: one for one in Severity}
    if text.lower() not in known:
        near = nearest(text.lower(), known)
        raise UsageError(
            f"there is no severity {text!r:.80}{near}", remedy=f"one of {', '.join(known)}"
        )
    return known[text.lower()]


# --- the commands -----------------------------------------------------------------------------------------------------
cli = typer.Typer(rich_markup_mode=None)
waiver_group = typer.Typer(
    help="Failures that are accepted for a time.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
cli.add_typer(waiver_group, name="waiver")
WaiverNumber = Annotated[int, numbered("waiver")]


@waiver_group.command("list")
@does(Action.LOOK)
def list_waivers(
    inventory: SiteOption = "",
    everything: Annotated[bool, typer.Option("--all", help="Those that have ended too.")] = False,
    unused: Annotated[
        bool, typer.Option("--unused", help="Only those that have covered nothing for 30 days.")
    ] = False,
    as_json: Json = False,
) -> None:
    """List the waivers, and how many findings each covers.

    Those that hold and those that wait for approval.
    """
    with opened(inventory) as (site, store), store.read() as db:
        now = clock.now()
        found = stored.of_site(db, site.key, now, everything=everything)
        covered = findings.waived_by(db, name(site.key))
    if unused:
        found = [one for one in found if one.unused(now)]
    if as_json:
        documents = [waiver_document(one, covered.get(one.id, 0), now) for one in found]
        print_json({"waivers": documents})
        return
    zone = ZoneInfo(site.schedule.time_zone)
    view.print_waivers(Screen(sys.stdout), found, covered, zone, now, inventory, unused=unused)


@waiver_group.command("ask")
@does(Action.REQUEST_WAIVER)
def request(
    check: Annotated[str, typer.Argument(help="Id of the check that fails.")],
    host: Annotated[str, typer.Argument(help="A host, or a pattern such as 'web*'.")],
    subject: Annotated[str, typer.Argument(help="A subject, or a glob such as '/var/log/*'.")],
    severity: Annotated[
        str,
        typer.Option(
            "--severity", help="Up to this severity: critical, high, medium, low or info."
        ),
    ],
    reason: Annotated[str, typer.Option("--reason", help="Why it is acceptable.")],
    inventory: SiteOption = "",
    lasts: Annotated[
        str, typer.Option("--for", metavar="TIME", help="Such as '30 d'; at most 90 days.")
    ] = "",
    ends: Annotated[str, typer.Option("--until", metavar="TIME", help="Local time.")] = "",
) -> None:
    """Ask for a waiver; somebody else must approve it."""
    with opened(inventory) as (site, store):
        now, zone = clock.now(), ZoneInfo(site.schedule.time_zone)
        until = end_of(lasts, ends, now, zone, "a waiver")
        asked = WaiverScope(check.strip(), host.strip(), subject.strip(), _severity(severity))
        target = f"{asked.check_id} of {asked.subject_glob} on {asked.host_pattern}"
        by = _by(site, store, Action.REQUEST_WAIVER, target)
        made = waivers.request(store, site, asked, reason, until, by, now)
    say(
        f"waiver {made.id} is requested until {exact(until, zone)}; it takes effect when an approver approves it:"
    )
    say(f"  {command('waiver', 'approve', str(made.id), site=inventory)}")


@waiver_group.command("approve")
@does(Action.APPROVE_WAIVER)
def approve(number: WaiverNumber, inventory: SiteOption = "") -> None:
    """Approve a waiver that somebody else has asked for."""
    with opened(inventory) as (site, store):
        by = _by(site, store, Action.APPROVE_WAIVER, f"waiver {number}")
        made, changed = waivers.approve(store, site, number, by, clock.now())
        until = exact(made.ends_at, ZoneInfo(site.schedule.time_zone))
    say(f"waiver {number} is in force until {until}; it covers {counted(changed, 'open finding')}")


@waiver_group.command("revoke")
@does(Action.REVOKE_WAIVER)
def revoke(
    number: WaiverNumber,
    reason: Annotated[str, typer.Option("--reason", help="Why it ends.")],
    inventory: SiteOption = "",
) -> None:
    """End a waiver before its time, or withdraw a request.

    People are notified of what it covered as if that were new.
    """
    with opened(inventory) as (site, store):
        by = _by(site, store, Action.REVOKE_WAIVER, f"waiver {number}")
        changed = waivers.revoke(store, site, number, reason, by, clock.now())
    say(f"waiver {number} is revoked; it covered {counted(changed, 'open finding')}")
