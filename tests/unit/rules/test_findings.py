"""The life of a finding, step by step: what becomes of it, what is told, and what is quiet."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from upkeep.model.verdicts import Severity, Status
from upkeep.rules.findings import (
    Finding,
    FindingKind,
    FindingState,
    SeenResult,
    Sighting,
    Transition,
    covered_anew,
    next_state,
    retired,
)
from upkeep.rules.waivers import Waiver, WaiverScope

START = datetime(2026, 11, 2, 3, tzinfo=UTC)
WAIVER = Waiver(
    7, "s", WaiverScope("disk_space", "web1", "/srv", Severity.MEDIUM), "a new disk is ordered",
    "ann", START, START + timedelta(days=9), "ben", START,
)  # fmt: skip
OTHER = replace(WAIVER, id=8, approved_by="eve")
BY = "waiver 7, approved by ben, until 2026-11-11 03:00 UTC: a new disk is ordered"
SEVERITIES = {one.value: one for one in Severity}


def seen(word: str, step: int, *, again: bool = True) -> SeenResult:
    """A result of a word: pass, unknown, or a severity with which it fails."""
    severity = SEVERITIES.get(word)
    status = Status.FAIL if severity else Status(word)
    at = START + timedelta(hours=step)
    return SeenResult(
        "key", "s", "web1", "disk_space", "/srv", status, severity, f"it is {word}", "df", at, again
    )


def live(steps: str) -> tuple[Finding | None, list[str]]:
    """Lead a finding through steps; return it, and what was told, quiet things in brackets.

    A step is a result (`high`), one under a waiver (`low*`), one that was judged again (`low'`), or `gone`, `end` or
    `waive`: a waiver that ends, or begins, between two results.
    """
    finding: Finding | None = None
    told: list[str] = []
    for number, step in enumerate(steps.split()):
        at = START + timedelta(hours=number)
        transitions: tuple[Transition, ...] = ()
        if step == "gone":
            assert finding
            finding, transitions = retired(finding, "is not there any more", at)
        elif step in ("end", "waive"):
            assert finding
            waiver = WAIVER if step == "waive" else None
            finding, transitions = covered_anew(finding, waiver, WAIVER, WAIVER.ends_at)
        else:
            word = step.rstrip("*'")
            result = seen(word, number, again="'" not in step)
            finding, transitions = next_state(finding, result, WAIVER if "*" in step else None)
        told += [f"[{one.kind}]" if one.quiet else one.kind.value for one in transitions]
    return finding, told


@pytest.mark.parametrize(
    ("steps", "state", "counts", "told"),
    [
        # A finding begins with a failure, and with nothing else.
        ("pass", None, None, []),
        ("unknown", None, None, []),
        ("high", "open", (1, 1), ["opened"]),
        ("high high", "open", (1, 2), ["opened"]),
        # An unknown moves nothing, in either direction.
        ("high unknown", "open", (1, 1), ["opened"]),
        ("high unknown high", "open", (1, 2), ["opened"]),
        ("high pass unknown", "resolved", (1, 1), ["opened", "resolved"]),
        # Another severity is told, in both directions.
        ("low high", "open", (1, 2), ["opened", "severity"]),
        ("high low", "open", (1, 2), ["opened", "severity"]),
        # Resolved once; what comes again is the same finding.
        ("high pass pass", "resolved", (1, 1), ["opened", "resolved"]),
        ("high pass high", "open", (2, 2), ["opened", "resolved", "reopened"]),
        ("high pass low", "open", (2, 2), ["opened", "resolved", "reopened"]),
        # What is judged again is not seen again.
        ("high high'", "open", (1, 1), ["opened"]),
        ("high low'", "open", (1, 1), ["opened", "severity"]),
        ("high pass'", "resolved", (1, 1), ["opened", "resolved"]),
        ("high'", "open", (1, 1), ["opened"]),
        # What is not watched any more is retired, once, and is no recovery.
        ("high gone", "retired", (1, 1), ["opened", "retired"]),
        ("high gone gone", "retired", (1, 1), ["opened", "retired"]),
        ("high gone pass", "retired", (1, 1), ["opened", "retired"]),
        ("high gone high", "open", (2, 2), ["opened", "retired", "reopened"]),
        ("high pass gone", "resolved", (1, 1), ["opened", "resolved"]),
        # Under a waiver it is open, and nobody is told but of the waiver.
        ("low*", "open", (1, 1), ["[opened]", "waived"]),
        ("low* low*", "open", (1, 2), ["[opened]", "waived"]),
        ("low* medium*", "open", (1, 2), ["[opened]", "waived", "[severity]"]),
        ("low* pass", "resolved", (1, 1), ["[opened]", "waived", "resolved"]),
        ("low* pass low*", "open", (2, 2),
         ["[opened]", "waived", "resolved", "[reopened]", "waived"]),
        ("low low*", "open", (1, 2), ["opened", "waived"]),
        ("low waive low*", "open", (1, 2), ["opened", "waived"]),
        ("low waive waive", "open", (1, 1), ["opened", "waived"]),
        ("low pass waive", "resolved", (1, 1), ["opened", "resolved"]),
        # A waiver that ends, or that is exceeded, is told.
        ("low* low", "open", (1, 2), ["[opened]", "waived", "waiver_ended"]),
        ("low* end", "open", (1, 1), ["[opened]", "waived", "waiver_ended"]),
        ("low* end low", "open", (1, 2), ["[opened]", "waived", "waiver_ended"]),
        ("low* high", "open", (1, 2), ["[opened]", "waived", "waiver_exceeded"]),
        ("low* high low*", "open", (1, 3), ["[opened]", "waived", "waiver_exceeded", "waived"]),
        ("low* unknown end", "open", (1, 1), ["[opened]", "waived", "waiver_ended"]),
        ("low* gone", "retired", (1, 1), ["[opened]", "waived", "retired"]),
        ("low* gone end", "retired", (1, 1), ["[opened]", "waived", "retired"]),
        ("low* pass low", "open", (2, 2), ["[opened]", "waived", "resolved", "reopened"]),
    ],
)  # fmt: skip
def test_a_life(
    steps: str, state: str | None, counts: tuple[int, int] | None, told: list[str]
) -> None:
    finding, said = live(steps)

    assert said == told
    assert (finding.status if finding else None) == state
    assert ((finding.opening, finding.count) if finding else None) == counts
    if finding:
        assert (finding.resolved_at is None) == (state == FindingState.OPEN)
        covered = state == FindingState.OPEN and steps.split()[-1] in ("low*", "medium*", "waive")
        assert finding.waiver_id == (7 if covered else None)


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ("low", "it is low"),
        ("low pass", "it is pass"),
        ("low gone", "is not there any more"),
        ("low*", BY),
        ("low low*", f"it is low ({BY})"),
        ("low waive", BY),
        ("low* low", "it is low (waiver 7 is no longer in force)"),
        ("low* high", "it is high (worse than waiver 7 accepts)"),
        ("low* end", "it is low (waiver 7 ended on 2026-11-11 03:00 UTC)"),
    ],
)
def test_a_transition_says_what_was_wrong_then_and_which_waiver_it_is_about(
    steps: str, message: str
) -> None:
    finding: Finding | None = None
    last: tuple[Transition, ...] = ()
    *before, end = steps.split()
    finding, _told = live(" ".join(before)) if before else (None, [])
    if end in ("gone", "end", "waive"):
        assert finding
        waiver = WAIVER if end == "waive" else None
        last = (
            retired(finding, "is not there any more", START)
            if end == "gone"
            else covered_anew(finding, waiver, WAIVER, WAIVER.ends_at)
        )[1]
    else:
        last = next_state(finding, seen(end.rstrip("*"), 9), WAIVER if "*" in end else None)[1]

    assert last[-1].message == message


def test_a_finding_is_as_it_was_last_seen_and_keeps_when_it_was_opened() -> None:
    opened, _told = next_state(None, seen("low", 0))
    later = replace(seen("high", 5), host="web1.example", message="worse", remedy="du")
    after, _told = next_state(opened, later)

    assert after == replace(
        opened,
        host="web1.example",
        severity=Severity.HIGH,
        message="worse",
        remedy="du",
        count=2,
        last_seen_at=later.at,
    )
    kept = replace(after, id=3)
    again, _told = next_state(next_state(kept, seen("pass", 6))[0], seen("low", 7))
    assert again
    assert (again.id, again.opened_at) == (3, START + timedelta(hours=7))


def test_from_one_waiver_to_another_nobody_is_told() -> None:
    finding, _told = next_state(None, seen("low", 0), WAIVER)
    assert finding
    after, told = covered_anew(finding, OTHER, WAIVER, START)

    assert after
    assert (after.waiver_id, [(one.kind, one.quiet) for one in told]) == (
        8,
        [(FindingKind.WAIVED, True)],
    )
    assert next_state(finding, seen("low", 1), OTHER)[1] == ()


@pytest.mark.parametrize(
    ("before", "after", "by", "covered", "told"),
    [
        ("", "", "asked", False, []),
        ("a.service", "a.service", "asked", False, []),
        ("a.service", "b.service", "asked", False, ["cause"]),
        ("a.service", "", "asked", False, ["cause"]),
        ("", "a.service", "", False, []),
        ("a.service", "b.service", "asked", True, ["[cause]"]),
    ],
    ids=[
        "none",
        "the same",
        "another",
        "none any more",
        "the first of a program that names causes",
        "another, under a waiver",
    ],
)
def test_another_cause_of_what_is_open_is_told(
    before: str, after: str, by: str, covered: bool, told: list[str]
) -> None:
    waiver = WAIVER if covered else None
    first = replace(seen("low", 0), how=Sighting("units", by, 0, before))
    known, _opened = next_state(None, first, waiver)
    second = replace(seen("low", 1), how=Sighting("units", "asked", 0, after))
    now, said = next_state(known, second, waiver)

    assert [f"[{one.kind}]" if one.quiet else one.kind.value for one in said] == told
    assert now is not None
    assert (now.cause, now.seen_by) == (after, "asked")
