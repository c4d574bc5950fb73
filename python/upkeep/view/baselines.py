"""Baselines on a terminal or in a pipe: what is normal, how it is now, what could be accepted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from upkeep.model.remedies import command
from upkeep.model.text import exact
from upkeep.rules.baselines import Baseline, Proposal, compared
from upkeep.view.lists import Column, print_columns, print_empty
from upkeep.view.screen import STYLES, Piece, Screen


@dataclass(frozen=True)
class BaselineRow:
    """An accepted baseline, the series' newest value, and what its values propose."""

    baseline: Baseline
    newest: tuple[datetime, float] | None
    proposal: Proposal


def print_baselines(screen: Screen, rows: Sequence[BaselineRow], zone: ZoneInfo, site: str) -> None:
    """Print baselines, one a line."""
    if not rows:
        how = command("baseline", "propose", "--help")
        print_empty(screen, "No baseline has been accepted", f"how to propose one: {how}")
        return
    columns = [
        Column("check"),
        Column("host"),
        Column("subject", subject=True),
        Column("measure"),
        Column("baseline", right=True),
        Column("newest", gives=True),
        Column("accepted"),
        Column("by"),
        Column("a better one"),
    ]
    cells: list[list[Piece]] = []
    for row in rows:
        one, series = row.baseline, row.baseline.series
        newest: Piece = "no recent value"
        if row.newest:
            found = compared(row.newest[1], one)
            newest = (f"{row.newest[1]:.4g}: {found.text}", STYLES["warn"] if found.worse else "")
        level = row.proposal.level
        better = f"{level.median:.4g}" if level and not row.proposal.refused else ""
        cells.append(
            [
                series.check,
                series.host,
                series.subject,
                series.measure,
                f"{one.level.median:.4g}",
                newest,
                exact(one.accepted_at, zone),
                one.accepted_by,
                better,
            ]
        )
    print_columns(screen, columns, cells)
    screen.flush()


def print_proposal(screen: Screen, proposal: Proposal, zone: ZoneInfo, site: str) -> None:
    """Print what is proposed, from what, and how to accept it."""
    screen.line(screen.text(proposed(proposal, zone), 1_000))
    if not proposal.refused:
        one = proposal.series
        names = (one.check, one.host, one.subject, one.measure)
        why = ("--reason", "why this is normal from now on")
        accept = command("baseline", "accept", *names, *why, site=site)
        screen.line(f"Next: {screen.text(accept, 1_000)}")
    screen.flush()


def proposed(proposal: Proposal, zone: ZoneInfo) -> str:
    """Return in words what is proposed and from what, or why nothing is."""
    level, before = proposal.level, proposal.before
    was = (
        f"; accepted is {before.level.median:.4g}, by {before.accepted_by} on {exact(before.accepted_at, zone)}"
        if before
        else "; none is accepted yet"
    )
    if level is None:
        return f"Nothing to propose: {proposal.refused}{was}."
    seen = (
        f"median {level.median:.4g}, spread {level.spread:.4g} of {level.samples} values "
        f"from {exact(level.since, zone)} to {exact(level.until, zone)}"
    )
    if proposal.refused:
        return f"Nothing to propose: {proposal.refused}; {seen}{was}."
    return f"Proposed, {proposal.better.value} is better: {seen}{was}."
