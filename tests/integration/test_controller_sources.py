"""Sources beside hosts over SSH: the controller sees a register that changes; a host cannot."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from integration.conftest import Upkeep
from lab.fleet import Fleet
from lab.site import write_site

PEOPLE = {"checks": "registers", "source": "register/people", "path": "registers/people.csv"}
FEED = {"checks": "feeds", "source": "build/portal", "place": "build/report.json"}
ACCEPTED = "name,role\nanna,administrator\nbernd,clerk\n"
CONTROL = {"ansible_connection": "local", "ansible_become": False, "upkeep_controller": True}


def site(folder: Path, fleet: Fleet, control: dict[str, Any], plain: dict[str, Any]) -> Upkeep:
    """Make a site of the controller and a host of the lab."""
    groups = {
        "control": {"hosts": {"control1": control}},
        "plain": {"hosts": {"plain1": plain}},
    }
    made = write_site(folder / "site", fleet, groups)
    for name in ("registers", "build"):
        (made / name).mkdir()
    (made / "registers/people.csv").write_text(ACCEPTED)
    (made / "registers/people.csv.accepted").write_text(ACCEPTED)
    (made / "build/report.json").write_text("[]")
    return Upkeep(made)


def told(run: dict[str, Any]) -> dict[tuple[str, str], str]:
    return {
        (one["host"], one["check"]): one["message"] if one["status"] == "fail" else one["status"]
        for one in run["results"]
        if "/" in one["host"]
    }


def test_a_register_changes_while_hosts_are_looked_at(fleet: Fleet, tmp_path: Path) -> None:
    control = {**CONTROL, "upkeep_checks_site": [PEOPLE, FEED]}
    upkeep = site(tmp_path, fleet, control, {"upkeep_checks_plain": ["disk_space"]})

    before = upkeep.json("run", "daily")
    (upkeep.site / "registers/people.csv").write_text(ACCEPTED.replace("clerk", "administrator"))
    after = upkeep.json("run", "daily")

    assert set(told(before).values()) == {"pass"}
    assert told(after) == told(before) | {
        ("register/people", "register_changed"): "1 changed (bernd: role); 2 accepted"
    }
    assert {one["name"]: one["seen_from"] for one in after["hosts"]} == {
        "build/portal": "control1",
        "control1": "",
        "plain1": "",
        "register/people": "control1",
    }
    assert after["counts"]["sources"] == 2


@pytest.mark.parametrize("variables", [{}, {"upkeep_controller": True}])
def test_a_host_over_ssh_is_asked_about_none(
    fleet: Fleet, tmp_path: Path, variables: dict[str, Any]
) -> None:
    plain = {**variables, "upkeep_checks_plain": [PEOPLE]}
    upkeep = site(tmp_path, fleet, {**CONTROL, "upkeep_checks_site": ["disk_space"]}, plain)

    run = upkeep.json("run", "daily")

    people = [one for one in run["results"] if one["host"] == "register/people"]
    assert told(run) == {
        ("register/people", check): "unknown" for check in ("register_changed", "register_readable")
    }
    assert all("read sources (register/people)" in one["message"] for one in people)
    (source,) = (one for one in run["hosts"] if one["name"] == "register/people")
    assert (source["outcome"], source["seen_from"]) == ("failed", "plain1")
