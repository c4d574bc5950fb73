"""Limits of isolation."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from verdicts import verdict_of

from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation
from upkeep.checks.incidents.isolation import CHECK, ISOLATE, RELEASE, SEE_RULES, Limits
from upkeep.model.verdicts import Severity, Verdict, failed, passed, unknown

judge = partial(verdict_of, CHECK)
NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
SINCE = "isolated since 2026-11-28 01:00 by alice"


def seen(state: str = "confirmed", **data: Any) -> Observation:
    known = {
        "state": state,
        "by": "alice",
        "since": "2026-11-28T01:00:00+00:00",
        "until": "2026-11-29T01:00:00+00:00",
        "tables": {"inet": "as loaded", "bridge": "as loaded"},
        "tight": True,
    }
    return Observation("isolation", {**known, **data})


def ends(hours: float) -> str:
    return (NOW + timedelta(hours=hours)).isoformat()


def released(by: str, hours: float = 1, **data: Any) -> Observation:
    return seen("released", released_by=by, released_at=ends(-hours), tight=None, tables={}, **data)


@pytest.mark.parametrize(
    ("observation", "verdict"),
    [
        (Observation("isolation", {"state": "none"}), passed("not isolated")),
        (seen(), passed(f"{SINCE}; ends in 13.0 h; forbidden traffic fails")),
        (
            seen(tried_ports=[80]),
            passed(f"{SINCE}; ends in 13.0 h; forbidden traffic fails, also from the controller"),
        ),
        (
            seen(tried_ports=[80, 443], open_ports=[80, 443]),
            failed(
                Severity.CRITICAL,
                f"{SINCE}; forbidden traffic gets through: the controller reaches TCP port 80, 443",
                remedy=SEE_RULES,
            ),
        ),
        (seen(until=ends(4)), passed(f"{SINCE}; ends in 4.0 h; forbidden traffic fails")),
        (
            seen(until=ends(3.9)),
            failed(Severity.MEDIUM, f"{SINCE}; ends in 3.9 h, warned at 4 h", remedy=RELEASE),
        ),
        (
            seen(until=ends(-1)),
            failed(
                Severity.MEDIUM,
                f"{SINCE}; should have ended 1.0 h ago, warned at 4 h",
                remedy=RELEASE,
            ),
        ),
        (
            seen("loaded", until=None),
            failed(Severity.HIGH, f"{SINCE}, but nobody has confirmed it yet", remedy=ISOLATE),
        ),
        (
            seen(booted=True, watched=False),
            failed(
                Severity.HIGH,
                f"{SINCE}, and again since its reboot; it releases itself half an hour after that",
                remedy=ISOLATE,
            ),
        ),
        (
            seen(tables={"inet": "gone", "bridge": "as loaded"}, tight=None),
            failed(
                Severity.CRITICAL,
                f"{SINCE}; its tables are not those that were loaded: inet is gone",
                remedy=SEE_RULES,
            ),
        ),
        (
            seen(tight=False, leaks=["UDP from the host to 192.0.2.1: it was sent"]),
            failed(
                Severity.CRITICAL,
                f"{SINCE}; forbidden traffic gets through: UDP from the host to 192.0.2.1: it was sent",
                remedy=SEE_RULES,
            ),
        ),
        (
            seen(changed_again=True, put_back=["inet is gone"]),
            failed(
                Severity.CRITICAL,
                f"{SINCE}; its tables were changed again after the host had put them back",
                remedy=SEE_RULES,
            ),
        ),
        (
            seen(put_back=["inet was changed"]),
            failed(
                Severity.HIGH,
                f"{SINCE}; its tables were changed, and the host put them back: inet was changed",
                remedy=SEE_RULES,
            ),
        ),
        (
            seen(timers=["its process 7 has ended"]),
            failed(
                Severity.HIGH,
                f"{SINCE}; it may not end by itself: its process 7 has ended",
                remedy=RELEASE,
            ),
        ),
        (
            seen(watched=False),
            failed(
                Severity.MEDIUM, f"{SINCE}; its tables are not watched any more", remedy=RELEASE
            ),
        ),
        (seen(tight=None), unknown(f"{SINCE}; no try has shown that forbidden traffic fails")),
        (seen(tables={}), unknown(f"{SINCE}; its tables were not seen")),
        (seen(until=None), unknown(f"{SINCE}; when it ends was not seen")),
        (seen(since=None), unknown("the host does not say since when it is isolated")),
        (seen("isolated"), unknown("the host does not say how it stands: 'isolated'")),
    ],
)
def test_a_host_that_is_isolated(observation: Observation, verdict: Verdict) -> None:
    assert judge(observation, Limits(), NOW) == verdict


@pytest.mark.parametrize(
    ("observation", "verdict"),
    [
        (released("by alice"), passed("not isolated; released on 2026-11-28 11:00 by alice")),
        (
            released("confirm-ab12cd"),
            failed(
                Severity.HIGH,
                "released itself on 2026-11-28 11:00: nobody has confirmed its isolation in time",
                remedy=ISOLATE,
            ),
        ),
        (
            released("longest-ab12cd", 72),
            failed(
                Severity.HIGH,
                "released itself on 2026-11-25 12:00: its longest time had come",
                remedy=ISOLATE,
            ),
        ),
        (
            released("longest-ab12cd", 72.1),
            passed("not isolated; released itself on 2026-11-25 11:54: its longest time had come"),
        ),
        (
            released("visit"),
            failed(
                Severity.HIGH,
                "released itself on 2026-11-28 11:00: nobody came within half an hour after its reboot",
                remedy=ISOLATE,
            ),
        ),
        (
            released("x"),
            failed(Severity.HIGH, "released itself on 2026-11-28 11:00: by 'x'", remedy=ISOLATE),
        ),
        (
            seen("released", released_by="by alice"),
            unknown("the host does not say when it was released"),
        ),
        (
            released("by alice", left=["inet"]),
            failed(
                Severity.HIGH,
                "not isolated, but tables of Upkeep are loaded: inet",
                remedy="decide: release it, which deletes them",
            ),
        ),
        (
            seen("none", before_boot={"by": "alice", "reboot": "released"}),
            failed(
                Severity.HIGH,
                "isolated by alice until its reboot, which has released it, as was asked for",
                remedy=ISOLATE,
            ),
        ),
        (
            seen("none", before_boot={"by": "alice", "reboot": "isolated"}),
            failed(
                Severity.CRITICAL,
                "isolated by alice until its reboot, and should have been so again",
                remedy=ISOLATE,
            ),
        ),
    ],
)
def test_a_host_that_is_not_isolated_any_more(observation: Observation, verdict: Verdict) -> None:
    assert judge(observation, Limits(), NOW) == verdict
