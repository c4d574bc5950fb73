"""Which hosts a pattern matches: the same as Ansible says."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader

from upkeep.site.host_groups import Groups, groups_of, is_opaque, matching, unmatched

TREE: dict[str, Any] = {
    "all": {"children": ["ungrouped", "production", "edge", "empty"]},
    "production": {"children": ["web", "database"]},
    "web": {"hosts": ["web1", "web2", "web10"]},
    "database": {"hosts": ["db1", "web2"]},
    "edge": {"hosts": ["probe.example.org"]},
    "ungrouped": {"hosts": ["lonely"]},
    "_meta": {"hostvars": {}},
}
PATTERNS = (
    "all", "*", "web", "web:database", "web,database", "web:&database", "web:!database", "all:!web", "!web", "&web",
    "web:&edge", "wbe", "web:databse", "web*", "web?", "*.example.org", "probe.example.org", "~web1.*", "~(web|db)1$",
    "web[0]", "web[-1]", "web[1:]", "web[0:1]", "web[7]", "web[5:9]", "web[0:1]:edge", "empty", "production:&web[0]",
    "ungrouped", "lonely", "localhost", "127.0.0.1", "::1", "web1:2222", "d*", "[dw]*1", " web , edge ", "web::edge",
    "al*", "web,!web1", "~[",
)  # fmt: skip


@pytest.fixture(scope="module")
def groups() -> Groups:
    return groups_of(TREE)


@pytest.fixture
def ansible() -> InventoryManager:
    """Ansible's own inventory of the same groups."""
    manager = InventoryManager(loader=DataLoader(), sources=None, parse=False)
    data = manager._inventory
    for name in [*TREE, "empty"]:
        if name != "_meta":
            data.add_group(name)
    for name, part in TREE.items():
        for host in part.get("hosts", ()):
            data.add_host(host)
            data.add_child(name, host)
        for child in part.get("children", ()):
            data.add_child(name, child)
    data.reconcile_inventory()
    return manager


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_pattern_matches_the_hosts_that_ansible_says(
    groups: Groups, ansible: InventoryManager, pattern: str
) -> None:
    try:
        expected = {str(one) for one in ansible.list_hosts(pattern)}
    except Exception:  # a subscript beyond the end, a regular expression that is none
        expected = set()

    assert set(matching(pattern, groups)) == expected


@pytest.mark.parametrize(
    ("pattern", "parts"),
    [
        ("web", []),
        ("web:databse", ["databse"]),
        ("web:!edg", ["edg"]),
        ("web,&empty", ["empty"]),
        ("wbe:edge:x*", ["wbe", "x*"]),
        ("localhost", []),
        ("web[7]", ["web[7]"]),
    ],
)
def test_parts_that_match_nothing_are_named(groups: Groups, pattern: str, parts: list[str]) -> None:
    assert unmatched(pattern, groups) == parts


@pytest.mark.parametrize("pattern", ["@hosts.txt", "{{ here }}", "web:{{ here }}"])
def test_what_is_known_only_when_it_is_used(pattern: str) -> None:
    assert is_opaque(pattern)


def test_groups_within_groups(groups: Groups) -> None:
    assert [groups.depth(one) for one in ("all", "production", "web", "nowhere")] == [0, 1, 2, 0]
    assert groups.holds("all", "web")
    assert groups.holds("production", "web")
    assert not groups.holds("web", "production")
    assert groups.members["production"] == ("web1", "web2", "web10", "db1")
    assert groups.members["empty"] == ()


def test_an_inventory_without_hosts() -> None:
    assert groups_of({"all": {"children": ["ungrouped"]}}).hosts == ()
    assert groups_of({}).members == {"all": ()}
