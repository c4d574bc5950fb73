"""Checks of the site: what was not seen does not pass, and nothing that a check or a host does stops others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases._databases_shape import (
    DatabaseAnswer,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation
from upkeep.judging.check import Check, gone
from upkeep.judging.judge import deferred, judge_answer, judge_deferred, unseen
from upkeep.judging.site_judge import SeenOnHost, judge_site
from upkeep.model.answer import SITE_HOST, Due, Outcome, Request
from upkeep.model.verdicts import Measure, Severity, Verdict, failed, passed, unknown

NOW = datetime(2026, 11, 1, 3, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Limits:
    """most: by which numbers may differ."""

    most: int = 0


def judge(
    seen_by_host: Mapping[str, Sequence[Observation]], limits: Limits, now: datetime
) -> dict[str, Verdict]:
    """Judge each subject that hosts have by how far apart its numbers are."""
    numbers: dict[str, dict[str, int]] = {}
    for host, seen in seen_by_host.items():
        for one in seen:
            numbers.setdefault(one.subject, {})[host] = one.data["number"]
    found = {}
    for subject, known in numbers.items():
        apart = max(known.values()) - min(known.values())
        text = f"{apart} apart on {', '.join(sorted(known))}"
        measure = Measure("apart", apart)
        found[subject] = (
            failed(Severity.LOW, text, measure) if apart > limits.most else passed(text, measure)
        )
    return found


DRIFT = Check(
    title="Hosts agree",
    trouble="Drift",
    gather="numbers",
    limits=Limits(),
    judge=judge,
    of_site=True,
    source="test",
    remedy="make {subject} the same",
    controls=("45 CFR 164.312(b)",),
    id="drift",
    absence={"site": gone()},
)


def host(*numbers: int, **limits: Any) -> SeenOnHost:
    seen = [Observation(f"n{index}", {"number": one}) for index, one in enumerate(numbers)]
    return SeenOnHost(limits, seen)


AWAY = SeenOnHost({}, None)


def said(hosts: Mapping[str, SeenOnHost], check: Check = DRIFT) -> list[tuple[str, str, str]]:
    found = judge_site(check, hosts, NOW)
    assert {(one.host, one.check, one.observed_at) for one in found} <= {(SITE_HOST, "drift", NOW)}
    return [(one.subject, one.status.value, one.message) for one in found]


@pytest.mark.parametrize(
    ("hosts", "expected"),
    [
        ({}, []),
        ({"a": host(1), "b": host(1)}, [("n0", "pass", "0 apart on a, b")]),
        ({"a": host(1), "b": host(2)}, [("n0", "fail", "1 apart on a, b")]),
        ({"a": host(1, most=1), "b": host(2, most=1)}, [("n0", "pass", "1 apart on a, b")]),
        (
            {"a": host(1, 5), "b": host(1, 6)},
            [("n0", "pass", "0 apart on a, b"), ("n1", "fail", "1 apart on a, b")],
        ),
        (
            {"a": host(1, 5), "b": host(1, 6), "c": AWAY},
            [
                (
                    "n0",
                    "unknown",
                    "0 apart on a, b; not checked, or only in part: c (it returned nothing)",
                ),
                ("n1", "fail", "1 apart on a, b"),
            ],
        ),
        (
            {"a": AWAY, "b": AWAY},
            [
                (
                    "*",
                    "unknown",
                    "not checked, or only in part: a (it returned nothing), b (it returned nothing)",
                )
            ],
        ),
        (
            {f"h{number}": AWAY for number in range(7)},
            [
                (
                    "*",
                    "unknown",
                    "not checked, or only in part: h0 (it returned nothing), h1 (it retu",
                )
            ],
        ),
        (
            {"a": host(1), "b": SeenOnHost({}, [Observation("n0", error="refused")])},
            [("n0", "unknown", "0 apart on a; not checked, or only in part: b (n0: refused)")],
        ),
        (
            {"a": host(1), "b": host(1, most=3)},
            [
                (
                    "*",
                    "unknown",
                    "a and b list it with different limits; expected the same on all hosts",
                )
            ],
        ),
        (
            {"a": host(1, most="x"), "b": host(1, most="x")},
            [("*", "unknown", "could not be judged: ParameterError: most: found 'x'")],
        ),
    ],
    ids=[
        "nobody",
        "agree",
        "differ",
        "within the limit",
        "one of two",
        "a host that was not seen",
        "no host was seen",
        "many that were not seen",
        "a part that was not seen",
        "other limits",
        "limits that are none",
    ],
)
def test_verdicts(hosts: dict[str, SeenOnHost], expected: list[tuple[str, str, str]]) -> None:
    found = said(hosts)

    assert [
        (*one[:2], one[2][: len(each[2])]) for one, each in zip(found, expected, strict=True)
    ] == (expected)


def test_a_result_has_what_each_result_has() -> None:
    (found,) = judge_site(DRIFT, {"a": host(1), "b": host(4)}, NOW)

    assert (found.remedy, found.severity) == ("make n0 the same", Severity.LOW)
    assert found.measures == (Measure("apart", 3),)
    assert found.controls == ("45 CFR 164.312(b)",)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (None, "TypeError: judge returned NoneType; expected verdicts by subject"),
        ([], "TypeError: judge returned list; expected verdicts by subject"),
        ({7: passed("x")}, "TypeError: judge returned 7 for a subject; expected a text"),
        ({"": passed("x")}, "TypeError: judge returned '' for a subject; expected a text"),
        ({"a": True}, "TypeError: judge returned bool; expected a verdict"),
        ({"a": None}, "TypeError: judge returned NoneType; expected a verdict"),
        (RuntimeError("no"), "RuntimeError: no"),
        (SystemExit(3), "SystemExit: 3"),
    ],
)
def test_a_judge_that_breaks_is_unknown(given: Any, message: str) -> None:
    def broken(*_given: object) -> Any:
        if isinstance(given, BaseException):
            raise given
        return given

    found = said({"a": host(1)}, replace(DRIFT, judge=broken))

    assert found == [("*", "unknown", f"could not be judged: {message}")]


def test_measures_that_cannot_be_are_unknown() -> None:
    endless = replace(DRIFT, judge=lambda *_given: {"a": passed("x", Measure("m", 1e300))})

    assert said({"a": host(1)}, endless)[0][1] == "unknown"


def test_hosts_that_give_another_shape_are_not_seen() -> None:
    shaped = replace(
        DRIFT,
        shape=DatabaseAnswer,
        judge=lambda seen, *_rest: {
            "kinds": passed(str({h: [o.kind for o in s] for h, s in seen.items()}))
        },
    )
    hosts = {
        "a": SeenOnHost({}, [Observation("x", {"kind": "redis", "connected": True})]),
        "b": SeenOnHost({}, [Observation("x", {"kind": 7})]),
    }

    assert said(hosts, shaped) == [
        (
            "kinds",
            "unknown",
            "{'a': ['redis'], 'b': []}; not checked, or only in part: b (x: the observation does not"
            " fit DatabaseAnswer: kind: expected str, got int)",
        )
    ]


def test_no_single_host_judges_it() -> None:
    due, requests = (Due("drift", 0, {}),), (Request("numbers", {}),)
    checks = {"drift": DRIFT}
    answers = [
        {"answers": [{"observations": [{"subject": "a", "data": {"number": 1}}], "error": ""}]},
        {"answers": [{"observations": [], "error": "late"}]},
    ]
    for answer in answers:
        observed = judge_answer("web1", due, requests, answer, checks, NOW, 0.5)
        assert observed.deferred == deferred(due, checks) == ("drift",)
        assert observed.results == ()
        assert judge_deferred(observed, checks, {}).results == ()
    assert unseen("web1", Outcome.UNREACHABLE, "no route", due, requests, checks, NOW).results == ()


def test_what_is_unknown_by_itself_stays_as_it_is() -> None:
    told = replace(DRIFT, judge=lambda *_given: {"a": unknown("too few")})

    assert said({"a": host(1), "b": AWAY}, told) == [("a", "unknown", "too few")]
