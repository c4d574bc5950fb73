from __future__ import annotations

import math
from typing import Any

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._backups_shape import (
    BackupTaken,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._witnesses import (
    TakenTime,
    TimeWitness,
    as_data,
    decide,
)

NOW = 1_795_600_000.0
HOUR, DAY = 3600, 86_400


def said(**ages: float) -> list[TimeWitness]:
    return [TimeWitness(by, NOW - age, f"{by} says so") for by, age in ages.items()]


@pytest.mark.parametrize(
    ("ages", "by", "disagree"),
    [
        ({"inside": 3 * HOUR, "name": 4 * HOUR, "written": 2 * HOUR}, "inside", False),
        ({"written": 2 * HOUR, "name": 4 * HOUR, "inside": 3 * HOUR}, "inside", False),
        ({"name": 4 * HOUR, "written": 2 * HOUR}, "name", False),
        ({"written": 2 * HOUR}, "written", False),
        # A day is allowed, and no second more; in both directions.
        ({"name": DAY + HOUR, "written": HOUR}, "name", False),
        ({"name": DAY + HOUR + 1, "written": HOUR}, "name", True),
        ({"name": HOUR, "written": DAY + HOUR}, "name", False),
        ({"name": HOUR, "written": DAY + HOUR + 1}, "written", True),
        ({"inside": HOUR, "name": 40 * DAY, "written": HOUR}, "name", True),
        ({"inside": HOUR, "name": HOUR, "written": 3 * DAY}, "written", True),
        ({"inside": 3 * DAY, "name": 9 * DAY, "written": HOUR}, "name", True),
        # A time in the future is none, but for what clocks are apart.
        ({"inside": -600, "written": HOUR}, "inside", False),
        ({"inside": -601, "written": HOUR}, "written", False),
        ({"inside": -40 * DAY, "name": 2 * DAY, "written": HOUR}, "name", True),
        # What has no time says that it is of 1970, or of 1980 in a zip.
        ({"inside": NOW - 315_532_800, "written": HOUR}, "written", False),
        ({"name": HOUR, "written": NOW}, "name", False),
    ],
)
def test_the_best_witness_counts_and_the_oldest_if_they_disagree(
    ages: dict[str, float], by: str, disagree: bool
) -> None:
    decided = decide(said(**ages), NOW)

    assert (decided.by, decided.disagree) == (by, disagree)
    written = [one.at for one in decided.witnesses if one.by == "written"]
    assert decided.at == min([NOW - ages[by], *written])  # never later than its writing


def test_the_believed_are_kept_the_best_first_and_the_earliest_of_the_future() -> None:
    witnesses = said(written=HOUR, name=2 * HOUR, inside=-3 * DAY)
    later = TimeWitness("inside", NOW + 9 * DAY)

    decided = decide([later, *witnesses], NOW)

    assert decided == TakenTime(
        NOW - 2 * HOUR, "name", [witnesses[1], witnesses[0]], False, NOW + 3 * DAY
    )


@pytest.mark.parametrize("at", [NOW + 601, 1e300])
def test_nothing_is_decided_without_a_time_that_has_been(at: float) -> None:
    assert decide([TimeWitness("written", at)], NOW) == TakenTime(future_at=at)


@pytest.mark.parametrize("at", [math.nan, math.inf, -math.inf, 0.0, -1e300])
def test_what_is_no_time_says_nothing(at: float) -> None:
    assert decide([TimeWitness("inside", at)], NOW) == TakenTime()
    assert decide([], NOW) == TakenTime()


def test_its_data_are_the_fields_of_the_shape() -> None:
    data = as_data(decide(said(inside=-9 * DAY, name=40 * DAY, written=HOUR), NOW))

    expected: dict[str, Any] = {
        "taken_at": "2026-10-16T09:46:40+00:00",
        "taken_by": "name",
        "witnesses": [
            {"by": "name", "at": "2026-10-16T09:46:40+00:00", "words": "name says so"},
            {"by": "written", "at": "2026-11-25T08:46:40+00:00", "words": "written says so"},
        ],
        "disagree": True,
        "future_at": "2026-12-04T09:46:40+00:00",
    }
    assert data == expected
    assert set(data) <= set(BackupTaken.__dataclass_fields__)


def test_a_time_behind_all_years_is_still_said() -> None:
    data = as_data(decide([TimeWitness("written", 1e300)], NOW))

    assert data["taken_at"] is None
    assert data["future_at"] == "9999-12-31T23:59:59+00:00"
