"""When something is due in plain words: `weekdays 08:30` is a rule of RFC 5545, and back.

A rule of days or longer says its time of day itself, so that what is due does not hang on where the rule begins.
Shapes: every 2 minutes; hourly; every 6 hours; daily 03:00; weekdays 08:30; monday and thursday 09:00; monday to
saturday 06:00; every 2 weeks on friday 18:00; first monday 09:00; last weekday of the month 09:00; first day of the
quarter 09:00; first monday of july 09:00; monthly on the 15 04:00; january 10 09:00.
"""

from __future__ import annotations

import re
from datetime import datetime

from dateutil.rrule import rrulestr

from upkeep.model.nearest import nearest

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
MONTHS = (
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
)
LENGTHS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
NTH = {"first": 1, "second": 2, "third": 3, "fourth": 4, "last": -1, "second-to-last": -2}
UNITS = {"minute": "MINUTELY", "hour": "HOURLY", "day": "DAILY", "week": "WEEKLY"}
FILLERS = ("at", "on", "the", "and")
OTHERS = ("every", "hourly", "daily", "weekday", "monthly", "of", "month", "quarter")
KNOWN = (*WEEKDAYS, *MONTHS, *NTH, *UNITS, *OTHERS)
CODES = tuple(day[:2].upper() for day in WEEKDAYS)
MONDAY_TO_FRIDAY = ",".join(CODES[:5])
QUARTER_BEGINS, QUARTER_ENDS = "1,4,7,10", "3,6,9,12"
PARTS = (
    *("FREQ", "INTERVAL", "COUNT", "UNTIL", "WKST", "BYSETPOS", "BYMONTH", "BYMONTHDAY"),
    *("BYYEARDAY", "BYWEEKNO", "BYDAY", "BYEASTER", "BYHOUR", "BYMINUTE", "BYSECOND"),
)
FREQUENCIES = ("YEARLY", "MONTHLY", "WEEKLY", "DAILY", "HOURLY", "MINUTELY")
EXAMPLES = "words such as 'daily 03:00', 'first monday 09:00' or 'every 2 weeks on friday 18:00'"


def parse(text: str) -> str:
    """Return the rule of words, or a rule as it is.

    Raises: ValueError with what was expected.
    """
    if "=" in text:
        return _checked(text.strip())
    plain = re.sub(r"\b(second|last) (to|but) (last|one)\b", "second-to-last", _plain(text))
    plain = re.sub(r"\b(\w+day) to (\w+day)\b", lambda found: _range(found[1], found[2]), plain)
    words = [_singular(word) for word in re.findall(r"[\w:.-]+", plain) if word not in FILLERS]
    times = [word for word in words if ":" in word]
    words = [word for word in words if ":" not in word]
    for word in words:
        if word not in KNOWN and not word.isdigit():
            raise ValueError(f"{EXAMPLES}: {word!r} is no such word{nearest(word, KNOWN)}")
    days = _days(words)
    often = days.startswith(("FREQ=MINUTELY", "FREQ=HOURLY"))
    if often and times:
        raise ValueError(f"no time of day beside {' '.join(words)!r}; 'daily {times[0]}' has one")
    if often:
        return f"{days};BYMINUTE=0;BYSECOND=0" if "HOURLY" in days else f"{days};BYSECOND=0"
    return f"{days};{_time_of_day(times, ' '.join(text.split()))}"


def describe(rule: str) -> str:
    """Return the rule in plain words, or the rule where there are none."""
    if "=" not in rule:
        return _plain(rule)
    try:
        parts = _normal(rule)
        words = _words(parts)
        return words if _normal(parse(words)) == parts else rule
    except (ValueError, KeyError, IndexError):
        return rule


