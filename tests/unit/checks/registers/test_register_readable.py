from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
from verdicts import verdict_of

from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation
from upkeep.checks.registers._entries import ENTRIES_LIMIT, RegisterError, entries_of
from upkeep.checks.registers.register_readable import CHECK, Limits
from upkeep.model.verdicts import Measure, Severity, Status, failed, passed

judge = partial(verdict_of, CHECK)
NOW = datetime(2026, 11, 27, 8, tzinfo=UTC)


def seen(text: str, path: str = "/site/people.yml", **data: Any) -> Observation:
    accepted = {"path": f"{path}.accepted", "there": False}
    known = {"path": path, "there": True, "bytes": len(text), "accepted": accepted}
    return Observation("people.yml", {**known, **data}, text)


@pytest.mark.parametrize("least", [1, 2, 3])
def test_a_register_has_as_many_entries_as_it_must(least: int) -> None:
    verdict = judge(seen("anna: {}\nbernd: {}\n"), Limits(least_entries=least), NOW)

    text, measure = f"2 entries, at least {least}", Measure("entries", 2)
    assert verdict == (
        passed(text, measure) if least < 3 else failed(Severity.MEDIUM, text, measure)
    )


def test_a_register_that_is_not_there_fails() -> None:
    verdict = judge(seen("", there=False), Limits(), NOW)

    assert verdict == failed(Severity.HIGH, "not there: /site/people.yml")


@pytest.mark.parametrize("data", [{"raw_truncated": True}, {"bytes": 9}])
def test_a_text_that_is_not_kept_is_not_judged(data: dict[str, Any]) -> None:
    text = "" if "bytes" in data else "anna: {}\n"

    assert judge(seen(text, **data), Limits(), NOW).status is Status.UNKNOWN


def test_an_empty_file_is_no_register() -> None:
    verdict = judge(seen(""), Limits(), NOW)

    assert verdict.severity is Severity.MEDIUM
    assert verdict.message == (
        "cannot be read: nothing found; expected a list, or a mapping of names"
    )


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("r.yml", "- {name: anna, role: clerk}\n"),
        ("r.yaml", "people:\n- name: anna\n  role: clerk\n"),
        ("r.yml", "anna: {role: clerk}\n"),
        ("r.csv", "name,role\nanna,clerk\n\n"),
        ("R.CSV.accepted", "\ufeffname,role\r\nanna,clerk\r\n"),
    ],
)
def test_the_ways_to_write_a_register(path: str, text: str) -> None:
    assert entries_of(text, path) == {"anna": {"role": "clerk"}}


@pytest.mark.parametrize(
    ("path", "text", "why"),
    [
        ("r.yml", "a: &x [1]\nb: *x\n", "line 2 has an alias, such as *name"),
        ("r.yml", "[" * 30, "line 1 is nested deeper than 20"),
        (
            "r.yml",
            "[" * 5_000,
            "not YAML, line 1: more than 1000 brackets [ or braces { are open here",
        ),
        ("r.yml", "a: 1\na: 2\n", "not YAML, line 2: 'a' appears twice"),
        ("r.yml", "- {name: anna}\n- {name: anna}\n", "'anna' appears twice"),
        ("r.yml", "- {role: clerk, name: }\n", "entry 1 has no 'name', by which it would be known"),
        ("r.yml", "- {}\n", "entry 1 has no field, by which it would be known"),
        ("r.yml", "- {id: 1}\n- {name: b}\n", "entry 2 has no 'id', by which it would be known"),
        ("r.yml", "- anna\n", "entry 1 has no fields: 'anna'"),
        ("r.yml", "Nov 27 02:00:01 web1 cron[7]: began\n", "entry 1 has no fields: 'began'"),
        ("r.yml", "!!python/object/apply:os.system [id]\n", "not YAML, line 1: the tag"),
        ("r.yml", "a: \udcff\n", "not UTF-8"),
        ("r.yml", "- {a: 1}\n" * (ENTRIES_LIMIT + 1), "20001 entries, at most 20000"),
        ("r.csv", "name,role\nanna\n", "line 2 has 1 fields; expected 2"),
        ("r.csv", "name,name\nanna,clerk\n", "two columns have the same name"),
        ("r.csv", 'name,role\nanna,"cl"erk\n', "not CSV: ',' expected after '\"'"),
    ],
)
def test_what_is_no_register(path: str, text: str, why: str) -> None:
    with pytest.raises(RegisterError) as raised:
        entries_of(text, path, "name" if "role: clerk" in text else "")

    assert str(raised.value).startswith(why)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("name,role\nanna,clerk\n", ["anna"]),
        ("name;role\nanna;clerk\n", ["anna"]),
        ("name\trole\nanna\tclerk\n", ["anna"]),
        ('name;role\n"anna; senior";clerk, deputy\n', ["anna; senior"]),
        ("name\nanna\n", ["anna"]),
    ],
    ids=["commas", "semicolons", "tabs", "both", "one column"],
)
def test_a_spreadsheet_writes_what_its_country_does(text: str, names: list[str]) -> None:
    assert list(entries_of(text, "/site/people.csv")) == names
