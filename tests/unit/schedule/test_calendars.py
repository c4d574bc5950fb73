"""Business hours across daylight saving and holidays; blackouts, windows and holidays from a file."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

import pytest

from upkeep.model.errors import ConfigurationError
from upkeep.schedule.calendars import Calendars, OpenHours, Period, calendars_of
from upkeep.site.schedule_file import Schedule

NEW_YORK = ZoneInfo("America/New_York")
MONDAY_TO_FRIDAY = frozenset(range(5))
HOUR = 3600.0


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def local(text: str) -> datetime:
    """Return a time of New York in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=NEW_YORK).astimezone(UTC)


OFFICE = OpenHours(
    NEW_YORK,
    MONDAY_TO_FRIDAY,
    time(9),
    time(17),
    frozenset({date(2026, 11, 26), date(2026, 12, 25)}),
)
ALL_DAY = OpenHours(NEW_YORK, frozenset(range(7)), time(0), time(23))


# --- business hours --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("begin", "hours", "due"),
    [
        # Friday's last hour, the rest on Monday: the same time of day on either side of the weekend of the change.
        ("2026-03-06 16:00", 2, "2026-03-09T14:00"),  # EST to EDT: 10:00 is 14:00 UTC
        ("2026-10-30 16:00", 2, "2026-11-02T15:00"),  # EDT to EST: 10:00 is 15:00 UTC
        ("2026-11-25 16:00", 2, "2026-11-27T15:00"),  # over Thanksgiving
        ("2026-12-24 16:30", 4, "2026-12-28T17:30"),  # over Christmas and the weekend
        ("2026-11-23 09:00", 8, "2026-11-23T22:00"),  # ends with the day
        ("2026-11-23 09:00", 40, "2026-11-30T22:00"),  # a working week, with a holiday in it
        ("2026-11-23 03:00", 1, "2026-11-23T15:00"),  # before work begins
        ("2026-11-22 12:00", 1, "2026-11-23T15:00"),  # on a Sunday
        ("2026-11-23 17:00", 1, "2026-11-24T15:00"),  # when work ends
    ],
)
def test_hours_of_work_pass(begin, hours, due):
    assert OFFICE.add(local(begin), hours * HOUR) == utc(due)


@pytest.mark.parametrize(
    ("begin", "hours", "due"),
    [
        (
            "2026-03-08T05:00",
            4,
            "2026-03-08T09:00",
        ),  # 00:00 to 05:00: four hours, though a clock shows five
        ("2026-03-08T05:00", 22, "2026-03-09T03:00"),  # the day has 22 hours until 23:00
        ("2026-11-01T04:00", 4, "2026-11-01T08:00"),
        ("2026-11-01T04:00", 24, "2026-11-02T04:00"),  # and this one 24
        ("2026-11-01T05:30", 1, "2026-11-01T06:30"),  # from the first 01:30 to the second
    ],
)
def test_work_in_the_night_of_the_change_is_elapsed_time(begin, hours, due):
    assert ALL_DAY.add(utc(begin), hours * HOUR) == utc(due)


@pytest.mark.parametrize(
    ("at", "is_open"),
    [
        ("2026-11-23 08:59", False),
        ("2026-11-23 09:00", True),
        ("2026-11-23 16:59", True),
        ("2026-11-23 17:00", False),
        ("2026-11-22 12:00", False),
        ("2026-11-26 12:00", False),
    ],
)
def test_somebody_works(at, is_open):
    assert OFFICE.is_open(local(at)) is is_open


