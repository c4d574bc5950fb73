"""Hosts that have left the inventory, on a terminal or in a pipe."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from upkeep.model.remedies import command
from upkeep.model.text import ago, exact
from upkeep.store.absent import Absent
from upkeep.view.lists import Column, print_columns, print_empty
from upkeep.view.screen import Piece, Screen


def print_absent(
    screen: Screen, found: Sequence[Absent], zone: ZoneInfo, now: datetime, site: str
) -> None:
    """Print them, with what ends it."""
    if not found:
        what = "No host has left the inventory with findings that stay open"
        print_empty(screen, what, f"what is open: {command('finding', 'list', site=site)}")
        return
    columns = [
        Column("host", subject=True),
        Column("procedure", gives=True),
        Column("missing since"),
    ]
    cells: list[list[Piece]] = []
    for one in found:
        since = exact(one.since, zone) + (f" ({ago(one.since, now)})" if screen.live else "")
        cells.append([one.host, one.procedure, since])
    print_columns(screen, columns, cells)
    screen.flush()
