"""A playbook of the site's own reaches the procedure's hosts, whatever it says itself."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import warm

HOSTS = ("a", "b", "c")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three hosts, each this machine; a playbook that leaves a file for each host that it reaches."""
    tmp_path = tmp_path_factory.mktemp("own")
    site = tmp_path / "site"
    (site / "inventory").mkdir(parents=True)
    (site / "playbooks").mkdir()
    # Only Ansible can tell where that is: each is taken for a machine of its own, and none waits for another.
    local = {
        "ansible_connection": "{{ lookup('pipe', 'echo local') }}",
        "ansible_python_interpreter": sys.executable,
    }
    inventory = {
        "all": {
            "hosts": dict.fromkeys(HOSTS, local),
            "children": {"two": {"hosts": {"a": {}, "b": {}}}},
        }
    }
    (site / "inventory" / "hosts.yml").write_text(json.dumps(inventory))
    touch = {
        "ansible.builtin.file": {
            "path": f"{tmp_path}/reached-{{{{ inventory_hostname }}}}",
            "state": "touch",
        }
    }
    play = {
        "name": "Reach",
        "hosts": "all",
        "gather_facts": False,
        "tasks": [{"name": "Touch", **touch}],
    }
    (site / "playbooks" / "own.yml").write_text(json.dumps([play]))
    procedures = {
        name: {"title": name, "playbook": "playbooks/own.yml", "hosts": hosts}
        for name, hosts in (("one", "a"), ("group", "two"), ("without", "all:!c"), ("every", "all"))
    }
    (site / "schedule.yml").write_text(json.dumps({"procedures": procedures}))
    (site / "upkeep.toml").write_text('state = "../state"\n')
    return site


@pytest.mark.parametrize(
    ("arguments", "refused", "reached"),
    [
        (["one"], False, {"a"}),
        (["group"], False, {"a", "b"}),
        (["group", "--limit", "b,c"], False, {"b"}),
        (["without", "--limit", "b"], False, {"b"}),
        (["without", "--limit", "b,c"], True, set()),
        (["one", "--limit", "c"], False, set()),
        (["every"], False, {"a", "b", "c"}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_no_other_host_is_reached(
    site: Path, arguments: list[str], refused: bool, reached: set[str]
) -> None:
    for left in site.parent.glob("reached-*"):
        left.unlink()

    done = warm.run(["run", *arguments, "-i", str(site), "--json"])

    assert (done.returncode == 64) == refused, done.stderr
    assert "cannot be combined" in done.stderr or not refused
    assert {path.name.removeprefix("reached-") for path in site.parent.glob("reached-*")} == reached
