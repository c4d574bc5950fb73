"""Shapes: what does not fit is named, what yesterday's program observed is judged as it was, each is converted once."""

from __future__ import annotations

import dataclasses
import gzip
import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar, get_type_hints

import pytest
from verdicts import undeclared

from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases._databases_shape import (
    DatabaseAnswer,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.logins._auth_log_shape import (
    AuthLog,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation
from ansible_collections.astral.upkeep.plugins.plugin_utils import payload
from upkeep.checks.databases._sessions import placed
from upkeep.judging import shapes
from upkeep.judging.canaries import canary_of
from upkeep.judging.check import Check, load
from upkeep.judging.judge import judge
from upkeep.judging.shapes import VERSION_KEY, ShapeError, typed
from upkeep.model.answer import Due, Seen
from upkeep.model.verdicts import Measure, Result

RECORDED = Path(__file__).parents[1] / "recorded/observations"
RECORDINGS = ("access_log", "auth_log", "databases")
"""The gathers that there were before shapes."""
LATER: frozenset[str] = frozenset()
"""Checks on one of these gathers that came after the recordings: nothing was recorded of what they say."""
REWORDED = (
    ("not asked: ", "not checked: "),
    ("failures from its source (", "failures from the same source ("),
    ("no address told", "no address given"),
    (", suspect from 5", ", suspicious from 5 on"),
    (", suspect from 1", ", suspicious from 1 on"),
    (
        "systemctl list-units --all --no-pager 'rsyslog*' 'syslog-ng*' 'systemd-journald*'",
        "ps -eo pid,comm | grep -E 'rsyslogd|syslog-ng|systemd-journal' || echo 'no daemon writes logs'",
    ),
)
"""What the checks have said since in other words. The recordings stay as they are."""
SHAPED = {name: check for name, check in load().items() if check.shape is not None}
QUIET = {
    "lines": 10,
    "unparsed": 0,
    "window_end": "2026-11-23T12:00:00+00:00",
    "window_seconds": 3600,
    "burst_seconds": 600,
    "most_in_an_hour": 0,
    "sources": [],
    "logins_after_failures": [],
}


def results_of(checks: list[tuple[str, dict[str, Any]]], seen: Observation, at: str) -> list[Any]:
    due = [Due(name, 0, limits) for name, limits in checks]
    return judge("h", due, [Seen(0, seen)], {}, load(), datetime.fromisoformat(at))


def yesterdays(gather: str) -> Iterator[dict[str, Any]]:
    if gather not in RECORDINGS:
        return
    with gzip.open(RECORDED / f"{gather}.jsonl.gz", "rt", encoding="utf-8") as lines:
        yield from map(json.loads, lines)


@pytest.mark.parametrize("gather", RECORDINGS)
def test_what_yesterdays_program_observed_is_judged_as_it_was(gather: str) -> None:
    """README.md beside the recordings says where they are from."""
    lines = list(yesterdays(gather))
    for line in lines:
        seen = Observation(line["subject"], line["data"])
        known = {name for name, check in SHAPED.items() if check.gather == gather}
        assert set(line["verdicts"]) == known - LATER
        for check, verdicts in line["verdicts"].items():
            for one in verdicts:
                found = results_of([(check, one["limits"])], seen, line["now"])
                assert [as_recorded(result) for result in found] == (
                    [reworded(one["result"], line["subject"])] if one["result"] else []
                )

    assert len(lines) == 400


def reworded(result: dict[str, Any], subject: str) -> dict[str, Any]:
    """Return what the check says now. What a client of databases runs is at the server's own place since."""
    texts = {"message": result["message"], "remedy": result["remedy"]}
    for before, now in REWORDED:
        texts = {name: text.replace(before, now) for name, text in texts.items()}
    texts["remedy"] = placed(texts["remedy"], subject)
    return result | texts


def as_recorded(result: Result) -> dict[str, Any]:
    return {
        "status": result.status.value,
        "severity": result.severity.value if result.severity else None,
        "message": result.message,
        "remedy": result.remedy,
        "measures": [[one.name, one.value, one.unit] for one in result.measures],
    }


@pytest.mark.parametrize(("name", "check"), SHAPED.items(), ids=list(SHAPED))
def test_a_shape_declares_all_that_its_gather_tells(name: str, check: Check) -> None:
    canary = canary_of(check)
    assert canary is not None
    recorded = yesterdays(check.gather) if check.gather in RECORDINGS else ()
    told = [canary.observation.data, *(line["data"] for line in recorded)]

    assert [place for data in told for place in undeclared(check.shape, data)] == []


@pytest.mark.parametrize(("name", "check"), SHAPED.items(), ids=list(SHAPED))
def test_a_shape_stands_beside_its_gather_and_is_not_sent(name: str, check: Check) -> None:
    assert check.shape is not None
    gather = payload.gathers()[check.gather].__name__
    family, _dot, _name = gather.rpartition(".")
    folder, _dot, file = check.shape.__module__.rpartition(".")

    assert (folder, file.startswith("_")) == (family, True)
    program = payload.build([(check.gather, {})], 5, "0" * 32)
    assert file.encode() not in program
    assert dataclasses.is_dataclass(check.shape)
    assert get_type_hints(check.shape)["VERSION"] == ClassVar[int]


@pytest.mark.parametrize(
    ("shape", "data", "said"),
    [
        (AuthLog, {**QUIET, "lines": "10"}, "AuthLog: lines: expected int, got str"),
        (AuthLog, {**QUIET, "lines": True}, "AuthLog: lines: expected int, got bool"),
        (AuthLog, {**QUIET, "lines": None}, "AuthLog: lines: expected int, got nothing"),
        (AuthLog, {**QUIET, "sources": {}}, "AuthLog: sources: expected list, got mapping"),
        (AuthLog, {**QUIET, "sources": [7]}, "AuthLog: sources[0]: expected mapping, got int"),
        (
            AuthLog,
            {**QUIET, "sources": [{}, {"most_in_burst": 1.5}]},
            "AuthLog: sources[1].most_in_burst: expected int, got float",
        ),
        (
            AuthLog,
            {**QUIET, "logins_after_failures": [{"source": "192.0.2.7"}]},
            "AuthLog: logins_after_failures[0].failures: expected, but missing",
        ),
        (AuthLog, {**QUIET, "window_end": "noon"}, "AuthLog: window_end: Invalid RFC3339"),
        (AuthLog, {**QUIET, "methods": {"key": "x"}}, "AuthLog: methods[...]: expected int"),
        (AuthLog, {}, "AuthLog: lines: expected, but missing"),
        (DatabaseAnswer, {"kind": "redis"}, "DatabaseAnswer: connected: expected, but missing"),
        (
            DatabaseAnswer,
            {"kind": "redis", "connected": True, "answer": []},
            "DatabaseAnswer: answer: expected int or str or nothing, got list",
        ),
        (
            DatabaseAnswer,
            {"kind": "redis", "connected": True, "query_seconds": 10**400},
            "DatabaseAnswer: query_seconds: Number out of range",
        ),
    ],
)
def test_what_does_not_fit_is_named(shape: type, data: dict[str, Any], said: str) -> None:
    with pytest.raises(ShapeError) as caught:
        typed(shape, Observation("x", data))

    assert str(caught.value).startswith(f"the observation does not fit {said}")


@pytest.mark.parametrize("version", [2, 0, "1", None, [1], "x" * 999])
def test_another_version_of_a_shape_is_unknown(version: Any) -> None:
    with pytest.raises(ShapeError, match="this program reads version 1") as caught:
        typed(AuthLog, Observation("x", {**QUIET, VERSION_KEY: version}))

    assert len(str(caught.value)) < 120


def test_the_subject_is_the_observations_whatever_the_host_says_in_its_data() -> None:
    found = typed(AuthLog, Observation("/var/log/auth.log", {**QUIET, "subject": "/etc/shadow"}))

    assert found.subject == "/var/log/auth.log"


def test_what_a_newer_gather_tells_too_does_not_matter() -> None:
    assert typed(AuthLog, Observation("x", {**QUIET, "new": [1]})).lines == 10


def test_a_host_that_gives_another_shape_is_unknown_for_each_check_with_the_fields_name() -> None:
    seen = Observation("x", {**QUIET, "lines": [1]})

    found = results_of(
        [(name, {}) for name in ("failed_logins", "brute_force")],
        seen,
        "2026-11-23T12:00:00+00:00",
    )

    assert [(one.check, one.status.value, one.message) for one in found] == [
        (
            name,
            "unknown",
            "the observation does not fit AuthLog: lines: expected int, got list",
        )
        for name in ("failed_logins", "brute_force")
    ]


def test_an_observation_is_converted_once_for_all_its_checks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    converted: list[str] = []

    def counted(shape: type, seen: Observation) -> Any:
        converted.append(seen.subject)
        return typed(shape, seen)

    monkeypatch.setattr(shapes, "typed", counted)
    mine = [(name, {}) for name, check in SHAPED.items() if check.gather == "auth_log"]
    found = results_of(mine, Observation("a", QUIET), "2026-11-23T12:00:00+00:00")

    assert (len(found), converted) == (4, ["a"])


def test_measures_are_the_numbers_that_were_observed() -> None:
    """As before: a count is no 3.0."""
    sources = [{"source": "192.0.2.7", "most_in_burst": 3}]
    (found,) = results_of(
        [("brute_force", {})],
        Observation("a", {**QUIET, "sources": sources, "newest_at": QUIET["window_end"]}),
        "2026-11-23T12:00:00+00:00",
    )

    assert found.measures == (Measure("failed_logins_in_burst", 3),)
    assert isinstance(found.measures[0].value, int)
