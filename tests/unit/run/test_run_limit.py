"""Which hosts a run may reach: those of the limit that are the procedure's, whatever its playbook says."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upkeep.model.errors import StoreError, UsageError
from upkeep.run import agent

SITES = "/srv/site/playbooks/own.yml"


def task(hosts: str, limit: str, playbook: str = SITES) -> agent.Task:
    return agent.Task("own", "Own", playbook, "/srv/site/inventory", hosts=hosts, limit=limit)


@pytest.mark.parametrize(
    ("hosts", "limit", "together"),
    [
        ("all", "", ""),
        ("all", "web1", "web1"),
        ("web", "", "web"),
        ("web:!web3", "", "web:!web3"),
        ("web", "web1", "web1:&web"),
        ("web", "web1,web2", "web1,web2,&web"),
        ("web", "web1:web2", "web1:web2:&web"),
        ("web", "@/tmp/names", "@/tmp/names,&web"),
        ("web", "db,@/tmp/names", "db,@/tmp/names,&web"),
        ("web:!web3", "web1", "web:!web3:&web1"),
        ("web,db", "web1", "web,db,&web1"),
    ],
)
def test_a_sites_own_playbook_reaches_no_other_hosts(hosts: str, limit: str, together: str) -> None:
    assert agent._limit(task(hosts, limit)) == together


def test_our_own_playbooks_ask_for_the_procedures_hosts_themselves() -> None:
    assert agent._limit(task("web", "web1", "astral.upkeep.daily")) == "web1"


@pytest.mark.parametrize("limit", ["a,b", "a:!b", "@/tmp/names"])
def test_what_cannot_be_put_together_is_refused(limit: str) -> None:
    with pytest.raises(UsageError, match="cannot be combined"):
        agent._limit(task("web:!web3", limit))


NAMES = st.lists(st.sampled_from(["a", "b", "c", "d"]), min_size=1, unique=True)


@given(NAMES, NAMES, st.sampled_from([",", ":"]))
def test_ansible_takes_it_as_what_both_have(hosts: list[str], limit: list[str], sign: str) -> None:
    from ansible.inventory.data import InventoryData
    from ansible.inventory.manager import InventoryManager

    try:
        together = agent._limit(task(sign.join(hosts), sign.join(limit)))
    except UsageError:
        assert len(hosts) > 1
        assert len(limit) > 1
        return
    manager = InventoryManager.__new__(InventoryManager)
    manager._inventory = InventoryData()
    manager._restriction = manager._subset = None
    manager._hosts_patterns_cache, manager._pattern_cache = {}, {}
    for name in "abcd":
        manager._inventory.add_host(name)
    manager._inventory.reconcile_inventory()

    assert {str(one) for one in manager.get_hosts(together)} == set(hosts) & set(limit)


def test_a_workspace_that_is_full_is_told_before_anything_has_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_args: Any, **_options: Any) -> str:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(agent.tempfile, "mkdtemp", full)
    store: Any = None
    progress: Any = None
    with pytest.raises(StoreError, match="No space left on device") as caught:
        agent.run(task("all", ""), store, tmp_path / "work", progress)
    assert caught.value.remedy.startswith("free space there")
