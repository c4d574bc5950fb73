"""What was typed with -p is printed as the next step; a password in it is not."""

from __future__ import annotations

import json

import pytest

from upkeep.cli.run import _entry, _without_secrets
from upkeep.judging.check import load


@pytest.mark.parametrize(
    ("one", "shown"),
    [
        ({"name": "x", "repository": "/r", "password": "Geheim+1"}, '"password": "********"'),
        (
            {"name": "x", "repository": "rest:https://ann:Geheim+1@b.example/"},
            '"rest:https://********@b.example/"',
        ),
        ({"name": "x", "paths": ["/b/*"]}, '"paths": ["/b/*"]'),
    ],
)
def test_no_secret_of_a_parameter_is_printed(one: dict[str, object], shown: str) -> None:
    check, given = load()["backup_fresh"], [f"sets={json.dumps([one])}"]

    (text,) = _without_secrets(check, _entry(check, given), given)

    assert "Geheim" not in text
    assert shown in text or "********" in shown, text
