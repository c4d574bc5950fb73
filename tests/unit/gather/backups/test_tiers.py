"""How many periods have a backup: the calendar, the running period, the day since, and jitter."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._retention import (
    since_of,
    tiers,
)

VIENNA = ZoneInfo("Europe/Vienna")
NOW = datetime(2026, 11, 27, 5, 0, tzinfo=VIENNA)  # a Friday


def at(*parts: int, zone: Any = VIENNA) -> float:
    return datetime(*parts, tzinfo=zone).timestamp()  # type: ignore[arg-type, misc]


def daily(days: int, hour: int = 6, minute: int = 0, last: datetime = NOW) -> list[float]:
    """Return the times of backups of the days before the last one."""
    found = [last - timedelta(days=ago) for ago in range(1, days + 1)]
    return [one.replace(hour=hour, minute=minute).timestamp() for one in found]


def tier(times: list[float], since: str = "", now: datetime = NOW, **declared: int) -> Any:
    (found,) = tiers(times, declared, since_of(since, VIENNA), now.timestamp(), VIENNA)
    return found["expected"], found["found"], found["missing"]


def test_todays_backup_is_not_asked_for_before_it_is_made() -> None:
    assert tier(daily(7), daily=7) == (7, 7, [])


def test_todays_backup_counts_once_it_is_made() -> None:
    after = NOW.replace(hour=7)
    times = [NOW.replace(hour=6).timestamp(), *daily(6)]

    assert tier(times, now=after, daily=7) == (7, 7, [])


def test_a_day_without_a_backup_is_named_and_the_newest_five_only() -> None:
    assert tier(daily(7)[:2] + daily(7)[3:], daily=7) == (7, 6, ["2026-11-24"])
    assert tier([], daily=7) == (
        7,
        0,
        ["2026-11-26", "2026-11-25", "2026-11-24", "2026-11-23", "2026-11-22"],
    )


def test_nothing_excuses_what_was_deleted_but_the_day_since() -> None:
    assert tier(daily(3), daily=7)[:2] == (7, 3)
    assert tier(daily(3), since="2026-11-24", daily=7) == (3, 3, [])
    assert tier(daily(2), since="2026-11-24", daily=7) == (3, 2, ["2026-11-24"])
    assert tier([], since="2026-11-27", daily=7) == (0, 0, [])
    assert tier([], since="2026-11-10", monthly=12) == (0, 0, [])


def test_a_backup_around_midnight_may_be_made_a_little_before_or_after() -> None:
    # Each night at about midnight: on the 24th at 0:00:30, on the 24th at 23:59, on the 26th at 0:04.
    times = [at(2026, 11, 22, 0, 1), at(2026, 11, 23, 0, 1), at(2026, 11, 24, 0, 0, 30)]
    times += [at(2026, 11, 24, 23, 59), at(2026, 11, 26, 0, 4)]

    assert tier(times, daily=5) == (5, 5, [])


@pytest.mark.parametrize("hours", [1, 3, 6, 12])
def test_a_whole_day_that_is_lost_is_missed_among_backups_of_every_few_hours(hours: int) -> None:
    start = datetime(2026, 11, 19, 0, 30, tzinfo=VIENNA)
    times = [start + timedelta(hours=hours * n) for n in range(24 * 8 // hours)]
    kept = [one.timestamp() for one in times if one.day != 23]

    assert tier(kept, daily=6)[2] == ["2026-11-23"]


@pytest.mark.parametrize(
    ("declared", "times", "missing"),
    [
        ({"weekly": 3}, [at(2026, 11, 22, 23), at(2026, 11, 9)], ["2026-W45"]),
        ({"weekly": 2}, [at(2026, 11, 23), at(2026, 11, 16)], []),
        ({"monthly": 3}, [at(2026, 10, 1, 22), at(2026, 8, 31)], ["2026-09"]),
        ({"yearly": 2}, [at(2026, 1, 1), at(2024, 12, 31)], ["2025"]),
        ({"hourly": 2}, [at(2026, 11, 27, 4, 59), at(2026, 11, 27, 2, 1)], ["2026-11-27 03:00"]),
    ],
)
def test_periods_are_those_of_the_calendar(
    declared: dict[str, int], times: list[float], missing: list[str]
) -> None:
    assert tier(times, **declared)[2] == missing


def test_the_hour_that_comes_twice_is_two_and_the_one_that_is_skipped_is_none() -> None:
    back = datetime(2026, 10, 25, 1, 30, tzinfo=UTC)  # 2:30 the second time
    forth = datetime(2026, 3, 29, 1, 30, tzinfo=UTC)  # 3:30; it was 1:59 half an hour ago

    for now in (back, forth):
        times = [(now - timedelta(hours=n)).timestamp() for n in range(4)]
        (found,) = tiers(times, {"hourly": 4}, None, now.timestamp(), VIENNA)
        assert (found["found"], found["missing"]) == (4, [])


@pytest.mark.parametrize("day", [datetime(2026, 10, 25), datetime(2026, 3, 29)])
def test_days_of_23_and_25_hours_are_days(day: datetime) -> None:
    after = (day + timedelta(days=2)).replace(hour=12, tzinfo=VIENNA)

    assert tier(daily(4, 23, 50, after), now=after, daily=4) == (4, 4, [])
    assert tier(daily(4, 0, 10, after), now=after, daily=4) == (4, 4, [])


def test_a_time_in_the_future_is_no_backup() -> None:
    assert tier([NOW.timestamp() + 3600], daily=1) == (1, 0, ["2026-11-26"])


@pytest.mark.parametrize(
    ("name", "wanted", "most"),
    [("yearly", 10**9, 100), ("daily", 0, 7320), ("daily", -3, 7320), ("hourly", 8785, 8784)],
)
def test_what_nobody_means_is_refused(name: str, wanted: int, most: int) -> None:
    with pytest.raises(ValueError, match=f"^{name}: {wanted} is not a number from 1 to {most}$"):
        tiers([], {name: wanted, "weekly": None}, None, NOW.timestamp(), VIENNA)


@pytest.mark.parametrize("text", ["yesterday", "2026-13-01", "01.02.2026", "2026-11-01T00:00"])
def test_since_is_a_date(text: str) -> None:
    with pytest.raises(ValueError, match=r"not a date, use YYYY-MM-DD"):
        since_of(text)


def test_the_hosts_own_zone_is_taken_without_another() -> None:
    now = datetime.now().astimezone()
    noon = now.replace(hour=12) - timedelta(days=1)
    (found,) = tiers([noon.timestamp()], {"daily": 1}, None, now.timestamp())

    assert (found["found"], found["declared"]) == (1, 1)
