"""What a host says of its job: taken only in its shape and bounds, and harmless on a terminal."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.astral.upkeep.plugins.plugin_utils import progress

NONCE = "0123456789abcdef"
SAID: dict[str, Any] = {
    "title": "restoring orders",
    "number": 2,
    "of": 7,
    "step": "restore",
    "share": 0.4,
    "pid": 77,
}


def printed(said: object, before: str = "") -> str:
    return f"{before}\n{NONCE} {json.dumps(said)}\n"


@pytest.mark.parametrize(
    ("said", "step"),
    [
        ({}, "restoring orders (2 of 7): restore"),
        ({"number": 1, "of": 1}, "restoring orders: restore"),
        ({"number": 0, "of": 0}, "restoring orders: restore"),
        ({"title": "a\x1b[2Jb\r\nc\u202ed"}, "a?[2Jb c?d (2 of 7): restore"),
        ({"title": "[bold]{x}"}, "[bold]{x} (2 of 7): restore"),
        ({"title": "t" * 7_000}, f"{'t' * 200} (2 of 7): restore"),
        ({"step": "s" * 9_00}, f"restoring orders (2 of 7): {'s' * 60}"),
        ({"own": {"of": ["the", "job"]}}, "restoring orders (2 of 7): restore"),
    ],
    ids=["whole", "one", "only", "moves", "markup", "long title", "long step", "own field"],
)
def test_what_a_host_says_becomes_one_line(said: dict[str, Any], step: str) -> None:
    shown = progress.answered(printed({**SAID, **said}, before="Welcome!"), NONCE)

    assert shown is not None
    assert progress.step_text(shown) == step


@pytest.mark.parametrize(
    "said",
    [
        {**SAID, "title": 1},
        {**SAID, "step": None},
        {**SAID, "number": True},
        {**SAID, "of": -1},
        {**SAID, "of": 1 << 62},
        {**SAID, "share": 1.01},
        {**SAID, "share": "0.4"},
        {**SAID, "share": float("nan")},
        {**SAID, "share": True},
        [SAID],
        {**SAID, "title": "t" * 20_000},
        {},
        "restoring orders",
    ],
    ids=str,
)
def test_another_shape_is_no_answer(said: object) -> None:
    with pytest.raises(ValueError):
        progress.answered(printed(said), NONCE)


@pytest.mark.parametrize(
    "output",
    [
        "",
        "restoring orders (2 of 7): restore",
        f"\nother {json.dumps(SAID)}\n",
        f"x{NONCE} {json.dumps(SAID)}\n",
        f"\n{NONCE} {'[' * 8_000}\n",
    ],
    ids=["nothing", "text", "another nonce", "not a line of its own", "deep"],
)
def test_only_what_the_nonce_marks_is_an_answer(output: str) -> None:
    with pytest.raises(ValueError):
        progress.answered(output, NONCE)


def test_a_host_on_which_nothing_is_done_says_so() -> None:
    assert progress.answered(printed(None), NONCE) is None
