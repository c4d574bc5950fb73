"""Which requirements are covered, on a terminal or in a pipe, and as a document."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.cells import cell_len

from upkeep.model.remedies import command
from upkeep.model.text import pad, wrap
from upkeep.rules.coverage import CoverageRow, CoverageState, Coverer, counts, sentence
from upkeep.view.lists import print_empty
from upkeep.view.screen import STYLES, Screen
from upkeep.view.troubles import GAP

KINDS = {
    CoverageState.NOT_COVERED: "fail",
    CoverageState.PARTLY: "warn",
    CoverageState.COVERED: "pass",
}
TITLES = {
    CoverageState.NOT_COVERED: "Not covered",
    CoverageState.PARTLY: "Covered in part",
    CoverageState.COVERED: "Covered",
}
LEAST_COLUMNS = 30


def print_coverage(screen: Screen, rows: Sequence[CoverageRow], site: str) -> None:
    """Print one sentence, then the rows that are not covered, then those in part, then the others.

    In a pipe each row is a line: state, id, title, what covers it, what is missing.
    """
    if not rows:
        lint = command("schedule", "lint", site=site)
        why = "The schedule has no requirements"
        print_empty(screen, why, f"list them in schedule.yml (docs/schedule.md); then: {lint}")
        return
    if not screen.live:
        for row in rows:
            cells = (row.state.value, row.id, row.title, by_words(row), "; ".join(row.lacks))
            screen.line("\t".join(screen.text(cell) for cell in cells))
        screen.flush()
        return
    screen.line((f"{sentence(rows)}.", "bold"))
    width = max(len(row.id) for row in rows)
    for state in CoverageState:
        of_state = [row for row in rows if row.state is state]
        if of_state:
            screen.line()
            screen.line((TITLES[state], "bold"))
        for row in of_state:
            _print_row(screen, row, width)
    screen.flush()


def _print_row(screen: Screen, row: CoverageRow, width: int) -> None:
    """Print the id and the title, and below them what covers the row and what is missing."""
    kind = KINDS[row.state]
    sign = (screen.signs[kind], STYLES[kind])
    indent = " " * (2 + width + len(GAP))
    left = max(screen.width - len(indent), LEAST_COLUMNS)
    title, by = screen.text(row.title), screen.text(f"by {by_words(row)}" if row.by else "")
    beside = by if cell_len(f"{title}{GAP}{by}") <= left else ""
    first, *more = wrap(title, left)
    screen.line(
        sign, " ", (pad(screen.text(row.id), width), "bold"), GAP, first, GAP, (beside, "dim")
    )
    for line in more:
        screen.line(indent, line)
    said = [(by, "dim")] if by and not beside else []
    said += [(f"missing: {text}", STYLES["warn"]) for text in row.lacks]
    for text, style in said:
        for line in wrap(screen.text(text), left):
            screen.line(indent, (line, style))


def by_words(row: CoverageRow) -> str:
    """Return what covers a row; a procedure is told by its review where that covers the row too."""
    reviewed = {one.name.split()[0] for one in row.by if one.kind == "review"}
    told = [one for one in row.by if one.kind != "procedure" or one.name not in reviewed]
    return ", ".join(name_of(one) for one in told)


def name_of(one: Coverer) -> str:
    """Return what covers a row, as people find it."""
    return one.name if one.kind in ("command", "page") else f"{one.kind} {one.name}"


def coverage_document(rows: Sequence[CoverageRow]) -> dict[str, Any]:
    """Return the rows as JSON has them, in the order of the site's file."""
    found = counts(rows)
    return {
        "covered": found[CoverageState.COVERED],
        "partly": found[CoverageState.PARTLY],
        "not_covered": found[CoverageState.NOT_COVERED],
        "requirements": [
            {
                "id": row.id,
                "title": row.title,
                "heading": row.heading,
                "state": row.state.name.lower(),
                "by": [{"kind": one.kind, "name": one.name, "title": one.title} for one in row.by],
                "lacks": list(row.lacks),
            }
            for row in rows
        ],
    }
