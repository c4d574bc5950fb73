"""What a verdict is made of: names and ranks that the store, the schedule and the wire rest on."""

from __future__ import annotations

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
    unknown,
)


def test_severities_have_the_names_and_the_ranks_that_are_stored() -> None:
    assert [(one.value, one.rank) for one in Severity] == [
        ("critical", 1),
        ("high", 2),
        ("medium", 3),
        ("low", 4),
        ("info", 5),
    ]


def test_a_verdict_has_a_severity_only_if_it_fails_and_no_next_step_of_its_own() -> None:
    measure = Measure("used", 7)

    assert measure.unit == "1"
    assert [
        passed("a", measure),
        failed(Severity.LOW, "b", measure),
        unknown("c", measure),
        nothing_to_judge("d", measure),
    ] == [
        Verdict(Status.PASS, "a", None, (measure,), ""),
        Verdict(Status.FAIL, "b", Severity.LOW, (measure,), ""),
        Verdict(Status.UNKNOWN, "c", None, (measure,), "", Unknown.CANNOT_SEE),
        Verdict(Status.UNKNOWN, "d", None, (measure,), "", Unknown.NOTHING_TO_JUDGE),
    ]
    assert Verdict(Status.PASS, "a").remedy == ""


def test_a_result_has_neither_evidence_nor_waiver_until_it_is_given_one() -> None:
    found = Result("web1", "number", "*", Status.UNKNOWN, None, "gone")

    assert (found.remedy, found.evidence_sha256) == ("", "")
    assert (found.observation, found.waiver) == (None, None)
