"""Incidents and drills in the evidence of a review, and what is lacking where nothing was rehearsed."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from upkeep.rules import lacking
from upkeep.rules.incident_evidence import summary, until_then
from upkeep.rules.incidents import (
    Acted,
    Advanced,
    AskedStep,
    Author,
    Closed,
    Incident,
    IncidentEntry,
    Opened,
    Phase,
    StepDone,
    fold,
)

T0 = datetime(2026, 6, 1, 2, 0, tzinfo=UTC)
ANN = Author("ann", "ann")
PHASES = (
    Phase("one", "Response", 900.0, (AskedStep("isolate", "Isolate", act="isolate"),)),
    Phase("two", "Recovery", 3600.0, (AskedStep("check", "Check"),)),
)
ISOLATED = Acted("isolate", ("lab1",), "done", 1)


def drill(*said: Any, drill: bool = True) -> Incident:
    """A drill whose entries are ten minutes apart."""
    opened = Opened("security", "Rehearsal", 2, "lab1", T0, PHASES, drill, ("lab1",))
    entries = [IncidentEntry(T0, ANN, opened, 1)]
    for number, one in enumerate(said, 1):
        entries.append(IncidentEntry(T0 + timedelta(minutes=10 * number), ANN, one, number + 1))
    return fold(7, entries)


def test_a_drill_tells_its_phases_and_what_was_really_done() -> None:
    made = drill(ISOLATED, Advanced("two"), StepDone("check", "by word"), Closed("faster"))

    found = summary(made, T0 + timedelta(days=1))

    assert json.loads(json.dumps(found)) == found
    assert (found["response_seconds"], found["drill"]) == (0.0, True)
    assert [(one["took_seconds"], one["late"]) for one in found["phases"]] == [
        (1200, True),
        (2400, False),
    ]
    assert found["steps"] == [
        {"title": "Isolate", "counts_as": "done", "really_on": ["lab1"]},
        {"title": "Check", "counts_as": "talked through", "really_on": []},
    ]


def test_what_was_entered_later_is_not_in_it() -> None:
    made = drill(ISOLATED, Advanced("two"))

    found = summary(until_then(made, T0 + timedelta(minutes=10)), T0 + timedelta(minutes=12))

    assert [one["took_seconds"] for one in found["phases"]] == [None, None]
    assert [one["counts_as"] for one in found["steps"]] == ["done", "left open"]


def test_a_phase_that_never_began_has_taken_no_time() -> None:
    found = summary(drill(Closed("enough", "a drill")), T0 + timedelta(days=1))

    assert [one["took_seconds"] for one in found["phases"]] == [600.0, None]


def test_a_real_incident_has_no_steps_that_count() -> None:
    assert summary(drill(ISOLATED, drill=False), T0)["steps"] == []


NOW = T0 + timedelta(days=1)
NOTHING = "no drill was opened since 2026-06-01"
TALKED = "no drill has really done anything on a drill host"


@pytest.mark.parametrize(
    ("shows", "rows", "nothing", "says"),
    [
        ("drills", [], True, NOTHING),
        ("drills", [drill(StepDone("isolate", "by word"))], True, TALKED),
        ("drills", [drill(StepDone("isolate", "by word")), drill(ISOLATED)], False, ""),
        ("all", [], False, ""),
    ],
    ids=["no drill", "talked through", "really done", "no incident is no lack"],
)
def test_a_review_of_drills_lacks_what_was_not_rehearsed(
    shows: str, rows: list[Incident], nothing: bool, says: str
) -> None:
    evidence = {
        "run": {"id": 1, "hosts": {"ok": 1}}, "checks": [], "measures": [], "gap": "", "lacks": [],
        "since": "2026-06-01", "until": NOW.isoformat(),
        "incidents": {"shows": shows, "rows": [summary(one, NOW) for one in rows], "left_out": 0},
    }  # fmt: skip

    found = lacking.of(evidence, has_run=True)

    assert found.nothing == nothing
    assert len(found.what) == bool(says)
    assert all(one.startswith(says) for one in found.what)
