"""A month's completion: what each thing counts as, and that totals average procedures. Tables of cases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from upkeep.model.errors import UsageError
from upkeep.model.run_end import Reason
from upkeep.rules.completion import (
    COUNTS,
    CompletionRemark,
    CompletionRow,
    Count,
    EndedOccurrence,
    Looked,
    Unopened,
    complete,
    kind_of,
    month_before,
    month_of,
    review_kind,
)
from upkeep.rules.reviews import ReviewStanding, ReviewState, ReviewVerdict
from upkeep.site.schedule_file import Schedule

SCHEDULE = Schedule.model_validate(
    {
        "time_zone": "America/New_York",
        "procedures": {
            "often": {"title": "Often", "owner": "ops"},
            "audit": {"title": "Audit", "owner": "ops"},
            "letters": {"title": "Letters", "owner": "legal"},
        },
    }
)
DAY = datetime(2027, 1, 5, 14, 0, tzinfo=UTC)
NOW = datetime(2027, 2, 2, tzinfo=UTC)


def run(
    state: str, cause: str = "", *why: Reason, name: str = "often", day: int = 0, times: int = 1
) -> EndedOccurrence:
    first = DAY + timedelta(days=day)
    last = first + timedelta(days=times - 1)
    return EndedOccurrence(name, state, cause, times, first, last, reasons=frozenset(why))


def again(state: str, cause: str = "for the one missed") -> EndedOccurrence:
    return replace(run(state, cause), caught_up=True)


@pytest.mark.parametrize(
    ("those", "kind"),
    [
        (run("done"), "done"),
        (run("partial", "not seen: web2", Reason.UNSEEN), "partial"),
        # A gap of the schedule, which made it partial for older programs.
        (run("partial", "lacks A", Reason.LACKS), "done"),
        (run("partial", "lacks A; late", Reason.LACKS, Reason.LATE), "late"),
        (run("partial", "x", Reason.LACKS, Reason.UNSEEN), "partial"),
        (run("partial", "x", Reason.LACKS, Reason.OTHER), "partial"),
        (run("partial", "an older program's"), "partial"),
        # The other hosts have had it, and the isolated one owes it.
        (run("partial", "x", Reason.ISOLATED), "done"),
        (run("partial", "x", Reason.ISOLATED, Reason.LATE), "late"),
        (run("partial", "x", Reason.ISOLATED, Reason.UNSEEN), "partial"),
        (run("skipped", "x", Reason.ISOLATED), "left_out"),
        (run("partial", "late: what it says decides nothing", Reason.OTHER), "partial"),
        (run("partial", "x", Reason.LATE), "late"),
        (run("failed", "run failed: no host matches"), "failed"),
        (run("missed", "no driver was running"), "missed"),
        (run("skipped", "x", Reason.BLACKOUT), "left_out"),
        (run("skipped", "blackout: what it says decides nothing", Reason.OVERLAP), "skipped"),
        (run("skipped", "the one due at 14:00 still runs"), "skipped"),
        (run("due"), "pending"),
        (run("running"), "pending"),
        (again("done"), "late"),
        (again("partial", "not seen: web2"), "late"),
        (again("running"), "pending"),
        (again("failed"), "failed"),
        (again("missed"), "missed"),
        (again("skipped"), "missed"),
    ],
)
def test_what_a_due_time_counts_as(those: EndedOccurrence, kind: str) -> None:
    assert kind_of(those) == kind
    as_then = "partial" if Reason.LACKS in those.reasons else kind
    assert kind_of(those, as_then=True) == as_then


END = DAY + timedelta(hours=8)
SIGNED = ReviewStanding(ReviewState.SIGNED, ReviewVerdict.PASS, closed_at=END)


def review(
    standing: ReviewStanding = SIGNED, name: str = "audit", team: str = "ops", due: datetime = END
) -> Looked:
    return Looked(name, team, "fires", "Fires", DAY, due, standing, "no such thing")


@pytest.mark.parametrize(
    ("standing", "due", "kind"),
    [
        (SIGNED, END, "signed"),
        (SIGNED, END - timedelta(seconds=1), "late"),
        (replace(SIGNED, verdict=ReviewVerdict.FAIL), END, "signed"),
        (replace(SIGNED, state=ReviewState.CORRECTED), END, "signed"),
        (ReviewStanding(ReviewState.NOT_APPLICABLE, ReviewVerdict.NOT_APPLICABLE, closed_at=END), END, "left_out"),
        (ReviewStanding(ReviewState.CORRECTED, ReviewVerdict.NOT_APPLICABLE, closed_at=END), END, "left_out"),
        (ReviewStanding(ReviewState.OVERDUE, overdue=True), END, "overdue"),
        (ReviewStanding(ReviewState.AWAITING_SECOND, ReviewVerdict.PASS, overdue=True), END, "overdue"),
        (ReviewStanding(ReviewState.OPEN), NOW, "pending"),
    ],
    ids=[
        "in time", "a second late", "a fail is an answer", "corrected", "not applicable",
        "corrected to not applicable", "overdue", "only one of two", "still in time",
    ],
)  # fmt: skip
def test_what_a_review_counts_as(standing: ReviewStanding, due: datetime, kind: str) -> None:
    assert review_kind(review(standing, due=due), NOW) == kind


def completed(
    runs: Sequence[EndedOccurrence] = (), looked: Sequence[Looked] = (), unopened: Sequence[Unopened] = ()
):  # fmt: skip
    return complete(SCHEDULE, "2027-01", runs, looked, unopened, NOW)


def test_totals_average_procedures_and_never_occurrences() -> None:
    often = [run("done", times=7999), run("done", "on its second try")]
    missed = review(ReviewStanding(ReviewState.OVERDUE, overdue=True))

    found = completed(often, [missed])

    assert found.rows == (
        CompletionRow("often", "Often", "ops", done=8000),
        CompletionRow("audit", "Audit", "ops", overdue=1),
    )
    assert [row.rate for row in found.rows] == [1.0, 0.0]
    assert (found.total, found.teams) == (0.5, {"ops": 0.5})


def test_a_month_that_an_older_program_has_reckoned_shows_both_rates() -> None:
    gap, seen = run("partial", "lacks A", Reason.LACKS, times=3), run("done")

    both, now = completed([gap, seen], []), completed([seen], [])

    assert (both.total, both.total_then) == (1.0, 0.25)
    assert (now.total, now.total_then) == (1.0, None)


def test_a_procedure_of_two_teams_is_one_procedure() -> None:
    runs = [run("done", name="audit"), run("partial", "not seen: web2", name="audit")]
    looked = [review(), review(team="legal"), review(name="letters", team="legal")]

    found = completed(runs, looked)

    assert found.rows == (
        CompletionRow("audit", "Audit", "ops", done=1, partial=1, signed=1),
        CompletionRow("audit", "Audit", "legal", signed=1),
        CompletionRow("letters", "Letters", "legal", signed=1),
    )
    assert found.total == (3 / 4 + 1) / 2
    assert found.teams == {"ops": 2 / 3, "legal": 1.0}


def test_what_does_not_count_is_left_out_and_listed() -> None:
    runs = [
        run("skipped", "blackout: Year's end", Reason.BLACKOUT, times=3),
        run("skipped", "the other one still runs", day=4),
        run("done", day=5),
    ]
    nothing = ReviewStanding(
        ReviewState.NOT_APPLICABLE, ReviewVerdict.NOT_APPLICABLE, closed_at=END
    )

    found = completed(runs, [review(nothing)])

    assert found.rows == (
        CompletionRow("often", "Often", "ops", done=1, skipped=1, left_out=3),
        CompletionRow("audit", "Audit", "ops", left_out=1),
    )
    assert [row.rate for row in found.rows] == [0.5, None]
    assert found.total == 0.5
    last = DAY + timedelta(days=2)
    assert found.left_out == (
        CompletionRemark("often", "ops", "run", "blackout: Year's end", 3, DAY, last),
        CompletionRemark(
            "audit", "ops", "fires: Fires", "not applicable: no such thing", 1, DAY, DAY
        ),
    )
    day = DAY + timedelta(days=4)
    assert found.skipped == (
        CompletionRemark("often", "ops", "run", "the other one still runs", 1, day, day),
    )


def test_who_signed_alone_is_listed() -> None:
    found = completed(looked=[review(replace(SIGNED, alone="bob is ill"))])

    assert found.alone == (
        CompletionRemark("audit", "ops", "fires: Fires", "bob is ill", 1, DAY, DAY),
    )


def test_reviews_that_never_opened_were_missed() -> None:
    found = completed([run("missed", name="audit")], unopened=[Unopened("audit", "ops", DAY)] * 3)

    assert found.rows == (CompletionRow("audit", "Audit", "ops", missed=4),)


def test_a_month_is_final_when_nothing_is_pending() -> None:
    assert completed([run("running")]).pending == 1
    assert completed([run("done")]).pending == 0
    assert completed().total is None


# --- a month that still runs ------------------------------------------------------------------------------------------
DUE = {
    "daily": {"title": "Daily", "rule": "daily 03:00", "owner": "ops"},
    "tokyo": {"title": "Tokyo", "rule": "daily 03:00", "owner": "ops", "time_zone": "Asia/Tokyo"},
    "audit": {
        "title": "Audit", "rule": "last friday 10:00", "owner": "ops",
        "reviews": [{"id": "a", "title": "A"}, {"id": "b", "title": "B", "owner": "legal"}],
    },
    "manual": {"title": "By hand", "owner": "ops"},
}  # fmt: skip


def coming(zone: str, month: str, now: str, *names: str, due: Sequence[EndedOccurrence] = ()):
    """The month's completion at a local time."""
    procedures = {one: DUE[one] for one in names}
    schedule = Schedule.model_validate({"time_zone": zone, "procedures": procedures})
    at = datetime.fromisoformat(now).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
    return complete(schedule, month, due, (), (), at)


