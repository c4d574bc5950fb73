"""Pure: which requirements of a site are covered, by what, and what is missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from upkeep.site.schedule_file import Schedule


class CoverageState(StrEnum):
    """How far a requirement is covered."""

    NOT_COVERED = "not covered"
    PARTLY = "partly"
    COVERED = "covered"


@dataclass(frozen=True)
class Coverer:
    """What covers a requirement. kind: procedure, review, check, command, page or setting.

    name: the id; of a review, those of its procedure and of itself. title: for people; empty if the name says it.
    """

    kind: str
    name: str
    title: str = ""


@dataclass(frozen=True)
class CoverageRow:
    """A requirement with what covers it and what is missing, in words."""

    id: str
    title: str
    heading: str
    by: tuple[Coverer, ...]
    lacks: tuple[str, ...]

    @property
    def state(self) -> CoverageState:
        """Covered: something covers it and nothing is missing; partly: both; not covered: nothing covers it."""
        if not self.by:
            return CoverageState.NOT_COVERED
        return CoverageState.PARTLY if self.lacks else CoverageState.COVERED


def coverage(schedule: Schedule) -> tuple[CoverageRow, ...]:
    """Return each requirement of the site, in the order of its file.

    What a procedure or a review lacks is missing in each row that it covers.
    """
    rows = []
    for row_id, one in schedule.requirements.items():
        by, lacks = [], list(one.lacks)
        for coverer, missing in _covering(schedule, row_id):
            by.append(coverer)
            lacks += missing
        by += [Coverer(cover.kind, cover.name) for cover in one.covered_by]
        rows.append(CoverageRow(row_id, one.title, one.heading, tuple(by), tuple(lacks)))
    return tuple(rows)


def _covering(schedule: Schedule, row_id: str) -> Iterator[tuple[Coverer, Sequence[str]]]:
    """Yield the procedures and reviews whose `covers` name a row, each with what it lacks."""
    for name, procedure in schedule.procedures.items():
        if row_id in procedure.covers:
            yield Coverer("procedure", name, procedure.title), procedure.lacks
        for review in procedure.reviews:
            if row_id in review.covers:
                yield Coverer("review", f"{name} {review.id}", review.title), review.lacks


def counts(rows: Sequence[CoverageRow]) -> dict[CoverageState, int]:
    """Return how many rows are in each state."""
    found = Counter(row.state for row in rows)
    return {state: found[state] for state in CoverageState}


def sentence(rows: Sequence[CoverageRow]) -> str:
    """Return how many rows are covered, such as `61 of 90 covered, 17 partly, 12 not yet`; empty without rows."""
    if not rows:
        return ""
    found = counts(rows)
    text = f"{found[CoverageState.COVERED]} of {len(rows)} requirements covered"
    partly, not_yet = found[CoverageState.PARTLY], found[CoverageState.NOT_COVERED]
    return (
        text
        + (f", {partly} partly" if partly else "")
        + (f", {not_yet} not yet" if not_yet else "")
    )
