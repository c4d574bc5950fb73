"""Two sites that have nothing in common: both are only files, and the program takes both."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import pytest
from called import called

from upkeep.cli.schedule import list_procedures
from upkeep.site.schedule_file import Schedule
from upkeep.site.site import load_site

SITES = Path(__file__).parents[3] / "inventory"
NAMES = ("astral", "bakery")


@cache
def schedule(name: str) -> Schedule:
    return load_site(str(SITES / name)).schedule


@pytest.mark.parametrize("name", NAMES)
def test_a_site_loads_and_its_procedures_are_listed(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert called(list_procedures, str(SITES / name), as_json=True) == 0

    shown = json.loads(capsys.readouterr().out)
    assert [one["id"] for one in shown["procedures"]] == list(schedule(name).procedures)


def test_they_share_no_word_of_their_own() -> None:
    first, second = (schedule(name) for name in NAMES)

    for part in ("procedures", "people", "teams", "channels"):
        assert not getattr(first, part).keys() & getattr(second, part).keys()
    assert first.time_zone != second.time_zone
    assert first.alerts.policy != second.alerts.policy


def test_a_shop_opens_in_its_own_time() -> None:
    bakery = schedule("bakery")
    lisbon, azores = (bakery.procedures[f"opening-{one}"] for one in ("lisbon", "azores"))

    assert lisbon.rule == azores.rule
    assert [bakery.zone_of(one) for one in (lisbon, azores)] == ["Europe/Lisbon", "Atlantic/Azores"]


def test_what_a_site_leaves_out_has_its_default() -> None:
    bakery = schedule("bakery")

    assert bakery.alerts.policy[1].begins == "business hours"
    assert bakery.alerts.policy[2].begins == "business hours"
    assert bakery.alerts.policy[4].begins == "next business day"
    assert bakery.alerts.heartbeat is None
    assert not bakery.teams["bakers"].rota


@pytest.mark.parametrize("name", NAMES)
def test_each_procedure_has_a_rule_and_a_team_and_says_its_lacks_in_words(name: str) -> None:
    for procedure in schedule(name).procedures.values():
        assert procedure.rule
        assert procedure.owner in schedule(name).teams
        assert all(one.strip() for one in procedure.lacking)
