"""Two sites that have nothing in common: both are only files, and the program takes both."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from called import called

from upkeep.cli.schedule import list_schedule
from upkeep.judging.check import CONNECTION, load
from upkeep.site.asked import asked_by
from upkeep.site.init import EXAMPLE
from upkeep.site.inventory import read_inventory
from upkeep.site.schedule_file import Schedule
from upkeep.site.site import EMBEDDED, load_site

ROOT = Path(__file__).parents[3]
SITES = ROOT / "inventory"
RECORDED = Path(__file__).parents[1] / "recorded" / "sites"
NAMES = ("astral", "bakery")


@cache
def schedule(name: str) -> Schedule:
    return load_site(str(SITES / name)).schedule


@pytest.mark.parametrize("name", NAMES)
def test_a_site_loads_and_its_procedures_are_listed(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert called(list_schedule, str(SITES / name), as_json=True) == 0

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
    for id_, procedure in schedule(name).procedures.items():
        assert procedure.rule
        assert procedure.owner in schedule(name).teams
        assert all(one.strip() for one in schedule(name).lacking_of(id_))


def expanded(inventory: Path) -> dict[str, list[Any]]:
    """What each host asks for: check, its gather's parameters, limits that are set."""
    found = {}
    for host, variables in read_inventory(str(inventory)).items():
        asked = asked_by(host, variables)
        assert asked.is_all
        rows = [[one.check.id, one.params, one.limits] for one in asked.wanted]
        found[host] = sorted(rows, key=json.dumps)
    return found


@pytest.mark.parametrize("name", NAMES)
def test_families_ask_each_host_for_what_single_entries_asked_for(name: str) -> None:
    """Recorded when each check had an entry of its own."""
    recorded = json.loads((RECORDED / f"{name}.json").read_text(encoding="utf-8"))

    assert recorded
    assert expanded(SITES / name / "inventory") == recorded


def test_this_machine_is_looked_at_with_all_checks_that_need_not_be_told_where() -> None:
    """A new check must be chosen here, by the release of the families, or be left out with a reason."""
    (asked,) = expanded(EMBEDDED / "inventory").values()
    by_itself = {name for name, one in load().items() if one.gather != CONNECTION and not one.needs}

    # What this machine serves has never been asked for here.
    assert {one[0] for one in asked} == by_itself - {"certificate_served"}
    assert all(one[1:] == [{}, {}] for one in asked)


def test_what_init_writes_means_the_families_of_this_release() -> None:
    release = yaml.safe_load((ROOT / "galaxy.yml").read_text(encoding="utf-8"))["version"]
    written = yaml.safe_load((EXAMPLE / "inventory" / "group_vars" / "all.yml").read_text())

    assert written["upkeep_family_version"] == release
