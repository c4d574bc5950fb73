"""What is normal for a series, and when a better normal is proposed: at the limits and on both sides of them."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest

from upkeep.rules.baselines import Baseline, Better, Level, Series, compared, level_of, propose

NOW = datetime(2030, 6, 1, 6, 0, tzinfo=UTC)
DAY = timedelta(days=1)
SERIES = Series("/srv/site", "http_health", "web1", "https://shop.example.org/", "mean")


def daily(*values: float, until: datetime = NOW) -> list[tuple[datetime, float]]:
    """One value a day, the last one at `until`."""
    return [(until - DAY * (len(values) - 1 - at), value) for at, value in enumerate(values)]


def accepted(median: float, spread: float = 0.0, better: Better = Better.LOWER) -> Baseline:
    level = Level(median, spread, 28, NOW - 90 * DAY, NOW - 60 * DAY)
    return Baseline(7, SERIES, better, level, "bob", NOW - 60 * DAY)


def test_a_wild_value_moves_median_and_spread_little() -> None:
    seen = daily(1, 1, 2, 2, 3, 3, 1000)

    assert level_of(seen, NOW) == Level(2, 1.4826, 7, NOW - 6 * DAY, NOW)


def test_only_the_window_counts() -> None:
    seen = [(NOW - 28 * DAY, 5.0), (NOW - 27 * DAY, 1.0), (NOW + DAY, 9.0)]

    assert level_of(seen, NOW) == Level(1.0, 0.0, 1, NOW - 27 * DAY, NOW - 27 * DAY)
    assert level_of(seen[:1], NOW) is None


@pytest.mark.parametrize(
    ("seen", "said"),
    [
        (daily(*[1.0] * 20), ""),
        (daily(*[1.0] * 19), "19 values, at least 20"),
        ([(NOW - timedelta(hours=8 * at), 1.0) for at in range(22)], ""),
        (
            [(NOW - timedelta(hours=8 * at), 1.0) for at in range(21)],
            "values of less than 7 days",
        ),
        (daily(*[1.0] * 21, until=NOW - 7 * DAY), ""),
        (
            daily(*[1.0] * 20, until=NOW - 7 * DAY - timedelta(seconds=1)),
            "the newest value is older than 7 days",
        ),
        ([], "nothing was measured in the last 28 days, or since the accepted baseline"),
    ],
)
def test_what_proves_enough(seen: list[tuple[datetime, float]], said: str) -> None:
    assert propose(SERIES, seen, None, Better.LOWER, NOW).refused == said


@pytest.mark.parametrize(
    ("before", "value", "said"),
    [
        (accepted(100.0), 94.9, ""),
        (accepted(100.0), 95.0, "95 is better than 100 by no more than 5%"),
        (accepted(1.0), 1.0, "1 is not better than 1"),
        (accepted(1.0), 1.5, "1.5 is not better than 1"),
        (accepted(1.0, 0.2), 0.75, ""),
        (accepted(1.0, 0.25), 0.75, "0.75 is better than 1 by no more than the spread of 0.25"),
        (accepted(1.0, 0, Better.HIGHER), 1.06, ""),
        (accepted(1.0, 0, Better.HIGHER), 0.5, "0.5 is not better than 1"),
        (accepted(0.0), -1.0, ""),
    ],
)
def test_what_is_better(before: Baseline, value: float, said: str) -> None:
    made = propose(SERIES, daily(*[value] * 20), before, before.better, NOW)

    assert made.refused == said


def test_the_values_of_the_accepted_baseline_do_not_improve_it_again() -> None:
    seen = daily(*[0.5] * 20)
    level = level_of(seen, NOW)
    assert level is not None
    before = Baseline(8, SERIES, Better.LOWER, level, "bob", NOW)

    made = propose(SERIES, seen, before, Better.LOWER, NOW)

    assert made.level is None
    assert made.refused.startswith("nothing was measured")


@pytest.mark.parametrize(
    ("value", "baseline", "said"),
    [
        (1.29, accepted(1.0, 0.1), "as the baseline of 1"),
        (0.71, accepted(1.0, 0.1), "as the baseline of 1"),
        (1.32, accepted(1.0, 0.1), "32 % above the baseline of 1, worse"),
        (0.68, accepted(1.0, 0.1), "32 % below the baseline of 1, better"),
        (0.68, accepted(1.0, 0.1, Better.HIGHER), "32 % below the baseline of 1, worse"),
        (3.0, accepted(0.0), "3 above the baseline of 0, worse"),
    ],
)
def test_compared(value: float, baseline: Baseline, said: str) -> None:
    found = compared(value, baseline)

    assert (found.text, found.worse) == (said, said.endswith("worse"))


@pytest.mark.parametrize("better", Better)
def test_a_series_that_has_not_changed_is_hardly_ever_called_worse(better: Better) -> None:
    chance = random.Random(14)
    looks = 0
    for _site in range(100):
        level = level_of(daily(*[chance.gauss(2.0, 0.3) for _day in range(28)]), NOW)
        assert level is not None
        before = Baseline(1, SERIES, better, level, "bob", NOW)
        looks += sum(compared(chance.gauss(2.0, 0.3), before).worse for _day in range(100))

    assert looks / 10_000 < 0.02  # of one spread it was 15.7 %
