"""When something is due: across daylight saving, by RFC 5545's odd days, and as other programs expect it."""

from __future__ import annotations

import json
import os
import re
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import oldest
import pytest
from dateutil.rrule import rrulestr
from hypothesis import given, settings
from hypothesis import strategies as st

from upkeep.schedule.due_times import ANCHOR, Timing, begins_at, due_times, next_due
from upkeep.site.rule_words import parse

RECORDED = Path(__file__).parents[1] / "recorded" / "schedule"
NEW_YORK = ZoneInfo("America/New_York")


def local_times(rule: str, zone: str, first: str, last: str, **more: object) -> list[str]:
    """Return when it is due from first to last, both included and local, with the offset."""
    place = ZoneInfo(zone)
    after, until = (datetime.fromisoformat(one).replace(tzinfo=place) for one in (first, last))
    timing = Timing("it", parse(rule), zone, **more)  # type: ignore[arg-type]
    found = due_times(timing, after.astimezone(UTC) - timedelta(seconds=1), until.astimezone(UTC))
    return [due.astimezone(place).strftime("%m-%d %H:%M %z") for due in found]


# --- daylight saving -------------------------------------------------------------------------------------------------
def test_a_due_time_in_the_gap_is_as_long_after_midnight():
    assert local_times("daily 02:30", "America/New_York", "2026-03-07", "2026-03-10") == [
        "03-07 02:30 -0500",
        "03-08 03:30 -0400",
        "03-09 02:30 -0400",
    ]


def test_a_due_time_in_the_repeated_hour_comes_once_at_the_first():
    assert local_times("daily 01:30", "America/New_York", "2026-10-31", "2026-11-03") == [
        "10-31 01:30 -0400",
        "11-01 01:30 -0400",
        "11-02 01:30 -0500",
    ]


def test_two_times_that_the_gap_makes_one_are_due_once():
    found = local_times("daily 02:30 and 03:30", "America/New_York", "2026-03-08", "2026-03-09")
    assert found == ["03-08 03:30 -0400"]


def test_a_time_that_is_moved_past_the_next_one_stays_in_order():
    rule = "FREQ=DAILY;BYHOUR=2,3;BYMINUTE=15,45"
    found = local_times(rule, "America/New_York", "2026-03-08", "2026-03-09")
    assert found == ["03-08 03:15 -0400", "03-08 03:45 -0400"]


@pytest.mark.parametrize(
    ("begins", "ends", "times"),
    [
        ("2026-11-01T05:00", "2026-11-01T07:00", 120),  # the hour that a clock shows twice
        ("2026-03-08T06:00", "2026-03-08T08:00", 120),  # and those around the one it leaves out
    ],
)
def test_every_minute_is_due_every_minute(begins, ends, times):
    after, until = (datetime.fromisoformat(one).replace(tzinfo=UTC) for one in (begins, ends))
    timing = Timing("it", parse("every minute"), "America/New_York")
    found = list(due_times(timing, after, until))
    assert len(found) == times
    assert {later - one for one, later in pairwise(found)} == {timedelta(minutes=1)}