# --- words to a rule -------------------------------------------------------------------------------------------------
def _days(words: list[str]) -> str:
    """Return the rule of the words without its time of day."""
    match words:
        case ["hourly"]:
            return "FREQ=HOURLY"
        case ["daily"] | ["every", "day"]:
            return "FREQ=DAILY"
        case ["every", "minute" | "hour" as unit]:
            return f"FREQ={UNITS[unit]}"
        case ["every", number, "minute" | "hour" | "day" as unit] if number.isdigit():
            return f"FREQ={UNITS[unit]}{_interval(number)}"
        case ["weekday"] | ["every", "weekday"]:
            return f"FREQ=WEEKLY;BYDAY={MONDAY_TO_FRIDAY}"
        case ["every", number, "week", *names] if number.isdigit() and _all(names, WEEKDAYS):
            return f"FREQ=WEEKLY{_interval(number)};BYDAY={_codes(names)}"
        case ["every", *names] | [*names] if _all(names, WEEKDAYS):
            return f"FREQ=WEEKLY;BYDAY={_codes(names)}"
        case ["monthly", *numbers] if numbers and all(one.isdigit() for one in numbers):
            return f"FREQ=MONTHLY;BYMONTHDAY={_numbers(numbers, 31)}"
        case [month, number] if month in MONTHS and number.isdigit():
            return _yearly(month, number)
        case [number, month] if month in MONTHS and number.isdigit():
            return _yearly(month, number)
        case [nth, what] | [nth, what, "of", "month"] if nth in NTH:
            return f"FREQ=MONTHLY;{_which(nth, what)}"
        case [nth, what, "of", "quarter"] if nth in NTH:
            months = QUARTER_BEGINS if NTH[nth] > 0 else QUARTER_ENDS
            return f"FREQ=MONTHLY;BYMONTH={months};{_which(nth, what)}"
        case [nth, what, "of", *names] if nth in NTH and _all(names, MONTHS):
            months_of = sorted({MONTHS.index(name) + 1 for name in names})
            often = "YEARLY" if len(months_of) == 1 else "MONTHLY"
            return f"FREQ={often};BYMONTH={','.join(str(one) for one in months_of)};{_which(nth, what)}"
    raise ValueError(EXAMPLES)


def _yearly(month: str, number: str) -> str:
    index = MONTHS.index(month)
    return f"FREQ=YEARLY;BYMONTH={index + 1};BYMONTHDAY={_numbers([number], LENGTHS[index])}"


def _which(nth: str, what: str) -> str:
    """Return the parts for the first Monday, weekday or day."""
    if what in WEEKDAYS:
        return f"BYDAY={NTH[nth]}{_codes([what])}"
    if what == "weekday":
        return f"BYDAY={MONDAY_TO_FRIDAY};BYSETPOS={NTH[nth]}"
    if what == "day":
        return f"BYMONTHDAY={NTH[nth]}"
    raise ValueError(f"{nth} of what: 'day', 'weekday' or a day of the week such as 'monday'")


def _time_of_day(times: list[str], text: str) -> str:
    """Return the parts for the times of day, which share their minute."""
    if not times:
        raise ValueError(f"a time of day too, such as '{text} 09:00'")
    hours, minutes = set(), set()
    for one in times:
        found = re.fullmatch(r"([01]?\d|2[0-3]):([0-5]\d)", one)
        if not found:
            raise ValueError(f"a time of day from 00:00 to 23:59 instead of {one!r}")
        hours.add(int(found[1]))
        minutes.add(int(found[2]))
    if len(minutes) > 1:
        raise ValueError("times of day with the same minute, or a procedure for each of them")
    return f"BYHOUR={','.join(str(hour) for hour in sorted(hours))};BYMINUTE={minutes.pop()};BYSECOND=0"


def _interval(number: str) -> str:
    if int(number) < 1:
        raise ValueError("a number from 1 on after 'every'")
    return "" if int(number) == 1 else f";INTERVAL={int(number)}"


def _numbers(numbers: list[str], most: int) -> str:
    days = sorted({int(one) for one in numbers})
    if days[0] < 1 or days[-1] > most:
        raise ValueError(f"a day of the month from 1 to {most}")
    return ",".join(str(day) for day in days)


def _codes(names: list[str]) -> str:
    return ",".join(code for code, day in zip(CODES, WEEKDAYS, strict=True) if day in names)


def _all(names: list[str], known: tuple[str, ...]) -> bool:
    return bool(names) and all(name in known for name in names)


