"""What counts as a reason, wherever one is asked for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from upkeep.model.reason import says
from upkeep.model.roles import Role
from upkeep.model.verdicts import Severity
from upkeep.rules.silences import Known
from upkeep.rules.silences import SilenceScope as Quiet
from upkeep.rules.silences import refuse as refuse_silence
from upkeep.rules.waivers import WaiverScope, Who, refuse_request

NOW = datetime(2027, 1, 4, 10, tzinfo=UTC)
NOTHING = {
    "nothing": "",
    "spaces": " \t\n\u00a0\u3000",
    "signs": "...",
    "a dash": "-",
    "a mark": "\u0301",
    "what has no width": "\u200b\u2060\ufeff",
    "fillers": "\u115f\u1160\u3164\uffa0",
    "blank braille": "\u2800",
}
nothing = pytest.mark.parametrize("text", NOTHING.values(), ids=list(NOTHING))


@nothing
def test_what_nobody_can_read_says_nothing(text: str) -> None:
    assert not says(text)


@pytest.mark.parametrize("text", ["ok", "7", "\u00fc", "\u4fee", "\ud55c", "- x -"])
def test_a_word_in_any_script_does(text: str) -> None:
    assert says(text)


@nothing
def test_a_waiver_and_a_silence_need_one(text: str) -> None:
    by, week = Who("ann", Role.OPERATOR, "ann"), timedelta(days=7)
    asked = WaiverScope("disk_space", "web1", "/", Severity.MEDIUM)
    assert refuse_request(asked, text, NOW + week, by, week, NOW) == "a waiver needs a reason"
    quiet = Quiet("disk_space", "web1", 2)
    said = refuse_silence(
        quiet, text, NOW + week, by, week, NOW, Known({"disk_space": False}, {"web1"})
    )
    assert said.startswith("a silence needs a reason")
