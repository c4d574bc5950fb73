"""`upkeep schedule`: what is due when, what a year brings, what cannot be meant, and the calendar feed."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping
from datetime import date, timedelta
from itertools import islice
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

from upkeep.cli.actions import does
from upkeep.cli.options import Json, Quiet, SiteOption, counting, number_of
from upkeep.cli.output import print_json
from upkeep.cli.product import CommandsAndPages
from upkeep.cli.times import YEARS, time_of
from upkeep.judging.check import load
from upkeep.model import clock
from upkeep.model.errors import UpkeepError, UsageError
from upkeep.model.remedies import command
from upkeep.rules.actions import Action
from upkeep.rules.coverage import coverage
from upkeep.schedule.calendars import calendars_of
from upkeep.schedule.simulate import simulate
from upkeep.services import incident_lint, inventory_lint, requirement_lint
from upkeep.services.schedule_lint import Remark, lint
from upkeep.site.inventory import read_static
from upkeep.site.schedule_file import Procedure
from upkeep.site.site import SCHEDULE, Site, definitions, load_site
from upkeep.site.yaml_file import YamlFile, parse
from upkeep.view import lists
from upkeep.view import model as shown
from upkeep.view import schedule as view
from upkeep.view.coverage import coverage_document, print_coverage
from upkeep.view.left_out import say_left_out
from upkeep.view.screen import Screen
from upkeep.view.upcoming import between, next_of_each, scheduled

MOST_COUNTED = 10_000


def _of_inventory(site: Site, file: YamlFile | None) -> list[Remark]:
    """Return the remarks on the inventory, of what its files say; nothing of the site's is run."""
    path = Path(site.inventory)
    if not path.exists():  # a list of hosts
        return []
    said = tuple(definitions(path))
    found = [
        *inventory_lint.wrong_values(said),
        *inventory_lint.blind_entries(said, load()),
        *inventory_lint.new_checks(said, load()),
    ]
    listing = read_static(path)
    if listing is None:
        sys.stderr.write(
            f"{path}: not only files say which hosts there are; which patterns match none is told by: "
            f"{command('doctor', site=site.name)}\n"
        )
        return found
    inventory = inventory_lint.inventory_of(path, listing, said)
    return [*found, *inventory_lint.lint(site.schedule, inventory, file)]


# --- small things ----------------------------------------------------------------------------------------------------
def _documents(rows: list[Any]) -> list[Any]:
    return [_plain(dataclasses.asdict(row)) for row in rows]


def _plain(value: Any) -> Any:
    """Return times as text."""
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value.isoformat() if isinstance(value, date) else value