def _plain(text: str) -> str:
    return " ".join(text.lower().split())


def _range(first: str, last: str) -> str:
    """Return all days from the first to the last, in words."""
    for day in (first, last):
        if day not in WEEKDAYS:
            raise ValueError(
                f"days of the week, such as 'monday to saturday'{nearest(day, WEEKDAYS)}"
            )
    begin = WEEKDAYS.index(first)
    days = WEEKDAYS[begin:] + WEEKDAYS[:begin]
    return " ".join(days[: days.index(last) + 1])


def _singular(word: str) -> str:
    """Return `monday` for `mondays`, `15` for `15th`."""
    if word.endswith("s") and word[:-1] in KNOWN:
        return word[:-1]
    found = re.fullmatch(r"(\d+)(st|nd|rd|th)", word)
    return found[1] if found else word


# --- a rule ----------------------------------------------------------------------------------------------------------
def _checked(rule: str) -> str:
    """Return the rule if it is one that can be kept."""
    such = "a recurrence rule of RFC 5545, such as 'FREQ=DAILY;BYHOUR=3'"
    body = rule.upper().removeprefix("RRULE:").strip(";")
    names = []
    for part in body.split(";"):
        name, _, value = part.partition("=")
        names.append(name)
        if name not in PARTS:
            raise ValueError(f"{such}: {name!r:.40} is no part of one{nearest(name, PARTS)}")
        if not value or value != value.strip():
            raise ValueError(f"{such}: {name} has no value")
        if name == "FREQ" and value not in FREQUENCIES:
            near = nearest(value, FREQUENCIES)
            raise ValueError(f"{such}: FREQ is one of {', '.join(FREQUENCIES)}{near}")
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise ValueError(f"{such}: {twice} only once")
    if "FREQ" not in names:
        raise ValueError(f"{such}: FREQ is missing")
    if "COUNT" in names and "UNTIL" in names:
        raise ValueError(f"{such}: either COUNT or UNTIL")
    _check_numbers(dict(part.split("=", 1) for part in body.split(";")), such)
    try:
        # Only its syntax matters here. UNTIL may be local or in UTC, and dateutil takes one kind at a time; what an
        # INTERVAL meets depends on where the rule begins.
        bare = re.sub(r"(UNTIL=\w+)Z\b", r"\1", re.sub(r"(?<=;)INTERVAL=\d+;?", "", body))
        rrulestr(bare.strip(";"), dtstart=datetime(2024, 1, 1))
    except (ValueError, TypeError, KeyError, IndexError) as exc:
        raise ValueError(f"{such} ({exc})") from exc
    return rule


def _check_numbers(parts: dict[str, str], such: str) -> None:
    """Hold the numbers to their bounds: dateutil takes an hour 25, or an interval of 0, and walks for ever."""
    bounds = {
        "INTERVAL": (1, 10_000),
        "COUNT": (1, 1_000_000),
        "BYHOUR": (0, 23),
        "BYMINUTE": (0, 59),
        "BYSECOND": (0, 60),
        "BYMONTH": (1, 12),
        "BYMONTHDAY": (-31, 31),
        "BYYEARDAY": (-366, 366),
        "BYWEEKNO": (-53, 53),
        "BYSETPOS": (-366, 366),
    }
    for name, (least, most) in bounds.items():
        for number in parts.get(name, "").split(",") if name in parts else ():
            found = re.fullmatch(r"[+-]?\d+", number)
            if not found or not least <= int(number) <= most or (least < 0 and not int(number)):
                raise ValueError(f"{such}: {name} is from {least} to {most}, not {number!r:.40}")


