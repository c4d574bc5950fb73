"""What a host gave is taken as its own, typed and bounded, or not at all."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from store_samples import answer, result

from upkeep.judging.judge import evidence_hash
from upkeep.model import answer as module
from upkeep.model.answer import from_json, to_json
from upkeep.model.verdicts import Severity

HOST = "web1"


def given() -> dict[str, Any]:
    return to_json(answer(result(Severity.HIGH), result(subject="/srv")))


def changed(path: str, value: Any) -> dict[str, Any]:
    """Return what a host gave with another value in one place, such as `results.0.status`."""
    document = given()
    *above, last = path.split(".")
    inner: Any = document
    for part in above:
        inner = inner[int(part) if part.isdigit() else part]
    inner[int(last) if last.isdigit() else last] = value
    return document


def deep(levels: int) -> dict[str, Any]:
    inner: dict[str, Any] = {}
    for _level in range(levels):
        inner = {"a": inner}
    return inner


WRONG = [None, 7, True, "text", [], {}, [[]], {"a": 1}, float("nan"), 10**400]
FIELDS = {
    "version": [1, True],
    "outcome": ["ok"],
    "observed_at": ["2030-01-01T00:00:00+00:00"],
    "message": ["text"],
    "seconds": [7],
    "python": ["text"],
    "clock_offset_seconds": [None, 7],
    "requests": [[]],
    "requests.0": [],
    "requests.0.gather": ["text"],
    "requests.0.params": [{}, {"a": 1}],
    "due": [[]],
    "due.0": [],
    "due.0.check": ["text"],
    "due.0.request": [7],
    "due.0.limits": [{}, {"a": 1}],
    "seen": [[]],
    "seen.0": [],
    "seen.0.request": [7],
    "seen.0.subject": ["text"],
    "seen.0.data": [{}, {"a": 1}],
    "seen.0.raw": ["text"],
    "results": [[]],
    "results.0": [],
    "results.0.check": ["text"],
    "results.0.subject": ["text"],
    "results.0.status": [],
    "results.0.severity": [],
    "results.0.message": ["text"],
    "results.0.remedy": ["text"],
    "results.0.measures": [[]],
    "results.0.measures.0": [],
    "results.0.measures.0.name": ["text"],
    "results.0.measures.0.unit": ["text"],
    "results.0.controls": [[]],
    "results.0.observed_at": [None],
    "results.0.evidence_sha256": ["text"],
    "results.0.observation": [None, 7],
    "asked": [[]],
}


@pytest.mark.parametrize("path", FIELDS)
@pytest.mark.parametrize("value", WRONG, ids=lambda value: repr(value)[:12])
def test_a_wrong_type_in_any_field_is_one_error(path: str, value: Any) -> None:
    right = any(value == one and type(value) is type(one) for one in FIELDS[path])
    document = changed(path, value)

    if right:
        assert from_json(document, HOST).host == HOST
        return
    with pytest.raises(ValueError, match=r"."):
        from_json(document, HOST)


@pytest.mark.parametrize("path", [path for path in FIELDS if "." not in path and path != "asked"])
def test_a_field_that_is_not_there_is_one_error(path: str) -> None:
    document = given()
    del document[path]

    with pytest.raises(ValueError, match=path):
        from_json(document, HOST)


@pytest.mark.parametrize("document", [None, 7, "text", [], {}, [1]], ids=str)
def test_what_is_no_answer_is_one_error(document: Any) -> None:
    with pytest.raises(ValueError, match=r"."):
        from_json(document, HOST)


@pytest.mark.parametrize("name", ["db1", "controller", "", [], None, 7], ids=str)
def test_the_host_is_the_events_whatever_the_answer_says(name: Any) -> None:
    document = changed("host", name)
    for one in document["results"]:
        one["host"] = name

    seen = from_json(document, HOST)

    assert {seen.host, *(one.host for one in seen.results)} == {HOST}


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("2030-01-01T00:00:00+00:00", datetime(2030, 1, 1, tzinfo=UTC)),
        ("2030-01-01T02:00:00+02:00", datetime(2030, 1, 1, tzinfo=UTC)),
        ("2030-01-01T00:00:00", None),
        ("0001-01-01T00:00:00+14:00", None),
        ("9999-12-31T23:59:59-12:00", None),
        ("1969-12-31T23:59:59+00:00", None),
        ("tomorrow", None),
        ("", None),
    ],
)
def test_times(text: str, right: datetime | None) -> None:
    document = changed("observed_at", text)

    if right:
        assert from_json(document, HOST).observed_at == right
        return
    with pytest.raises(ValueError, match=r"."):
        from_json(document, HOST)


@pytest.mark.parametrize(
    ("status", "severity", "right"),
    [
        ("fail", "high", True),
        ("pass", None, True),
        ("unknown", None, True),
        ("fail", None, False),
        ("pass", "high", False),
        ("unknown", "low", False),
        ("fail", "worst", False),
    ],
)
def test_a_severity_stands_exactly_at_what_failed(
    status: str, severity: str | None, right: bool
) -> None:
    document = changed("results.0.status", status)
    document["results"][0]["severity"] = severity

    if right:
        from_json(document, HOST)
        return
    with pytest.raises(ValueError, match=r"."):
        from_json(document, HOST)


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (1, True),
        (-1e308, True),
        (0.5, True),
        (float("nan"), False),
        (float("inf"), False),
        (10**400, False),
        (True, False),
        ("7", False),
        (None, False),
        ([], False),
    ],
    ids=str,
)
def test_a_measure_that_is_no_number_belongs_into_no_series(value: Any, kept: bool) -> None:
    seen = from_json(changed("results.0.measures.0.value", value), HOST)

    assert bool(seen.results[0].measures) is kept


def test_too_many_measures_are_cut_and_told() -> None:
    many = [{"name": f"m{n}", "value": 1.0, "unit": "1"} for n in range(20_000)]

    seen = from_json(changed("results.0.measures", many), HOST)

    assert len(seen.results[0].measures) == module.MEASURES_LIMIT
    assert "20000 measures, 50 kept" in seen.results[0].message


@pytest.mark.parametrize("path", ["seen.0.data", "requests.0.params", "due.0.limits", "more"])
@pytest.mark.parametrize(("levels", "right"), [(60, True), (100, False), (900, False)])
def test_depth_is_bounded(path: str, levels: int, right: bool) -> None:
    document = changed(path, deep(levels))

    if right:
        from_json(document, HOST)
        return
    with pytest.raises(ValueError, match="nested deeper"):
        from_json(document, HOST)


@pytest.mark.parametrize("path", ["results.0.message", "message", "python"])
def test_a_text_is_bounded_and_says_so(path: str) -> None:
    seen = from_json(changed(path, "x" * 3_000_000), HOST)

    texts = (seen.results[0].message, seen.message, seen.python)
    (long,) = [text for text in texts if len(text) > 1_000]
    assert len(long) == module.TEXT_CHARACTERS
    assert long.endswith("…")


def test_evidence_is_kept_under_the_hash_of_its_own_bytes() -> None:
    document = changed("seen.0.raw", "forged")
    document["seen"][0]["sha256"] = document["seen"][1]["sha256"]

    seen = from_json(document, HOST)

    assert seen.seen[0].sha256 == evidence_hash("forged")
    assert seen.results[0].evidence_sha256 == ""
    assert seen.results[1].evidence_sha256 == seen.seen[1].sha256


@pytest.mark.parametrize("text", ["\ud800", "a\udfffb", "\x00\x1b[2J"], ids=ascii)
def test_a_lone_surrogate_costs_its_text_and_not_the_host(text: str) -> None:
    document = changed("seen.0.raw", text)
    document["seen"][0]["subject"] = document["results"][0]["subject"] = text

    seen = from_json(document, HOST)

    assert len(seen.results) == 2
    assert seen.seen[0].observation.raw.encode("utf-8", "surrogateescape")