@pytest.mark.parametrize(
    "zone", ["America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "America/St_Johns"]
)
@pytest.mark.parametrize("words", ["every 2 minutes", "every 15 minutes"])
def test_minutes_run_through_a_whole_year(zone, words):
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    found = list(due_times(Timing("it", parse(words), zone), begin, begin + timedelta(days=365)))
    step = timedelta(minutes=int(words.split()[1]))
    assert {later - one for one, later in pairwise(found)} == {step}


@pytest.mark.parametrize("zone", ["America/New_York", "Europe/Berlin", "Asia/Kolkata"])
@pytest.mark.parametrize(("words", "hours"), [("hourly", 1), ("every 6 hours", 6)])
def test_hours_are_never_doubled_or_skipped(zone, words, hours):
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    found = list(due_times(Timing("it", parse(words), zone), begin, begin + timedelta(days=365)))
    steps = {later - one for one, later in pairwise(found)}
    assert steps == {timedelta(hours=hours)}
    assert len(found) == 365 * 24 // hours


def test_a_day_that_the_zone_leaves_out():
    # Samoa went over the date line: there was no 30 December 2011.
    more = {"starts": datetime(2011, 1, 1)}
    assert local_times("daily 09:00", "Pacific/Apia", "2011-12-28", "2012-01-01", **more) == [
        "12-28 09:00 -1000",
        "12-29 09:00 -1000",
        "12-31 09:00 +1400",
    ]


@cache
def walked(rule: str, begin: datetime, end: datetime) -> list[datetime]:
    """Return the local times, which are the same in each zone."""
    return rrulestr(rule, dtstart=begin).between(begin, end)  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    "zone",
    [
        "Africa/Casablanca",
        "America/Caracas",
        "America/Sao_Paulo",  # changes at midnight
        "Antarctica/Troll",  # by two hours
        "Asia/Tehran",
        "Australia/Lord_Howe",  # by half an hour
        "Europe/Berlin",
        "Pacific/Apia",
        "UTC",
    ],
)
@pytest.mark.parametrize("text", ["daily", "every 3 days", "saturday, sunday", "monthly on the 31"])
def test_days_are_local_days_in_every_zone(zone: str, text: str) -> None:
    """Twenty years of local times, walked through by dateutil and taken to UTC one by one."""
    begin, end = datetime(2004, 1, 1), datetime(2024, 1, 1)
    for at in ("00:00", "02:30", "23:45"):
        rule = parse(f"{text} {at}")
        starts = {one.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
                  for one in walked(rule, begin, end)}  # fmt: skip
        until = datetime(2023, 12, 30, tzinfo=UTC)

        found = list(
            due_times(Timing("", rule, zone, begin), datetime(2004, 1, 3, tzinfo=UTC), until)
        )

        assert found == sorted(
            one for one in starts if datetime(2004, 1, 3, tzinfo=UTC) < one <= until
        )


# --- odd days --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("rule", "first", "last", "expected"),
    [
        (
            "february 29 09:00",
            "2023-01-01",
            "2033-01-01",
            ["2024-02-29", "2028-02-29", "2032-02-29"],
        ),
        (
            "monthly on the 31 09:00",
            "2026-01-01",
            "2027-01-01",
            [f"2026-{month:02}-31" for month in (1, 3, 5, 7, 8, 10, 12)],
        ),
        (
            "first monday 09:00",
            "2026-01-01",
            "2026-04-01",
            ["2026-01-05", "2026-02-02", "2026-03-02"],
        ),
        (
            "last friday 09:00",
            "2026-01-01",
            "2026-04-01",
            ["2026-01-30", "2026-02-27", "2026-03-27"],
        ),
        (
            "last day of the month 09:00",
            "2028-01-01",
            "2028-04-01",
            ["2028-01-31", "2028-02-29", "2028-03-31"],
        ),
        (
            "last weekday of the quarter 09:00",
            "2026-01-01",
            "2026-12-31",
            ["2026-03-31", "2026-06-30", "2026-09-30"],
        ),
        (
            "first day of the quarter 09:00",
            "2026-01-01",
            "2026-12-31",
            ["2026-01-01", "2026-04-01", "2026-07-01", "2026-10-01"],
        ),
        ("first monday of july 09:00", "2026-01-01", "2028-01-01", ["2026-07-06", "2027-07-05"]),
    ],
)
def test_odd_days(rule, first, last, expected):
    after, until = (datetime.fromisoformat(one).replace(tzinfo=UTC) for one in (first, last))
    found = due_times(Timing("it", parse(rule)), after, until)
    assert [f"{due:%Y-%m-%d}" for due in found] == expected


def test_next_looks_far_enough_ahead():
    timing = Timing("it", "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29;BYDAY=SU")
    assert next_due(timing, datetime(2026, 1, 1, tzinfo=UTC)) == datetime(2032, 2, 29, tzinfo=UTC)


@pytest.mark.parametrize(
    "rule",
    [
        "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=MINUTELY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=DAILY;INTERVAL=7;BYDAY=TU",  # counted from a Monday
        "FREQ=HOURLY;INTERVAL=2;BYHOUR=3",
        "FREQ=WEEKLY;BYDAY=MO;BYSETPOS=2",
    ],
)
def test_what_never_comes_is_known_at_once(rule):
    assert next_due(Timing("it", rule), datetime(2026, 1, 1, tzinfo=UTC)) is None


