"""The words that a JSON schema lists are those that the program has: a new one breaks no reader unseen."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any

import pytest

from upkeep.rules.alerts import model
from upkeep.rules.findings import FindingState


def listed(schema: str, *path: str) -> list[str]:
    text = resources.files("upkeep").joinpath(f"schemas/{schema}.schema.json").read_text("utf-8")
    found: Any = json.loads(text)["properties"]
    for step in path:
        found = found[step]
    return sorted(found["enum"])


ALERT = ("alerts", "items", "properties")


@pytest.mark.parametrize(
    ("schema", "path", "words"),
    [
        (
            "findings",
            ("findings", "items", "properties", "status"),
            [one.value for one in FindingState],
        ),
        ("alerts", (*ALERT, "kind"), [model.INCIDENT, model.FIRST, model.UPGRADE, model.JUDGED]),
        ("alerts", (*ALERT, "status"), [model.OPEN, model.ACKNOWLEDGED, model.CLOSED]),
        (
            "alerts",
            (*ALERT, "closed_how"),
            ["", model.RECOVERED, model.UNWATCHED, model.AWAY, model.ACCEPTED, model.REJUDGED],
        ),
    ],
)
def test_a_schema_lists_what_the_program_says(
    schema: str, path: tuple[str, ...], words: list[str]
) -> None:
    assert listed(schema, *path) == sorted(words)
