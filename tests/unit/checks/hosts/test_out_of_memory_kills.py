"""Limits of out_of_memory_kills."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation
from upkeep.checks.hosts.out_of_memory_kills import Limits, judge
from upkeep.model.verdicts import Measure, Severity, failed, passed, unknown

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


DAY = 86400.0


def kills(
    since_boot: object, in_window: object, uptime: object = 40 * DAY, **data: object
) -> Observation:
    return Observation(
        "out of memory",
        {
            "window_hours": 24,
            "uptime_seconds": uptime,
            "since_boot": since_boot,
            "in_window": in_window,
            "log_unreadable": "dmesg: not permitted",
            "kills": [{"name": "mysqld"}],
            **data,
        },
    )


def killed(number: int) -> object:
    text = f"{number} killed within 24 h, at most 0: mysqld"
    return failed(Severity.HIGH, text, Measure("kills", number))


@pytest.mark.parametrize(
    ("seen", "verdict"),
    [
        (kills(0, 0), passed("0 killed within 24 h, at most 0", Measure("kills", 0))),
        (kills(7, 0), passed("0 killed within 24 h, at most 0", Measure("kills", 0))),
        (kills(1, 1), killed(1)),
        (kills(None, 2), killed(2)),
        (kills(0, None), passed("0 processes killed since boot", Measure("kills", 0))),
        (kills(2, None, uptime=DAY), killed(2)),
        (kills(2, 1, uptime=DAY), killed(2)),  # the log lost one
        (kills(0, 1, uptime=DAY), killed(1)),  # before the boot
        (
            kills(0, None, uptime=DAY),
            passed("0 killed within 24 h, at most 0", Measure("kills", 0)),
        ),
        (kills(2, 3, uptime=0.0), killed(3)),
        (kills(None, 2, uptime=DAY), killed(2)),
        (kills(2, 1, uptime=None), killed(1)),
        (
            kills(0, 0, window_hours=48),
            passed("0 killed within 48 h, at most 0", Measure("kills", 0)),
        ),
        (
            kills(2, None, uptime=2 * DAY, window_hours=48, kills="mysqld"),
            failed(Severity.HIGH, "2 killed within 48 h, at most 0", Measure("kills", 2)),
        ),
        (
            kills(0, 7, kills=[None, *({"name": f"p{number}"} for number in range(6))]),
            failed(
                Severity.HIGH,
                "7 killed within 24 h, at most 0: p1, p2, p3, p4, p5",
                Measure("kills", 7),
            ),
        ),
        *(
            (
                kills(2, 2, kills=odd),
                failed(Severity.HIGH, "2 killed within 24 h, at most 0", Measure("kills", 2)),
            )
            for odd in (None, 7, {})
        ),
        (kills(0, 0, window_hours=None), unknown("no window was given")),
    ],
)
def test_kills(seen: Observation, verdict: object) -> None:
    assert judge(seen, Limits(), NOW) == verdict


@pytest.mark.parametrize(
    ("seen", "message"),
    [
        (
            kills(2, None, uptime=DAY + 1),
            "2 kills since boot; no log shows when: dmesg: not permitted",
        ),
        (kills(2, None), "2 kills since boot; no log shows when: dmesg: not permitted"),
        (
            kills(None, None),
            "the kernel does not count kills; no log shows when: dmesg: not permitted",
        ),
    ],
)
def test_kills_that_cannot_be_dated_are_unknown(seen: Observation, message: str) -> None:
    assert judge(seen, Limits(), NOW) == unknown(
        message,
        remedy="decide: let the account read the kernel's log: add it to the groups systemd-journal and adm",
    )


@pytest.mark.parametrize("name", ["since_boot", "in_window", "uptime_seconds", "window_hours"])
@pytest.mark.parametrize("odd", ["1", -1, True])
def test_a_figure_that_was_told_and_is_none_does_not_pass(name: str, odd: object) -> None:
    seen = kills(0, 0)

    with pytest.raises(ValueError, match=rf"{name}: found .*; expected a number"):
        judge(Observation(seen.subject, {**seen.data, name: odd}), Limits(), NOW)


@pytest.mark.parametrize(
    ("log", "program"), [("journal", ""), ("kernel ring buffer", "dmesg"), ("", "")]
)
def test_the_next_step_looks_where_the_kills_were_read(log: str, program: str) -> None:
    remedy = judge(kills(1, 1, log=log), Limits(), NOW).remedy

    assert remedy.partition(" ")[0] == program  # without one, the check's own: the journal