def test_starts_until_and_skip():
    rule = "FREQ=DAILY;INTERVAL=2;BYHOUR=9;UNTIL=20260112"
    more = {
        "starts": datetime(2026, 1, 4, 9),
        "skip": (datetime(2026, 1, 6), datetime(2026, 1, 8, 9), datetime(2026, 1, 10, 10)),
    }
    assert local_times(rule, "Europe/Berlin", "2026-01-01", "2026-02-01", **more) == [
        "01-04 09:00 +0100",
        "01-10 09:00 +0100",
        "01-12 09:00 +0100",
    ]


def test_until_in_utc_ends_by_utc():
    rule = "FREQ=DAILY;BYHOUR=20;UNTIL=20260103T010000Z"
    found = local_times(rule, "America/New_York", "2026-01-01", "2026-02-01")
    assert found == ["01-01 20:00 -0500", "01-02 20:00 -0500"]


def test_jitter_is_the_same_for_each_who_asks():
    due = datetime(2026, 1, 1, 3, tzinfo=UTC)
    spread = [
        begins_at(Timing(f"p{n}", "FREQ=DAILY", jitter_seconds=600), due) - due for n in range(200)
    ]
    assert spread == [
        begins_at(Timing(f"p{n}", "FREQ=DAILY", jitter_seconds=600), due.astimezone(NEW_YORK)) - due
        for n in range(200)
    ]
    assert timedelta(0) <= min(spread) < timedelta(minutes=1)
    assert timedelta(minutes=9) < max(spread) < timedelta(minutes=10)
    assert begins_at(Timing("p", "FREQ=DAILY"), due) == due


# --- as others expect it ---------------------------------------------------------------------------------------------
def _dateutil_cases() -> list[dict[str, object]]:
    cases: list[dict[str, object]] = json.loads((RECORDED / "dateutil_rrule.json").read_text())[
        "cases"
    ]
    return cases


def _as_rule(parts: dict[str, object]) -> str:
    names = {"byweekday": "BYDAY"}
    words = []
    for name, value in parts.items():
        if name != "dtstart":
            values = value if isinstance(value, list) else [value]
            text = ",".join(str(one) for one in values)
            text = re.sub(r"[-:]", "", text) if name == "until" else text
            words.append(
                f"{names.get(name, name.upper())}={_code(text) if name == 'byweekday' else text}"
            )
    return ";".join(words)


def _code(text: str) -> str:
    """Return `1TU` for dateutil's TU(+1), and TU for its 1."""
    codes = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
    words = []
    for one in text.split(","):
        found = re.fullmatch(r"([A-Z]{2})\(([+-]?\d+)\)", one)
        words.append(
            f"{int(found[2])}{found[1]}" if found else codes[int(one)] if one.isdigit() else one
        )
    return ",".join(words)


@pytest.mark.parametrize("case", _dateutil_cases(), ids=lambda case: case["test"])
def test_as_dateutil_expects_it(case):
    begin = datetime.fromisoformat(case["rrule"]["dtstart"])
    expected = [datetime.fromisoformat(one).replace(tzinfo=UTC) for one in case["expect"]]
    timing = Timing("it", parse(_as_rule(case["rrule"])), starts=begin)
    after = begin.replace(tzinfo=UTC) - timedelta(seconds=1)
    until = max(expected, default=after) + timedelta(days=400)
    assert list(due_times(timing, after, until)) == expected


AWX = json.loads((RECORDED / "awx_dst_and_invalid.json").read_text())
OURS = {
    # AWX leaves out the Sunday whose 02:30 is skipped; here it is due at 03:30.
    "test_dst_phantom_hour": ["2030-03-03T07:30", "2030-03-10T07:30", "2030-03-17T06:30"],
    # AWX leaves out the second of the two hours that the clock calls 01:30; here an hour is an hour.
    "test_dst_rollback_duplicates": [
        *("2030-11-03T03:30", "2030-11-03T04:30", "2030-11-03T05:30"),
        *("2030-11-03T06:30", "2030-11-03T07:30"),
    ],
}


