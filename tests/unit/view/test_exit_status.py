from __future__ import annotations

from datetime import UTC, datetime

import pytest

from upkeep.model.answer import Outcome
from upkeep.model.verdicts import Severity
from upkeep.view.exit_status import of_counts, of_run
from upkeep.view.model import Counts, RunSummary

ONE = {severity: {severity: 1} for severity in Severity}


@pytest.mark.parametrize(
    ("counts", "status"),
    [
        (Counts(passed=9), 0),
        (Counts(), 0),
        (Counts(9, 0, ONE[Severity.INFO]), 0),
        (Counts(9, 0, ONE[Severity.LOW]), 1),
        (Counts(9, 0, ONE[Severity.MEDIUM]), 1),
        (Counts(9, 1, ONE[Severity.MEDIUM]), 3),
        (Counts(9, 1), 3),
        (Counts(9, nothing=1), 0),
        (Counts(9, 0, ONE[Severity.LOW], nothing=1), 1),
        (Counts(9, 1, ONE[Severity.HIGH]), 2),
        (Counts(9, 1, ONE[Severity.CRITICAL]), 2),
        (Counts(9, 0, {Severity.CRITICAL: 0, Severity.LOW: 1}), 1),
    ],
)
def test_counts_have_the_status_that_monitoring_plugins_would_give(counts, status):
    assert of_counts(counts) == status


@pytest.mark.parametrize(
    ("run", "hosts", "counts", "status"),
    [
        ("done", {Outcome.OK: 2}, Counts(9), 0),
        ("done", {Outcome.OK: 2, Outcome.SKIPPED: 1}, Counts(9), 0),
        ("done", {Outcome.OK: 2}, Counts(9, 0, ONE[Severity.LOW]), 1),
        ("done", {Outcome.OK: 2}, Counts(), 3),
        ("done", {Outcome.OK: 2}, Counts(nothing=1), 0),  # it was seen
        ("done", {Outcome.SKIPPED: 2}, Counts(), 3),
        ("failed", {}, Counts(), 3),
        ("crashed", {Outcome.OK: 1}, Counts(9), 3),
        ("running", {Outcome.OK: 1}, Counts(9), 3),
        ("partial", {Outcome.OK: 1, Outcome.UNREACHABLE: 1}, Counts(9), 3),
        ("done", {Outcome.OK: 1, Outcome.TIMED_OUT: 1}, Counts(9), 3),
        ("done", {Outcome.OK: 1, Outcome.FAILED: 1}, Counts(9, 0, ONE[Severity.MEDIUM]), 3),
        ("partial", {Outcome.UNREACHABLE: 1}, Counts(9, 5, ONE[Severity.HIGH]), 2),
        ("failed", {Outcome.OK: 1}, Counts(0, 0, ONE[Severity.CRITICAL]), 2),
        ("interrupted", {Outcome.OK: 1}, Counts(9), 130),
        ("interrupted", {Outcome.OK: 1}, Counts(0, 0, ONE[Severity.CRITICAL]), 130),
    ],
)
def test_a_run_is_green_only_if_all_was_seen(run, hosts, counts, status):
    summary = RunSummary(
        1, "daily", "", "", run, datetime(2030, 1, 1, tzinfo=UTC), hosts=hosts, counts=counts
    )

    assert of_run(summary) == status
