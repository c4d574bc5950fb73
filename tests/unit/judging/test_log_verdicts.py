"""What the checks on logs share, at its limits: figures, lines not understood, logs that nobody writes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation
from upkeep.judging.log_verdicts import (
    doubtful,
    items,
    listed,
    misread,
    nothing_wrong,
    number,
    partly_read,
    sample,
    short,
    silent,
    unread_share,
)
from upkeep.model.verdicts import Measure, Severity, Status, Unknown, Verdict, unknown

END = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.mark.parametrize("value", [0, 7, 0.5])
def test_a_figure_is_given_as_it_is(value: float) -> None:
    assert number({"count": value}, "count") == value


@pytest.mark.parametrize("value", [None, "7", True, [7], {}])
def test_what_is_no_figure_is_named(value: Any) -> None:
    with pytest.raises(ValueError, match="no figure 'count' was observed"):
        number({"count": value}, "count")


@pytest.mark.parametrize(
    ("value", "expected"),
    [(None, []), ("ab", []), ({"a": 1}, []), ([{"a": 1}, None, "b", {}], [{"a": 1}, {}])],
)
def test_items(value: Any, expected: list[dict[str, int]]) -> None:
    assert items({"all": value}, "all") == expected


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
        ({"unparsed": 0, "untold": None}, 100, None),
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
    found = misread(data, counted)

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
    newest = None if age is None else (END - age).isoformat()

    found = silent({"newest_at": newest, "window_end": END.isoformat()}, 24.0)

    assert (found.status, found.message) == (Status.UNKNOWN, message) if found else message is None


@pytest.mark.parametrize("value", [None, "ab", {"a": 1}, [None], [{"a": 1}, "b"]])
def test_a_list_that_a_verdict_rests_on_is_not_empty_because_it_is_none(value: Any) -> None:
    with pytest.raises(ValueError, match="no list 'all' was observed"):
        listed({"all": value}, "all")


@pytest.mark.parametrize("value", [[], [{"a": 1}, {}]])
def test_a_list_is_given_as_it_is(value: Any) -> None:
    assert listed({"all": value}, "all") == value


USED = Measure("failed", 3)


def seen(**data: Any) -> Observation:
    """A log that was read whole, and understood, until now."""
    whole = {
        "lines": 100,
        "unparsed": 0,
        "newest_at": END.isoformat(),
        "window_end": END.isoformat(),
    }
    return Observation("/var/log/auth.log", {**whole, **data})


@pytest.mark.parametrize(
    ("possible", "most", "doubted"),
    [
        (1, 11, True),
        (7, 11, True),
        (1, 10, False),
        (1, 9, False),
        (0, 11, False),
        (-1, 11, False),
        (None, 11, False),
        ("7", 11, False),
    ],
)
def test_lines_that_may_tell_of_failed_logins_matter_if_they_would_break_the_limit(
    possible: Any, most: float, doubted: bool
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
        unknown(text, remedy="grep -i vpn /var/log/auth.log  # read them") if doubted else None
    )


def test_a_line_without_a_program_or_a_text_can_be_doubted_too() -> None:
    found = doubtful(seen(possible_failures=2, doubted_program=None), 11, 10)

    assert found is not None
    assert found.message.endswith(", such as one of a program with no name: ''")
    assert "grep -i 'a program with no name' /var" in found.remedy


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
                    "journalctl -n 20 --no-pager  # what it is, or tail the log; block its source; or set limit_bytes",
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
    found = partly_read(data, "3 failed", USED)

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


@pytest.mark.parametrize("missing", ["lines", "unparsed"])
def test_a_log_of_which_nobody_counted_the_lines_does_not_pass(missing: str) -> None:
    observed = seen()
    del observed.data[missing]

    with pytest.raises(ValueError, match=f"no figure '{missing}' was observed"):
        nothing_wrong(observed, "3 failed", USED, most=0, limit=10, quiet_hours=24)


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
    assert unread_share({"unparsed": unparsed}, counted) == expected


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({}, ""),
        ({"unparsed_sample": ""}, ""),
        ({"unparsed_sample": "a\t b\n"}, ", such as 'a b'"),
        ({"unparsed_sample": "x" * 121}, f", such as '{'x' * 119}…'"),
    ],
)
def test_a_line_that_was_not_understood_is_named(data: dict[str, Any], expected: str) -> None:
    assert sample(data) == expected


def test_what_cannot_be_read_from_a_log_says_what_to_do() -> None:
    untold = misread({"unparsed": 0, "untold": 1}, 100)
    strange = misread({"unparsed": 100}, 0)
    quiet = silent({"newest_at": None}, 24)
    old = silent({"newest_at": "2026-01-01T00:00:00+00:00", "window_end": END.isoformat()}, 24)

    begins = [
        "say how they tell it",
        "ansible-doc -t module",
        "systemctl status",
        "systemctl status",
    ]
    for found, begin in zip((untold, strange, quiet, old), begins, strict=True):
        assert found is not None
        assert found.remedy.startswith(begin)
