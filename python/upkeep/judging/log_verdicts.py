"""What the checks on logs share: telling a quiet log from one that nobody writes, or that was not understood."""

from __future__ import annotations

from datetime import datetime, timedelta

from ansible_collections.astral.upkeep.plugins.module_utils.gather.logins._auth_log_shape import (
    AuthLog,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.web._access_log_shape import (
    AccessLog,
)
from upkeep.model.remedies import JOURNAL, literally, log_lines, look, quote
from upkeep.model.verdicts import Measure, Severity, Status, Verdict, failed, passed, unknown

USED_WITHIN = timedelta(days=7)
"""A log that was only found, and had no line for so long, is not in use."""
MISREAD_PERCENT = 10.0
UNREAD_SHARE = "unread_line_share"
ACCESS_FORMAT = (
    "ansible-doc -t module astral.upkeep.access_log_info"
    "  # see what is read; compare it with the log's format"
)


LogRead = AuthLog | AccessLog


def in_use(seen: LogRead, now: datetime) -> bool:
    """Return whether the log had a line within USED_WITHIN: that it has none now says nothing of what it had."""
    return seen.newest_at is not None and now - seen.newest_at < USED_WITHIN


def short(text: object, limit: int = 60) -> str:
    """Return a name from a host, cut."""
    said = str(text)
    return said if len(said) <= limit else said[: limit - 1] + "…"


def misread(seen: AuthLog) -> Verdict | None:
    """Return unknown if too many of the window's lines were not understood."""
    unparsed, counted = seen.unparsed, seen.lines - seen.unparsed
    if unparsed * 100 > (unparsed + counted) * MISREAD_PERCENT:
        return unknown(
            f"{unparsed} of {seen.lines} lines were not understood, at most {MISREAD_PERCENT:g} %",
            remedy="ansible-doc -t module astral.upkeep.access_log_info astral.upkeep.auth_log_info"
            "  # see what is read; compare it with the log's format",
        )
    # Applications' lines without any login, in words that the site has not told: nothing shows that none failed.
    if seen.untold > 0:
        return unknown(
            f"none of {seen.untold} JSON lines was understood as a login, failed or not",
            remedy="decide: say in `fields` which of theirs has the outcome, the account and the source",
        )
    return None


def doubtful(seen: AuthLog, most: float, limit: float) -> Verdict | None:
    """Return unknown if lines that were not understood would break the limit, did they tell of failed logins.

    most: what would be counted with them. They are lines that no client writes at will: see auth_unread.
    """
    possible = seen.possible_failures
    if possible <= 0 or most <= limit:
        return None
    program = short(seen.doubted_program or "a program with no name", 40)
    words = "see them; they may tell of failed logins"
    line = short(" ".join(seen.doubted_sample.split()), 120)
    return unknown(
        f"{possible} lines may tell of failed logins and were not understood, such as one of {program}: {line!r}",
        remedy=log_lines(seen.subject, literally(program), words)
        if seen.doubted_program
        else _newest(seen, words),
    )


def partly_read(seen: LogRead, text: str, *measures: Measure) -> Verdict | None:
    """Return what a log is that was not read whole and shows nothing wrong; None if it was.

    Clients can make a log grow beyond every limit. Were it unknown then, they could switch the check off; were it what
    the newest part says, they could push out what they did before.
    """
    if seen.over_limit:
        return failed(
            Severity.MEDIUM,
            f"{text}, but something floods the log: there is more in the window than can be searched",
            *measures,
            remedy=_newest(seen, "see what it is; then block its source, or set limit_bytes"),
        )
    if seen.truncated:
        why = short(seen.part_unread, 200)
        return unknown(
            f"{text}, but only a part of the log could be read{': ' if why else ''}{why}", *measures
        )
    return None


def _newest(seen: LogRead, words: str) -> str:
    """Return how to see the newest lines of a log."""
    name = quote(seen.subject)
    newest = "journalctl -n 20 --no-pager" if seen.subject == JOURNAL else f"tail -n 20 {name}"
    return look(newest, words) if name else f"decide: {words}"


def of_other_programs(seen: AuthLog) -> Verdict | None:
    """Return unknown if all lines are of programs that do not write into a log of logins."""
    if seen.foreign <= 0:
        return None
    return unknown(
        f"none of {seen.foreign} lines is of a program that writes of logins; this seems to be another log",
        remedy="decide: declare the log into which logins are written: paths: [/var/log/auth.log], or [journal]",
    )


def nothing_wrong(
    seen: AuthLog, text: str, measure: Measure, *, most: float, limit: float, quiet_hours: float
) -> Verdict:
    """Return what a log of logins is in which nothing wrong was found: a pass, if it was seen and understood.

    text: what was found. most: what would be counted if lines that were not understood told of failed logins; limit:
    how much of that passes. quiet_hours: from which age of its newest line on nobody may be writing the log.
    """
    partly = partly_read(seen, text, measure)
    # What fails stays so, whatever else is in the log.
    return (
        (partly if partly is not None and partly.status is Status.FAIL else None)
        or doubtful(seen, most, limit)
        or misread(seen)
        or of_other_programs(seen)
        or silent(seen, quiet_hours)
        or partly
        or passed(text + searched(seen), measure)
    )


def searched(seen: AuthLog) -> str:
    """Return a sentence for a log that was too large to read and was only searched."""
    return (
        "; of its older part only lines with words of a login were read"
        if seen.searched_bytes
        else ""
    )


def sample(text: str) -> str:
    """Return one of the lines that were not understood, to be put behind a sentence; nothing if none was kept."""
    return f", such as {short(' '.join(text.split()), 120)!r}" if text else ""


def unread_share(unread: int, counted: int) -> tuple[Measure, ...]:
    """Return the share of lines that were not understood as a measure; nothing if there was no line."""
    lines = unread + counted
    return (Measure(UNREAD_SHARE, 100 * unread / lines, "%"),) if lines else ()


def silent(seen: AuthLog, quiet_hours: float) -> Verdict | None:
    """Return unknown if the log's newest line, by the host's own clock, is older than quiet_hours."""
    remedy = (
        "ps -eo pid,comm | grep -E 'rsyslogd|syslog-ng|systemd-journal' || echo 'no daemon writes logs'"
        "  # see whether the log is still written"
    )
    if seen.newest_at is None and seen.ahead_lines > 0:
        return unknown(
            f"{seen.ahead_lines} lines are dated after the host's clock, and no line before it",
            remedy="date -u  # see whether the clock is right; or set the zone of the log's times: utc_offset",
        )
    if seen.newest_at is None:
        return unknown(
            "no line with a time was found; nothing may be writing this log", remedy=remedy
        )
    age = seen.window_end - seen.newest_at
    if age > timedelta(hours=quiet_hours):
        hours = age.total_seconds() / 3600
        return unknown(
            f"the newest line is {hours:.0f} h old, at most {quiet_hours:g} h; "
            "nothing may be writing this log",
            remedy=remedy,
        )
    return None