@pytest.mark.parametrize("case", AWX["preview"], ids=lambda case: case["test"])
def test_as_awx_expects_it_but_for_the_hours_that_are_skipped_or_doubled(case):
    found = re.fullmatch(r"DTSTART;TZID=(\S+?):(\S+) RRULE:(\S+)", case["rrule"])
    assert found
    zone, begin, rule = found[1], datetime.strptime(found[2], "%Y%m%dT%H%M%S"), found[3]
    expected = [datetime.fromisoformat(one).astimezone(UTC) for one in case["expect"]["local"]]
    if case["test"] in OURS:
        expected = [datetime.fromisoformat(one).replace(tzinfo=UTC) for one in OURS[case["test"]]]
    after = begin.replace(tzinfo=UTC) - timedelta(days=2)
    timing = Timing("it", rule, zone, starts=begin)
    assert list(due_times(timing, after, after + timedelta(days=400))) == expected


@pytest.mark.parametrize("case", AWX["must_be_rejected"], ids=lambda case: case["error_contains"])
def test_a_text_with_more_than_one_rule_in_it_is_no_rule(case):
    with pytest.raises(ValueError, match=r"rule of RFC 5545|words such as"):
        parse(case["rrule"])


# Where dateutil reads RFC 5545 otherwise than libical, and so do we.
NOT_AS_LIBICAL = {
    "FREQ=YEARLY;BYMONTHDAY=29;COUNT=3": "in every month, and not only in that of the start",
    "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=1,3;COUNT=3": "the week of the start counts from the start",
    "FREQ=YEARLY;BYWEEKNO=53;BYDAY=TU,SA;INTERVAL=6;UNTIL=20170101T000000Z": "years are those of the calendar",
}


def _libical_cases() -> list[dict[str, str]]:
    folder = os.environ.get("UPKEEP_SAMPLES")
    path = Path(folder or "/nonexistent") / "schedule" / "libical_rrule.json"
    if not path.is_file():
        return []
    cases: list[dict[str, str]] = json.loads(path.read_text())["cases"]
    return [case for case in cases if _is_alike(case["RRULE"], case["DTSTART"])]


def _is_alike(rule: str, start: str) -> bool:
    """Whether libical and dateutil mean the same by it."""
    if "SECONDLY" in rule or ("T" not in start and "BYMINUTE" in rule):
        return False  # too often, or of a start without a time of day
    # libical takes the weekday of the start, dateutil the whole week.
    return "BYWEEKNO" not in rule or "BYDAY" in rule


def _libical_time(text: str) -> datetime:
    text = text.removesuffix("Z")
    return datetime.strptime(text if "T" in text else f"{text}T000000", "%Y%m%dT%H%M%S")


@pytest.mark.skipif(
    not _libical_cases(), reason="UPKEEP_SAMPLES names no folder with libical's cases"
)
@pytest.mark.parametrize("case", _libical_cases(), ids=lambda case: case["RRULE"])
def test_as_libical_expects_it(case):
    rule, start = case["RRULE"], case["DTSTART"]
    begin = _libical_time(start)
    expected = [_libical_time(one).replace(tzinfo=UTC) for one in case["INSTANCES"].split(",")]
    timing = Timing("it", parse(rule), starts=begin)
    after = begin.replace(tzinfo=UTC) - timedelta(seconds=1)
    if "START-AT" in case:
        after = max(
            after, _libical_time(case["START-AT"]).replace(tzinfo=UTC) - timedelta(seconds=1)
        )
        expected = [one for one in expected if one > after]
    found = list(due_times(timing, after, max(expected) + timedelta(days=300)))
    assert (found == expected) == (rule not in NOT_AS_LIBICAL)


# --- any rule --------------------------------------------------------------------------------------------------------
DAYS = st.sampled_from(["MO", "TU", "WE", "TH", "FR", "SA", "SU"])
STARTS = st.datetimes(datetime(2019, 1, 1), datetime(2027, 1, 1)).map(
    lambda at: at.replace(second=0, microsecond=0)
)


