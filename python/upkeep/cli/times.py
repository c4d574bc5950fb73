"""Times and durations that somebody types: one way to read them, for every option."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from upkeep.model.errors import UsageError
from upkeep.site.fields import seconds_of

YEARS = (1970, 9000)
"""The first and the last for which anything can be asked."""
EXPECTED = "expected a date or a time such as '2026-12-24 18:00'"


def time_of(text: str, zone: ZoneInfo, option: str) -> datetime:
    """Return a time that somebody wrote: local to the schedule if it has no offset.

    Raises: UsageError for a text that is not a time, or a time that is too far away.
    """
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError:
        raise UsageError(f"{option}: found {text!r:.80}; {EXPECTED}") from None
    first, last = YEARS
    if not first <= found.year <= last:
        raise UsageError(f"{option}: found {text!r:.80}; expected a year from {first} to {last}")
    return (found if found.tzinfo else found.replace(tzinfo=zone)).astimezone(UTC)


def later(now: datetime, text: str, option: str) -> datetime:
    """Return the time that is so much later than now.

    Raises: UsageError for a text that is not a duration, or for a duration that is too long.
    """
    try:
        seconds = seconds_of(text)
    except ValueError as exc:
        raise UsageError(f"{option}: found {text!r:.80}; expected {exc}") from None
    return now + timedelta(seconds=seconds)


def end_of(lasts: str, ends: str, now: datetime, zone: ZoneInfo, what: str) -> datetime:
    """Return when something ends, of which --for or --until says so. what: for the error, such as `a waiver`.

    Raises: UsageError if neither is given, or both.
    """
    if lasts and ends:
        raise UsageError(f"--for and --until were both given; {what} takes one of them")
    if not lasts and not ends:
        raise UsageError(f"{what} always ends; give --for or --until, such as --for '30 d'")
    return later(now, lasts, "--for") if lasts else time_of(ends, zone, "--until")
