"""`upkeep completion`: how much of what was due in a month was done."""

from __future__ import annotations

import csv
import sys
from contextlib import closing
from dataclasses import asdict
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from upkeep import clock
from upkeep.completion import COUNTS, Completion, Remark, Row, month_before
from upkeep.document import dumps
from upkeep.errors import UsageError
from upkeep.site import load_site
from upkeep.spreadsheet import cell
from upkeep.store import open_store
from upkeep.store.completion import completion
from upkeep.view.completion import print_completion
from upkeep.view.screen import Screen


def show_completion(inventory: str, month: str, *, as_json: bool, as_csv: bool) -> None:
    """Print a month's completion; the last one that has ended, if none is named."""
    if as_json and as_csv:
        raise UsageError("--json or --csv, not both")
    site = load_site(inventory, [])
    now = clock.now()
    month = month or month_before(now, site.schedule.time_zone)
    with closing(open_store(site.settings.database_url)) as store, store.read() as db:
        found = completion(db, site.key, site.schedule, month, now)
    if as_json:
        sys.stdout.write(dumps(document_of(found)) + "\n")
    elif as_csv:
        _write_csv(found)
    else:
        titles = {name: team.title for name, team in site.schedule.teams.items()}
        print_completion(Screen(sys.stdout), found, titles, ZoneInfo(site.schedule.time_zone))


def document_of(found: Completion) -> dict[str, Any]:
    """Return a month as JSON says it. Rates are shares from 0 to 1."""
    return {
        "version": 1,
        "month": found.month,
        "begins": found.begins.isoformat(),
        "ends": found.ends.isoformat(),
        "final": not found.pending,
        "total": _rounded(found.total),
        "teams": {team: _rounded(rate) for team, rate in found.teams.items()},
        "procedures": [_row(row) for row in found.rows],
        "left_out": [_remark(one) for one in found.left_out],
        "skipped": [_remark(one) for one in found.skipped],
        "signed_alone": [_remark(one) for one in found.alone],
    }


def _write_csv(found: Completion) -> None:
    """Write a row for each procedure and team (RFC 4180); numbers stay numbers, texts are no formulas."""
    writer = csv.writer(sys.stdout)
    writer.writerow(["month", "procedure", "title", "team", *COUNTS, "rate"])
    for row in found.rows:
        texts = [cell(text) for text in (found.month, row.procedure, row.title, row.team)]
        rate = "" if row.rate is None else f"{row.rate:.4f}"
        writer.writerow([*texts, *(getattr(row, name) for name in COUNTS), rate])
    sys.stdout.flush()


def _row(row: Row) -> dict[str, Any]:
    return asdict(row) | {"rate": _rounded(row.rate)}


def _remark(one: Remark) -> dict[str, Any]:
    return {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in asdict(one).items()
    }


def _rounded(rate: float | None) -> float | None:
    return None if rate is None else round(rate, 4)
