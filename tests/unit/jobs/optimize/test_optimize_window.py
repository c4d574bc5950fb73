"""The window of the job db_optimize."""

from __future__ import annotations

import time

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.jobs.optimize.errors import (
    OptimizeError,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.optimize.window import (
    Window,
    end_of_window,
)


def at(hour: int, minute: int, day: int = 27) -> float:
    return time.mktime((2026, 11, day, hour, minute, 0, 0, 0, -1))


@pytest.mark.parametrize(
    ("text", "now", "ends"),
    [
        ("60", at(22, 0), at(23, 0)),
        ("0.5", at(22, 0), at(22, 0) + 30),
        ("04:00", at(22, 0), at(4, 0, 28)),
        ("4:00", at(3, 59), at(4, 0)),
        ("04:00", at(16, 0), at(4, 0, 28)),
        ("04:00", at(15, 59), at(4, 0)),
        ("04:00", at(4, 0), at(4, 0)),
        ("04:00", at(4, 1), at(4, 0)),
        ("23:00", at(9, 0), at(23, 0, 26)),
    ],
)
def test_it_ends_at_the_time_that_is_meant(text: str, now: float, ends: float) -> None:
    assert end_of_window(text, now) == ends


@pytest.mark.parametrize("text", ["", "0", "-1", "24:00", "4:60", "nan", "inf", "1441", "soon"])
def test_what_is_no_window_is_named(text: str) -> None:
    with pytest.raises(OptimizeError, match="expected its end such as '04:00', or minutes"):
        end_of_window(text, at(12, 0))


def test_what_is_left_goes_by_a_clock_that_nobody_sets() -> None:
    now = [100.0]
    waited: list[float] = []
    window = Window("1", at(12, 0), lambda: now[0], waited.append)

    assert window.left == 60
    assert window.fits(59.9)
    assert not window.fits(60)
    now[0] = 150.0
    assert window.pause(30)
    assert waited == [10]
    now[0] = 200.0
    assert window.left == 0
    assert not window.pause(1)
    assert window.words == "12:01"
