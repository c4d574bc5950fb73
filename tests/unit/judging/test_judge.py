"""Judging what came back: nothing that a host says stops the others, and nothing unseen passes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases._databases_shape import (
    DatabaseAnswer,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation
from upkeep.judging import judge as judging
from upkeep.judging.check import CONNECTION, Check, History, PastMoment, load
from upkeep.judging.judge import (
    RESULTS_LIMIT_BYTES,
    Past,
    judge_again,
    judge_answer,
    judge_deferred,
    unseen,
    with_next_steps,
)
from upkeep.judging.judge import _settled as settled
from upkeep.model.answer import Due, Observed, Outcome, Request, Seen, from_json, to_json
from upkeep.model.verdicts import (
    Measure,
    Result,
    Severity,
    Status,
    Unknown,
    Verdict,
    failed,
    nothing_to_judge,
    passed,
)

NOW = datetime(2026, 11, 1, 3, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Limits:
    """most: the largest number allowed."""

    most: int = 5


def judge_number(seen: Observation, params: Limits, now: datetime) -> Verdict | None:
    if seen.data.get("skip"):
        return None
    if seen.data["number"] > params.most:
        return failed(Severity.HIGH, f"{seen.data['number']}, at most {params.most}")
    return passed(f"{seen.data['number']}, at most {params.most}")


CHECKS = {
    "number": Check(
        title="A number",
        trouble="Wrong number",
        gather="numbers",
        since="0.1.0",
        limits=Limits(),
        judge=judge_number,
        source="test",
        remedy="count",
        controls=("45 CFR 164.312(b)",),
        id="number",
    )
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
        (
            answer(error="not finished after 3 s"),
            [("*", "unknown", "numbers: not finished after 3 s")],
        ),
        (answer({"subject": "a", "data": {"skip": True}}), []),
        (answer(), []),
        (
            {"answers": []},
            [("*", "unknown", "numbers: an answer with an unexpected structure (IndexError)")],
        ),
        ({}, [("*", "unknown", "numbers: an answer with an unexpected structure (TypeError)")]),
        (
            {"answers": [{"observations": {"a": 1}, "error": ""}]},
            [("*", "unknown", "numbers: an answer with an unexpected structure (TypeError)")],
        ),
        (
            {"answers": [{"observations": 7, "error": ""}]},
            [("*", "unknown", "numbers: an answer with an unexpected structure (TypeError)")],
        ),
        (
            {"answers": [{"observations": []}]},
            [("*", "unknown", "numbers: an answer with an unexpected structure (KeyError)")],
        ),
        (
            answer({"subject": ["a"], "data": 7}),
            [("*", "unknown", "numbers: an answer with an unexpected structure (TypeError)")],
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
        "no answers",
        "a mapping of observations",
        "a number of observations",
        "an answer without its error",
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
            "listed twice, with different limits: 6, at most 5; 6, at most 7",
        )
    ]


def test_a_host_that_was_not_seen_is_unknown_for_every_check() -> None:
    due = (*DUE, Due("gone", 0, {}))
    observed = unseen("web1", Outcome.UNREACHABLE, "no route", due, REQUESTS, CHECKS, NOW)

    assert [(one.check, one.status, one.message) for one in observed.results] == [
        ("number", Status.UNKNOWN, "no route"),
        ("gone", Status.UNKNOWN, "no route"),
    ]


def test_the_clock_offset_is_the_hosts_minus_the_controllers() -> None:
    observed = judge_answer("web1", DUE, REQUESTS, answer(), CHECKS, NOW, 0.5)

    assert observed.clock_offset_seconds == 2.0


@pytest.mark.parametrize(
    "clock",
    [None, True, "now", float("nan"), float("inf"), 10**400, -(10**400), 253_402_300_800.0],
)
def test_a_clock_that_is_none_costs_nothing_else(clock: Any) -> None:
    given = {**answer({"subject": "a", "data": {"number": 5}}), "clock": clock}
    observed = judge_answer("web1", DUE, REQUESTS, given, CHECKS, NOW, 0.5)

    assert observed.clock_offset_seconds is None
    assert [one.status for one in observed.results] == [Status.PASS]


def test_a_clock_in_the_last_second_of_9999_is_one() -> None:
    given = {"answers": answer()["answers"], "clock": 253_402_300_799.0}
    observed = judge_answer("web1", DUE, REQUESTS, given, CHECKS, NOW, 0.5)

    assert observed.clock_offset_seconds == 253_402_300_799.0 - NOW.timestamp()
    assert observed.python == ""


def test_what_crosses_the_process_border_comes_back_the_same() -> None:
    given = answer({"subject": "a", "data": {"number": 6}, "raw_base64": "/w=="})
    observed = judge_answer("web1", DUE, REQUESTS, given, CHECKS, NOW, 0.5)

    assert from_json(to_json(observed), observed.host) == observed
    assert observed.seen[0].observation.raw == "\udcff"
    assert observed.results[0].evidence_sha256.startswith("a8100ae6aa1940d0b663bb31cd466142")


def test_judging_again_uses_the_new_limits_and_the_old_time() -> None:
    given = answer({"subject": "a", "data": {"number": 6}})
    observed = judge_answer("web1", DUE, REQUESTS, given, CHECKS, NOW, 0.5)

    again = judge_again(observed, CHECKS, (Due("number", 0, {"most": 6}),), {})

    assert [(one.status, one.observed_at) for one in again.results] == [(Status.PASS, NOW)]


def test_results_that_are_too_many_for_one_event_cost_their_own_gather_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("upkeep.judging.judge.RESULTS_LIMIT_BYTES", RESULTS_LIMIT_BYTES // 20)
    checks = {
        **{f"number{n}": replace(CHECKS["number"], id=f"number{n}") for n in range(4)},
        "other": replace(CHECKS["number"], id="other", gather="others"),
    }
    requests = (*REQUESTS, Request("others", {}))
    due = tuple(Due(name, int(name == "other"), {}) for name in checks)
    many = [{"subject": str(n), "data": {"number": 1}} for n in range(1_000)]
    few = [{"subject": "a", "data": {"number": 1}}]
    given = {"answers": [{"observations": one, "error": ""} for one in (many, few)]}

    observed = judge_answer("web1", due, requests, given, checks, NOW, 0.5)

    assert {(one.check, one.subject, one.status.value) for one in observed.results} == {
        ("other", "a", "pass"),
        *((f"number{n}", "*", "unknown") for n in range(4)),
    }
    assert observed.results[0].message.startswith("numbers: too many or too long results")
    assert [one.observation.subject for one in observed.seen] == ["a"]


HEAVY = {
    **CHECKS,
    **{
        name: replace(
            CHECKS["number"],
            id=name,
            judge=lambda seen, _params, _now: passed(
                seen.data["text"], *(Measure("n", 1),) * seen.data.get("measures", 0)
            ),
        )
        for name in ("one", "two")
    },
}


@pytest.mark.parametrize(
    ("subject", "data", "weight"),
    [
        ("a", {"text": ""}, 401),
        ("a", {"text": "x" * 99}, 500),
        ("ä", {"text": "x"}, 413),
        ("a", {"text": "äx"}, 425),
        ("a", {"text": "", "measures": 2}, 561),
    ],
)
@pytest.mark.parametrize("over", [0, 1])
def test_what_a_result_weighs(
    monkeypatch: pytest.MonkeyPatch, subject: str, data: dict[str, Any], weight: int, over: int
) -> None:
    monkeypatch.setattr("upkeep.judging.judge.RESULTS_LIMIT_BYTES", weight - over)
    given = answer({"subject": subject, "data": data})

    observed = judge_answer("web1", (Due("one", 0, {}),), REQUESTS, given, HEAVY, NOW, 0.5)

    (result,) = observed.results
    assert (result.subject, result.status) == (
        ("*", Status.UNKNOWN) if over else (subject, Status.PASS)
    )
    assert result.message == (
        f"numbers: too many or too long results: of all on this host they have {weight} bytes,"
        f" at most {weight - 1}"
        if over
        else data["text"]
    )


@pytest.mark.parametrize("longest", [0, 1, 2])
@pytest.mark.parametrize("error", ["", "no time"], ids=["all answered", "one did not"])
def test_the_gather_with_the_longest_results_is_given_up_first(
    monkeypatch: pytest.MonkeyPatch, longest: int, error: str
) -> None:
    monkeypatch.setattr("upkeep.judging.judge.RESULTS_LIMIT_BYTES", 4000)
    requests = tuple(Request(f"gather{number}", {}) for number in range(4))
    lengths = [2900 if number == longest else 100 for number in range(3)]
    parts = [answer({"subject": str(n), "data": {"text": "x" * lengths[n]}}) for n in range(3)]
    parts.append(answer(error=error))
    given = {"answers": [part["answers"][0] for part in parts]}
    due = (*(Due("one", number, {}) for number in range(3)), Due("two", 3, {}))

    observed = judge_answer("web1", due, requests, given, HEAVY, NOW, 0.5)

    kept = [str(number) for number in range(3) if number != longest]
    assert [one.subject for one in observed.results if one.status is Status.PASS] == kept
    assert [one.observation.subject for one in observed.seen] == kept
    told = {one.check: one.message for one in observed.results if one.status is Status.UNKNOWN}
    assert told.pop("one").startswith(f"gather{longest}: too many or too long results")
    assert told == ({"two": "gather3: no time"} if error else {})


def test_nothing_is_given_up_twice_where_the_reasons_are_too_long_themselves(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("upkeep.judging.judge.RESULTS_LIMIT_BYTES", 1)
    given = answer({"subject": "a", "data": {"number": 5}})

    assert [status for _subject, status, _message in statuses(given)] == ["unknown"]
    assert statuses({"answers": []})[0][1] == "unknown"


@pytest.mark.parametrize(
    ("measures", "message"),
    [
        ([Measure(str(n), n) for n in range(50)], "as it is"),
        ([Measure("x" * 200, 9.99e19), Measure("y", -9.99e19)], "as it is"),
        ([Measure("x", 1e20)], "the measure x is 1e+20; expected a number within ±1e+20"),
        ([Measure("x", -1e20)], "the measure x is -1e+20; expected a number within ±1e+20"),
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
    ids=[
        "50",
        "the largest",
        "too large",
        "too small",
        "51",
        "NaN",
        "infinite",
        "1e308",
        "a list",
        "true",
        "5000 digits",
        "a long name",
    ],
)
def test_a_measure_is_a_number_worth_a_series_or_nothing_is_known(
    measures: list[Measure], message: str
) -> None:
    def judge_so(_seen: Observation, _params: Limits, _now: datetime) -> Verdict:
        return passed("as it is", *measures)

    checks = {"number": replace(CHECKS["number"], judge=judge_so)}
    given = answer({"subject": "a", "data": {}})

    (result,) = judge_answer("web1", DUE, REQUESTS, given, checks, NOW, 0.5).results

    assert result.message == message
    assert (result.status is Status.PASS) == (message == "as it is")


@pytest.mark.parametrize(
    ("length", "kept"),
    [
        (3999, "a" * 3999),
        (4000, "a" * 4000),
        (4001, f"{'a' * 2000} (… 1 character left out …) {'a' * 2000}"),
    ],
)
def test_a_message_of_4000_characters_is_whole(length: int, kept: str) -> None:
    given = answer({"subject": "a", "data": {"text": "a" * length}})

    observed = judge_answer("web1", (Due("one", 0, {}),), REQUESTS, given, HEAVY, NOW, 0.5)

    assert [one.message for one in observed.results] == [kept]


def test_a_long_message_loses_its_middle_and_is_unicode_text() -> None:
    def judge_so(_seen: Observation, _params: Limits, _now: datetime) -> Verdict:
        return passed("a" * 3000 + "\udcff\ud800" + "b" * 3000)

    checks = {"number": replace(CHECKS["number"], judge=judge_so)}
    given = answer({"subject": "a", "data": {}})

    (result,) = judge_answer("web1", DUE, REQUESTS, given, checks, NOW, 0.5).results

    assert result.message == "a" * 2000 + " (… 2010 characters left out …) " + "b" * 2000


def test_a_check_judges_what_its_own_request_brought_and_nothing_else() -> None:
    checks = {**CHECKS, "other": replace(CHECKS["number"], id="other")}
    requests = (Request("numbers", {}), Request("numbers", {"of": "others"}))
    due = (Due("number", 0, {}), Due("other", 1, {"most": 1}))
    given = answer({"subject": "a", "data": {"number": 5}})
    given["answers"] += answer(
        {"subject": "a", "data": {"number": 2}}, {"subject": "b", "data": {"number": 1}}
    )["answers"]

    observed = judge_answer("web1", due, requests, given, checks, NOW, 0.5)

    assert [(one.check, one.subject, one.message, one.observation) for one in observed.results] == [
        ("number", "a", "5, at most 5", 0),
        ("other", "a", "2, at most 1", 1),
        ("other", "b", "1, at most 1", 2),
    ]


def test_an_error_of_one_request_is_not_that_of_another() -> None:
    requests = (Request("numbers", {}), Request("others", {}))
    due = (Due("number", 0, {}), Due("number", 1, {}))
    given = answer({"subject": "a", "data": {"number": 5}})
    given["answers"] += answer(error="no time")["answers"]

    observed = judge_answer("web1", due, requests, given, CHECKS, NOW, 0.5)

    assert [(one.subject, one.status, one.message) for one in observed.results] == [
        ("a", Status.PASS, "5, at most 5"),
        ("*", Status.UNKNOWN, "others: no time"),
    ]


def test_an_answer_is_written_down_whole() -> None:
    raw = {"subject": "a", "data": {"number": 6}, "raw": "6 of 5"}
    observed = judge_answer("web1", DUE, REQUESTS, answer(raw), CHECKS, NOW, 0.51234)

    digest = hashlib.sha256(b"6 of 5").hexdigest()
    assert observed == Observed(
        host="web1",
        outcome=Outcome.OK,
        observed_at=NOW,
        seconds=0.512,
        python="3.11.2",
        clock_offset_seconds=2.0,
        requests=REQUESTS,
        due=DUE,
        seen=(Seen(0, Observation("a", {"number": 6}, "6 of 5"), digest),),
        results=(
            Result(
                host="web1",
                check="number",
                subject="a",
                status=Status.FAIL,
                severity=Severity.HIGH,
                message="6, at most 5",
                remedy="count",
                controls=("45 CFR 164.312(b)",),
                observed_at=NOW,
                evidence_sha256=digest,
                observation=0,
            ),
        ),
    )


def test_what_has_no_raw_bytes_has_no_evidence() -> None:
    observed = judge_answer(
        "web1", DUE, REQUESTS, answer({"subject": "a", "data": {"number": 1}}), CHECKS, NOW, 0.5
    )

    assert (observed.seen[0].sha256, observed.results[0].evidence_sha256) == ("", "")
    assert observed.results[0].remedy == ""


@pytest.mark.parametrize(
    "wire",
    [
        {"subject": "a", "raw_base64": "not base64!"},
        {"subject": "a", "raw_base64": 7},
        {"data": {}},
        {"subject": "a", "data": []},
        "a",
        None,
    ],
)
def test_an_observation_of_another_shape_costs_its_request_and_keeps_what_came_before(
    wire: Any,
) -> None:
    given = answer({"subject": "a", "data": {"number": 5}}, wire)

    found = statuses(given)

    assert [(subject, status) for subject, status, _message in found] == [
        ("*", "unknown"),
        ("a", "pass"),
    ]
    assert found[0][2].startswith("numbers: an answer with an unexpected structure (")


@pytest.mark.parametrize(
    ("remedy", "expected"), [("", "count"), ("count again", "count again")], ids=["its", "own"]
)
def test_a_verdicts_own_remedy_goes_before_its_checks(remedy: str, expected: str) -> None:
    def says(_seen: Observation, _params: Limits, _now: datetime) -> Verdict:
        return failed(Severity.LOW, "no", remedy=remedy)

    checks = {"number": replace(CHECKS["number"], judge=says)}
    given = answer({"subject": "a", "data": {}})

    observed = judge_answer("web1", DUE, REQUESTS, given, checks, NOW, 0.5)

    assert [one.remedy for one in observed.results] == [expected]


def test_a_check_that_is_not_known_here_is_unknown_and_has_no_remedy() -> None:
    given = answer({"subject": "a", "data": {"number": 5}})

    observed = judge_answer("web1", (Due("gone", 0, {}),), REQUESTS, given, CHECKS, NOW, 0.5)

    assert [(one.status, one.message, one.remedy, one.controls) for one in observed.results] == [
        (Status.UNKNOWN, "there is no check 'gone' in this program", "", ())
    ]


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ([5, 5], ("fail", "high", "6, at most 5")),
        ([5, 4], ("fail", "high", "6, at most 5")),
        ([6, 7], ("pass", None, "6, at most 6")),
        ([5, 6], ("unknown", None, "listed twice, with different limits: 6, at most 5; 6, at most 6")),
        ([6, 5], ("unknown", None, "listed twice, with different limits: 6, at most 6; 6, at most 5")),
    ],
)  # fmt: skip
def test_what_is_asked_for_twice(limits: list[int], expected: tuple[str, str | None, str]) -> None:
    due = tuple(Due("number", 0, {"most": most}) for most in limits)
    given = answer({"subject": "a", "data": {"number": 6}})

    observed = judge_answer("web1", due, REQUESTS, given, CHECKS, NOW, 0.5)

    assert [
        (one.status.value, one.severity and one.severity.value, one.message)
        for one in observed.results
    ] == [expected]


def test_a_third_that_agrees_with_one_of_two_does_not_settle_it() -> None:
    due = tuple(Due("number", 0, {"most": most}) for most in (5, 6, 6))
    found = statuses(answer({"subject": "a", "data": {"number": 6}}), due)

    assert [status for _subject, status, _message in found] == ["unknown"]


def test_judging_again_keeps_what_could_not_be_judged_and_says_with_which_limits() -> None:
    given = answer({"subject": "a", "data": {"number": 6}}, error="stopped")
    observed = judge_answer("web1", DUE, REQUESTS, given, CHECKS, NOW, 0.5)
    due = (Due("number", 0, {"most": 6}),)

    again = judge_again(observed, CHECKS, due, {})

    assert (again.due, again.seen, again.requests) == (due, observed.seen, REQUESTS)
    assert [(one.subject, one.status) for one in again.results] == [
        ("*", Status.UNKNOWN),
        ("a", Status.PASS),
    ]


def test_what_is_wrong_with_the_way_to_a_host_is_judged_beside_its_checks() -> None:
    def way(seen: Observation, _params: Limits, _now: datetime) -> Verdict | None:
        return failed(Severity.HIGH, seen.data["problem"]) if seen.data["problem"] else None

    checks = {
        **CHECKS,
        "way": Check(
            title="The way",
            trouble="No way",
            gather=CONNECTION,
            since="0.1.0",
            limits=Limits(),
            judge=way,
            source="s",
            remedy="look",
            id="way",
        ),
    }

    for message, results in (("refused", 2), ("", 1)):
        observed = unseen("web1", Outcome.UNREACHABLE, message, DUE, REQUESTS, checks, NOW)
        expected = (
            Result("web1", "number", "*", Status.UNKNOWN, None, message,
                   "", (), ("45 CFR 164.312(b)",), NOW, unknown=Unknown.CANNOT_SEE),
            Result("web1", "way", CONNECTION, Status.FAIL, Severity.HIGH, message, "look", (), (), NOW),
        )  # fmt: skip
        assert observed == Observed(
            host="web1",
            outcome=Outcome.UNREACHABLE,
            observed_at=NOW,
            message=message,
            requests=REQUESTS,
            due=DUE,
            results=expected[:results],
        )


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ([5, 6], "6, at most 5"),
        ([6, 5], "6, at most 5"),
        ([6, 7], "6, at most 5"),
        ([5, 4], "5, at most 5"),
        ([5, 6, 5], "6, at most 5"),
    ],
)
def test_of_a_subject_that_is_given_twice_the_worst_holds(numbers: list[int], message: str) -> None:
    given = answer(*({"subject": "a", "data": {"number": number}} for number in numbers))

    observed = judge_answer("web1", DUE, REQUESTS, given, CHECKS, NOW, 0.5)

    assert [(one.subject, one.message) for one in observed.results] == [("a", message)]


@pytest.mark.parametrize(
    "order", [("low", "critical", "high"), ("critical", "low"), ("high", "critical"), ("critical",)]
)
def test_of_a_subject_that_fails_twice_the_most_severe_holds(order: tuple[str, ...]) -> None:
    def says(seen: Observation, _params: Limits, _now: datetime) -> Verdict:
        return failed(Severity(seen.data["severity"]), "no")

    checks = {"number": replace(CHECKS["number"], judge=says)}
    given = answer(*({"subject": "a", "data": {"severity": one}} for one in order))

    observed = judge_answer("web1", DUE, REQUESTS, given, checks, NOW, 0.5)

    assert [one.severity for one in observed.results] == [Severity.CRITICAL]


def test_what_two_limits_disagree_on_has_no_measure() -> None:
    def says(seen: Observation, params: Limits, _now: datetime) -> Verdict:
        measure = Measure("number", seen.data["number"])
        over = seen.data["number"] > params.most
        return failed(Severity.HIGH, "over", measure) if over else passed("below", measure)

    checks = {"number": replace(CHECKS["number"], judge=says)}
    due = (*DUE, Due("number", 0, {"most": 7}))
    given = answer({"subject": "a", "data": {"number": 6}})

    (result,) = judge_answer("web1", due, REQUESTS, given, checks, NOW, 0.5).results

    assert (result.status, result.severity, result.measures) == (Status.UNKNOWN, None, ())


TWICE = {
    "both cannot": (("cannot", "neither"), "unknown", "cannot; neither"),
    "both for one reason": (("cannot", "cannot"), "unknown", "cannot"),
    "a pass and one that cannot": ((6, "cannot"), "unknown", "cannot"),
    "a failure and one that cannot": ((7, "cannot"), "fail", "7, at most 6"),
    "three": ((7, "cannot", 6), "unknown", "listed twice, with different limits: "),
}


@pytest.mark.parametrize(("told", "status", "message"), TWICE.values(), ids=TWICE)
@pytest.mark.parametrize("turn", [1, -1], ids=["", "the other way round"])
def test_what_two_requests_say_of_one_subject(
    told: tuple[int | str, ...], status: str, message: str, turn: int
) -> None:
    told = told[::turn]
    requests = tuple(Request("numbers", {"of": number}) for number in range(len(told)))
    due = tuple(Due("number", number, {"most": 6}) for number in range(len(told)))
    parts = [
        {"subject": "a", "error": one}
        if isinstance(one, str)
        else {"subject": "a", "data": {"number": one}}
        for one in told
    ]
    given = {"answers": [{"observations": [one], "error": "", "seconds": 0.1} for one in parts]}

    [found] = judge_answer("web1", due, requests, given, CHECKS, NOW, 0.5).results

    assert found.status.value == status
    if turn == 1:
        assert found.message.startswith(message)


def test_each_reason_of_gathers_that_failed_is_told() -> None:
    requests = (Request("numbers", {"of": "a"}), Request("numbers", {"of": "b"}))
    due = (Due("number", 0, {}), Due("number", 1, {}))
    given = {"answers": [{"observations": [], "error": f"{one}: gone"} for one in ("/a", "/b")]}

    [found] = judge_answer("web1", due, requests, given, CHECKS, NOW, 0.5).results

    assert (found.subject, found.status) == ("*", Status.UNKNOWN)
    assert found.message == "numbers: /a: gone; numbers: /b: gone"


def result_of(status: Status, unknown: Unknown | None = None, message: str = "m") -> Result:
    severity = Severity.LOW if status is Status.FAIL else None
    return Result("web1", "number", "a", status, severity, message, unknown=unknown)


@pytest.mark.parametrize(
    ("given", "status", "kind", "message"),
    [
        (["nothing"], "unknown", "nothing_to_judge", "nothing"),
        (["nothing", "pass"], "pass", None, "pass"),
        (["fail", "nothing"], "fail", None, "fail"),
        (["nothing", "blind"], "unknown", "cannot_see", "blind"),
        (["blind", "nothing"], "unknown", "cannot_see", "blind"),
        (["blind", "pass"], "unknown", "cannot_see", "blind"),
        (["nothing", "nothing"], "unknown", "nothing_to_judge", "nothing"),
        (["pass", "fail"], "unknown", "cannot_see", "listed twice, with different limits: pass; fail"),
    ],
)  # fmt: skip
def test_what_had_nothing_to_judge_says_nothing_beside_others(
    given: list[str], status: str, kind: str | None, message: str
) -> None:
    made = {
        "nothing": result_of(Status.UNKNOWN, Unknown.NOTHING_TO_JUDGE, "nothing"),
        "blind": result_of(Status.UNKNOWN, Unknown.CANNOT_SEE, "blind"),
        "pass": result_of(Status.PASS, message="pass"),
        "fail": result_of(Status.FAIL, message="fail"),
    }
    found = settled([made[one] for one in given])

    assert (found.status.value, found.unknown.value if found.unknown else None) == (status, kind)
    assert found.message == message


@pytest.mark.parametrize(
    ("kind", "blind", "nothing"),
    [
        (None, True, False),
        (Unknown.CANNOT_SEE, True, False),
        (Unknown.NOTHING_TO_JUDGE, False, True),
    ],
)
def test_what_an_older_program_calls_unknown_was_not_seen(
    kind: Unknown | None, blind: bool, nothing: bool
) -> None:
    found = result_of(Status.UNKNOWN, kind)

    assert (found.is_blind, found.has_nothing_to_judge) == (blind, nothing)
    assert not result_of(Status.PASS).is_blind
    assert not result_of(Status.FAIL).has_nothing_to_judge


@pytest.mark.parametrize(
    ("site", "kind", "own", "step"),
    [
        ("", Unknown.CANNOT_SEE, "", "upkeep doctor --limit web1  # on the controller: see why"),
        (
            "/srv/my site",
            Unknown.CANNOT_SEE,
            "",
            "upkeep doctor -i '/srv/my site' --limit web1  # on the controller: see why",
        ),
        ("", Unknown.CANNOT_SEE, "apt-get install openssl", "apt-get install openssl"),
        ("", Unknown.NOTHING_TO_JUDGE, "", ""),
    ],
)
def test_what_could_not_be_seen_has_its_own_next_step(
    site: str, kind: Unknown, own: str, step: str
) -> None:
    one = replace(result_of(Status.UNKNOWN, kind), remedy=own)
    observed = Observed("web1", Outcome.OK, NOW, results=(one, result_of(Status.PASS)))

    told = with_next_steps(observed, site)

    assert [each.remedy for each in told.results] == [step, ""]


@pytest.mark.parametrize(
    ("host", "seen_from", "outcome", "step"),
    [
        ("web1", "", Outcome.OK, "upkeep doctor -i s --limit web1  # on the controller: see why"),
        (
            "(site)",
            "",
            Outcome.OK,
            "upkeep doctor -i s  # on the controller: see which host cannot be checked, and why",
        ),
        (
            "register/people",
            "control1",
            Outcome.OK,
            "upkeep check number -i s --limit control1  # on the controller: check again once it is fixed",
        ),
        (
            "register/people",
            "control1",
            Outcome.UNREACHABLE,
            "upkeep doctor -i s --limit control1  # on the controller: see why",
        ),
    ],
    ids=["a host", "the site", "a source", "a source that nobody could look at"],
)
def test_the_next_step_leads_to_what_can_tell(
    host: str, seen_from: str, outcome: Outcome, step: str
) -> None:
    one = result_of(Status.UNKNOWN, Unknown.CANNOT_SEE)
    observed = Observed(host, outcome, NOW, results=(one,), seen_from=seen_from)

    assert [each.remedy for each in with_next_steps(observed, "s").results] == [step]


@pytest.mark.parametrize("name", sorted(load()))
def test_no_check_says_of_the_unseen_what_would_fix_a_failure(name: str) -> None:
    """A certificate that could not be read is not to be renewed at night."""
    check = load()[name]
    due = (Due(check.id, 0, {}),)
    request = (Request(check.gather, {}),)
    given = {"answers": [{"observations": [], "error": "not finished after 3 s"}]}
    broken = {"answers": [{"observations": [{"subject": "a", "error": "refused"}], "error": ""}]}

    for one in (given, broken):
        seen = judge_answer("web1", due, request, one, {check.id: check}, NOW, 0.5)
        seen = judge_deferred(seen, {check.id: check}, {})
        remedies = [each.remedy for each in seen.results if each.is_blind]
        assert remedies == ([] if check.of_site else [""])


def test_limits_are_read_once_however_many_observations_there_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read = []
    own = judging.make_limits

    def counted(check: Check, limits: dict[str, Any]) -> Any:
        read.append(limits)
        return own(check, limits)

    monkeypatch.setattr(judging, "make_limits", counted)
    seen = [Seen(0, Observation(str(number), {"number": number}), "") for number in range(50)]

    results = judging.judge("web1", [Due("number", 0, {"most": 20})], seen, {}, CHECKS, NOW)

    assert read == [{"most": 20}]
    assert sum(one.status is Status.FAIL for one in results) == 29


@pytest.mark.parametrize("limits", [{"most": "many"}, {"least": 1}])
def test_limits_that_are_none_make_every_subject_unknown(limits: dict[str, Any]) -> None:
    seen = [Seen(0, Observation(subject, {"number": 1}), "") for subject in ("a", "b")]

    results = judging.judge("web1", [Due("number", 0, limits)], seen, {}, CHECKS, NOW)

    assert [(one.subject, one.status) for one in results] == [
        ("a", Status.UNKNOWN),
        ("b", Status.UNKNOWN),
    ]
    assert all(one.message.startswith("could not be judged: ParameterError:") for one in results)


# --- checks with history ---------------------------------------------------------------------------------------------
def judge_growth(
    seen: Observation, limits: Limits, now: datetime, history: list[PastMoment]
) -> Verdict | None:
    """Fail what has grown since it was seen first."""
    said = ", ".join(f"{one.at:%d}: {one.seen.data['number']}" for one in history)
    if not history:
        return nothing_to_judge("seen for the first time")
    grown = seen.data["number"] - history[0].seen.data["number"]
    if grown > limits.most:
        return failed(Severity.LOW, f"grown by {grown} since {said}")
    return passed(f"grown by {grown} since {said}")


GROWTH = replace(
    CHECKS["number"], id="growth", judge=judge_growth, history=History(days=30, at_most=10)
)
BOTH = {**CHECKS, "growth": GROWTH}
BOTH_DUE = (*DUE, Due("growth", 0, {}))


def before(*numbers: int, subject: str = "a") -> Past:
    moments = [
        (NOW - timedelta(days=len(numbers) - index), Observation(subject, {"number": number}))
        for index, number in enumerate(numbers)
    ]
    return {"growth": {subject: moments}}


def test_a_check_with_history_is_left_to_the_driver() -> None:
    given = answer({"subject": "a", "data": {"number": 5}})

    observed = judge_answer("web1", BOTH_DUE, REQUESTS, given, BOTH, NOW, 0.5)

    assert observed.deferred == ("growth",)
    assert [one.check for one in observed.results] == ["number"]
    assert from_json(to_json(observed), "web1").deferred == ("growth",)


@pytest.mark.parametrize(
    ("past", "expected"),
    [
        (before(1, 2, 3), [("growth", "pass", "grown by 4 since 29: 1, 30: 2, 31: 3")]),
        (before(-1, 4), [("growth", "fail", "grown by 6 since 30: -1, 31: 4")]),
        (before(1, subject="b"), [("growth", "unknown", "seen for the first time")]),
        ({}, [("growth", "unknown", "seen for the first time")]),
    ],
    ids=["within the limit", "over it", "of another subject", "none"],
)
def test_the_driver_judges_it_with_the_subjects_past(
    past: Past, expected: list[tuple[str, str, str]]
) -> None:
    given = answer({"subject": "a", "data": {"number": 5}})
    observed = judge_answer("web1", BOTH_DUE, REQUESTS, given, BOTH, NOW, 0.5)

    judged = judge_deferred(observed, BOTH, past)

    found = [(one.check, one.status.value, one.message) for one in judged.results[1:]]
    assert found == expected
    assert judged.results[0] == observed.results[0]
    assert [one.observation for one in judged.results] == [0, 0]


def test_what_a_gather_could_not_see_is_unknown_with_history_too() -> None:
    failing = judge_answer("web1", BOTH_DUE, REQUESTS, answer(error="late"), BOTH, NOW, 0.5)
    refused = answer({"subject": "a", "data": {}, "error": "refused"})
    unread = judge_answer("web1", BOTH_DUE, REQUESTS, refused, BOTH, NOW, 0.5)
    away = unseen("web1", Outcome.UNREACHABLE, "no route", BOTH_DUE, REQUESTS, BOTH, NOW)

    for observed, message in (
        (failing, "numbers: late"),
        (unread, "refused"),
        (away, "no route"),
    ):
        judged = judge_deferred(observed, BOTH, before(1, 2))
        mine = [one for one in judged.results if one.check == "growth"]
        assert [(one.status, one.message) for one in mine] == [(Status.UNKNOWN, message)]


def test_a_judge_that_breaks_on_its_past_costs_nobody_else_anything() -> None:
    odd: Past = {"growth": {"a": [(NOW - timedelta(days=1), Observation("a", {}))]}}
    given = answer({"subject": "a", "data": {"number": 5}})
    observed = judge_answer("web1", BOTH_DUE, REQUESTS, given, BOTH, NOW, 0.5)

    judged = judge_deferred(observed, BOTH, odd)

    assert [(one.check, one.status.value) for one in judged.results] == [
        ("number", "pass"),
        ("growth", "unknown"),
    ]
    assert judged.results[1].message == "could not be judged: KeyError: 'number'"


def test_the_past_has_the_shape_of_today_and_what_has_another_is_left_out() -> None:
    shaped = replace(GROWTH, shape=DatabaseAnswer, judge=judge_kinds)
    moments = [
        (NOW - timedelta(days=2), Observation("a", {"kind": 7})),
        (NOW - timedelta(days=1), Observation("a", {"kind": "redis", "connected": False})),
    ]
    given = answer({"subject": "a", "data": {"kind": "redis", "connected": True}})
    checks = {"growth": shaped}
    due = (Due("growth", 0, {}),)
    observed = judge_answer("web1", due, REQUESTS, given, checks, NOW, 0.5)

    (found,) = judge_deferred(observed, checks, {"growth": {"a": moments}}).results

    assert found.message == "[False], then True"


def judge_kinds(
    seen: DatabaseAnswer, limits: Limits, now: datetime, history: list[PastMoment]
) -> Verdict:
    return passed(f"{[one.seen.connected for one in history]}, then {seen.connected}")


def test_judged_again_it_is_given_the_same_past_or_stays_as_it_was() -> None:
    given = answer({"subject": "a", "data": {"number": 5}})
    observed = judge_answer("web1", BOTH_DUE, REQUESTS, given, BOTH, NOW, 0.5)
    judged = judge_deferred(observed, BOTH, before(-1, 4))

    again = judge_again(judged, BOTH, BOTH_DUE, before(-1, 4))
    pruned = judge_again(judged, BOTH, (*DUE, Due("growth", 0, {"most": 99})), {})

    assert set(again.results) == set(judged.results)
    assert set(pruned.results) == set(judged.results)
