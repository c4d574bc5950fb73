"""A month's completion on a terminal or in a pipe."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from typing import TextIO
from zoneinfo import ZoneInfo

from upkeep.model.remedies import command
from upkeep.model.text import counted, thousands
from upkeep.rules.completion import COUNTS, Completion, CompletionRemark, CompletionRow
from upkeep.view.csv import cell
from upkeep.view.lists import Column, print_columns, print_empty
from upkeep.view.screen import STYLES, Piece, Screen

WELL = 0.95
"""From here on a rate is nothing to look at."""


def print_completion(
    screen: Screen, found: Completion, titles: Mapping[str, str], zone: ZoneInfo, site: str
) -> None:
    """Print one sentence, then each procedure, each team, and what a reader must know."""
    if not found.rows:
        listed = command("schedule", "list", site=site)
        print_empty(screen, nothing_words(found), f"what is due: {listed}")
        return
    screen.line((f"{total_words(found)}.", "bold"), " Rate = (done + signed) / due.")
    if found.total_then is not None:
        screen.line(f"{then_words(found)}.")
    if found.lacking:
        screen.line(f"{lacking_words(found)}; `lacks` in schedule.yml says which.")
    if not found.is_final:
        screen.line((f"{not_final_words(found)}.", STYLES["warn"]))
    screen.line()
    counts = COUNTS if not screen.live else [name for name in COUNTS if _any(found.rows, name)]
    columns = [Column("procedure", subject=True), Column("team", gives=True)]
    columns += [Column(name.replace("_", " "), right=True) for name in counts]
    columns.append(Column("rate", right=True))
    cells: list[list[Piece]] = []
    for row in found.rows:
        bad = row.rate is not None and row.rate < WELL
        numbers = [thousands(getattr(row, name)) for name in counts]
        share = (percent(row.rate), STYLES["warn"] if bad else "")
        cells.append([row.procedure, titles.get(row.team, row.team), *numbers, share])
    print_columns(screen, columns, cells)
    screen.line()
    for team, rate in found.teams.items():
        line = f"{titles.get(team, team) or 'nobody'}: {percent(rate)}"
        screen.line(screen.text(line, 200))
    _print_remarks(screen, "Left out", found.left_out, zone)
    _print_remarks(screen, "Skipped", found.skipped, zone)
    _print_remarks(screen, "Signed by one person alone", found.alone, zone)
    screen.flush()


def nothing_words(found: Completion) -> str:
    """Return that there is nothing of a month."""
    if found.over:
        return f"Nothing was due in {found.month}"
    return f"Nothing of {found.month} is recorded yet"


def total_words(found: Completion) -> str:
    """Return the month, whether it still runs, and how much of it was completed on time."""
    month = found.month if found.over else f"{found.month} so far"
    if found.total is None:
        return f"{month}: nothing that was due counts" + ("" if found.is_final else " yet")
    return f"{month}: {percent(found.total)} completed on time"


def then_words(found: Completion) -> str:
    """Return the rate as older programs counted it."""
    return f"As counted at the time, with the gaps of the schedule: {percent(found.total_then)}"


def not_final_words(found: Completion) -> str:
    """Return why the month's figures are not final."""
    if found.pending:
        return f"{counted(found.pending, 'item')} not due yet: the month is not final"
    return "The month has not ended: it is not final"


def lacking_words(found: Completion) -> str:
    """Return how much of what the schedule names no check covers."""
    has = "has" if found.lacking == 1 else "have"
    return f"{counted(found.lacking, 'item')} of the schedule {has} no check yet"


def write_csv(found: Completion, stream: TextIO) -> None:
    """Write a row for each procedure and team (RFC 4180); numbers stay numbers, texts are no formulas."""
    writer = csv.writer(stream)
    writer.writerow(["month", "procedure", "title", "team", *COUNTS, "rate"])
    for row in found.rows:
        texts = [cell(text) for text in (found.month, row.procedure, row.title, row.team)]
        rate = "" if row.rate is None else f"{row.rate:.4f}"
        writer.writerow([*texts, *(getattr(row, name) for name in COUNTS), rate])


def _print_remarks(
    screen: Screen, title: str, remarks: Sequence[CompletionRemark], zone: ZoneInfo
) -> None:
    if not remarks:
        return
    screen.line()
    screen.line((title, "bold"))
    for one in remarks:
        day = f"{one.first.astimezone(zone):%Y-%m-%d}"
        if one.times > 1:
            day = f"{one.times} times, {day} to {one.last.astimezone(zone):%Y-%m-%d}"
        screen.line(screen.text(f"{one.procedure}, {one.what}, {day}: {one.why}", 1_000))


def _any(rows: Sequence[CompletionRow], name: str) -> bool:
    return any(getattr(row, name) for row in rows)


def percent(rate: float | None) -> str:
    """Return a share in percent, rounded down: 100 % is all of it."""
    return "" if rate is None else f"{int(rate * 1000 + 1e-9) / 10:g} %"