@pytest.mark.parametrize(
    ("zone", "month", "now", "name", "pending", "final"),
    [
        ("Europe/Berlin", "2026-11", "2026-11-27 12:00", "daily", 3, False),
        ("Europe/Berlin", "2026-11", "2026-11-30 02:59", "daily", 1, False),
        ("Europe/Berlin", "2026-11", "2026-11-30 03:00", "daily", 0, False),
        ("Europe/Berlin", "2026-11", "2026-11-30 23:59:59", "daily", 0, False),
        ("Europe/Berlin", "2026-11", "2026-12-01 00:00", "daily", 0, True),
        ("Europe/Berlin", "2026-11", "2026-11-01 00:00", "daily", 30, False),
        ("Europe/Berlin", "2026-10", "2026-10-24 12:00", "daily", 7, False),
        ("Europe/Berlin", "2026-03", "2026-03-28 12:00", "daily", 3, False),
        ("America/New_York", "2028-02", "2028-02-28 12:00", "daily", 1, False),
        ("America/New_York", "2027-12", "2027-12-31 12:00", "daily", 0, False),
        ("America/New_York", "2027-12", "2027-12-31 12:59", "tokyo", 1, False),
        ("America/New_York", "2027-12", "2027-12-31 13:00", "tokyo", 0, False),
        ("America/New_York", "2027-12", "2027-12-30 13:00", "tokyo", 1, False),
        ("Europe/Berlin", "2026-11", "2026-11-27 09:59", "audit", 3, False),
        ("Europe/Berlin", "2026-11", "2026-11-27 10:00", "audit", 0, False),
        ("Europe/Berlin", "2026-11", "2026-11-27 10:00", "manual", 0, False),
        ("Europe/Berlin", "2026-10", "2026-11-27 12:00", "daily", 0, True),
        ("Europe/Berlin", "2026-12", "2026-11-27 12:00", "daily", 0, False),
    ],
    ids=[
        "three more days", "the last one is coming", "the last one is due", "the last second", "over",
        "the first second", "summer time ends", "summer time begins", "29 February", "31 December",
        "a zone ahead: the last is still to come", "a zone ahead: the last is due", "a zone ahead, the day before",
        "a run and two reviews", "they are due", "only by hand", "the month before", "the month after",
    ],
)  # fmt: skip
def test_a_month_that_runs_is_not_final(
    zone: str, month: str, now: str, name: str, pending: int, final: bool
) -> None:
    found = coming(zone, month, now, name)

    assert (found.pending, found.is_final) == (pending, final)


