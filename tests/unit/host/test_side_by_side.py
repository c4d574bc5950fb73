"""Calls side by side: which run at one time, how long, and what is said of one that is given up."""

from __future__ import annotations

import os
import time
from functools import partial
from pathlib import Path

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.host import children
from ansible_collections.astral.upkeep.plugins.module_utils.host.children import (
    CallBounds,
    side_by_side,
)


def crowd(folder: Path) -> int:
    """Return how many are at work here, this one included."""
    own = folder / str(os.getpid())
    own.touch()
    time.sleep(0.05)
    count = len(list(folder.iterdir()))
    own.unlink()
    return count


def hang() -> None:
    time.sleep(3600)


@pytest.mark.parametrize(
    ("calls", "bounds", "most"),
    [
        (6, CallBounds(at_once=1), 1),
        (6, CallBounds(at_once=2), 2),
        (4, CallBounds(lanes=dict.fromkeys("0123", "one server")), 1),
        (4, CallBounds(lanes=dict(zip("0123", "aabb", strict=True))), 2),
        (4, CallBounds(at_once=1, lanes=dict(zip("0123", "aabb", strict=True))), 1),
    ],
    ids=["one at once", "two at once", "one lane", "two lanes", "two lanes, one at once"],
)
def test_no_more_than_the_bounds_run_at_one_time(
    tmp_path: Path, calls: int, bounds: CallBounds, most: int
) -> None:
    asked = {str(number): partial(crowd, tmp_path) for number in range(calls)}

    answers = side_by_side(asked, 60, bounds)

    assert list(answers) == list(asked)
    assert [one.error for one in answers.values()] == [""] * calls
    assert max(one.value for one in answers.values()) <= most


def test_one_that_waits_for_its_lane_does_not_hold_up_others(tmp_path: Path) -> None:
    lanes = {"first": "slow", "second": "slow", "other": "quick"}

    answers = side_by_side(
        {"first": hang, "second": hang, "other": lambda: 42},
        0.3,
        CallBounds(at_once=2, lanes=lanes),
    )

    assert answers["other"].value == 42
    assert answers["second"].error == "no answer within 0.3 s"


def test_the_time_that_is_told_has_no_grace_in_it() -> None:
    answers = side_by_side({"one": hang}, 0.1, CallBounds(grace_seconds=0.2))

    assert answers["one"].error == "no answer within 0.1 s"


def test_what_cannot_be_begun_in_the_time_of_all_is_told() -> None:
    calls = {"first": hang, "second": hang}

    answers = side_by_side(calls, 0.2, CallBounds(at_once=1, total_seconds=0.1))

    assert answers["first"].error == "no answer within 0.2 s"
    assert answers["second"].error == "not asked: those before it took all the time"


@pytest.mark.parametrize(
    ("waited", "error"),
    [(0.0, "no answer within 0.2 s"), (0.19, "this host was too busy to ask within 0.2 s")],
)
def test_one_that_got_no_processor_says_nothing_of_what_it_asked(
    monkeypatch: pytest.MonkeyPatch, waited: float, error: str
) -> None:
    monkeypatch.setattr(children, "waited_seconds", lambda _process: waited)
    # However late it is looked at, the share is what counts.
    monkeypatch.setattr(children, "STARVED_SHARE", 1e-6)

    answers = side_by_side({"one": hang}, 0.2)

    assert answers["one"].error == error


def test_the_wait_for_a_processor_is_read_of_the_kernel() -> None:
    assert children.waited_seconds() >= 0
    assert children.waited_seconds("no process") == 0
