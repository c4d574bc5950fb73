"""What the checks on logs share, at its limits: lines not understood, logs that nobody writes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.gather.logins._auth_log_shape import (
    AuthLog,
)
from upkeep.judging.log_verdicts import (
    doubtful,
    misread,
    nothing_wrong,
    partly_read,
    sample,
    short,
    silent,
    unread_share,
)
from upkeep.model.verdicts import Measure, Severity, Status, Unknown, Verdict, unknown

END = datetime(2026, 11, 23, 12, tzinfo=UTC)


def seen(**data: Any) -> AuthLog:
    """A log that was read whole, and understood, until now."""
    whole = {
        "lines": 100,
        "unparsed": 0,
        "newest_at": END,
        "window_end": END,
        "window_seconds": 3600,
        "burst_seconds": 600,
        "most_in_an_hour": 0,
        "sources": [],
        "logins_after_failures": [],
        "subject": "/var/log/auth.log",
    }
    return AuthLog(**{**whole, **data})


@pytest.mark.parametrize(("length", "kept"), [(59, 59), (60, 60), (61, 60), (999, 60)])
def test_names_are_cut(length: int, kept: int) -> None:
    said = short("x" * length)

    assert (len(said), said.endswith("…")) == (kept, length > 60)


@pytest.mark.parametrize(
    ("data", "counted", "message"),
    [
        ({"unparsed": 0}, 0, None),
        ({"unparsed": 0}, 100, None),
        ({"unparsed": 10}, 90, None),
        ({"unparsed": 11}, 90, "11 of 101 lines were not understood, at most 10 %"),
        ({"unparsed": 100}, 900, None),
        ({"unparsed": 101}, 900, "101 of 1001 lines were not understood, at most 10 %"),
        ({"unparsed": 1}, 9, None),
        ({"unparsed": 1}, 8, "1 of 9 lines were not understood, at most 10 %"),
        ({"unparsed": 1}, 0, "1 of 1 lines were not understood, at most 10 %"),
        ({"unparsed": 0, "untold": 0}, 100, None),
        (
            {"unparsed": 0, "untold": 1},
            100,
            "none of 1 JSON lines was understood as a login, failed or not",
        ),
        ({"unparsed": 20, "untold": 1}, 80, "20 of 100 lines were not understood, at most 10 %"),
    ],
)
def test_lines_that_were_not_understood(
    data: dict[str, Any], counted: int, message: str | None
) -> None:
    found = misread(seen(lines=data["unparsed"] + counted, **data))

    assert (found.status, found.message) == (Status.UNKNOWN, message) if found else message is None


@pytest.mark.parametrize(
    ("age", "message"),
    [
        (timedelta(0), None),
        (timedelta(hours=24), None),
        (
            timedelta(hours=24, seconds=1),
            "the newest line is 24 h old, at most 24 h; nothing may be writing this log",
        ),
        (
            timedelta(hours=1000.4999),
            "the newest line is 1000 h old, at most 24 h; nothing may be writing this log",
        ),
        (
            timedelta(hours=1000.5001),
            "the newest line is 1001 h old, at most 24 h; nothing may be writing this log",
        ),
        (
            timedelta(days=3),
            "the newest line is 72 h old, at most 24 h; nothing may be writing this log",
        ),
        (timedelta(hours=-1), None),
        (None, "no line with a time was found; nothing may be writing this log"),
    ],
    ids=[
        "now",
        "at the limit",
        "just older",
        "weeks",
        "more weeks",
        "days",
        "a minute ahead",
        "no line",
    ],
)
def test_a_log_that_nobody_writes(age: timedelta | None, message: str | None) -> None:
    found = silent(seen(newest_at=None if age is None else END - age), 24.0)

    assert (found.status, found.message) == (Status.UNKNOWN, message) if found else message is None


USED = Measure("failed", 3)


@pytest.mark.parametrize(
    ("possible", "most", "doubted"),
    [
        (1, 11, True),
        (7, 11, True),
        (1, 10, False),
        (1, 9, False),
        (0, 11, False),
        (-1, 11, False),
    ],
)
def test_lines_that_may_tell_of_failed_logins_matter_if_they_would_break_the_limit(
    possible: int, most: float, doubted: bool
) -> None:
    found = doubtful(
        seen(possible_failures=possible, doubted_program="vpn", doubted_sample="no  way\tin"),
        most,
        10,
    )

    text = (
        f"{possible} lines may tell of failed logins and were not understood,"
        " such as one of vpn: 'no way in'"
    )
    assert found == (
        unknown(
            text,
            remedy="grep -aiE vpn /var/log/auth.log | tail -n 20  # see them; they may tell of failed logins",
        )
        if doubted
        else None
    )


def test_a_line_without_a_program_or_a_text_can_be_doubted_too() -> None:
    found = doubtful(seen(possible_failures=2, doubted_program=""), 11, 10)

    assert found is not None
    assert found.message.endswith(", such as one of a program with no name: ''")
    assert found.remedy == (
        "tail -n 20 /var/log/auth.log  # see them; they may tell of failed logins"
    )


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({}, None),
        ({"over_limit": False, "truncated": False}, None),
        (
            {"truncated": True},
            (Status.UNKNOWN, None, "3 failed, but only a part of the log could be read", ""),
        ),
        (
            {"truncated": True, "part_unread": "/x.1.zst: zstd: no such program"},
            (
                Status.UNKNOWN,
                None,
                "3 failed, but only a part of the log could be read: /x.1.zst: zstd: no such program",
                "",
            ),
        ),
        *(
            (
                {"over_limit": True, "truncated": cut},
                (
                    Status.FAIL,
                    Severity.MEDIUM,
                    "3 failed, but something floods the log: there is more in the window than can"
                    " be searched",
                    "tail -n 20 /var/log/auth.log  # see what it is; then block its source, or set limit_bytes",
                ),
            )
            for cut in (False, True)
        ),
    ],
    ids=["whole", "said to be whole", "a part", "a part, with why", "over the limit", "both"],
)
def test_a_log_that_was_not_read_whole_does_not_pass(
    data: dict[str, Any], expected: tuple[Status, Severity | None, str, str] | None
) -> None:
    found = partly_read(seen(**data), "3 failed", USED)

    if expected is None:
        assert found is None
    else:
        status, severity, message, remedy = expected
        kind = Unknown.CANNOT_SEE if status is Status.UNKNOWN else None
        assert found == Verdict(status, message, severity, (USED,), remedy, kind)


@pytest.mark.parametrize(
    ("data", "status", "message"),
    [
        ({}, "pass", "3 failed"),
        ({"lines": 100, "unparsed": 10}, "pass", "3 failed"),
        (
            {"lines": 100, "unparsed": 11},
            "unknown",
            "11 of 100 lines were not understood, at most 10 %",
        ),
        (
            {"searched_bytes": 9},
            "pass",
            "3 failed; of its older part only lines with words of a login were read",
        ),
        ({"possible_failures": 9}, "unknown", "9 lines may tell of failed logins and were not"),
        ({"newest_at": None}, "unknown", "no line with a time was found; nothing may be writing"),
        (
            {"newest_at": None, "ahead_lines": 7},
            "unknown",
            "7 lines are dated after the host's clock, and no line before it",
        ),
        ({"ahead_lines": 7}, "pass", "3 failed"),
        ({"truncated": True}, "unknown", "3 failed, but only a part of the log could be read"),
        ({"over_limit": True}, "fail", "3 failed, but something floods the log: there is more"),
        # What is said if there is more than one of them. What fails stays so, whatever else is in the log.
        (
            {"possible_failures": 9, "unparsed": 50, "newest_at": None, "over_limit": True},
            "fail",
            "3 failed, but something floods the log: there is more",
        ),
        (
            {"possible_failures": 9, "unparsed": 50, "newest_at": None, "truncated": True},
            "unknown",
            "9 lines may tell of failed logins",
        ),
        (
            {"unparsed": 50, "newest_at": None, "truncated": True},
            "unknown",
            "50 of 100 lines were not understood",
        ),
        ({"newest_at": None, "truncated": True}, "unknown", "no line with a time was found"),
    ],
)
def test_a_log_in_which_nothing_is_wrong_passes_only_if_it_was_seen(
    data: dict[str, Any], status: str, message: str
) -> None:
    found = nothing_wrong(seen(**data), "3 failed", USED, most=11, limit=10, quiet_hours=24)

    assert (found.status.value, found.message[: len(message)]) == (status, message)
    if status == "pass":
        assert (found.message, found.measures) == (message, (USED,))


@pytest.mark.parametrize(
    ("unparsed", "counted", "expected"),
    [
        (0, 0, ()),
        (0, 9, (Measure("unread_line_share", 0.0, "%"),)),
        (1, 3, (Measure("unread_line_share", 25.0, "%"),)),
        (5, 0, (Measure("unread_line_share", 100.0, "%"),)),
    ],
)
def test_the_share_of_lines_not_understood(
    unparsed: int, counted: int, expected: tuple[Measure, ...]
) -> None:
    assert unread_share(unparsed, counted) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("a\t b\n", ", such as 'a b'"),
        ("x" * 121, f", such as '{'x' * 119}…'"),
    ],
)
def test_a_line_that_was_not_understood_is_named(text: str, expected: str) -> None:
    assert sample(text) == expected


def test_what_cannot_be_read_from_a_log_says_what_to_do() -> None:
    untold = misread(seen(untold=1))
    strange = misread(seen(unparsed=100))
    quiet = silent(seen(newest_at=None), 24)
    old = silent(seen(newest_at=datetime(2026, 1, 1, tzinfo=UTC)), 24)

    begins = [
        "decide: say in `fields`",
        "ansible-doc -t module",
        "ps -eo pid,comm",
        "ps -eo pid,comm",
    ]
    for found, begin in zip((untold, strange, quiet, old), begins, strict=True):
        assert found is not None
        assert found.remedy.startswith(begin)
