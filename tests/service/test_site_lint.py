"""`schedule lint` and `doctor` on real sites: what `init` writes, and what would only be noticed at night."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import warm
import yaml

from upkeep.model import clock
from upkeep.model.verdicts import Severity
from upkeep.rules.waivers import WaiverScope
from upkeep.services.inventory_lint import disagreements, inventory_of
from upkeep.site.init import write_site
from upkeep.site.inventory import read_inventory, read_static
from upkeep.site.site import definitions, load_site
from upkeep.store import open_store, silences, waivers
from upkeep.store.silences import NewSilence

SITES = Path(__file__).parents[2] / "inventory"
SAMPLE = re.compile(r"^( *)#(?! \S)", re.MULTILINE)
"""A sample begins with a # without a blank; what is told to people has one."""
LOCAL = {"ansible_connection": "local"}
TOLD = {
    "teams": {"ops": {"title": "Ops", "channels": ["chat"]}},
    "channels": {"chat": {"url_from": "UPKEEP_CHANNEL_CHAT"}},
}
ADDRESS = {"UPKEEP_CHANNEL_CHAT": "json://chat.example/"}


def upkeep(*words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return warm.run([*words, "--json"], env={**os.environ, **environ})


def remarks(site: Path) -> list[dict[str, Any]]:
    return list(json.loads(upkeep("schedule", "lint", "-i", str(site)).stdout)["remarks"])


def lines(site: Path, **environ: str) -> list[tuple[str, str, str]]:
    """Return topic, text and next step of what doctor says of the controller but that it is well."""
    document = json.loads(upkeep("doctor", "-i", str(site), **environ).stdout)
    found = [one for one in document["lines"] if one["host"] == "controller"]
    return [
        (one["topic"], one["text"].replace(f"{site}/", ""), one["remedy"])
        for one in found
        if one["status"] != "ok" and one["topic"] not in ("terminal", "workspace")
    ]


def made(folder: Path, files: Mapping[str, Any], schedule: Mapping[str, Any] | None = None) -> Path:
    """Write a site; return its folder."""
    daily = {"procedures": {"daily": {"title": "Daily", "owner": "ops"}}, **TOLD}
    for name, value in {"schedule.yml": {**daily, **(schedule or {})}, **files}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        text = value if isinstance(value, str) else yaml.safe_dump(value, sort_keys=False)
        path.write_text(text)
        path.chmod(0o755 if text.startswith("#!") else 0o644)
    (folder / "upkeep.toml").write_text('state = "state"\n')
    return folder


# --- a new site ------------------------------------------------------------------------------------------------------
def test_a_new_site_is_told_what_is_missing_and_what_to_paste(tmp_path: Path) -> None:
    site = tmp_path / "my site"
    write_site(site)

    found = {one["kind"]: one for one in remarks(site)}

    assert set(found) == {"no owner", "nobody is told", "no host"}
    assert found["no host"]["text"] == "the inventory has no host, so nothing is checked"
    assert all(one["place"].startswith(str(site)) for one in found.values())
    subprocess.run(["sh", "-c", found["nobody is told"]["remedy"]], check=True)
    hosts = site / "inventory" / "hosts.yml"
    hosts.write_text(hosts.read_text().replace("all:\n", "all:\n  hosts: {web1: {}}\n"))
    text = (site / "schedule.yml").read_text()
    (site / "schedule.yml").write_text(text.replace("#owner: operations", "owner: operations"))
    assert remarks(site) == []


def test_doctor_says_the_same_of_a_new_site(tmp_path: Path) -> None:
    site = tmp_path / "site"
    write_site(site)

    found = lines(site, UPKEEP_STATE=str(tmp_path / "state"))
    assert [topic for topic, _text, _remedy in found] == ["nobody is told", "inventory"]


def test_a_new_site_names_nothing_that_is_not_there(tmp_path: Path) -> None:
    write_site(tmp_path / "site")

    site = load_site(str(tmp_path / "site"))

    assert read_inventory(str(site.inventory)) == {}
    said = {one.variable for one in definitions(Path(site.inventory))}
    of_ansible = {"ansible_user", "ansible_become"}
    assert said == of_ansible | {"upkeep_checks_base", "upkeep_family_version"}
    for path in (tmp_path / "site").rglob("*.yml"):
        plain = "\n".join(one.partition("#")[0] for one in path.read_text().splitlines())
        assert "example.org" not in plain


def test_the_samples_of_a_new_site_are_right(tmp_path: Path) -> None:
    site = tmp_path / "site"
    write_site(site)
    for path in site.rglob("*.yml"):
        path.write_text(SAMPLE.sub(r"\1", path.read_text()))

    loaded = load_site(str(site))

    assert set(read_inventory(str(loaded.inventory))) == {"web1", "db1", "backup1"}
    asked = {one.variable for one in definitions(Path(loaded.inventory))}
    assert {f"upkeep_checks_{one}" for one in ("base", "web", "database", "backup")} <= asked
    assert loaded.schedule.procedures["daily"].owner == "operations"
    assert remarks(site) == []


@pytest.mark.parametrize("name", ["astral", "bakery"])
def test_the_sites_of_the_project_have_no_remarks(name: str) -> None:
    assert remarks(SITES / name) == []


# --- patterns --------------------------------------------------------------------------------------------------------
INI = "[web]\nweb[01:03]\n[database]\ndb1 upkeep_environment=staging\n"
SCRIPT = f"#!/bin/sh\necho '{json.dumps({'web': {'hosts': ['web1']}, '_meta': {'hostvars': {'web1': LOCAL}}})}'\n"
PATTERNS = {
    "procedures": {
        "one": {"title": "One", "owner": "ops", "hosts": "wbe"},
        "two": {"title": "Two", "owner": "ops", "hosts": "web"},
    },
    "alerts": {"severities": [{"group": "wbe", "is": 1}, {"environment": "stagign", "is": 4}]},
}


@pytest.mark.parametrize(
    "files",
    [
        {"inventory/hosts.ini": INI},
        {"inventory/hosts": INI},
        {"inventory/hosts.yml": {"web": {"hosts": {"web[01:03]": {}}}, "database": {"hosts": {"db1": {"upkeep_environment": "staging"}}}}},
        {"inventory/a.yml": {"web": {"hosts": {"web1": {}}}}, "inventory/b.ini": "[database]\ndb1\n",
         "inventory/group_vars/database.yml": {"upkeep_environment": "staging"}},
    ],
    ids=["INI", "without a suffix", "ranges", "several files"],
)  # fmt: skip
def test_lint_reads_files_of_hosts(tmp_path: Path, files: dict[str, Any]) -> None:
    site = made(tmp_path / "site", files, PATTERNS)

    found = [(one["about"], one["text"], one["place"]) for one in remarks(site)]

    schedule = f"{site}/schedule.yml"
    assert found == [
        ("procedure one", "hosts: 'wbe' matches no host; did you mean 'web'?", f"{schedule}:5"),
        ("severity rule 1", "no host is in the group 'wbe'; did you mean 'web'?", f"{schedule}:20"),
        (
            "severity rule 2",
            "no host has upkeep_environment: stagign; did you mean 'staging'?",
            f"{schedule}:22",
        ),
    ]


@pytest.mark.parametrize(
    "files",
    [
        {"inventory/cloud.sh": SCRIPT},
        {"inventory/cloud.sh": SCRIPT, "inventory/hosts.yml": {"all": {"hosts": {"web2": LOCAL}}}},
        {"inventory/hosts.yml": {"all": {"hosts": {"web1": LOCAL}}},
         "inventory/z.yml": {"plugin": "ansible.builtin.constructed", "groups": {"web": "inventory_hostname == 'web1'"}}},
        {"inventory/hosts.yml": {"web": {"hosts": {"web1": LOCAL}}}, "ansible.cfg": "[inventory]\nenable_plugins = yaml\n"},
    ],
    ids=["a script", "a script and a file", "a plugin's file", "an ansible.cfg"],
)  # fmt: skip
def test_what_only_a_run_reads_is_doctors(tmp_path: Path, files: dict[str, Any]) -> None:
    site = made(tmp_path / "site", files, PATTERNS)
    assert read_static(site / "inventory") is None

    done = upkeep("schedule", "lint", "-i", str(site))

    assert json.loads(done.stdout)["remarks"] == []
    assert done.stderr.endswith(f"is told by: upkeep doctor -i {site}\n")
    found = [(topic, text) for topic, text, _remedy in lines(site, **ADDRESS)]
    assert found[0] == (
        "no host", "schedule.yml:5: procedure one: hosts: 'wbe' matches no host; did you mean 'web'?",
    )  # fmt: skip
    assert [topic for topic, _text in found] == ["no host"] * 3


def test_a_part_of_the_inventory_says_nothing_of_the_whole(tmp_path: Path) -> None:
    files = {"inventory/hosts.yml": {"web": {"hosts": {"web1": LOCAL}}}}
    site = made(tmp_path / "site", files, {"procedures": {"one": {"title": "One", "hosts": "db"}}})

    done = upkeep("doctor", "-i", str(site), "--limit", "web1")

    assert "no host" not in {one["topic"] for one in json.loads(done.stdout)["lines"]}


def test_doctor_says_which_silences_and_waivers_cover_no_host(tmp_path: Path) -> None:
    hosts = {"inventory/hosts.yml": {"all": {"hosts": {"web1": LOCAL}}}}
    site = made(tmp_path / "site", hosts)
    loaded, now = load_site(str(site)), clock.now()
    ends = now + timedelta(days=1)
    store = open_store(loaded.settings.database_url)
    with store.begin() as db:
        for host in ("wbe*", "web*", "controller"):
            silences.add(
                db, loaded.key, NewSilence(check="disk_space", host=host, severity=2, reason="known", by="ann",
                at=now, begins=now, ends=ends),
            )  # fmt: skip
        for host in ("web1", "web2"):
            scope = WaiverScope("disk_space", host, "/", Severity.HIGH)
            waivers.request(db, loaded.key, scope, "known", ends, by="ann", now=now)
    store.close()

    assert lines(site, **ADDRESS) == [
        ("no host", "silence 1: its hosts 'wbe*' match no host of the inventory; did you mean 'web1'?",
         f"upkeep silence end 1 -i {site}"),
        ("no host", "waiver 2: its hosts 'web2' match no host of the inventory; did you mean 'web1'?",
         f"upkeep waiver revoke 2 --reason 'it covers no host' -i {site}"),
    ]  # fmt: skip


def test_doctor_says_which_channels_have_no_address(tmp_path: Path) -> None:
    site = made(tmp_path / "site", {"inventory/hosts.yml": {"all": {"hosts": {"web1": LOCAL}}}})

    assert lines(site, UPKEEP_CHANNEL_CAHT="json://chat.example/?token=secret") == [
        ("no address", "schedule.yml:12: channel chat: the variable UPKEEP_CHANNEL_CHAT is not set here; did you mean 'UPKEEP_CHANNEL_CAHT'?",
         f"upkeep alert test chat -i {site}  # once UPKEEP_CHANNEL_CHAT is set in /etc/upkeep/environment, or in this shell"),
    ]  # fmt: skip
    assert lines(site, **ADDRESS) == []


# --- which group holds -----------------------------------------------------------------------------------------------
TREE = {
    "all": {
        "children": {
            "outer": {"children": {"a": {"hosts": {"web1": {}}}}},
            "b": {"hosts": {"web1": {}}},
        }
    }
}
"""web1 is in a, deeper, and in b."""


def inline(group: str, **variables: Any) -> str:
    """Return a file of hosts that says variables of a group."""
    return yaml.safe_dump({group: {"vars": variables}})


@pytest.mark.parametrize(
    "files",
    [
        {"group_vars/a.yml": "upkeep_at_once: 1\n", "group_vars/b.yml": "upkeep_at_once: 2\n"},
        {"group_vars/outer.yml": "upkeep_at_once: 1\n", "group_vars/b.yml": "upkeep_at_once: 2\n"},
        {"x.yml": inline("a", upkeep_at_once=1), "group_vars/b.yml": "upkeep_at_once: 2\n"},
        {"x.yml": inline("a", upkeep_at_once=1), "group_vars/all.yml": "upkeep_at_once: 2\n"},
        {"x.yml": inline("b", upkeep_at_once=1, ansible_group_priority=7), "y.yml": inline("outer", upkeep_at_once=2)},
        {"x.yml": inline("b", upkeep_at_once=1), "y.yml": inline("outer", upkeep_at_once=2)},
        {"x.yml": inline("b", upkeep_at_once=1), "y.yml": inline("b", upkeep_at_once=2)},
        {"group_vars/b/x.yml": "upkeep_at_once: 1\n", "group_vars/b/y.yml": "upkeep_at_once: 2\n"},
    ],
    ids=["depth", "names", "a file of hosts", "all in group_vars", "a priority", "names among the hosts",
         "two files of hosts", "two files of a group"],
)  # fmt: skip
def test_the_group_that_holds_is_the_one_whose_value_ansible_gives(
    tmp_path: Path, files: dict[str, str]
) -> None:
    folder = made(tmp_path, {"inventory/hosts.yml": TREE, **{f"inventory/{name}": text for name, text in files.items()}}) / "inventory"  # fmt: skip
    listing = read_static(folder)
    assert listing is not None

    (found,) = disagreements(inventory_of(folder, listing, tuple(definitions(folder))))

    given = read_inventory(str(folder))["web1"]["upkeep_at_once"]
    said = re.search(r"web1: group (\w+) says (\d)", found.text)
    assert said is not None
    assert int(said[2]) == given
    assert found.text.endswith(f"the value of {said[1]} is used")
