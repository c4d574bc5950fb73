"""The schedule on a terminal or in a pipe: procedures, occurrences, a simulated year, remarks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from upkeep.model.remedies import command
from upkeep.model.text import ago, counted, exact, thousands
from upkeep.schedule.simulate import Simulation, Week
from upkeep.services.schedule_lint import Remark
from upkeep.view.lists import Column, print_columns, print_empty
from upkeep.view.screen import STYLES, Piece, Screen
from upkeep.view.troubles import TroubleRow, print_rows

WEEKS_SHOWN = 5
COLLISIONS_SHOWN = 15


@dataclass(frozen=True)
class Scheduled:
    """A procedure and when it is due. words: empty for one that only runs by hand."""

    id: str
    title: str
    words: str
    rule: str | None
    time_zone: str
    next_due: datetime | None
    hosts: str
    owner: str
    duration_seconds: float
    changes_hosts: bool


@dataclass(frozen=True)
class Upcoming:
    """When a procedure is due. times: how often until the end of the list, for what comes by hours or minutes."""

    procedure: str
    title: str
    due: datetime
    begins: datetime
    times: int
    hosts: str
    owner: str
    duration_seconds: float
    blackout: str | None


def print_schedule(
    screen: Screen, rows: Sequence[Scheduled], time_zone: str, now: datetime
) -> None:
    """Print the procedures in the order of the file."""
    columns = [
        Column("procedure", subject=True),
        Column("when", gives=True),
        Column("next"),
        Column("hosts", gives=True),
        Column("owner", drops=True),
    ]
    cells: list[list[Piece]] = []
    for row in rows:
        other = "" if row.time_zone == time_zone else f", {row.time_zone}"
        when = f"{row.words}{other}" if row.words else "by hand"
        cells.append([row.id, when, _next(screen, row, now), row.hosts, row.owner])
    print_columns(screen, columns, cells)
    _say_zone(screen, time_zone)
    screen.flush()


def _next(screen: Screen, row: Scheduled, now: datetime) -> Piece:
    if row.next_due is None:
        return ("never", STYLES["warn"]) if row.words else ""
    if screen.live:
        return ago(row.next_due, now)
    return exact(row.next_due, ZoneInfo(row.time_zone))


def print_next(
    screen: Screen,
    rows: Sequence[Upcoming],
    zone: ZoneInfo,
    now: datetime,
    site: str,
) -> None:
    """Print occurrences, the soonest first."""
    if not rows:
        listed = command("schedule", "list", site=site)
        print_empty(screen, "Nothing is due then", f"all procedures: {listed}")
        return
    columns = [
        Column("due"),
        Column(""),
        Column("procedure"),
        Column("title", subject=True),
        Column("hosts", drops=True),
        Column("owner", drops=True),
    ]
    notes = any(row.blackout or row.times > 1 for row in rows)
    if notes:
        columns.append(Column("note", gives=True))
    cells: list[list[Piece]] = []
    for row in rows:
        due = (
            f"{row.due.astimezone(zone):%a %Y-%m-%d %H:%M}" if screen.live else exact(row.due, zone)
        )
        line: list[Piece] = [due, ago(row.due, now), row.procedure, row.title, row.hosts, row.owner]
        if notes:
            line.append(_note(screen, row))
        cells.append(line)
    print_columns(screen, columns, cells)
    _say_zone(screen, str(zone))
    screen.flush()


def _note(screen: Screen, row: Upcoming) -> Piece:
    if row.blackout:
        return f"{screen.signs['warn']} in blackout: {row.blackout}", STYLES["warn"]
    return f"{thousands(row.times)} times" if row.times > 1 else ""


def print_simulation(screen: Screen, found: Simulation, zone: ZoneInfo) -> None:
    """Print what a year brings: one sentence, then what overlaps, what is stopped, who is missing, and the load."""
    runs = sum(one.times for one in found.planned)
    screen.line((f"{found.year}: {counted(runs, 'run')} of {_procedures(found)}.", "bold"))
    _print_collisions(screen, found, zone)
    if found.stopped:
        _title(screen, "In a blackout, and so not run")
        columns = [
            Column("procedure", subject=True),
            Column("blackout", gives=True),
            _TIMES,
            Column("first"),
        ]
        cells: list[list[Piece]] = [
            [one.procedure, one.blackout, thousands(one.times), _day(one.first_at, zone)]
            for one in found.stopped
        ]
        print_columns(screen, columns, cells)
    if found.gaps:
        _title(screen, "Nobody on call by the rota")
        columns = [Column("team"), Column("from"), Column("to")]
        cells = [[one.team, _day(one.begins, zone), _day(one.ends, zone)] for one in found.gaps]
        print_columns(screen, columns, cells)
    _print_weeks(screen, found)
    _say_zone(screen, str(zone))
    screen.flush()


_TIMES = Column("times", right=True)


def _procedures(found: Simulation) -> str:
    return counted(sum(1 for one in found.planned if one.times), "procedure")


def _print_collisions(screen: Screen, found: Simulation, zone: ZoneInfo) -> None:
    if not found.collisions:
        return
    _title(screen, "May run at the same time on the same hosts")
    columns = [
        Column("procedure", subject=True),
        Column("with"),
        Column("hosts", gives=True),
        _TIMES,
        Column("first"),
    ]
    count = COLLISIONS_SHOWN if screen.live else len(found.collisions)
    cells: list[list[Piece]] = [
        [one.procedure, one.other, one.hosts, thousands(one.times), _day(one.first_at, zone)]
        for one in found.collisions[:count]
    ]
    print_columns(screen, columns, cells)
    left = len(found.collisions) - count
    if left > 0:
        all_of_them = command("schedule", "simulate", str(found.year), "--json")
        screen.line((f"and {counted(left, 'more pair')}: {all_of_them}", "dim"))


def _print_weeks(screen: Screen, found: Simulation) -> None:
    """Print the fullest weeks on a terminal, all of them in a pipe."""
    if not found.weeks:
        return
    weeks: Sequence[Week] = found.weeks
    if screen.live:
        fullest = sorted(weeks, key=lambda week: (-week.seconds, week.begins))[:WEEKS_SHOWN]
        weeks = sorted(fullest, key=lambda week: week.begins)
        _title(screen, "The fullest weeks")
    columns = [Column("week of"), Column("runs", right=True), Column("hours at most", right=True)]
    cells: list[list[Piece]] = [
        [f"{week.begins:%Y-%m-%d}", thousands(week.runs), f"{week.seconds / 3600:.1f}"]
        for week in weeks
    ]
    print_columns(screen, columns, cells)


def print_remarks(screen: Screen, remarks: Sequence[Remark], procedures: int) -> None:
    """Print what cannot be meant, each with what to do."""
    if not remarks:
        screen.line((f"Nothing to remark on {counted(procedures, 'procedure')}.", "bold"))
        screen.flush()
        return
    screen.line((f"{counted(len(remarks), 'thing')} to look at.", f"bold {STYLES['warn']}"))
    screen.line()
    kinds = {"error": "fail", "warn": "warn"}
    rows = [
        TroubleRow(
            kinds[one.level], one.level, one.about, one.kind, one.place, one.text, one.remedy
        )
        for one in sorted(remarks, key=lambda one: one.level)  # errors first
    ]
    print_rows(screen, rows)
    screen.flush()


def _title(screen: Screen, text: str) -> None:
    screen.line()
    if screen.live:
        screen.line((text, "bold"))


def _day(at: datetime, zone: ZoneInfo) -> str:
    return f"{at.astimezone(zone):%Y-%m-%d %H:%M}"


def _say_zone(screen: Screen, zone: str) -> None:
    if screen.live:
        screen.line()
        screen.line((f"Times are those of {zone}.", "dim"))
