"""Plain words are rules, and rules are plain words again where there are some."""

from __future__ import annotations

import re

import pytest

from upkeep.site.rule_words import describe, parse

AT_NINE = "BYHOUR=9;BYMINUTE=0;BYSECOND=0"
BOTH_WAYS = [
    ("every minute", "FREQ=MINUTELY;BYSECOND=0"),
    ("every 2 minutes", "FREQ=MINUTELY;INTERVAL=2;BYSECOND=0"),
    ("hourly", "FREQ=HOURLY;BYMINUTE=0;BYSECOND=0"),
    ("every 6 hours", "FREQ=HOURLY;INTERVAL=6;BYMINUTE=0;BYSECOND=0"),
    ("daily 03:00", "FREQ=DAILY;BYHOUR=3;BYMINUTE=0;BYSECOND=0"),
    ("daily 06:30 and 18:30", "FREQ=DAILY;BYHOUR=6,18;BYMINUTE=30;BYSECOND=0"),
    ("every 3 days 03:00", "FREQ=DAILY;INTERVAL=3;BYHOUR=3;BYMINUTE=0;BYSECOND=0"),
    ("weekdays 08:30", "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR;BYHOUR=8;BYMINUTE=30;BYSECOND=0"),
    ("monday 09:00", f"FREQ=WEEKLY;BYDAY=MO;{AT_NINE}"),
    ("monday and thursday 09:00", f"FREQ=WEEKLY;BYDAY=MO,TH;{AT_NINE}"),
    ("monday, wednesday and friday 09:00", f"FREQ=WEEKLY;BYDAY=MO,WE,FR;{AT_NINE}"),
    ("monday to saturday 09:00", f"FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR,SA;{AT_NINE}"),
    (
        "every 2 weeks on friday 18:00",
        "FREQ=WEEKLY;INTERVAL=2;BYDAY=FR;BYHOUR=18;BYMINUTE=0;BYSECOND=0",
    ),
    ("first monday 09:00", f"FREQ=MONTHLY;BYDAY=1MO;{AT_NINE}"),
    ("last friday 17:00", "FREQ=MONTHLY;BYDAY=-1FR;BYHOUR=17;BYMINUTE=0;BYSECOND=0"),
    (
        "last weekday of the month 09:00",
        f"FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1;{AT_NINE}",
    ),
    (
        "last weekday of the quarter 09:00",
        f"FREQ=MONTHLY;BYMONTH=3,6,9,12;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1;{AT_NINE}",
    ),
    (
        "second to last weekday of the quarter 09:00",
        f"FREQ=MONTHLY;BYMONTH=3,6,9,12;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-2;{AT_NINE}",
    ),
    (
        "second tuesday of the quarter 09:00",
        f"FREQ=MONTHLY;BYMONTH=1,4,7,10;BYDAY=2TU;{AT_NINE}",
    ),
    ("first day of the month 09:00", f"FREQ=MONTHLY;BYMONTHDAY=1;{AT_NINE}"),
    ("last day of the month 09:00", f"FREQ=MONTHLY;BYMONTHDAY=-1;{AT_NINE}"),
    ("first day of the quarter 09:00", f"FREQ=MONTHLY;BYMONTH=1,4,7,10;BYMONTHDAY=1;{AT_NINE}"),
    ("last day of the quarter 09:00", f"FREQ=MONTHLY;BYMONTH=3,6,9,12;BYMONTHDAY=-1;{AT_NINE}"),
    ("monthly on the 15 04:00", "FREQ=MONTHLY;BYMONTHDAY=15;BYHOUR=4;BYMINUTE=0;BYSECOND=0"),
    ("monthly on the 1 and 15 09:00", f"FREQ=MONTHLY;BYMONTHDAY=1,15;{AT_NINE}"),
    ("january 10 09:00", f"FREQ=YEARLY;BYMONTH=1;BYMONTHDAY=10;{AT_NINE}"),
    ("february 29 09:00", f"FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29;{AT_NINE}"),
    ("first monday of july 09:00", f"FREQ=YEARLY;BYMONTH=7;BYDAY=1MO;{AT_NINE}"),
    ("first monday of january and july 09:00", f"FREQ=MONTHLY;BYMONTH=1,7;BYDAY=1MO;{AT_NINE}"),
    (
        "last weekday of december 09:00",
        f"FREQ=YEARLY;BYMONTH=12;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1;{AT_NINE}",
    ),
]


