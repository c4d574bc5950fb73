"""What a schedule and its inventory say that cannot both be meant."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from upkeep.judging.check import load
from upkeep.services.inventory_lint import (
    KnownInventory,
    asked_sources,
    blind_entries,
    disagreements,
    environments_of,
    host_globs,
    inventory_of,
    lint,
    new_checks,
    wrong_values,
)
from upkeep.site.host_groups import groups_of
from upkeep.site.schedule_file import Schedule
from upkeep.site.site import definitions

LISTING: dict[str, Any] = {
    "all": {"children": ["ungrouped", "production", "edge", "empty"]},
    "production": {"children": ["web", "database"]},
    "web": {"hosts": ["web1", "web2"]},
    "database": {"hosts": ["db1", "web2"]},
    "edge": {"hosts": ["probe1"]},
    "_meta": {"hostvars": {"probe1": {"upkeep_environment": "staging"}}},
}
GRAPH = "ansible-inventory --graph"


def schedule(hosts: str = "all", rule: Mapping[str, Any] | None = None) -> Schedule:
    given: dict[str, Any] = {"procedures": {"daily": {"title": "Daily", "hosts": hosts}}}
    if rule:
        given["alerts"] = {"severities": [{**rule, "is": 2}]}
    return Schedule.model_validate(given)


@pytest.mark.parametrize(
    ("hosts", "texts"),
    [
        ("web", []),
        ("web:database", []),
        ("web:!edge", []),
        ("all", []),
        ("localhost", []),
        ("{{ here }}", []),
        ("wbe", ["hosts: 'wbe' matches no host; did you mean 'web'?"]),
        ("db2", ["hosts: 'db2' matches no host; did you mean 'db1'?"]),
        ("wbe:egde", ["hosts: in 'wbe:egde', 'wbe' matches no host; did you mean 'web'?",
                      "hosts: in 'wbe:egde', 'egde' matches no host; did you mean 'edge'?"]),
        ("edge:&wbe", ["hosts: 'edge:&wbe' matches no host",
                       "hosts: in 'edge:&wbe', 'wbe' matches no host; did you mean 'web'?"]),
        ("empty", ["hosts: 'empty' matches no host: the group is empty"]),
        ("web:&edge", ["hosts: 'web:&edge' matches no host"]),
        ("web:databse", ["hosts: in 'web:databse', 'databse' matches no host; did you mean 'database'?"]),
        ("all:!egde", ["hosts: in 'all:!egde', 'egde' matches no host; did you mean 'edge'?"]),
    ],
)  # fmt: skip
def test_a_procedures_pattern(hosts: str, texts: list[str]) -> None:
    found = lint(schedule(hosts), KnownInventory(groups_of(LISTING), graph=GRAPH))

    assert [
        one.text.replace("did you mean 'web1'", "did you mean 'web2'") for one in found
    ] == texts
    assert {(one.about, one.kind, one.remedy, one.key) for one in found} <= {
        ("procedure daily", "no host", GRAPH, ("procedures", "daily", "hosts"))
    }


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        ({"group": "web"}, None),
        ({"environment": "staging"}, None),
        ({"check": "disk_*"}, None),
        ({"group": "wbe"}, "no host is in the group 'wbe'; did you mean 'web'?"),
        ({"group": "empty"}, "no host is in the group 'empty': the group is empty"),
        ({"environment": "stagign"},
         "no host has upkeep_environment: stagign; did you mean 'staging'?"),
    ],
    ids=str,
)  # fmt: skip
def test_a_severity_rules_hosts(rule: dict[str, Any], text: str | None) -> None:
    found = lint(schedule("all", rule), inventory_of(Path("inventory"), LISTING, ()))

    assert [one.text for one in found] == ([text] if text else [])


def test_an_environment_that_a_template_gives_is_not_guessed() -> None:
    assert environments_of(["staging", "{{ stage }}"]) is None
    inventory = KnownInventory(groups_of(LISTING), environments=None)
    assert lint(schedule("all", {"environment": "nowhere"}), inventory) == []


def test_an_inventory_without_hosts_is_one_remark() -> None:
    inventory = KnownInventory(
        groups_of({"all": {"children": ["ungrouped"]}}), path="site/inventory"
    )

    (found,) = lint(schedule("web", {"group": "web"}), inventory)

    assert (found.about, found.place) == ("inventory", "site/inventory")


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("web1", None),
        ("web*", None),
        ("*", None),
        ("controller", None),
        ("wbe1", "its hosts 'wbe1' match no host of the inventory; did you mean 'web1'?"),
        ("x*", "its hosts 'x*' match no host of the inventory"),
    ],
)
def test_what_a_silence_or_a_waiver_covers(pattern: str, text: str | None) -> None:
    found = host_globs([("silence 3", pattern, "end it")], ["web1", "db1", "controller"])

    assert [(one.about, one.text) for one in found] == ([("silence 3", text)] if text else [])


# --- groups ----------------------------------------------------------------------------------------------------------
def inventory(
    folder: Path, files: Mapping[str, Any], listing: Mapping[str, Any] = LISTING
) -> KnownInventory:
    for name, value in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(value if isinstance(value, str) else yaml.safe_dump(value, sort_keys=False))
    return inventory_of(folder, listing, tuple(definitions(folder)))


A, B = ["disk_space", "swap_used"], ["disk_space"]
AT_ONCE = "upkeep_at_once"


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"group_vars/web.yml": {AT_ONCE: 1}, "group_vars/database.yml": {AT_ONCE: 1}}, []),
        ({"group_vars/web.yml": {AT_ONCE: 1}, "group_vars/edge.yml": {AT_ONCE: 2}}, []),
        ({"group_vars/web.yml": {AT_ONCE: 1}, "group_vars/database.yml": {AT_ONCE: 2}},
         [("web2", "web", "database")]),
        ({"group_vars/web.yml": {AT_ONCE: 1}, "group_vars/database.yml": {AT_ONCE: 2}, "host_vars/web2.yml": {AT_ONCE: 3}},
         []),
        ({"group_vars/all.yml": {AT_ONCE: 1}, "group_vars/web.yml": {AT_ONCE: 2}}, []),
        ({"group_vars/web.yml": {"upkeep_checks_a": A}, "group_vars/database.yml": {"upkeep_checks_a": B}},
         [("web2", "web", "database")]),
        ({"group_vars/all.yml": {"upkeep_checks_a": A}, "group_vars/web.yml": {"upkeep_checks_a": B}},
         [("web1, web2", "web", "all")]),
        ({"group_vars/all.yml": {"upkeep_checks_a": B}, "group_vars/web.yml": {"upkeep_checks_a": A}}, []),
        ({"group_vars/all.yml": {"upkeep_checks_a": A}, "group_vars/web.yml": {"upkeep_checks_a": []}}, []),
        ({"group_vars/all.yml": {"upkeep_checks_a": A}, "group_vars/web.yml": {"upkeep_checks_b": B}}, []),
        ({"group_vars/all.yml": {"other": 1}, "group_vars/web.yml": {"other": 2}}, []),
        ({"group_vars/edge/a.yml": {AT_ONCE: 1}, "group_vars/edge/b.yml": {AT_ONCE: 2}},
         [("probe1", "edge", "edge")]),
        ({"hosts.yml": {"web": {"vars": {"upkeep_checks_a": A}}}, "group_vars/all.yml": {"upkeep_checks_a": B}},
         [("web1, web2", "all", "web")]),
        ({"hosts.yml": {"web": {"vars": {AT_ONCE: 1, "ansible_group_priority": 9}}, "database": {"vars": {AT_ONCE: 2}}}},
         [("web2", "web", "database")]),
        ({"hosts.yml": {"web": {"vars": {AT_ONCE: 1}, "hosts": {"web2": {AT_ONCE: 5}}}, "database": {"vars": {AT_ONCE: 2}}}},
         []),
    ],
    ids=["the same", "of other hosts", "of one host", "the host says it", "a group within another", "lists",
         "a list within another", "a longer list", "none on purpose", "lists of two names", "a variable of the site's",
         "two files of a group", "the outer one holds", "a priority", "the host says it among the hosts"],
)  # fmt: skip
def test_groups_that_disagree(
    tmp_path: Path, files: dict[str, Any], said: list[tuple[str, str, str]]
) -> None:
    found = list(disagreements(inventory(tmp_path, files)))

    assert [
        (one.text.partition(":")[0], holds_of(one.text), other_of(one.text)) for one in found
    ] == said


def holds_of(text: str) -> str:
    return text.rpartition("the value of ")[2].partition(" ")[0]


def other_of(text: str) -> str:
    return text.partition("and group ")[2].partition(" ")[0]


@pytest.mark.parametrize(
    ("given", "effective", "holds"),
    [
        ({}, False, ["web"]),
        ({AT_ONCE: 5}, False, []),
        ({AT_ONCE: 2}, False, ["web"]),
        ({AT_ONCE: 5}, True, []),
        ({AT_ONCE: 1}, True, ["web"]),
        ({AT_ONCE: 2}, True, ["database"]),
    ],
    ids=["nothing", "a file that is not YAML", "one of the two, with more to come", "something else, in a run",
         "the one that holds", "the other one, in a run"],
)  # fmt: skip
def test_what_was_listed_of_the_host_is_believed(
    tmp_path: Path, given: dict[str, Any], effective: bool, holds: list[str]
) -> None:
    files = {"group_vars/web.yml": {AT_ONCE: 1}, "group_vars/database.yml": {AT_ONCE: 2}}
    known = replace(inventory(tmp_path, files), given={"web2": given}, effective=effective)

    assert [holds_of(one.text) for one in disagreements(known)] == holds


@pytest.mark.parametrize("name", ["database", "database.json", "database/more", "database/x.json"])
def test_files_of_variables_by_all_names_that_ansible_reads(tmp_path: Path, name: str) -> None:
    files = {"group_vars/web.yml": {AT_ONCE: 1}, f"group_vars/{name}": json.dumps({AT_ONCE: 2})}

    (found,) = disagreements(inventory(tmp_path, files))

    assert found.place == f"{tmp_path}/group_vars/{name}:1"


def test_what_is_no_file_of_variables_is_passed_over(tmp_path: Path) -> None:
    files = {
        "group_vars/README": "a: b: c\n",
        "group_vars/web~": "x: 1\n",
        "group_vars/.web": "x: 1\n",
    }

    assert inventory(tmp_path, files).said == ()


def test_both_places_are_said(tmp_path: Path) -> None:
    files = {
        "group_vars/web.yml": "---\nupkeep_at_once: 1\n",
        "group_vars/database.yml": "upkeep_at_once: 2\n",
    }

    (found,) = disagreements(inventory(tmp_path, files))

    web, database = (f"{tmp_path}/group_vars/{name}" for name in ("web.yml:2", "database.yml:1"))
    assert found.text == (
        f"web2: group web says 1 at {web}, and group database 2 at {database}; "
        "by Ansible's precedence, the value of web is used"
    )
    assert (found.about, found.place) == ("upkeep_at_once", database)
    assert found.remedy == "set it in one of the two, or in host_vars/web2.yml"


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"group_vars/wbe.yml": {AT_ONCE: 1}},
         ("group wbe", "upkeep_at_once is set for the group 'wbe', and the inventory has no such group; did you mean 'web'?")),
        ({"group_vars/empty.yml": {"upkeep_checks_a": A}},
         ("group empty", "upkeep_checks_a is set for the group 'empty', and no host is in it")),
        ({"host_vars/wbe1.yml": {AT_ONCE: 1, "upkeep_checks_a": A}},
         ("host wbe1", "upkeep_at_once is set for the host 'wbe1', and the inventory has no such host; did you mean 'web1'?")),
        ({"group_vars/wbe.yml": {"other": 1}}, None),
        ({"group_vars/web.yml": {AT_ONCE: 1}, "group_vars/all/a.yml": {AT_ONCE: 1}, "host_vars/web1/a.yml": {AT_ONCE: 1}},
         None),
    ],
    ids=["a group", "an empty group", "a host", "variables of the site's", "those that are there"],
)  # fmt: skip
def test_files_for_nobody(
    tmp_path: Path, files: dict[str, Any], said: tuple[str, str] | None
) -> None:
    found = lint(schedule(), inventory(tmp_path, files))

    assert [(one.about, one.text) for one in found] == ([said] if said else [])


# --- values ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("text", "place", "said"),
    [
        ("sets:\n  - name: x\n    pahts: [/a]\nupkeep_checks_a:\n  - check: backup_fresh\n    sets: '{{ sets }}'\n",
         "web.yml:3", "check backup_fresh: sets has no key 'pahts'; did you mean 'paths'?"),
        ("one:\n  name: x\n  pahts: [/a]\nupkeep_checks_a:\n  - check: backup_fresh\n    sets: ['{{ one }}']\n",
         "web.yml:3", "check backup_fresh: sets has no key 'pahts'; did you mean 'paths'?"),
        ("all_of_them:\n  - disk_space\n  - disk_spac\nupkeep_checks_a: '{{ all_of_them }}'\n",
         "web.yml:3", "there is no check 'disk_spac'; did you mean 'disk_space'?"),
        ("sets: [{name: x}]\nupkeep_checks_a:\n  - check: backup_fresh\n    sets: \"{{ sets + [{'nmae': 'y'}] }}\"\n",
         "web.yml:4", "check backup_fresh: sets has no key 'nmae'; did you mean 'name'?"),
        ("soon: shortly\nupkeep_checks_a:\n  - check: certificate_expiry\n    renew_days: '{{ soon }}'\n",
         "web.yml:1", "renew_days: found 'shortly'; expected a number of days"),
    ],
    ids=["a name", "within a list", "a list of checks", "an expression", "a limit"],
)  # fmt: skip
def test_what_a_template_gives_is_looked_at(
    tmp_path: Path, text: str, place: str, said: str
) -> None:
    (found,) = wrong_values(inventory(tmp_path, {"group_vars/web.yml": text}).said)

    assert found.place == f"{tmp_path}/group_vars/{place}"
    assert found.text.startswith(said)
    assert found.level == "error"


@pytest.mark.parametrize(
    "text",
    [
        "sets: [{name: x}]\nupkeep_checks_a: [{check: backup_fresh, sets: '{{ sets }}'}]\n",
        "upkeep_checks_a: [{check: backup_fresh, sets: '{{ sets }}'}]\n",
        "upkeep_checks_a: [{check: backup_fresh, sets: \"{{ lookup('file', 'x') }}\"}]\n",
        "sets: {wrong: 1}\nupkeep_checks_a: [{check: backup_fresh, sets: '{{ sets | dict2items }}'}]\n",
    ],
    ids=["right", "not said", "a lookup", "a filter of Ansible's"],
)
def test_what_is_right_or_not_known_is_left_alone(tmp_path: Path, text: str) -> None:
    assert not list(wrong_values(inventory(tmp_path, {"group_vars/web.yml": text}).said))


def test_a_name_that_two_places_say_is_left_to_the_host(tmp_path: Path) -> None:
    files = {
        "group_vars/web.yml": "upkeep_checks_a: [{check: backup_fresh, sets: '{{ sets }}'}]\nsets: []\n",
        "group_vars/edge.yml": "sets: [{pahts: 1}]\n",
    }

    assert not list(wrong_values(inventory(tmp_path, files).said))


def test_what_a_template_gives_a_family_is_told_where_it_stands(tmp_path: Path) -> None:
    files = {
        "group_vars/all.yml": "backup_sets:\n  - name: shop\n    pahts: [/a]\n",
        "group_vars/web.yml": "upkeep_checks_a:\n  - checks: backups\n    sets: '{{ backup_sets }}'\n",
    }

    (found,) = wrong_values(inventory(tmp_path, files).said)

    assert found.place == f"{tmp_path}/group_vars/all.yml:3"
    assert found.text.startswith("check backup_fresh: sets has no key 'pahts'")


LATER = {
    **load(),
    "backup_size": replace(load()["backup_size"], since="0.2.0"),
    "swap_used": replace(load()["swap_used"], since="0.3.0"),
}


@pytest.mark.parametrize(
    ("said", "entry", "found"),
    [
        ("", "hosts", ["hosts: not included, because upkeep_family_version is 0.1.0: swap_used (since 0.3.0)"]),
        ("0.1.0", "hosts", ["hosts: not included, because upkeep_family_version is 0.1.0: swap_used (since 0.3.0)"]),
        ("0.2.0", "{checks: [hosts, backups]}",
         ["hosts, backups: not included, because upkeep_family_version is 0.2.0: swap_used (since 0.3.0)"]),
        ("0.1.0", "{checks: [hosts, backups], without: swap_used}",
         ["hosts, backups: not included, because upkeep_family_version is 0.1.0: backup_size (since 0.2.0)"]),
        ("0.3.0", "hosts", []),
        ("", "{checks: hosts, without: [swap_used]}", []),
        ("", "swap_used", []),
        ("", "{check: swap_used}", []),
        ("", "'{{ some }}'", []),
        ("", "{checks: hosst}", []),
    ],
)  # fmt: skip
def test_checks_that_came_after_the_chosen_release_are_named(
    tmp_path: Path, said: str, entry: str, found: list[str]
) -> None:
    files = {"group_vars/web.yml": f"upkeep_checks_a:\n  - disk_space\n  - {entry}\n"}
    if said:
        files["group_vars/all.yml"] = f"upkeep_family_version: {said}\n"

    remarks = list(new_checks(inventory(tmp_path, files).said, LATER))

    assert [one.text for one in remarks] == found
    assert all(one.place == f"{tmp_path}/group_vars/web.yml:3" for one in remarks)


def test_the_oldest_release_that_some_group_has_chosen_counts(tmp_path: Path) -> None:
    files = {
        "group_vars/all.yml": "upkeep_family_version: 0.1.0\nupkeep_checks_a: [hosts]\n",
        "group_vars/edge.yml": "upkeep_family_version: 0.3.0\n",
    }

    (found,) = new_checks(inventory(tmp_path, files).said, LATER)

    assert found.remedy == (
        "`upkeep_family_version: 0.3.0` in group_vars/all.yml asks for all of them;"
        " `without: [swap_used]` for none"
    )


@pytest.mark.parametrize(
    ("entry", "found"),
    [
        ("http_health", ["http_health without urls: it checks nothing"]),
        ("{check: http_health}", ["http_health without urls: it checks nothing"]),
        (
            "{check: http_health, timeout_seconds: 5}",
            ["http_health without urls: it checks nothing"],
        ),
        ("{check: http_health, urls: ['http://web1/']}", []),
        ("{check: http_health, urls: '{{ urls }}'}", []),
        ("{check: backup_fresh}", ["backup_fresh without sets: it checks nothing"]),
        ("disk_space", []),
        ("hosts", []),
        ("no_such_check", []),
        ("'{{ one }}'", []),
        ("7", []),
    ],
)
def test_an_entry_that_looks_at_nothing_is_told(
    entry: str, found: list[str], tmp_path: Path
) -> None:
    files = {"group_vars/web.yml": f"upkeep_checks_web:\n  - disk_space\n  - {entry}\n"}
    remarks = list(blind_entries(inventory(tmp_path, files).said, load()))

    assert [one.text for one in remarks] == found
    assert all(one.place == f"{tmp_path}/group_vars/web.yml:3" for one in remarks)


REGISTER = {"check": "register_readable", "source": "register/people", "path": "people.yml"}
LOCAL = {"ansible_connection": "local", "upkeep_controller": True, "upkeep_checks_site": [REGISTER]}


def listed(effective: bool = True, **hosts: Mapping[str, Any]) -> KnownInventory:
    listing = {"all": {"hosts": list(hosts)}, "_meta": {"hostvars": hosts}}
    return inventory_of(Path("/site/inventory"), listing, (), effective=effective)


@pytest.mark.parametrize(
    ("changes", "is_told"),
    [
        ({}, False),
        ({"upkeep_controller": "yes"}, False),
        ({"ansible_connection": "{{ how }}"}, False),
        ({"upkeep_controller": False}, True),
        ({"upkeep_controller": "maybe"}, True),
        ({"ansible_connection": "ssh"}, True),
        ({"upkeep_checks_site": ["disk_space"], "upkeep_controller": False}, False),
        ({"upkeep_checks_site": ["no_such_check"], "upkeep_controller": False}, False),
    ],
)
def test_a_host_that_cannot_look_at_a_source_is_told(
    changes: dict[str, Any], is_told: bool
) -> None:
    found = list(lint(schedule(), listed(web1={**LOCAL, **changes})))

    assert [(one.about, one.text, one.level) for one in found] == (
        [
            (
                "host web1",
                "is asked about register/people, but is not marked as the controller",
                "error",
            )
        ]
        if is_told
        else []
    )


def test_a_source_of_which_two_hosts_are_asked_is_told() -> None:
    inventory = listed(web1=LOCAL, web2=LOCAL)

    (found,) = lint(schedule(), inventory)

    assert asked_sources(inventory) == {"register/people": ["web1", "web2"]}
    assert (found.about, found.text) == (
        "source register/people",
        "is asked of web1 and web2: only the last answer of a run is kept",
    )
    assert asked_sources(listed(False, web1=LOCAL)) == {}
