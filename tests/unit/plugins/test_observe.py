"""What the action shows and returns holds no secret and no control character of a host."""

from __future__ import annotations

import json

import pytest

from ansible_collections.astral.upkeep.plugins.action.observe import clean, spelled_out
from ansible_collections.astral.upkeep.plugins.plugin_utils import secrets

FRAME = "\x1b[KeyJ1dWlkIjogIjEifQ==\x1b[20D\x1b[K"


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("no route", "no route"),
        (FRAME, "\\x1b[KeyJ1dWlkIjogIjEifQ==\\x1b[20D\\x1b[K"),
        ("a\r\n\tb  c\n", "a b c"),
        ("\x9b2J \x7f \x00", "\\x9b2J \\x7f \\x00"),
        ("\u202e\u2066\u200b\ufeff", "\\u202e\\u2066\\u200b\\ufeff"),
        ("\udcff\ud800", "\\xff\\ud800"),
        ("the password hunter22 is wrong", "the password ******** is wrong"),
        ("two  words\nand more", "********"),
        ("x" * 5000, "x" * 2666 + " (… 1000 characters left out …) " + "x" * 1334),
    ],
    ids=[
        "plain",
        "an event's frame",
        "lines",
        "other control characters",
        "direction and no room",
        "no Unicode",
        "a secret",
        "a secret of two lines",
        "too long",
    ],
)
def test_what_others_said_is_fit_for_a_message(said: str, shown: str) -> None:
    assert clean(("hunter22", "two  words\nand more"), said) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain \\ text \n\t", "plain \\ text \n\t"),
        ("\x1b[K", "\\u001b[K"),
        ("\x9b \x7f", "\\u009b \\u007f"),
        ("\u202e \u2069 \u200f \ufeff", "\\u202e \\u2069 \\u200f \\ufeff"),
        ("\\u009b", "\\u009b"),
        ("\\\\\x9b", "\\\\\\u009b"),
        ("é \U0001f600", "é \U0001f600"),
    ],
    ids=["plain", "C0", "C1", "direction", "an escape as text", "after backslashes", "other"],
)
def test_what_a_plain_run_shows_has_its_unseen_characters_spelled_out(
    text: str, shown: str
) -> None:
    assert json.loads(spelled_out(json.dumps({text: [text]}))) == {shown: [shown]}


@pytest.mark.parametrize("secret", ["hunter22", 'a"b\\c', "passwört", "\U0001f600\U0001f601abc"])
def test_a_secret_is_looked_for_as_json_spells_it(secret: str) -> None:
    assert secrets.mentioned(json.dumps([f"x{secret}y"]), ("other", secret))
    assert not secrets.mentioned(json.dumps(["xy"]), ("other", secret))
    assert not secrets.mentioned(json.dumps([secret]), ())
