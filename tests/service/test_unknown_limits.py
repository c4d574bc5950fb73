"""A limit of names that the inventory does not have is refused, with the nearest; whatever may match is left to Ansible."""

from __future__ import annotations

from pathlib import Path

import pytest

from upkeep.model.errors import UsageError
from upkeep.site.host_limit import refuse_unknown

HOSTS = """
all:
  children:
    web: {hosts: {web2: , web10: }}
    database: {hosts: {db1: }}
    empty: {}
"""


@pytest.fixture(scope="module")
def inventory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site") / "inventory"
    folder.mkdir()
    (folder / "hosts.yml").write_text(HOSTS, encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("limit", "said"),
    [
        ("nohost", "--limit: no host matches 'nohost'"),
        ("web3", "--limit: no host matches 'web3'; did you mean 'web2'?"),
        ("databse", "--limit: no host matches 'databse'; did you mean 'database'?"),
        ("web3,web4", "--limit: no host matches 'web3,web4'; did you mean 'web2'?"),
    ],
)
def test_names_that_are_not_there_are_refused(inventory: Path, limit: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        refuse_unknown(limit, inventory)

    assert str(caught.value) == said
    assert caught.value.remedy == "the inventory has db1, web2, web10"


@pytest.mark.parametrize(
    "limit",
    ["", "web2", "web", "all", "empty", "localhost", "web3,web2", "web*", "web[2:3]", "!web2", "web3:&web", "@hosts.txt", "~web.*"],
)  # fmt: skip
def test_what_may_match_is_left_to_ansible(inventory: Path, limit: str) -> None:
    refuse_unknown(limit, inventory)


def test_an_inventory_that_only_a_run_can_read_is_left_to_ansible(tmp_path: Path) -> None:
    script = tmp_path / "inventory"
    script.write_text("#!/bin/sh\necho '{}'\n", encoding="utf-8")
    script.chmod(0o700)

    refuse_unknown("nohost", script)
    refuse_unknown("nohost", tmp_path / "web1,web2,")
