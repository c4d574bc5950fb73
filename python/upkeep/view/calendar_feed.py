"""The schedule as an iCalendar feed, for the calendars that people look at; pure but for the library's import."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from upkeep.model.errors import ConfigurationError
from upkeep.schedule.due_times import ANCHOR, Timing, next_due, timing_of
from upkeep.site import rule_words
from upkeep.site.schedule_file import Procedure, Schedule, Span

PRODUCT = "-//upkeep//schedule//EN"
A_SECOND = timedelta(seconds=1)


def is_in_feed(procedure: Procedure) -> bool:
    """Return whether it belongs there: what comes each hour would fill a calendar; BYEASTER is dateutil's own."""
    if procedure.rule is None:
        return False
    rule = rule_words.parse(procedure.rule).upper()
    return not re.search(r"FREQ=(HOURLY|MINUTELY)|BYEASTER", rule)


def feed(schedule: Schedule, name: str, now: datetime) -> bytes:
    """Return the calendar: procedures, blackouts and maintenance windows.

    name: the site's, for the calendar's title and its UIDs, which stay the same from feed to feed.
    Raises: ConfigurationError where the library is not installed.
    """
    try:
        from icalendar import Calendar
    except ModuleNotFoundError as exc:
        message = "a calendar feed needs the Python package icalendar"
        raise ConfigurationError(message, remedy="pip install 'upkeep[ics]'") from exc
    calendar = Calendar()
    calendar.add("prodid", PRODUCT)
    calendar.add("version", "2.0")
    calendar.add("method", "PUBLISH")
    calendar.add("x-wr-calname", f"Maintenance of {name}")
    calendar.add("x-wr-timezone", schedule.time_zone)
    for key, procedure in schedule.procedures.items():
        timing = timing_of(schedule, key)
        if timing is None or not is_in_feed(procedure):
            continue
        event = _event(f"procedure-{key}@{name}", procedure.title, now)
        event.add("description", _description(key, procedure))
        event.add("categories", ["maintenance"])
        if _recur(event, timing, procedure.duration):
            calendar.add_component(event)
    spans = {
        "blackout": schedule.calendar.blackouts,
        "window": schedule.calendar.maintenance_windows,
    }
    for kind, found in spans.items():
        for number, span in enumerate(found):
            event = _event(f"{kind}-{number}-{_slug(span.title)}@{name}", span.title, now)
            event.add("categories", ["blackout" if kind == "blackout" else "maintenance window"])
            if _place(event, schedule, span):
                calendar.add_component(event)
    calendar.add_missing_timezones()
    made: bytes = calendar.to_ical()
    return made


def _event(uid: str, title: str, now: datetime) -> Any:
    from icalendar import Event

    event = Event()
    event.add("uid", uid)
    event.add("dtstamp", now.replace(microsecond=0))
    event.add("summary", title)
    event.add("transp", "TRANSPARENT")  # it takes nobody's time
    return event


def _description(key: str, procedure: Procedure) -> str:
    lines = [f"{key}: {rule_words.describe(procedure.rule or '')}", f"Hosts: {procedure.hosts}"]
    lines += [f"Owner: {procedure.owner}"] if procedure.owner else []
    lines += [f"Carries out: {', '.join(procedure.covers)}"] if procedure.covers else []
    lines += [f"Runs: {procedure.playbook}"]
    return "\n".join(lines)


def _place(event: Any, schedule: Schedule, span: Span) -> bool:
    """Give the event of a blackout or a window its times; say if there are any."""
    zone = schedule.zone_of(span)
    if span.rule is not None:
        timing = Timing(span.title, rule_words.parse(span.rule), zone)
        return _recur(event, timing, span.duration or 0)
    assert span.starts is not None  # the file says both, or a rule
    assert span.ends is not None
    event.add("dtstart", span.starts.replace(tzinfo=ZoneInfo(zone)))
    event.add("dtend", span.ends.replace(tzinfo=ZoneInfo(zone)))
    return True


def _recur(event: Any, timing: Timing, seconds: float) -> bool:
    """Give the event its first time, which others count from, and its rule; say if it ever comes."""
    from icalendar import vRecur

    zone = ZoneInfo(timing.zone)
    anchor = (timing.starts or ANCHOR).replace(tzinfo=zone).astimezone(UTC)
    first = next_due(timing, anchor - A_SECOND)
    if first is None:
        return False
    event.add("dtstart", first.astimezone(zone))
    event.add("duration", timedelta(seconds=seconds))
    event.add("rrule", vRecur.from_ical(_with_until_in_utc(timing.rule, zone)))
    for skipped in timing.skip:
        at = first.astimezone(zone).replace(year=skipped.year, month=skipped.month, day=skipped.day)
        is_day = (skipped.hour, skipped.minute, skipped.second) == (0, 0, 0)
        event.add("exdate", at if is_day else skipped.replace(tzinfo=zone))
    return True


def _with_until_in_utc(rule: str, zone: ZoneInfo) -> str:
    """Return the rule as RFC 5545 wants it beside a local start: UNTIL in UTC."""
    rule = rule.upper().removeprefix("RRULE:").strip(";")
    found = re.search(r"UNTIL=(\d{8})(?:T(\d{6}))?(?=;|$)", rule)
    if not found:
        return rule
    last = datetime.strptime(found[1] + (found[2] or "235959"), "%Y%m%d%H%M%S")
    in_utc = last.replace(tzinfo=zone).astimezone(UTC)
    return f"{rule[: found.start()]}UNTIL={in_utc:%Y%m%dT%H%M%SZ}{rule[found.end() :]}"


def _slug(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")[:60]