@pytest.mark.parametrize(("words", "rule"), BOTH_WAYS, ids=[words for words, _ in BOTH_WAYS])
def test_both_ways(words, rule):
    assert parse(words) == rule
    assert describe(rule) == words
    assert parse(rule) == rule


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("Daily at 3:00", "daily 03:00"),
        ("  every   day 03:00", "daily 03:00"),
        ("every weekday at 08:30", "weekdays 08:30"),
        ("on Mondays at 09:00", "monday 09:00"),
        ("thursday and monday 09:00", "monday and thursday 09:00"),
        ("every 1 hours", "hourly"),
        ("friday to monday 09:00", "monday, friday, saturday and sunday 09:00"),
        ("monday to friday 09:00", "weekdays 09:00"),
        ("the first Monday of the month at 09:00", "first monday 09:00"),
        ("10 January 09:00", "january 10 09:00"),
        ("monthly on the 15th at 04:00", "monthly on the 15 04:00"),
        (
            "last but one weekday of the quarter 09:00",
            "second to last weekday of the quarter 09:00",
        ),
    ],
)
def test_other_ways_to_say_it(written, words):
    assert parse(written) == parse(words)
    assert describe(parse(written)) == words


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("FREQ=DAILY;BYHOUR=3;BYMINUTE=30", "daily 03:30"),
        ("RRULE:FREQ=DAILY;BYHOUR=3;BYMINUTE=30", "daily 03:30"),
        ("FREQ=DAILY;INTERVAL=1;WKST=SU;BYHOUR=3;BYMINUTE=30", "daily 03:30"),
        ("FREQ=DAILY;BYDAY=FR,MO;BYHOUR=9;BYMINUTE=0", "monday and friday 09:00"),
        ("FREQ=MONTHLY;BYDAY=MO;BYSETPOS=1;BYHOUR=9;BYMINUTE=0", "first monday 09:00"),
        ("FREQ=MONTHLY;BYMONTH=7;BYDAY=+1MO;BYHOUR=9;BYMINUTE=0", "first monday of july 09:00"),
        ("FREQ=MINUTELY;INTERVAL=2", "every 2 minutes"),
    ],
)
def test_a_rule_that_means_the_same_has_the_same_words(rule, words):
    assert describe(rule) == words


@pytest.mark.parametrize(
    "rule",
    [
        "FREQ=DAILY",  # at the time at which it starts
        "FREQ=HOURLY",
        "FREQ=DAILY;BYHOUR=3;BYMINUTE=0;COUNT=3",
        "FREQ=DAILY;BYHOUR=3;BYMINUTE=0;UNTIL=20261231",
        "FREQ=DAILY;BYHOUR=3;BYMINUTE=0,30",
        "FREQ=DAILY;BYHOUR=3;BYMINUTE=0;BYSECOND=30",
        "FREQ=MINUTELY;INTERVAL=15;BYHOUR=7,8,9",
        "FREQ=WEEKLY;INTERVAL=2;WKST=SU;BYDAY=SU,MO;BYHOUR=9;BYMINUTE=0",
        "FREQ=MONTHLY;INTERVAL=2;BYDAY=1MO;BYHOUR=9;BYMINUTE=0",
        "FREQ=YEARLY;BYDAY=20MO;BYHOUR=9;BYMINUTE=0",
        "FREQ=YEARLY;BYWEEKNO=20;BYDAY=MO;BYHOUR=9;BYMINUTE=0",
        "FREQ=YEARLY;BYEASTER=1;BYHOUR=9;BYMINUTE=0",
        "FREQ=MONTHLY;BYMONTHDAY=13;BYDAY=FR;BYHOUR=9;BYMINUTE=0",
    ],
)
def test_a_rule_without_words_stays_a_rule(rule):
    assert parse(rule) == rule
    assert describe(rule) == rule


def test_words_stay_words():
    assert describe("Daily  03:00") == "daily 03:00"


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("", "words such as 'daily 03:00'"),
        ("mondey 09:00", "'mondey' is no such word; did you mean 'monday'?"),
        ("first monday of jully 09:00", "did you mean 'july'?"),
        ("daly 03:00", "did you mean 'daily'?"),
        ("monday", "a time of day too, such as 'monday 09:00'"),
        ("daily 25:00", "a time of day from 00:00 to 23:59 instead of '25:00'"),
        ("daily 03:00 and 15:30", "times of day with the same minute"),
        ("hourly 03:00", "'daily 03:00' has one"),
        ("every 0 minutes", "a number from 1 on"),
        ("every 2 months 03:00", "words such as"),
        ("monthly on the 32 03:00", "from 1 to 31"),
        ("february 30 03:00", "from 1 to 29"),
        ("monday to yesterday 03:00", "days of the week"),
        ("first hour 03:00", "first of what"),
        ("FREQ=DALY;BYHOUR=3", "FREQ is one of YEARLY, MONTHLY"),
        ("FREQ=SECONDLY", "FREQ is one of"),
        ("FREQ=DAILY;BYHOURS=3", "did you mean 'BYHOUR'?"),
        ("BYHOUR=3", "FREQ is missing"),
        ("FREQ=DAILY;BYHOUR=24", "BYHOUR is from 0 to 23"),
        ("FREQ=DAILY;INTERVAL=0", "INTERVAL is from 1"),
        ("FREQ=DAILY;BYHOUR=", "BYHOUR has no value"),
        ("FREQ=DAILY;FREQ=WEEKLY", "FREQ only once"),
        ("FREQ=DAILY;COUNT=3;UNTIL=20261231", "either COUNT or UNTIL"),
        ("FREQ=WEEKLY;BYDAY=XX", "a recurrence rule of RFC 5545"),
        ("FREQ=MONTHLY;BYMONTHDAY=0", "BYMONTHDAY is from -31 to 31"),
        ("DTSTART:20260101T000000\nRRULE:FREQ=DAILY", "is no part of one"),
    ],
)
def test_what_cannot_be_read_says_what_was_expected(written, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        parse(written)
