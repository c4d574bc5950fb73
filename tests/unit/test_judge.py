"""Judging what came back: nothing that a host says stops the others, and nothing unseen passes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.results import Observation
from upkeep.check import Check
from upkeep.judge import judge_again, judge_answer, unseen
from upkeep.observed import Due, Outcome, Request, from_json, to_json
from upkeep.verdicts import Measure, Severity, Status, Verdict, failed, passed

NOW = datetime(2026, 11, 1, 3, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Params:
    """most: the largest number allowed."""

    most: int = 5


def judge_number(seen: Observation, params: Params, now: datetime) -> Verdict | None:
    if seen.data.get("skip"):
        return None
    if seen.data["number"] > params.most:
        return failed(Severity.HIGH, f"{seen.data['number']}, at most {params.most}")
    return passed(f"{seen.data['number']}, at most {params.most}")


CHECKS = {
    "number": Check("A number", "numbers", Params(), judge_number, "test", "count", id="number")
}
REQUESTS = (Request("numbers", {}),)
DUE = (Due("number", 0, {}),)


def answer(*observations: dict[str, Any], error: str = "") -> dict[str, Any]:
    return {
        "python": "3.11.2",
        "clock": NOW.timestamp() + 2,
        "answers": [{"observations": list(observations), "error": error, "seconds": 0.1}],
    }


def statuses(given: dict[str, Any], due: tuple[Due, ...] = DUE) -> list[tuple[str, str, str]]:
    observed = judge_answer("web1", due, REQUESTS, given, CHECKS, NOW, 0.5)
    return [(one.subject, one.status.value, one.message) for one in observed.results]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (answer({"subject": "a", "data": {"number": 5}}), [("a", "pass", "5, at most 5")]),
        (answer({"subject": "a", "data": {"number": 6}}), [("a", "fail", "6, at most 5")]),
        (
            answer({"subject": "a", "data": {}}),
            [("a", "unknown", "could not be judged: KeyError: 'number'")],
        ),
        (answer({"subject": "a", "data": {}, "error": "gone"}), [("a", "unknown", "gone")]),
        (answer(error="not done after 3 s"), [("*", "unknown", "numbers: not done after 3 s")]),
        (answer({"subject": "a", "data": {"skip": True}}), []),
        (answer(), []),
        (
            {"answers": []},
            [("*", "unknown", "numbers: an answer of another shape (IndexError)")],
        ),
        (
            answer({"subject": ["a"], "data": 7}),
            [("*", "unknown", "numbers: an answer of another shape (TypeError)")],
        ),
    ],
    ids=[
        "at the limit",
        "over it",
        "nothing to judge in it",
        "could not be read",
        "the gather failed",
        "does not concern this check",
        "discovery found none",
        "no answer to the request",
        "not an observation",
    ],
)
def test_verdicts(given: dict[str, Any], expected: list[tuple[str, str, str]]) -> None:
    assert statuses(given) == expected


def test_a_gather_that_fails_half_way_keeps_what_it_saw() -> None:
    given = answer({"subject": "a", "data": {"number": 6}}, error="stopped")

    assert [status for _subject, status, _message in statuses(given)] == ["unknown", "fail"]


def test_two_limits_for_one_subject_that_disagree_are_unknown() -> None:
    given = answer({"subject": "a", "data": {"number": 6}})
    due = (*DUE, Due("number", 0, {"most": 7}))

    assert statuses(given, due) == [
        (
            "a",
            "unknown",
            "asked for twice, and the limits disagree: 6, at most 5; 6, at most 7",
        )
    ]


def test_a_host_that_was_not_seen_is_unknown_for_every_check() -> None:
    due = (*DUE, Due("gone", 0, {}))
    observed = unseen("web1", Outcome.UNREACHABLE, "no route", due, REQUESTS, CHECKS, NOW, 10.0)

    assert [(one.check, one.status, one.message) for one in observed.results] == [
        ("number", Status.UNKNOWN, "no route"),
        ("gone", Status.UNKNOWN, "no route"),
    ]


def test_the_clock_offset_is_the_hosts_minus_the_controllers() -> None:
    observed = judge_answer("web1", DUE, REQUESTS, answer(), CHECKS, NOW, 0.5)

    assert observed.clock_offset_seconds == 2.0


@pytest.mark.parametrize("clock", [None, "now", float("nan"), float("inf"), 10**400, -(10**400)])
def test_a_clock_that_is_none_costs_nothing_else(clock: Any) -> None:
    given = {**answer({"subject": "a", "data": {"number": 5}}), "clock": clock}
    observed = judge_answer("web1", DUE, REQUESTS, given, CHECKS, NOW, 0.5)

    assert observed.clock_offset_seconds is None
    assert [one.status for one in observed.results] == [Status.PASS]


def test_what_crosses_the_process_border_comes_back_the_same() -> None:
    given = answer({"subject": "a", "data": {"number": 6}, "raw_base64": "/w=="})
    observed = judge_answer("web1", DUE, REQUESTS, given, CHECKS, NOW, 0.5)

    assert from_json(to_json(observed), observed.host) == observed
    assert observed.seen[0].observation.raw == "\udcff"
    assert observed.results[0].evidence_sha256.startswith("a8100ae6aa1940d0b663bb31cd466142")


def test_judging_again_uses_the_new_limits_and_the_old_time() -> None:
    given = answer({"subject": "a", "data": {"number": 6}})
    observed = judge_answer("web1", DUE, REQUESTS, given, CHECKS, NOW, 0.5)

    again = judge_again(observed, CHECKS, (Due("number", 0, {"most": 6}),))

    assert [(one.status, one.observed_at) for one in again.results] == [(Status.PASS, NOW)]


def test_results_that_are_too_many_for_one_event_cost_their_own_gather_only() -> None:
    checks = {
        **{f"number{n}": replace(CHECKS["number"], id=f"number{n}") for n in range(4)},
        "other": replace(CHECKS["number"], id="other", gather="others"),
    }
    requests = (*REQUESTS, Request("others", {}))
    due = tuple(Due(name, int(name == "other"), {}) for name in checks)
    many = [{"subject": str(n), "data": {"number": 1}} for n in range(20_000)]
    few = [{"subject": "a", "data": {"number": 1}}]
    given = {"answers": [{"observations": one, "error": ""} for one in (many, few)]}

    observed = judge_answer("web1", due, requests, given, checks, NOW, 0.5)

    assert {(one.check, one.subject, one.status.value) for one in observed.results} == {
        ("other", "a", "pass"),
        *((f"number{n}", "*", "unknown") for n in range(4)),
    }
    assert observed.results[0].message.startswith("numbers: too many or too long results")
    assert [one.observation.subject for one in observed.seen] == ["a"]


@pytest.mark.parametrize(
    ("measures", "message"),
    [
        ([Measure(str(n), n) for n in range(50)], "as it is"),
        ([Measure(str(n), n) for n in range(51)], "51 measures, at most 50: as it is"),
        ([Measure("x", float("nan"))], "the measure x is nan; expected a number within ±1e+20"),
        ([Measure("x", float("-inf"))], "the measure x is -inf; expected a number within ±1e+20"),
        ([Measure("x", 1e308)], "the measure x is 1e+308; expected a number within ±1e+20"),
        ([Measure("x", ["1"])], "the measure x is ['1']; expected a number within ±1e+20"),  # type: ignore[arg-type]
        ([Measure("x", True)], "the measure x is True; expected a number within ±1e+20"),
        (
            [Measure("x", 10**5000)],
            "could not be judged: ValueError: Exceeds the limit (4300 digits) for integer string"
            " conversion; use sys.set_int_max_str_digits() to increase the limit",
        ),
        (
            [Measure("x" * 201, 1)],
            f"the name of a measure has 201 characters, at most 200: {'x' * 40}…",
        ),
    ],
    ids=["50", "51", "NaN", "infinite", "1e308", "a list", "true", "5000 digits", "a long name"],
)
def test_a_measure_is_a_number_worth_a_series_or_nothing_is_known(
    measures: list[Measure], message: str
) -> None:
    def judge_so(_seen: Observation, _params: Params, _now: datetime) -> Verdict:
        return passed("as it is", *measures)

    checks = {"number": replace(CHECKS["number"], judge=judge_so)}
    given = answer({"subject": "a", "data": {}})

    (result,) = judge_answer("web1", DUE, REQUESTS, given, checks, NOW, 0.5).results

    assert result.message == message
    assert (result.status is Status.PASS) == (message == "as it is")


def test_a_long_message_loses_its_middle_and_is_unicode_text() -> None:
    def judge_so(_seen: Observation, _params: Params, _now: datetime) -> Verdict:
        return passed("a" * 3000 + "\udcff\ud800" + "b" * 3000)

    checks = {"number": replace(CHECKS["number"], judge=judge_so)}
    given = answer({"subject": "a", "data": {}})

    (result,) = judge_answer("web1", DUE, REQUESTS, given, checks, NOW, 0.5).results

    assert result.message == "a" * 2000 + "[2010 characters cut]" + "b" * 2000
