"""The sites of a database, on a terminal or in a pipe."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from upkeep.model.remedies import command
from upkeep.model.text import ago, exact, thousands
from upkeep.site.settings import FILE
from upkeep.store.sites import ListedSite
from upkeep.view.lists import Column, print_columns, print_empty
from upkeep.view.screen import Piece, Screen

EMBEDDED = "(this machine)"
PLACES_SHOWN = 3
"""Those that have acted last; a machine that gets another name at each start leaves many."""


def print_sites(screen: Screen, found: Sequence[ListedSite], now: datetime) -> None:
    """Print them; those that are known by their path have no folder besides."""
    if not found:
        print_empty(screen, "No site yet", "the first run makes one: upkeep run daily")
        return
    columns = [
        Column("site", subject=True),
        Column("runs"),
        Column("last run"),
        Column("open findings"),
        Column("acts from", gives=True),
        Column("earlier name", gives=True),
    ]
    cells: list[list[Piece]] = []
    for one in found:
        places = [f"{each.folder} on {each.machine}" for each in one.folders[:PLACES_SHOWN]]
        left_out = len(one.folders) - len(places)
        places += [f"and {left_out} more"] if left_out else []
        last = ""
        if one.last_run_at:
            last = ago(one.last_run_at, now) if screen.live else exact(one.last_run_at)
        cells.append(
            [
                one.name or EMBEDDED,
                thousands(one.runs),
                last,
                thousands(one.open_findings),
                ", ".join(places),
                ", ".join(one.formerly),
            ]
        )
    print_columns(screen, columns, cells)
    by_path = next((one.name for one in found if not one.has_id and one.name), "")
    if by_path and screen.live:
        screen.line()
        own = re.sub(r"[^a-z0-9-]+", "-", Path(by_path).name.lower()).strip("-") or "main"
        rename = command("db", "sites", "rename", by_path, own, site=by_path)
        screen.line("A site without an id begins anew when its folder is moved. To give one an id,")
        screen.line(
            screen.text(
                f'write id = "{own}" into its {FILE}, stop `upkeep serve`, then: {rename}', 1_000
            )
        )
    screen.flush()
