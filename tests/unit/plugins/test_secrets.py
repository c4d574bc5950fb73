"""Secrets are hidden by parameter and by value."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from ansible_collections.astral.upkeep.plugins.plugin_utils.secrets import (
    HIDDEN,
    name_subjects,
    of_connection,
    scrub,
    values,
    without,
    worth_hiding,
)

ARGUMENTS: dict[str, Any] = {
    "urls": {"type": "list", "elements": "str"},
    "headers": {"type": "dict", "no_log": True},
    "databases": {
        "type": "list",
        "elements": "dict",
        "options": {"name": {"type": "str"}, "password": {"type": "str", "no_log": True}},
    },
    "one": {"type": "dict", "options": {"token": {"type": "str", "no_log": True}}},
}
PARAMS: dict[str, Any] = {
    "urls": ["https://a"],
    "headers": {"Authorization": "Bearer abcdef"},
    "databases": [{"name": "shop", "password": "hunter22"}, {"name": "none", "password": ""}],
    "one": {"token": "t0ken-value"},
}


def test_what_is_stored_of_the_parameters_holds_no_secret() -> None:
    assert without(ARGUMENTS, PARAMS) == {
        "urls": ["https://a"],
        "headers": HIDDEN,
        "databases": [{"name": "shop", "password": HIDDEN}, {"name": "none", "password": ""}],
        "one": {"token": HIDDEN},
    }


def test_the_secrets_are_found_at_any_depth() -> None:
    found = worth_hiding(values(ARGUMENTS, PARAMS))

    assert set(found) == {"Bearer abcdef", "hunter22", "t0ken-value"}


def test_the_connections_passwords_are_secrets_too() -> None:
    variables = {
        "ansible_become_password": "becomes1",
        "ansible_host": "web1",
        "ansible_password": 12345,
    }

    assert set(worth_hiding(of_connection(variables))) == {"becomes1", "12345"}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("a hunter22 b", f"a {HIDDEN} b"),
        ({"hunter22": ["hunter22", 1, None]}, {HIDDEN: [HIDDEN, 1, None]}),
        (("x", "hunter22"), ["x", HIDDEN]),
        ("hunter2", "hunter2"),
        (
            {"raw_base64": base64.b64encode(b"\xff hunter22").decode()},
            {"raw_base64": base64.b64encode(b"\xff " + HIDDEN.encode()).decode()},
        ),
    ],
    ids=["in a text", "as key and value", "in a tuple", "not quite", "in bytes"],
)
def test_a_secret_is_hidden_wherever_it_comes_back(value: Any, expected: Any) -> None:
    assert scrub(value, ("hunter22",)) == expected


def test_a_secret_within_another_does_not_uncover_it() -> None:
    hidden = worth_hiding(["pass", "password-of-root"])

    assert scrub("password-of-root", hidden) == HIDDEN


def test_short_values_are_not_looked_for() -> None:
    assert worth_hiding(["abc", "1"]) == ()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("see http://u:pw@h/?a=1", "see http://h/?a=*"),
        (
            {"raw_base64": base64.b64encode(b"\xff\nLocation: /x?t=1").decode()},
            {"raw_base64": base64.b64encode(b"\xff\nLocation: /x?t=*").decode()},
        ),
    ],
    ids=["in a text", "in bytes"],
)
def test_urls_are_masked_though_nothing_is_declared_secret(value: Any, expected: Any) -> None:
    assert scrub(value, ()) == expected


def test_what_is_stored_of_a_url_holds_no_secret_and_is_looked_for() -> None:
    params = {"urls": ["https://ada:hunter22@h/?token=t0ken#x"], "databases": [], "headers": {}}

    assert without(ARGUMENTS, params)["urls"] == ["https://h/?token=*"]
    assert set(worth_hiding(values(ARGUMENTS, params))) == {"hunter22", "t0ken", "YWRhOmh1bnRlcjIy"}


A, B, C = "http://h/?t=a", "http://h/?t=b", "http://h/?t=c"


def named(
    requests: list[list[str]], subjects: list[list[str]], declared: list[str]
) -> list[list[str]]:
    """The subjects of an answer to requests for URLs, once they have their names."""
    answer = {
        "answers": [{"observations": [{"subject": one} for one in part]} for part in subjects]
    }
    asked = [("http_health", {"urls": urls, "headers": {"x": "y"}}) for urls in requests]
    name_subjects(answer, asked, {"http_health": declared})
    return [[one["subject"] for one in part["observations"]] for part in answer["answers"]]


@pytest.mark.parametrize(
    ("requests", "subjects", "declared", "expected"),
    [
        ([[A]], [["http://h/?t=*"]], [A], [["http://h/?t=*"]]),
        ([[A, B]], [["http://h/?t=*", "http://h/?t=* (2)"]], [A, B], [["http://h/?t=*", "http://h/?t=* (2)"]]),
        ([[A], [B]], [["http://h/?t=*"], ["http://h/?t=*"]], [A, B], [["http://h/?t=*"], ["http://h/?t=* (2)"]]),
        ([[B]], [["http://h/?t=*"]], [A, B], [["http://h/?t=* (2)"]]),
        ([[A], [A]], [["http://h/?t=*"], ["http://h/?t=*"]], [A, A], [["http://h/?t=*"], ["http://h/?t=*"]]),
        ([[C]], [["http://h/?t=*"]], [A, B], [["http://h/?t=* (3)"]]),
        ([[]], [["/x?a=1", "/x?a=2", "/x?a=1"]], [], [["/x?a=*", "/x?a=* (2)", "/x?a=*"]]),
    ],
    ids=["one", "in one request", "in two", "the second alone", "twice the same", "by hand", "of the host"],
)  # fmt: skip
def test_a_subject_is_named_alike_whatever_is_due(
    requests: list[list[str]],
    subjects: list[list[str]],
    declared: list[str],
    expected: list[list[str]],
) -> None:
    assert named(requests, subjects, declared) == expected


@pytest.mark.parametrize(
    "answer",
    [None, [], {"answers": None}, {"answers": [None, {"observations": [1, {"subject": 2}]}]}],
)
def test_an_answer_of_another_shape_is_left_for_others_to_refuse(answer: Any) -> None:
    name_subjects(answer, [("http_health", {"urls": [A]})] * 2, {})
