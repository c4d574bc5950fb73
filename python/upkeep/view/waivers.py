"""Waivers on a terminal or in a pipe: what is accepted, until when, by whom and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from upkeep.model.remedies import command
from upkeep.model.text import ago, counted, exact
from upkeep.rules.waivers import Waiver, WaiverState
from upkeep.view.lists import Column, print_columns, print_empty
from upkeep.view.screen import STYLES, Piece, Screen


def print_waivers(
    screen: Screen,
    found: Sequence[Waiver],
    covered: Mapping[int, int],
    zone: ZoneInfo,
    now: datetime,
    site: str,
    *,
    unused: bool = False,
) -> None:
    """Print waivers. covered: how many open findings each covers; unused: only such were asked for."""
    if not found:
        why = "No waiver is unused" if unused else "No waiver holds or waits for approval"
        print_empty(
            screen, why, f"those that have ended: {command('waiver', 'list', '--all', site=site)}"
        )
        return
    columns = [
        Column("waiver", right=True),
        Column("state"),
        Column("check"),
        Column("host"),
        Column("subject", subject=True),
        Column("up to"),
        Column("covers", right=True),
        Column("ends"),
        Column("asked, approved", gives=True),
        Column("why", gives=True),
    ]
    cells: list[list[Piece]] = []
    for one in found:
        state = one.state(now)
        ends = exact(one.ends_at, zone) + (f" ({ago(one.ends_at, now)})" if screen.live else "")
        who = one.requested_by + (f", {one.approved_by}" if one.approved_by else "")
        words: Piece = state.value
        if state is WaiverState.REQUESTED:
            words = (state.value, STYLES["warn"])
        elif one.unused(now):
            words = ("unused", STYLES["warn"])
        cells.append(
            [
                str(one.id),
                words,
                one.scope.check_id,
                one.scope.host_pattern,
                one.scope.subject_glob,
                one.scope.severity.value,
                str(covered.get(one.id, 0)) if state is WaiverState.HOLDS else "",
                ends,
                who,
                " ".join(one.reason.split("\n")),
            ]
        )
    print_columns(screen, columns, cells)
    if screen.live:
        holding = sum(one.state(now) is WaiverState.HOLDS for one in found)
        still = "; what they cover still fails, and nobody is notified" if holding else ""
        screen.line()
        screen.line((f"{counted(holding, 'waiver')} in force{still}", "dim"))
    screen.flush()
