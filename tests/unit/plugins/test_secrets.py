"""Secrets are hidden by parameter and by value."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from ansible_collections.astral.upkeep.plugins.plugin_utils.secrets import (
    HIDDEN,
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