def listed(numbers: st.SearchStrategy[object], most: int = 3) -> st.SearchStrategy[str]:
    """Return some of them, as a rule lists them."""
    several = st.lists(numbers, min_size=1, max_size=most, unique=True)
    return several.map(lambda found: ",".join(str(one) for one in found))


@st.composite
def rules(draw: st.DrawFn) -> str:
    """Return a rule of any kind."""
    often = draw(st.sampled_from(["YEARLY", "MONTHLY", "WEEKLY", "DAILY", "HOURLY", "MINUTELY"]))
    parts = [f"FREQ={often}"]
    most = {"MINUTELY": 600, "HOURLY": 50}.get(often, 6)
    least = {"MINUTELY": 7}.get(often, 1)
    parts.append(f"INTERVAL={draw(st.integers(least, most))}")
    maybe = st.booleans()
    sets = False
    if draw(maybe):
        ordinals = often == "MONTHLY" and draw(maybe)
        nth = st.builds(lambda n, day: f"{n}{day}", st.sampled_from([1, 2, 4, -1, -2]), DAYS)
        parts.append(f"BYDAY={draw(listed(nth if ordinals else DAYS))}")
        sets = True
    if often != "WEEKLY" and draw(maybe):
        parts.append(f"BYMONTHDAY={draw(listed(st.sampled_from([1, 2, 15, 29, 30, 31, -1, -3])))}")
        sets = True
    if draw(st.integers(0, 3)) == 0:
        parts.append(f"BYMONTH={draw(listed(st.integers(1, 12), 6))}")
    if draw(maybe):
        parts.append(f"BYHOUR={draw(listed(st.integers(0, 23)))}")
    if draw(maybe) and often != "MINUTELY":
        parts.append(f"BYMINUTE={draw(listed(st.sampled_from([0, 15, 30, 59])))}")
    if sets and often in ("YEARLY", "MONTHLY", "WEEKLY") and draw(maybe):
        parts.append(f"BYSETPOS={draw(listed(st.sampled_from([1, 2, -1, -2])))}")
    ending = draw(st.sampled_from(["", "", "COUNT", "UNTIL"]))
    if ending == "COUNT":
        parts.append(f"COUNT={draw(st.integers(1, 40))}")
    if ending == "UNTIL":
        parts.append(f"UNTIL={draw(STARTS):%Y%m%dT%H%M%S}")
    return ";".join(parts)


WINDOWS = {"MINUTELY": 3, "HOURLY": 40}


def _window(rule: str, begin: datetime) -> tuple[datetime, datetime]:
    often = rule.split(";")[0].removeprefix("FREQ=")
    after = begin.replace(tzinfo=UTC)
    return after, after + timedelta(days=WINDOWS.get(often, 900))


@settings(max_examples=oldest.examples(60), deadline=None)
@given(rules(), st.none() | STARTS, STARTS)
def test_in_utc_it_is_what_dateutil_walks_to(rule, starts, begin):
    after, until = _window(rule, begin)
    try:
        walked = rrulestr(rule, dtstart=starts or ANCHOR).between(
            after.replace(tzinfo=None), until.replace(tzinfo=None)
        )
    except ValueError:
        walked = []  # an interval that never meets the hours
    found = list(due_times(Timing("it", parse(rule), starts=starts), after, until))
    expected = [one.replace(tzinfo=UTC) for one in walked if one != until.replace(tzinfo=None)]
    assert [one for one in found if one != until] == expected


@settings(max_examples=oldest.examples(60), deadline=None)
@given(
    rules(),
    STARTS,
    st.sampled_from(["UTC", "America/New_York", "Europe/Berlin", "Australia/Lord_Howe"]),
    st.lists(st.floats(0, 1), min_size=1, max_size=4),
)
def test_due_times_ascend_once_each_however_the_time_is_cut(rule, begin, zone, cuts):
    after, until = _window(rule, begin)
    timing = Timing("it", parse(rule), zone)
    whole = list(due_times(timing, after, until))
    assert whole == sorted(set(whole))
    edges = [after, *sorted(after + cut * (until - after) for cut in cuts), until]
    pieces = [due for one, later in pairwise(edges) for due in due_times(timing, one, later)]
    assert pieces == whole