# --- the commands -----------------------------------------------------------------------------------------------------
cli = typer.Typer(rich_markup_mode=None)
schedule_group = typer.Typer(
    help="The procedures: when each is due, and what is wrong.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
cli.add_typer(schedule_group, name="schedule")


def _print_settings(procedures: Mapping[str, Procedure], *, as_json: bool) -> None:
    """Print what the schedule's file says of each procedure."""
    if as_json:
        print_json(
            {
                "procedures": [
                    {"id": name} | one.model_dump(mode="json") for name, one in procedures.items()
                ]
            }
        )
        return
    rows = [
        shown.ProcedureShown(name, one.title, one.hosts, one.owner)
        for name, one in procedures.items()
    ]
    lists.print_procedures(Screen(sys.stdout), rows, clock.now())


@schedule_group.command("list")
@does(Action.LOOK)
def list_schedule(
    inventory: SiteOption = "",
    settings: Annotated[
        bool, typer.Option("--settings", help="Their titles, hosts and owners instead.")
    ] = False,
    as_json: Json = False,
) -> None:
    """List the procedures, and when each is due."""
    site = load_site(inventory)
    if settings:
        _print_settings(site.schedule.procedures, as_json=as_json)
        return
    now = clock.now()
    rows = scheduled(site.schedule, now)
    if as_json:
        print_json({"time_zone": site.schedule.time_zone, "procedures": _documents(rows)})
    else:
        view.print_schedule(Screen(sys.stdout), rows, site.schedule.time_zone, now)


@schedule_group.command("next")
@does(Action.LOOK)
def list_next(
    inventory: SiteOption = "",
    begins: Annotated[
        str, typer.Option("--from", metavar="TIME", help="From then on; now, if not given.")
    ] = "",
    ends: Annotated[
        str, typer.Option("--to", metavar="TIME", help="All that is due until then.")
    ] = "",
    count: Annotated[int, counting()] = 50,
    as_json: Json = False,
) -> None:
    """List when each procedure is due next.

    With --to: all that is due between two times.
    """
    site = load_site(inventory)
    calendars = calendars_of(site.schedule, site.folder)
    zone = ZoneInfo(site.schedule.time_zone)
    now = clock.now()
    after = time_of(begins, zone, "--from") if begins else now
    until = time_of(ends, zone, "--to") if ends else None
    if until is not None and until <= after:
        raise UsageError("--to is not after --from")
    if begins:
        after -= timedelta(microseconds=1)  # what is due at that very time, too
    every = between(calendars, after, until) if until else next_of_each(calendars, after)
    rows = list(islice(every, count))
    left = sum(1 for _one in islice(every, MOST_COUNTED))
    if as_json:
        document = {"time_zone": site.schedule.time_zone, "more": left > 0}
        print_json({**document, "occurrences": _documents(rows)})
    else:
        view.print_next(Screen(sys.stdout), rows, zone, now, inventory)
    say_left_out(left, len(rows) + left, most=MOST_COUNTED)


@schedule_group.command("simulate")
@does(Action.LOOK)
def simulate_year(
    year: Annotated[
        int, typer.Argument(parser=number_of("YEAR", *YEARS), help="A year, such as 2027.")
    ],
    inventory: SiteOption = "",
    as_json: Json = False,
) -> None:
    """Go through a year: overlaps, blackouts and load.

    It also shows when nobody is on call, and the load of each week.
    """
    site = load_site(inventory)
    found = simulate(calendars_of(site.schedule, site.folder), year)
    if as_json:
        print_json(_plain(dataclasses.asdict(found)))
    else:
        view.print_simulation(Screen(sys.stdout), found, ZoneInfo(site.schedule.time_zone))


@schedule_group.command("lint")
@does(Action.LOOK)
def lint_schedule(inventory: SiteOption = "", quiet: Quiet = False, as_json: Json = False) -> int:
    """Find what is valid but probably not meant.

    Exit status: 2 for an error, 1 for anything else.
    """
    site = load_site(inventory)
    own = (
        site.name and site.text
    )  # else the embedded procedures serve, whose file is nobody's to change
    file = parse(site.folder / SCHEDULE, site.text) if own else None
    remarks = lint(calendars_of(site.schedule, site.folder), clock.now(), file)
    remarks += requirement_lint.lint(site.schedule, CommandsAndPages(), file)
    remarks += incident_lint.lint(site.schedule, CommandsAndPages(), file)
    remarks += _of_inventory(site, file)
    if quiet and not remarks:
        return 0
    if as_json:
        documents = _documents(remarks)
        for one in documents:
            del one["key"]  # of which `place` is the line
        print_json({"remarks": documents})
    else:
        view.print_remarks(Screen(sys.stdout), remarks, len(site.schedule.procedures))
    if any(one.level == "error" for one in remarks):
        return 2
    return 1 if remarks else 0


@schedule_group.command("coverage")
@does(Action.LOOK)
def show_coverage(inventory: SiteOption = "", as_json: Json = False) -> None:
    """List the site's requirements, and what covers each.

    What is missing is listed, too.
    """
    site = load_site(inventory)
    rows = coverage(site.schedule)
    if as_json:
        print_json(coverage_document(rows))
    else:
        print_coverage(Screen(sys.stdout), rows, site.name)


@schedule_group.command("ics")
@does(Action.LOOK)
def write_feed(
    inventory: SiteOption = "",
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Standard output, if not given.")
    ] = None,
) -> None:
    """Write the schedule as an iCalendar feed."""
    from upkeep.view.calendar_feed import feed, is_in_feed

    site = load_site(inventory)
    made = feed(site.schedule, site.title, clock.now())
    if out is None:
        sys.stdout.buffer.write(made)
        sys.stdout.flush()
        return
    try:
        out.write_bytes(made)
    except OSError as exc:
        raise UpkeepError(f"{out}: cannot be written: {exc.strerror}") from exc
    screen = Screen(sys.stdout)
    screen.line("wrote ", screen.text(str(out)))
    left_out = [
        name
        for name, one in site.schedule.procedures.items()
        if one.rule is not None and not is_in_feed(one)
    ]
    if left_out:
        names = ", ".join(left_out)
        screen.line("left out what comes too often for a calendar: ", screen.text(names))
