"""A run takes a family's entry as it takes the entries of its checks: the same is asked, and the same is found."""

from __future__ import annotations

import os
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import warm
import yaml

from upkeep.model.answer import Observed
from upkeep.store import open_store
from upkeep.store.answers import observed_in

LOCAL = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number, size in enumerate((100, 100, 100, 10)):
        path = tmp_path / "backups" / f"shop-2026112{number}.sql"
        path.parent.mkdir(exist_ok=True)
        path.write_text("x" * size)
        os.utime(path, (1_800_000_000 + number, 1_800_000_000 + number))
    (tmp_path / "site" / "inventory").mkdir(parents=True)
    (tmp_path / "site" / "schedule.yml").write_text(
        "procedures: {daily: {title: Daily, playbook: astral.upkeep.observe}}\n"
    )
    return tmp_path


def run(folder: Path, hosts: dict[str, Any], **variables: Any) -> tuple[str, dict[str, Observed]]:
    """Run the procedure on hosts with these variables; return what was said, and what each host gave."""
    inventory = {
        "all": {
            "hosts": {name: {**LOCAL, **one} for name, one in hosts.items()},
            "vars": {"sets": [{"name": "shop", "paths": [f"{folder}/backups/*.sql"]}], **variables},
        }
    }
    (folder / "site" / "inventory" / "hosts.yml").write_text(yaml.safe_dump(inventory))
    environ = {
        **os.environ,
        "UPKEEP_STATE": str(folder / "state"),
        "UPKEEP_WORKSPACE": str(folder / "work"),
    }
    done = warm.run(["run", "daily", "-i", str(folder / "site")], env=environ)
    with closing(open_store(f"sqlite:///{folder}/state/upkeep.db")) as store, store.read() as db:
        return done.stdout + done.stderr, {one.host: one for one in observed_in(db, 1)}


def found(observed: Observed) -> list[tuple[Any, ...]]:
    """What was asked and what came of it, without what changes from moment to moment."""
    asked = [
        ("due", one.check, one.limits, observed.requests[one.request].params)
        for one in observed.due
    ]
    given = [
        ("result", one.check, one.subject, one.status, one.severity) for one in observed.results
    ]
    return sorted([*asked, *given], key=str)


def test_a_family_and_its_checks_alone_are_asked_alike_and_find_alike(folder: Path) -> None:
    sets = "{{ sets | map('combine', {'rpo_hours': 24}) | list }}"  # only Ansible resolves it
    alone = [
        *("disk_inodes", {"check": "disk_space", "high_percent": 95}, "disk_space_trend"),
        {"check": "backup_fresh", "sets": sets},
        {"check": "backup_readable", "sets": sets},
        {"check": "backup_retention", "sets": sets},
        {"check": "backup_second_copy", "sets": sets},
        {"check": "backup_size", "sets": sets, "at_least_percent": 60},
    ]
    together = [
        "disk_*",
        {"check": "disk_space", "high_percent": "{{ most }}"},
        {
            "checks": "{{ ['backups'] }}",
            "sets": sets,
            "limits": {"backup_size": {"at_least_percent": 60}},
            "without": "{{ ['backup_manifest'] }}",
        },
    ]
    hosts = {
        "alone1": {"upkeep_checks_a": alone},
        "together1": {"upkeep_checks_a": together, "most": 95},
    }

    _said, given = run(folder, hosts)

    first, second = (found(given[name]) for name in ("alone1", "together1"))
    assert first == second
    results = {(one[1], one[3].value) for one in first if one[0] == "result"}
    assert ("backup_size", "fail") in results
    assert {check for check, _status in results} >= {"backup_fresh", "disk_space", "disk_inodes"}


@pytest.mark.parametrize(
    ("entry", "version", "said"),
    [
        ({"checks": "{{ 'backpus' }}"}, "0.1.0",
         "there is no check and no family 'backpus'; did you mean 'backups'?"),
        ({"checks": "{{ 'backups' }}"}, "0.1.0", "check backup_fresh needs sets; set it, or leave"),
        ("disk_space", "{{ '99.' ~ '0.0' }}", "upkeep_family_version: found '99.0.0'; this program is"),
    ],
    ids=["a family", "what it needs", "a release"],
)  # fmt: skip
def test_what_only_ansible_resolves_is_refused_with_its_place(
    folder: Path, entry: Any, version: str, said: str
) -> None:
    told, given = run(folder, {"web1": {"upkeep_checks_a": [entry]}}, upkeep_family_version=version)

    assert said in given["web1"].message
    assert f"{folder}/site/inventory/hosts.yml:" in given["web1"].message
    assert said.split(";")[0] in " ".join(told.split())
