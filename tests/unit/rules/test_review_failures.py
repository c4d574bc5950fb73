"""Who passes a review although something in it fails says why. Tables of cases."""

from __future__ import annotations

from typing import Any

import pytest

from upkeep.rules.review_failures import failures, refuse_unexplained
from upkeep.rules.reviews import Form, ReviewVerdict


def check(name: str = "disk_space", passed: int = 0, fail: int = 0, unknown: int = 0) -> Any:
    now = {"pass": passed, "fail": fail, "unknown": unknown}
    return {"check": name, "now": now, "since": {"pass": 0, "fail": 9, "unknown": 0}}


def measure(*meets: bool | None, at_most: float | None = 10) -> Any:
    series = [
        {"host": f"web{number}", "subject": "auth.log", "meets": one}
        for number, one in enumerate(meets, 1)
    ]
    limits = {"at_most": at_most, "at_least": None}
    return {"check": "failed_logins", "name": "failed_logins_per_hour", "series": series} | limits


@pytest.mark.parametrize(
    ("checks", "measures", "found"),
    [
        ([], [], ()),
        ([check(passed=3)], [], ()),
        ([check(passed=3, unknown=2)], [], ()),
        ([check(fail=1)], [], ("Low disk space, 1 of 1 fails",)),
        ([check(passed=3, fail=2, unknown=1)], [], ("Low disk space, 2 of 6 fail",)),
        ([check()], [measure(True, None)], ()),
        ([check()], [measure(False, at_most=None)], ()),
        ([check()], [measure(True, False)], ("target missed: failed logins per hour of auth.log on web2",)),
        ([check()], [measure(False, None, False)],
         ("target missed: failed logins per hour of auth.log on web1 and 1 more",)),
        ([check(fail=1)], [measure(False)],
         ("Low disk space, 1 of 1 fails", "target missed: failed logins per hour of auth.log on web1")),
    ],
    ids=[
        "nothing asked", "all pass", "unknown is no failure", "one fails", "two of six", "met, and not known",
        "a trend has no target", "missed", "missed by two", "both",
    ],
)  # fmt: skip
def test_what_fails(checks: list[Any], measures: list[Any], found: tuple[str, ...]) -> None:
    assert failures({"checks": checks, "measures": measures}) == found


def test_no_evidence_fails_nothing() -> None:
    assert failures({}) == ()


@pytest.mark.parametrize(
    ("failing", "form", "said"),
    [
        ((), Form(ReviewVerdict.PASS), ""),
        (("a",), Form(ReviewVerdict.PASS, note="known, ticket 12"), ""),
        (("a",), Form(ReviewVerdict.FAIL, note="it fails"), ""),
        (("a",), Form(ReviewVerdict.NOT_APPLICABLE, reason="sold"), ""),
        (("a",), Form(ReviewVerdict.PASS), "pass needs a note that explains what fails: a"),
        (("a",), Form(ReviewVerdict.PASS, note=" .\n"), "pass needs a note that explains what fails: a"),
        (("a",), Form(ReviewVerdict.PASS, alone="ill", reason="so"), "pass needs a note that explains what fails: a"),
        (tuple("abcde"), Form(ReviewVerdict.PASS), "pass needs a note that explains what fails: a; b; c; d; e"),
        (tuple("abcdefg"), Form(ReviewVerdict.PASS),
         "pass needs a note that explains what fails: a; b; c; d; e; and 2 more"),
    ],
    ids=[
        "nothing fails", "a note", "fail", "not applicable", "bare", "signs are no note", "a reason is no note",
        "as many as are named", "more",
    ],
)  # fmt: skip
def test_a_pass_explains_what_fails(failing: tuple[str, ...], form: Form, said: str) -> None:
    assert refuse_unexplained(failing, form) == said
