"""What completion is reckoned from is added up by either database as it was."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import insert
from store_samples import SITE

from upkeep.model.stored_text import name
from upkeep.rules.completion import CompletionRemark, CompletionRow
from upkeep.site.schedule_file import Schedule
from upkeep.store import Store, tables
from upkeep.store.completion import completion

SCHEDULE = Schedule.model_validate(
    {
        "time_zone": "America/New_York",
        "procedures": {
            "often": {"title": "Often", "owner": "ops"},
            "audit": {"title": "Audit", "owner": "ops"},
        },
    }
)
BEGINS = datetime(2027, 1, 1, 5, tzinfo=UTC)
"""Of January in New York."""
NOW = datetime(2027, 2, 2, tzinfo=UTC)
EVERY = timedelta(minutes=2)


def due(
    at: datetime, state: str, cause: str = "", kind: str = "due", of: str = "often", **more: Any
) -> dict[str, Any]:
    return {
        "site": name(SITE), "schedule": of, "due_at": at, "begins_at": at, "ends_by": at + EVERY, "kind": kind,
        "host": "", "next_due_at": None, "priority": 5, "lacks": "", "owed": False, "state": state, "cause": cause,
        "driver_id": "", "reasons": "",
    } | more  # fmt: skip


def test_what_was_due_in_a_month_counts_once(store: Store) -> None:
    def at(number: int) -> datetime:
        return BEGINS + number * EVERY

    ends = datetime(2027, 2, 1, 5, tzinfo=UTC)
    rows = [due(at(number), "done") for number in range(700)]
    freeze = {"cause": "blackout: Year's end", "reasons": "blackout"}
    rows += [due(at(number), "skipped", **freeze) for number in range(700, 703)]
    rows += [due(at(number), "missed", "no driver was running") for number in range(703, 710)]
    rows += [due(at(709), "done", "for 7 missed", "catch_up")]
    rows += [due(at(710), "partial", "not seen: web1")]
    rows += [due(at(711), "partial", "ended 5 min after its time", reasons="late")]
    # What a debt did belongs to the occurrence of its host.
    rows += [due(at(710), "done", "", "debt", host="web1")]
    # Retention may leave a catch-up alone, when a review names it.
    rows += [due(at(712), "failed", "for the one missed", "catch_up", of="audit")]
    # Of no month, of the next, of another site.
    rows += [due(BEGINS - EVERY, "done"), due(ends, "done")]
    rows += [due(at(1), "failed", site="/srv/other")]
    rows += [due(ends - EVERY, "running", of="audit")]
    with store.begin() as db:
        db.execute(insert(tables.occurrence), rows)

    with store.read() as db:
        found = completion(db, SITE, SCHEDULE, "2027-01", NOW)

    assert found.rows == (
        CompletionRow("often", "Often", "ops", done=700, partial=1, late=2, missed=6, left_out=3),
        CompletionRow("audit", "Audit", "ops", failed=1, pending=1),
    )
    assert found.left_out == (
        CompletionRemark("often", "ops", "run", "blackout: Year's end", 3, at(700), at(702)),
    )
    assert found.total == (700 / 709 + 0) / 2


def test_a_month_of_nothing(store: Store) -> None:
    with store.read() as db:
        found = completion(db, SITE, SCHEDULE, "2027-01", NOW)

    assert (found.rows, found.total) == ((), None)