def test_what_is_coming_is_counted_beside_what_was_done() -> None:
    done = replace(run("done", name="daily", times=4), last=datetime(2027, 1, 29, 8, tzinfo=UTC))
    found = coming("America/New_York", "2027-01", "2027-01-29 04:00", "daily", "audit", due=[done])

    assert found.rows == (
        CompletionRow("daily", "Daily", "ops", done=4, pending=2),
        CompletionRow("audit", "Audit", "ops", pending=2),
        CompletionRow("audit", "Audit", "legal", pending=1),
    )
    assert found.total == 1.0


def test_a_due_time_that_is_recorded_ahead_is_counted_once() -> None:
    ahead = replace(run("due", name="daily"), last=datetime(2027, 1, 30, 8, tzinfo=UTC))
    found = coming("America/New_York", "2027-01", "2027-01-30 02:59", "daily", due=[ahead])

    assert found.rows == (CompletionRow("daily", "Daily", "ops", pending=2),)


def test_a_procedure_that_is_gone_keeps_its_row() -> None:
    assert completed([run("done", name="old")]).rows == (CompletionRow("old", "old", "", done=1),)


def test_every_count_is_a_column() -> None:
    row = CompletionRow("a", "A", "ops", **dict.fromkeys(COUNTS, 1))

    assert (row.counted, row.rate) == (8, 0.25)
    assert set(COUNTS) == set(Count.__args__)


@pytest.mark.parametrize(
    ("month", "begins", "ends"),
    [
        ("2027-01", "2027-01-01T05:00", "2027-02-01T05:00"),
        ("2027-03", "2027-03-01T05:00", "2027-04-01T04:00"),
        ("2027-12", "2027-12-01T05:00", "2028-01-01T05:00"),
    ],
)
def test_a_month_is_one_of_the_schedules_zone(month: str, begins: str, ends: str) -> None:
    found = [f"{one:%Y-%m-%dT%H:%M}" for one in month_of(month, "America/New_York")]

    assert found == [begins, ends]


@pytest.mark.parametrize(
    "text", ["", "2027", "2027-13", "2027-00", "27-01", "0001-01", "9999-12", "2027-01-01"]
)
def test_what_is_no_month(text: str) -> None:
    with pytest.raises(UsageError, match="is not a month, use YYYY-MM, such as 2027-01"):
        month_of(text, "UTC")


def test_the_month_before_is_that_of_the_zone() -> None:
    assert month_before(datetime(2027, 2, 1, 4, 59, tzinfo=UTC), "America/New_York") == "2026-12"
    assert month_before(datetime(2027, 2, 1, 5, 0, tzinfo=UTC), "America/New_York") == "2027-01"
