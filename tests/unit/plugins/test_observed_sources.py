"""What the action makes of an answer about sources: one answer each, and unknown where nobody has looked."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from ansible.errors import AnsibleActionFail

from ansible_collections.astral.upkeep.plugins.action.observe import resolve, taken
from ansible_collections.astral.upkeep.plugins.plugin_utils.transport import Carried
from upkeep.judging.check import load
from upkeep.judging.wanted import of_list
from upkeep.model.answer import Outcome, Request
from upkeep.model.verdicts import Status

NOW = datetime(2026, 11, 27, 8, tzinfo=UTC)
ENTRIES = [
    "swap_used",
    {"check": "register_changed", "source": "register/people", "path": "people.yml"},
    {"check": "register_readable", "source": "register/people", "path": "people.yml"},
    {"check": "feed_size", "source": "build/portal", "place": "report.json"},
]
HEAD = {"python": "3.13.0", "clock": NOW.timestamp(), "uid": 0}
REGISTER = {"path": "/people.yml", "there": True, "bytes": 9, "at": NOW.isoformat()}
ACCEPTED = {"path": "/people.yml.accepted", "there": True, "text": "anna: {}\nbernd: {}\n"}


def part(subject: str, data: dict[str, Any], raw: str = "") -> str:
    seen = {"subject": subject, "data": data, "raw": raw}
    return json.dumps({"observations": [seen], "error": ""})


def test_each_source_has_an_answer_of_its_own() -> None:
    wanted = resolve(of_list(ENTRIES, load()), None)
    lines = [
        json.dumps(HEAD),
        json.dumps({"observations": [], "error": "no such file"}),
        part("people.yml", {**REGISTER, "accepted": ACCEPTED}, "anna: {}\n"),
        part("report.json", {"there": True, "bytes": 3}),
    ]

    own, people, portal = taken(
        Carried("\n".join(lines)), "control", wanted.due, wanted.requests, (), NOW
    )

    assert [(one.host, one.seen_from) for one in (own, people, portal)] == [
        ("control", ""),
        ("register/people", "control"),
        ("build/portal", "control"),
    ]
    assert [(one.check, one.subject, one.status) for one in own.results] == [
        ("swap_used", "*", Status.UNKNOWN)
    ]
    assert [(one.host, one.check, one.message) for one in people.results] == [
        (
            "register/people",
            "register_changed",
            "1 removed (bernd); 2 accepted",
        ),
        ("register/people", "register_readable", "1 entry, at least 1"),
    ]
    assert [(one.host, one.check) for one in portal.results] == [("build/portal", "feed_size")]
    assert [one.gather for one in people.requests] == ["registers"]
    assert {one.request for one in people.due} == {0}


def test_a_controller_that_was_not_reached_leaves_its_sources_unknown() -> None:
    wanted = resolve(of_list(ENTRIES, load()), None)
    away = Carried(problem="no route to host", kind="unreachable")

    own, people, portal = taken(away, "control", wanted.due, wanted.requests, (), NOW)

    for one in (own, people, portal):
        assert one.outcome is Outcome.UNREACHABLE
        assert {result.status for result in one.results} == {Status.UNKNOWN}
    assert {(one.check, one.subject) for one in people.results} == {
        ("register_changed", "*"),
        ("register_readable", "*"),
    }


def test_a_source_of_which_nothing_is_due_is_known_all_the_same() -> None:
    wanted = resolve(of_list(ENTRIES, load()), ["swap_used", "feed_size"])

    assert [one.check for one in wanted.due] == ["swap_used", "feed_size"]
    assert list(wanted.sources) == ["register/people", "build/portal"]
    defaults = {"accepted": "", "folder": "", "path": "people.yml", "source": "register/people"}
    assert wanted.sources["register/people"] == Request("registers", defaults)


@pytest.mark.parametrize("source", ["people", "build/people"])
def test_a_wrong_name_is_an_error_of_the_entry(source: str) -> None:
    entry = {"check": "register_changed", "source": source, "path": "people.yml"}

    with pytest.raises(AnsibleActionFail, match=f"source: found '{source}'"):
        resolve(of_list([entry], load()), None)