@pytest.mark.parametrize(
    ("at", "opens", "next_day", "end_of_day"),
    [
        ("2026-11-23 12:00", "2026-11-23 12:00", "2026-11-24 09:00", "2026-11-23 17:00"),
        ("2026-11-23 03:00", "2026-11-23 09:00", "2026-11-24 09:00", "2026-11-23 17:00"),
        ("2026-11-25 18:00", "2026-11-27 09:00", "2026-11-27 09:00", "2026-11-27 17:00"),
        ("2026-11-26 12:00", "2026-11-27 09:00", "2026-11-27 09:00", "2026-11-27 17:00"),
        ("2026-03-07 12:00", "2026-03-09 09:00", "2026-03-09 09:00", "2026-03-09 17:00"),
        ("2026-10-31 12:00", "2026-11-02 09:00", "2026-11-02 09:00", "2026-11-02 17:00"),
    ],
)
def test_when_work_begins_and_ends(at, opens, next_day, end_of_day):
    assert OFFICE.opens(local(at)) == local(opens)
    assert OFFICE.next_day(local(at)) == local(next_day)
    assert OFFICE.end_of_day(local(at)) == local(end_of_day)


def test_a_team_that_never_works_is_a_fault_of_the_file():
    never = OpenHours(
        NEW_YORK,
        frozenset({0}),
        time(9),
        time(17),
        frozenset(date.fromordinal(day) for day in range(date(2026, 1, 1).toordinal(), 741000)),
    )
    with pytest.raises(ConfigurationError, match="every day for two years is a holiday"):
        never.opens(utc("2026-11-23T12:00"))


# --- blackouts and windows -------------------------------------------------------------------------------------------
def calendars(**calendar: object) -> Calendars:
    """Return a site's calendars, in New York's time."""
    return calendars_of(
        Schedule.model_validate(
            {
                "time_zone": "America/New_York",
                "procedures": {"daily": {"title": "Daily"}},
                "calendar": calendar,
                "teams": {
                    "shop": {
                        "title": "The shop",
                        "time_zone": "Europe/Lisbon",
                        "business_hours": {"days": ["sat"], "from": "06:00", "to": "19:00"},
                    }
                },
            }
        ),
        folder=None,  # type: ignore[arg-type]
    )


SALE = {"title": "Sale", "from": "2026-11-27", "to": "2026-11-30"}
FREEZE = {"title": "Year's end", "rule": "december 20 00:00", "duration": "14 d"}
NIGHT = {"title": "Night of the change", "rule": "daily 00:30", "duration": "2 h"}


@pytest.mark.parametrize(
    ("at", "title"),
    [
        ("2026-11-26 23:59", None),
        ("2026-11-27 00:00", "Sale"),
        ("2026-11-29 23:59", "Sale"),
        ("2026-11-30 00:00", None),
        ("2026-12-19 23:59", None),
        ("2026-12-20 00:00", "Year's end"),
        ("2027-01-02 23:59", "Year's end"),
        ("2027-01-03 00:00", None),
        ("2029-12-31 12:00", "Year's end"),
    ],
)
def test_a_blackout_by_date_or_by_rule(at, title):
    found = calendars(blackouts=[SALE, FREEZE]).blackout(local(at))
    assert (found.title if found else None) == title


@pytest.mark.parametrize(
    ("begins", "ends"),
    [
        ("2026-03-08T05:30", "2026-03-08T07:30"),  # 00:30 EST to 03:30 EDT: two hours have passed
        ("2026-11-01T04:30", "2026-11-01T06:30"),  # 00:30 EDT to 01:30 EST
    ],
)
def test_a_blackout_lasts_as_long_in_the_night_of_the_change(begins, ends):
    found = calendars(blackouts=[NIGHT]).blackout(utc(begins))
    assert found == Period("Night of the change", utc(begins), utc(ends))


def test_of_two_blackouts_the_one_that_ends_last_holds():
    longer = {"title": "Longer", "from": "2026-11-28", "to": "2026-12-02"}
    found = calendars(blackouts=[longer, SALE]).blackout(local("2026-11-29 12:00"))
    assert found == Period("Longer", local("2026-11-28"), local("2026-12-02"))


