"""`upkeep occurrence`: what was due, what became of it, and what hosts still owe."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

from upkeep.cli.actions import does
from upkeep.cli.opened import opened
from upkeep.cli.options import MOST_DAYS, Json, SiteOption, counting, number_of
from upkeep.model import clock
from upkeep.model.remedies import command
from upkeep.model.text import ago, exact
from upkeep.rules.actions import Action
from upkeep.store import occurrences
from upkeep.view.json import dumps
from upkeep.view.left_out import say_older
from upkeep.view.lists import Column, print_columns, print_empty
from upkeep.view.screen import Screen

AHEAD = timedelta(days=1)


def _document(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row as JSON says it; what the driver keeps for itself is left out."""
    return {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in values.items()
        if name not in ("site", "driver_id", "claimed_at", "tried_at")
    }


# --- the commands -----------------------------------------------------------------------------------------------------
cli = typer.Typer(rich_markup_mode=None)
occurrence_group = typer.Typer(
    help="What was due, and what became of it.", no_args_is_help=True, rich_markup_mode=None
)
cli.add_typer(occurrence_group, name="occurrence")


@occurrence_group.command("list")
@does(Action.LOOK)
def list_occurrences(
    inventory: SiteOption = "",
    days: Annotated[
        int,
        typer.Option(
            "--days", metavar="N", parser=number_of("--days", 1, MOST_DAYS), help="How far back."
        ),
    ] = 7,
    count: Annotated[int, counting()] = 50,
    as_json: Json = False,
) -> None:
    """List what was due, and what became of it.

    Each occurrence with the reason, and what is still due on hosts.
    """
    now = clock.now()
    with opened(inventory) as (site, store), store.read() as db:
        key = site.key
        found = occurrences.between(db, key, now - timedelta(days=days), now + AHEAD, count + 1)
        more = len(found) > count
        found = found[:count]
        owed = occurrences.debts(db, key)
    if as_json:
        document = {
            "version": 1,
            "occurrences": [_document(asdict(one) | {"reasons": sorted(one.why)}) for one in found],
            "debts": [_document(asdict(one)) for one in owed],
            "more": more,
        }
        sys.stdout.write(dumps(document) + "\n")
        if more:
            say_older()
        return
    screen = Screen(sys.stdout)
    if not found and not owed:
        print_empty(
            screen,
            f"Nothing was due in {days} days",
            f"coming up: {command('schedule', 'next', site=site.name)}",
        )
        return
    zone = ZoneInfo(site.schedule.time_zone)
    columns = [
        Column("due"),
        Column("procedure", subject=True),
        Column("kind"),
        Column("state"),
        Column("run", right=True),
        Column("why", gives=True),
    ]
    rows = [
        [
            ago(one.due_at, now) if screen.live else exact(one.due_at, zone),
            one.schedule + (f" on {one.named}" if one.host else ""),
            one.kind.replace("_", "-"),
            one.state,
            str(one.run_id or ""),
            one.cause[:200],
        ]
        for one in found
    ]
    if not screen.live:  # one kind of rows
        rows += [
            [
                exact(one.due_at, zone),
                f"{one.schedule} on {one.host}",
                "debt",
                "due",
                "",
                one.reason,
            ]
            for one in owed
        ]
    if rows:
        print_columns(screen, columns, rows)
    for debt in owed if screen.live else ():
        until = f" until {exact(debt.expires_at, zone)}" if debt.expires_at else ""
        of = f"{debt.schedule} of {exact(debt.due_at, zone)}"
        line = f"{of} is still due on {debt.host}{until}: {debt.reason}"
        screen.line(screen.text(line, 300))
    screen.flush()
    if more:
        say_older()
