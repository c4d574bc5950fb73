"""Targets by what was seen: rules, the time that nobody has seen, counters that begin again."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import pytest

from upkeep.judging.check import load
from upkeep.model.verdicts import MeasureKind
from upkeep.rules.targets import (
    RULES,
    JudgedSeries,
    Objective,
    Rhythm,
    SeriesLook,
    counted,
    judge,
    slots_of,
    spans,
    state_of,
    summary,
    target_of,
)
from upkeep.schedule.due_times import Timing
from upkeep.site.schedule_file import TargetRule

SINCE = datetime(2027, 1, 1, 12, tzinfo=UTC)
DAYS = timedelta(days=30)
UNTIL = SINCE + DAYS
DAILY = Timing("daily", "FREQ=DAILY;BYHOUR=6;BYMINUTE=0")
EACH_2_MIN = Timing("often", "FREQ=MINUTELY;INTERVAL=2")
WEEKLY = Timing("weekly", "FREQ=WEEKLY;BYDAY=MO;BYHOUR=9;BYMINUTE=0")
WORKDAYS = Timing("hours", "FREQ=HOURLY;BYDAY=MO,TU,WE,TH,FR;BYHOUR=8,9,10,11,12,13,14,15,16,17")
AT_MOST_4 = Objective("within", at_most=4.0)


def daily(*values: float | None) -> list[SeriesLook]:
    """Return a look each day at 06:01, the first on 2 January; None: there was nothing to judge."""
    first = datetime(2027, 1, 2, 6, 1, tzinfo=UTC)
    return [SeriesLook(first + timedelta(days=day), value) for day, value in enumerate(values)]


def often(value_of: Any, *, without: Any = lambda _at: False) -> Iterator[SeriesLook]:
    """Yield a look every two minutes."""
    at = SINCE + timedelta(minutes=2, seconds=20)
    while at <= UNTIL:
        if not without(at):
            yield SeriesLook(at, value_of(at))
        at += timedelta(minutes=2)


def of_days(*values: float | None, target: Objective = AT_MOST_4) -> JudgedSeries:
    return judge(target, slots_of([Rhythm(DAILY)], SINCE, UNTIL), daily(*values))


# --- what the issue names --------------------------------------------------------------------------------------------
@pytest.mark.parametrize("seen_on", range(30))
@pytest.mark.parametrize("rule", get_args(TargetRule))
def test_what_was_seen_on_one_day_of_thirty_is_not_met(rule: TargetRule, seen_on: int) -> None:
    looks = [daily(*[1.0] * 30)[seen_on]]

    found = judge(Objective(rule, at_most=4.0), slots_of([Rhythm(DAILY)], SINCE, UNTIL), looks)

    assert found.meets is None
    assert found.unseen == pytest.approx(29 / 30)


def test_nine_hours_of_each_day_outside_are_not_hidden_by_a_mean() -> None:
    looks = list(often(lambda at: 9.0 if at.hour < 9 else 0.9))
    assert sum(one.value or 0 for one in looks) / len(looks) == pytest.approx(3.94, abs=0.01)

    found = judge(AT_MOST_4, slots_of([Rhythm(EACH_2_MIN)], SINCE, UNTIL), looks)

    assert found.meets is False
    assert found.figure == pytest.approx(100 * 15 / 24, abs=0.1)
    assert found.unseen_seconds <= 120  # what is due as the period ends


# --- rules -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("target", "values", "meets", "figure"),
    [
        (Objective("within", at_most=4), [1.0] * 30, True, 100),
        (Objective("within", at_most=4), [4.0] * 30, True, 100),
        (Objective("within", at_most=4), [1.0] * 29 + [4.1], False, 100 * 29 / 30),
        (Objective("within", at_most=4, share=96), [1.0] * 29 + [4.1], True, 100 * 29 / 30),
        (Objective("within", at_least=99.9), [100.0] * 29 + [99.8], False, 100 * 29 / 30),
        (Objective("within", at_most=9, at_least=1), [0.0] * 15 + [10.0] * 15, False, 0),
        (Objective("worst", at_most=4), [1.0] * 29 + [4.0], True, 4),
        (Objective("worst", at_most=4), [1.0] * 29 + [4.1], False, 4.1),
        (Objective("worst", at_least=4), [9.0] * 29 + [3.0], False, 3),
        (Objective("worst", at_most=9, at_least=4), [5.0] * 29 + [3.0], False, 3),
        (Objective("total", at_most=4), [2.0, *[5.0] * 29], True, 3),
        (Objective("total", at_most=4), [0.0, *[5.0] * 29], False, 5),
        (Objective("total", at_most=4), [3.0, *[2.0] * 14, *[4.0] * 15], True, 4),
        (Objective("total", at_least=4), [1.0] * 30, False, 0),
    ],
    ids=[
        "within: always",
        "within: at the limit",
        "within: one day of thirty is more than a hundredth",
        "within: as many as the schedule asks for",
        "within: one too low",
        "within: both limits",
        "worst: at the limit",
        "worst: one above",
        "worst: one below",
        "worst: of two limits the one that is missed",
        "total: what was counted in the time, not before",
        "total: more than the target",
        "total: began again at 0",
        "total: nothing was counted",
    ],
)
def test_a_target_is_held_by_its_rule(
    target: Objective, values: list[float | None], meets: bool, figure: float
) -> None:
    found = of_days(*values, target=target)

    assert (found.meets, found.unseen) == (meets, 0)
    assert found.figure == pytest.approx(figure)


@pytest.mark.parametrize(
    ("wrong", "meets"),
    [(216, True), (217, False)],
    ids=["a hundredth of the looks", "one more"],
)
def test_a_hundredth_of_the_time_may_be_outside(wrong: int, meets: bool) -> None:
    slots = slots_of([Rhythm(EACH_2_MIN)], SINCE, UNTIL)
    looks = list(often(lambda _at: 1.0))
    assert len(slots) - 1 == len(looks) + 1  # what is due at the very end has its time still
    for number in range(wrong):
        looks[number * 17] = SeriesLook(looks[number * 17].at, 5.0)
    looks.append(SeriesLook(UNTIL, 1.0))

    assert len(looks) == 21_600
    assert judge(AT_MOST_4, slots, looks).meets is meets


@pytest.mark.parametrize(
    ("values", "before", "total"),
    [
        ([], None, 0),
        ([7], None, 0),
        ([7], 5, 2),
        ([7], 9, 7),
        ([5, 7, 7, 9], 5, 4),
        ([5, 0, 3], None, 3),
        ([5, 2, 1], 5, 3),
    ],
    ids=[
        "nothing",
        "no look before",
        "since the look before",
        "began again since",
        "steps",
        "from 0",
        "twice",
    ],
)
def test_a_counter_counts_on(values: list[float], before: float | None, total: float) -> None:
    assert counted(values, before) == total


# --- what nobody has seen --------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("values", "meets", "unseen"),
    [
        ([1.0] * 29, True, 1),
        ([1.0] * 28, None, 2),
        ([], None, 30),
        ([9.0] * 28, False, 2),
        ([9.0], False, 29),
        ([None] * 30, None, 0),
        ([None] * 20 + [1.0] * 10, True, 0),
        ([None] * 20 + [9.0] * 10, False, 0),
        ([None] * 28, None, 2),
    ],
    ids=[
        "a thirtieth",
        "a fifteenth",
        "all",
        "missed, whatever was there",
        "one day outside is plainly more than a hundredth",
        "nothing to judge",
        "nothing to judge most of the time",
        "of what there was to judge",
        "nothing to judge, and unseen",
    ],
)
def test_of_a_month(values: list[float | None], meets: bool | None, unseen: int) -> None:
    found = of_days(*values)

    assert (found.meets, found.unseen * 30) == (meets, pytest.approx(unseen))
    assert found.unseen_seconds == unseen * 86400


@pytest.mark.parametrize(
    ("rule", "values", "meets"),
    [
        ("within", [9.0] + [1.0] * 19, False),
        ("within", [1.0] * 20, None),
        ("worst", [9.0] + [1.0] * 19, False),
        ("worst", [1.0] * 20, None),
        ("total", [0.0] + [9.0] * 19, False),
        ("total", [0.0] + [1.0] * 19, None),
    ],
)
def test_what_is_plainly_missed_is_told_and_never_what_is_met(
    rule: TargetRule, values: list[float | None], meets: bool | None
) -> None:
    assert of_days(*values, target=Objective(rule, at_most=4)).meets is meets


def test_what_a_counter_lacks_may_have_been_counted_while_nobody_looked() -> None:
    target = Objective("total", at_least=4)

    assert of_days(*[0.0] * 20, target=target).meets is None
    assert of_days(*[0.0] * 30, target=target).meets is False


@pytest.mark.parametrize(
    ("timings", "looks", "unseen_hours"),
    [
        ([DAILY], daily(*[1.0] * 30), 0),
        ([WEEKLY], [SeriesLook(datetime(2027, 1, day, 9, 5, tzinfo=UTC), 1.0) for day in (4, 11, 18, 25)], 0),
        ([WEEKLY], [SeriesLook(datetime(2027, 1, day, 9, 5, tzinfo=UTC), 1.0) for day in (4, 18, 25)], 7 * 24),
        ([DAILY, WEEKLY], daily(*[1.0] * 30), 4 * 21),
        ([EACH_2_MIN], [SeriesLook(SINCE + timedelta(hours=hour, minutes=1), 1.0) for hour in range(720)],
         720 - 719 / 30),
        ([DAILY], [SeriesLook(one.at + timedelta(hours=20), 1.0) for one in daily(*[1.0] * 30)], 0),
        ([DAILY], [*daily(*[1.0] * 30), *daily(*[1.0] * 30)[-1:]], 0),
        ([], daily(*[1.0] * 30), 720),
        ([Timing("once", "FREQ=YEARLY;BYMONTH=7;BYMONTHDAY=1")], [], 0),
    ],
    ids=[
        "each day",
        "each week",
        "a week without",
        "two procedures, of which one never looked",
        "each hour, where it is due every two minutes",
        "late, and before the next",
        "twice for one due time",
        "nothing says how often",
        "not due in this time",
    ],
)  # fmt: skip
def test_a_gap_is_unseen_beyond_what_the_rhythm_explains(
    timings: list[Timing], looks: list[SeriesLook], unseen_hours: float
) -> None:
    slots = slots_of([Rhythm(one) for one in timings], SINCE, UNTIL)

    found = judge(AT_MOST_4, slots, looks)

    assert found.unseen_seconds / 3600 == pytest.approx(unseen_hours, abs=0.2)


def test_a_night_without_due_times_is_no_gap() -> None:
    slots = slots_of([Rhythm(WORKDAYS)], SINCE, UNTIL)
    looks = [SeriesLook(one.begins + timedelta(minutes=1), 1.0) for one in slots[1:]]

    assert judge(AT_MOST_4, slots, looks) == JudgedSeries(
        True, 100.0, 0.0, pytest.approx(2_660_400, abs=300_000)
    )
    assert judge(AT_MOST_4, slots, looks[: len(looks) // 2]).meets is None


@pytest.mark.parametrize(
    ("seconds", "unseen"),
    [(0.0, 86_400), (30.0, 86_400), (120.0, 0)],
    ids=["no time", "its time is over", "it runs still"],
)
def test_a_run_that_has_its_time_still_hides_nothing(seconds: float, unseen: float) -> None:
    until = datetime(2027, 1, 31, 6, 1, tzinfo=UTC)
    slots = slots_of([Rhythm(DAILY, seconds)], SINCE, until)

    found = judge(AT_MOST_4, slots, daily(*[1.0] * 29))

    assert (found.unseen_seconds, found.meets) == (unseen, True)


def test_jitter_is_time_that_a_run_has() -> None:
    timing = Timing("daily", DAILY.rule, jitter_seconds=3600)
    until = datetime(2027, 1, 31, 6, 30, tzinfo=UTC)

    assert (
        judge(AT_MOST_4, slots_of([Rhythm(timing)], SINCE, until), daily(*[1.0] * 29)).unseen == 0
    )


def test_each_due_time_counts_in_one_period() -> None:
    middle = SINCE + timedelta(days=11, hours=3)
    whole = slots_of([Rhythm(DAILY)], SINCE, UNTIL)
    parts = [*slots_of([Rhythm(DAILY)], SINCE, middle), *slots_of([Rhythm(DAILY)], middle, UNTIL)]

    assert [one for one in parts if one.must] == [one for one in whole if one.must]


def test_values_of_one_time_share_it() -> None:
    (slot,) = [
        one for one in slots_of([Rhythm(DAILY)], SINCE, SINCE + timedelta(days=1)) if one.must
    ]
    looks = [SeriesLook(slot.begins + timedelta(hours=hour), float(hour)) for hour in (1, 6, 18)]

    pieces = [
        (seconds / 3600, look.value if look else None) for seconds, look in spans([slot], looks)
    ]

    assert pieces == [(6, 1), (12, 6), (6, 18)]


# --- which rule ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("wanted", "kind", "target"),
    [
        ({"at_most": 4}, MeasureKind.LATENCY, Objective("within", 4)),
        ({"at_most": 4}, MeasureKind.SHARE, Objective("within", 4)),
        ({"at_most": 4}, MeasureKind.COUNTER, Objective("total", 4)),
        ({"at_most": 4}, MeasureKind.STATE, Objective("worst", 4)),
        ({"at_most": 4}, None, Objective("worst", 4)),
        ({"at_most": 4, "rule": None, "share": None}, MeasureKind.SHARE, Objective("within", 4)),
        ({"at_most": 4, "rule": "worst"}, MeasureKind.SHARE, Objective("worst", 4)),
        ({"at_least": 4, "share": 95}, MeasureKind.STATE, Objective("within", None, 4, 95)),
        ({"at_least": 4, "rule": "within"}, MeasureKind.STATE, Objective("within", None, 4, 99)),
    ],
)
def test_the_rule_is_what_the_schedule_says_or_what_the_measure_is_like(
    wanted: dict[str, Any], kind: MeasureKind | None, target: Objective
) -> None:
    assert target_of(wanted, kind) == target


def test_there_is_a_rule_for_each_kind() -> None:
    assert set(RULES) == set(MeasureKind)
    assert set(RULES.values()) == set(get_args(TargetRule))


def test_a_trend_has_no_target() -> None:
    assert judge(
        Objective("within"), slots_of([Rhythm(DAILY)], SINCE, UNTIL), daily(1.0)
    ) == JudgedSeries(None, None, 29 * 86400, 30 * 86400)


def test_what_checks_measure_is_like_something() -> None:
    kinds = {
        f"{name} {measure}": kind
        for name, one in load().items()
        for measure, kind in one.measures.items()
    }

    assert kinds["response_time request_time_p95"] is MeasureKind.LATENCY
    assert kinds["site_errors server_error_share"] is MeasureKind.SHARE
    assert kinds["file_system_errors errors"] is MeasureKind.COUNTER
    assert kinds["security_updates pending"] is MeasureKind.STATE


# --- what is told ----------------------------------------------------------------------------------------------------
LIMITS = {"check": "c", "name": "n", "share": 99.0, "at_most": 4.0, "at_least": None, "left_out": 2}


def line(meets: bool | None, figure: float | None, unseen: float = 0.0) -> dict[str, Any]:
    return {"meets": meets, "figure": figure, "unseen": unseen}


def test_a_record_says_in_short_how_targets_stand() -> None:
    lines = [line(True, 99.5), line(False, 60.0, 0.01), line(None, 100.0, 0.97)]
    trend = LIMITS | {"at_most": None, "rule": None, "series": lines}
    old = LIMITS | {"series": [{"meets": True, "mean": 1.0}]}
    asked = [LIMITS | {"rule": "within", "series": lines}, trend, old]

    assert summary({"measures": asked}) == [
        {key: value for key, value in LIMITS.items() if key != "left_out"}
        | {"rule": "within", "met": 1, "missed": 1, "unknown": 1}
        | {"left_out": 2, "figure": 60.0, "unseen": 0.97}
    ]
    assert summary({}) == []
    assert [state_of(asked[0], one) for one in lines] == ["met", "missed", "unknown"]
    assert [state_of(trend, one) for one in lines] == ["", "", ""]


@pytest.mark.parametrize(
    ("rule", "figures", "told"),
    [("worst", [3.0, 5.0, None], 5.0), ("total", [3.0, 5.0, 1.0], 5.0), ("worst", [None], None), ("within", [], None)],
)  # fmt: skip
def test_of_several_series_the_worst_is_told(
    rule: str, figures: list[float | None], told: float | None
) -> None:
    measure = LIMITS | {"rule": rule, "series": [line(None, one) for one in figures]}

    (found,) = summary({"measures": [measure]})

    assert (found["figure"], found["unseen"]) == (told, 0.0 if figures else 1.0)
