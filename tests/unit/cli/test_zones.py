"""Which time zone a site's times are shown in, and that runs are shown in it."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from pathlib import Path

import pytest
import view_samples

from upkeep.cli.opened import zone_of
from upkeep.view.lists import run_line
from upkeep.view.model import RunTally
from upkeep.view.screen import Screen

BROKEN = "time_zone: Asia/Tokyo\nprocedures: {daily: {title: 7}}\n"


@pytest.mark.parametrize(
    ("schedule", "zone"),
    [
        ("time_zone: Europe/Berlin\n", "Europe/Berlin"),
        ("procedures: {}\n", "UTC"),
        ("", "UTC"),
        (None, "UTC"),
        (BROKEN, "Asia/Tokyo"),
        ("time_zone: Europe/Berln\n", "UTC"),
        ("- not\n- a schedule\n", "UTC"),
    ],
    ids=["said", "not said", "empty", "no file", "broken elsewhere", "no such zone", "no schedule"],
)
def test_the_zone_of_a_site(tmp_path: Path, schedule: str | None, zone: str) -> None:
    if schedule is not None:
        (tmp_path / "schedule.yml").write_text(schedule)

    assert zone_of(str(tmp_path)).key == zone


def test_without_a_site_times_are_in_utc() -> None:
    assert zone_of("").key == "UTC"


@pytest.mark.parametrize(
    ("zone", "said"), [("UTC", "10:54:16 UTC"), ("Europe/Berlin", "11:54:16 +01:00")]
)
def test_a_run_is_shown_in_that_zone(tmp_path: Path, zone: str, said: str) -> None:
    (tmp_path / "schedule.yml").write_text(f"time_zone: {zone}\n")
    started = datetime(2026, 11, 27, 10, 54, 16, tzinfo=UTC)
    run = view_samples.summary(RunTally(), started_at=started, ended_at=None)

    line = run_line(Screen(io.StringIO()), run, started.astimezone(zone_of(str(tmp_path))))

    assert f"2026-11-27 {said} (" in line