# --- a rule to words -------------------------------------------------------------------------------------------------
def _normal(rule: str) -> dict[str, str]:
    """Return the rule's parts, the same for rules that mean the same."""
    body = rule.strip().upper().removeprefix("RRULE:").strip(";")
    parts = dict(part.split("=", 1) for part in body.split(";"))
    parts.setdefault("BYSECOND", "0")
    for name in ("BYHOUR", "BYMINUTE", "BYMONTH", "BYMONTHDAY"):
        if name in parts:
            parts[name] = ",".join(
                str(one) for one in sorted({int(one) for one in parts[name].split(",")})
            )
    once = parts.get("INTERVAL", "1") == "1"
    if once:
        parts.pop("INTERVAL", None)
        parts.pop("WKST", None)  # it matters only where weeks are left out
    if "BYDAY" in parts:
        days = [re.sub(r"^\+", "", day) for day in parts["BYDAY"].split(",")]
        parts["BYDAY"] = ",".join(sorted(days, key=lambda day: (CODES.index(day[-2:]), day)))
        if parts["FREQ"] == "MONTHLY" and "BYSETPOS" in parts and parts["BYDAY"] in CODES:
            parts["BYDAY"] = parts.pop("BYSETPOS") + parts["BYDAY"]
        if parts["FREQ"] == "DAILY" and once and set(parts) <= {"FREQ", "BYDAY", *_TIMES}:
            parts["FREQ"] = "WEEKLY"
    if parts["FREQ"] == "MONTHLY" and once and re.fullmatch(r"\d+", parts.get("BYMONTH", "")):
        parts["FREQ"] = "YEARLY"
    return parts


_TIMES = ("BYHOUR", "BYMINUTE", "BYSECOND")


def _words(parts: dict[str, str]) -> str:
    """Return words that may be the rule's; KeyError and the like where there are none."""
    often, number = parts["FREQ"], parts.get("INTERVAL")
    if often in ("MINUTELY", "HOURLY"):
        unit = "minute" if often == "MINUTELY" else "hour"
        return (
            f"every {number} {unit}s" if number else "hourly" if unit == "hour" else "every minute"
        )
    minute = int(parts["BYMINUTE"])
    times = _listed([f"{int(hour):02}:{minute:02}" for hour in parts["BYHOUR"].split(",")])
    if often == "DAILY":
        return f"every {number} days {times}" if number else f"daily {times}"
    if often == "WEEKLY":
        if parts["BYDAY"] == MONDAY_TO_FRIDAY and not number:
            return f"weekdays {times}"
        names = [WEEKDAYS[CODES.index(code)] for code in parts["BYDAY"].split(",")]
        is_range = len(names) > 3 and _range(names[0], names[-1]).split() == names
        days = f"{names[0]} to {names[-1]}" if is_range else _listed(names)
        return f"every {number} weeks on {days} {times}" if number else f"{days} {times}"
    if "BYDAY" not in parts and often == "YEARLY" and int(parts["BYMONTHDAY"]) > 0:
        return f"{MONTHS[int(parts['BYMONTH']) - 1]} {parts['BYMONTHDAY']} {times}"
    if "BYDAY" not in parts and "BYMONTH" not in parts and parts["BYMONTHDAY"] not in ("1", "-1"):
        return f"monthly on the {_listed(parts['BYMONTHDAY'].split(','))} {times}"
    return f"{_nth_words(parts)} {times}"


def _nth_words(parts: dict[str, str]) -> str:
    """Return `last weekday of the quarter`."""
    names = {number: name for name, number in NTH.items()}
    if "BYMONTHDAY" in parts:
        nth, what = int(parts["BYMONTHDAY"]), "day"
    elif "BYSETPOS" in parts:
        nth, what = int(parts["BYSETPOS"]), "weekday"
    else:
        nth, what = int(parts["BYDAY"][:-2]), WEEKDAYS[CODES.index(parts["BYDAY"][-2:])]
    months = parts.get("BYMONTH", "")
    named = names[nth].replace("-", " ")
    if not months:
        return f"{named} {what}" + (" of the month" if what in ("day", "weekday") else "")
    if months == (QUARTER_BEGINS if nth > 0 else QUARTER_ENDS):
        return f"{named} {what} of the quarter"
    return f"{named} {what} of {_listed([MONTHS[int(one) - 1] for one in months.split(',')])}"


def _listed(items: list[str]) -> str:
    """Return `a, b and c`."""
    return " and ".join(filter(None, [", ".join(items[:-1]), items[-1]]))
