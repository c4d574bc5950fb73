"""A source is known by what was asked: what an answer says of itself counts for nothing."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
import yaml

from upkeep.checks.registers._entries import entries_of
from upkeep.judging.check import load
from upkeep.judging.entries import ParameterError
from upkeep.judging.examine import examine_list
from upkeep.judging.sources import SOURCES_LIMIT, Answers, by_source, read_answers, source_of
from upkeep.model.answer import Due, Observed, Outcome, Request, to_json, why_no_host
from upkeep.model.source import is_source, kind_of
from upkeep.model.verdicts import Result, Status

NOW = datetime(2026, 11, 27, 8, tzinfo=UTC)
PEOPLE = Request("registers", {"source": "register/people", "path": "people.yml"})


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("register/people", True),
        ("build/Portal_2.x-y", True),
        ("register/" + "a" * 119, True),
        ("register/" + "a" * 120, False),
        ("register", False),
        ("Register/people", False),
        ("register/", False),
        ("/people", False),
        ("register/a/b", False),
        ("register/people\n", False),
        ("register/müller", False),
        ("register/a b", False),
    ],
)
def test_what_is_the_name_of_a_source(name: str, expected: bool) -> None:
    assert is_source(name) is expected
    assert bool(why_no_host(name)) is expected


def test_why_a_host_cannot_have_it_says_what_to_do() -> None:
    assert kind_of("register/people") == "register"
    assert why_no_host("register/people") == (
        "no host can be named 'register/people': by such names sources are known; rename the host,"
        " such as 'register-people'"
    )


@pytest.mark.parametrize(
    ("gather", "said", "expected"),
    [
        ("registers", "register/people", "register/people"),
        ("feeds", "site/portal", "site/portal"),
        ("registers", "{{ which }}", ""),
        ("registers", None, ""),
        ("file_systems", "register/people", ""),
        ("no_such_gather", "register/people", ""),
    ],
)
def test_the_source_is_what_was_asked(gather: str, said: Any, expected: str) -> None:
    assert source_of(gather, {"source": said}) == expected


@pytest.mark.parametrize(
    ("gather", "said", "why"),
    [
        ("registers", "people", "source: found 'people'; expected a kind, `/` and a name"),
        ("registers", ["register/people"], "source: found ['register/people']; expected a kind"),
        (
            "registers",
            "registers/people",
            "source: found 'registers/people'; registers expects register/<name>; did you mean 'register'?",
        ),
        (
            "feeds",
            "register/people",
            "source: found 'register/people'; feeds expects feed/<name>, build/<name>, site/<name>",
        ),
    ],
)
def test_another_name_is_refused(gather: str, said: Any, why: str) -> None:
    with pytest.raises(ParameterError) as raised:
        source_of(gather, {"source": said})

    assert str(raised.value).startswith(why)
    assert raised.value.key == "source"


def test_requests_are_taken_apart_by_source_the_hosts_own_first() -> None:
    feed = Request("feeds", {"source": "build/portal"})

    assert by_source([feed, Request("memory", {}), PEOPLE, feed]) == {
        "": [1],
        "build/portal": [0, 3],
        "register/people": [2],
    }


def about(source: str, *requests: Request, check: str = "register_changed") -> dict[str, Any]:
    """Return an answer about a source, as the action gives it."""
    result = Result(source, check, "people.yml", Status.PASS, None, "as accepted", observed_at=NOW)
    due = (Due(check, 0, {}),) if requests else ()
    answer = Observed(
        source, Outcome.OK, NOW, requests=requests, due=due, results=(result,), seen_from="other"
    )
    return to_json(answer)


def read(*sources: Any) -> Answers:
    own = to_json(Observed("control", Outcome.OK, NOW))
    return read_answers({**own, "sources": list(sources)}, "control")


def test_an_answer_about_a_source_is_the_hosts_who_gave_it() -> None:
    found = read(about("register/people", PEOPLE))

    assert found.refused == []
    assert found.own == Observed("control", Outcome.OK, NOW)
    (answer,) = found.sources
    assert (answer.host, answer.seen_from, answer.looker) == (
        "register/people",
        "control",
        "control",
    )
    assert [one.host for one in answer.results] == ["register/people"]


@pytest.mark.parametrize(
    ("source", "why"),
    [
        (about("web1", PEOPLE), "the source 'web1' is not the name of a source"),
        (about("controller", PEOPLE), "the source 'controller' is not the name of a source"),
        (about("register/staff", PEOPLE), "the source 'register/staff' was not asked about"),
        (about("register/people"), "the source 'register/people' was not asked about"),
        (
            about("register/people", PEOPLE, Request("memory", {})),
            "the source 'register/people' was not asked about",
        ),
        (
            about("site/people", Request("registers", {"source": "site/people"})),
            "the source 'site/people' was not asked about: source: found 'site/people'; registers expects register/<name>",
        ),
        (
            about("register/people", Request("memory", {"source": "register/people"})),
            "the source 'register/people' was not asked about",
        ),
        (
            {**about("register/people", PEOPLE), "due": []},
            "the source 'register/people' has results of checks that were not due",
        ),
        (
            about("register/people", PEOPLE, check="no_such_check"),
            "the source 'register/people' has results of checks that were not due",
        ),
        (
            {**about("register/people", PEOPLE), "due": [{"check": "a", "request": 1, "limits": {}}]},
            "the source 'register/people' has a check that asks for nothing",
        ),
        ("register/people", "a source has an unexpected structure: string indices must be integers, not 'str'"),
        ({"host": "register/people"}, "a source has an unexpected structure: KeyError: 'version'"),
    ],
    ids=range(12),
)  # fmt: skip
def test_what_was_not_asked_is_not_believed(source: Any, why: str) -> None:
    found = read(about("register/people", PEOPLE), source)

    assert [one.host for one in found.sources] == ["register/people"]
    assert len(found.refused) == 1
    assert found.refused[0].startswith(why)


@pytest.mark.parametrize("said", [{}, "x", [{}] * (SOURCES_LIMIT + 1)])
def test_sources_are_a_bounded_list(said: Any) -> None:
    own = to_json(Observed("control", Outcome.OK, NOW))

    found = read_answers({**own, "sources": said}, "control")

    assert found == Answers(
        Observed("control", Outcome.OK, NOW), [], ["its sources are not a list of at most 1000"]
    )


def test_a_source_that_is_not_due_says_nothing_and_is_still_asked_about() -> None:
    idle = replace(Observed("register/people", Outcome.SKIPPED, NOW), requests=(PEOPLE,))

    found = read(to_json(idle))
    assert (found.sources, found.refused, found.idle) == ([], [], {"register/people"})


def test_the_documents_samples_are_entries() -> None:
    text = (Path(__file__).parents[3] / "docs" / "sources.md").read_text(encoding="utf-8")
    blocks = re.findall(r"(?:^    .*\n)+", text, re.MULTILINE)
    samples = [yaml.safe_load(dedent(one)) for one in blocks]
    lists = [one for sample in samples if isinstance(sample, dict) for one in sample.values()]
    entries = [entry for one in lists if isinstance(one, list) for entry in one]

    assert len(entries) == 6
    assert list(examine_list(entries, load())) == []
    (register,) = (one for one in samples if isinstance(one, list))
    assert list(entries_of(yaml.safe_dump(register), "people.yml")) == ["anna", "bernd"]