def test_blackouts_that_touch_a_time_by_their_beginning():
    site = calendars(blackouts=[FREEZE, SALE])
    found = site.blackouts(local("2026-11-29 12:00"), local("2027-12-31"))
    assert [(one.title, f"{one.begins.astimezone(NEW_YORK):%Y-%m-%d}") for one in found] == [
        ("Sale", "2026-11-27"),
        ("Year's end", "2026-12-20"),
        ("Year's end", "2027-12-20"),
    ]


def test_the_maintenance_window_that_holds_and_the_next():
    window = {"title": "Sunday", "rule": "sunday 04:00", "duration": "3 h"}
    once = {"title": "Move", "from": "2026-11-25 20:00", "to": "2026-11-25 23:00"}
    site = calendars(maintenance_windows=[window, once])
    assert site.window(local("2026-11-22 06:59")) is not None
    assert site.window(local("2026-11-22 07:00")) is None
    assert site.next_window(local("2026-11-23")) == Period(
        "Move", local("2026-11-25 20:00"), local("2026-11-25 23:00")
    )
    assert site.next_window(local("2026-11-26")) == Period(
        "Sunday", local("2026-11-29 04:00"), local("2026-11-29 07:00")
    )
    assert calendars().next_window(local("2026-11-26")) is None


def test_a_teams_hours_are_in_its_own_time_and_know_the_sites_holidays():
    hours = calendars(holidays=["2026-11-28"]).hours("shop")
    assert hours.opens(utc("2026-11-24T12:00")) == utc("2026-12-05T06:00")
    others = calendars(holidays=["2026-11-28"]).hours("nobody")
    assert others.opens(local("2026-11-28 12:00")) == local("2026-11-30 09:00")


# --- holidays from a file --------------------------------------------------------------------------------------------
ICS = """BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//made for this test//EN
BEGIN:VEVENT
UID:1@example
DTSTAMP:20260101T000000Z
DTSTART;VALUE=DATE:20261225
DTEND;VALUE=DATE:20261227
SUMMARY:Christmas
END:VEVENT
BEGIN:VEVENT
UID:2@example
DTSTAMP:20260101T000000Z
DTSTART;VALUE=DATE:20260101
RRULE:FREQ=YEARLY
SUMMARY:New Year
END:VEVENT
BEGIN:VEVENT
UID:3@example
DTSTAMP:20260101T000000Z
DTSTART;VALUE=DATE:20261126
RRULE:FREQ=YEARLY;BYMONTH=11;BYDAY=4TH;COUNT=2
SUMMARY:Thanksgiving
END:VEVENT
END:VCALENDAR
"""


def test_holidays_from_a_file(tmp_path):
    (tmp_path / "holidays.ics").write_text(ICS.replace("\n", "\r\n"))
    schedule = Schedule.model_validate(
        {
            "procedures": {"daily": {"title": "Daily"}},
            "calendar": {"holidays": ["holidays.ics", "2026-06-19"]},
        }
    )
    found = calendars_of(schedule, tmp_path).holidays
    assert {day for day in found if day.year in (2026, 2027, 2028)} == {
        date(2026, 1, 1),
        date(2026, 6, 19),
        date(2026, 11, 26),
        date(2026, 12, 25),
        date(2026, 12, 26),
        date(2027, 1, 1),
        date(2027, 11, 25),
        date(2028, 1, 1),
    }


@pytest.mark.parametrize(
    "text",
    ["", "nothing of the kind", "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nEND:VEVENT\r\nEND:VCALENDAR"],
)
def test_a_file_that_is_no_calendar_is_said(tmp_path, text):
    (tmp_path / "holidays.ics").write_text(text)
    schedule = Schedule.model_validate(
        {
            "procedures": {"daily": {"title": "Daily"}},
            "calendar": {"holidays": ["holidays.ics"]},
        }
    )
    with pytest.raises(ConfigurationError, match=r"holidays\.ics: not a calendar that can be read"):
        calendars_of(schedule, tmp_path)
