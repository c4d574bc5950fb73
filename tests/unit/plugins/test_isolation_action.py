"""What the controller has against an isolation, before anything is sent to a host."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.astral.upkeep.plugins.action.isolation import ActionModule
from ansible_collections.astral.upkeep.plugins.plugin_utils.second_connection import (
    UNSHARED,
    beside,
)


def action(transport: str = "ssh", hosts: tuple[str, ...] = ("a",), *, check: bool = False) -> Any:
    """Return the action of a play, without a connection that is open."""
    made = ActionModule.__new__(ActionModule)
    options = {"ssh_args": "-o ControlPersist=60s", "host": "192.0.2.1", "reconnection_retries": 3}
    made._connection = SimpleNamespace(
        transport=transport, _options=options, _shell=SimpleNamespace(), become=None
    )
    made._task = SimpleNamespace(check_mode=check)
    made._variables = {"ansible_play_hosts_all": list(hosts)}
    return made


@pytest.mark.parametrize(
    ("hosts", "given", "ids"),
    [
        (("a",), {"confirm": "a"}, []),
        (("a", "b"), {"confirm": "b, a"}, []),
        (("a",), {}, ["unconfirmed"]),
        (("a",), {"confirm": "b"}, ["unconfirmed"]),
        # Hosts that have come into the group since somebody has looked, and those that have gone.
        (("a", "b"), {"confirm": "a"}, ["unconfirmed"]),
        (("a",), {"confirm": "a,b"}, ["unconfirmed"]),
        (("a",), {"confirm": "all"}, ["unconfirmed"]),
        (("a", "b", "c"), {"confirm": "a,b,c"}, []),
        (("a", "b", "c", "d"), {"confirm": "a,b,c,d"}, ["too_many_hosts"]),
        (("a", "b"), {"confirm": "a,b", "at_most": 1}, ["too_many_hosts"]),
        (("a", "b"), {"confirm": "a,b", "at_most": 1, "even_if": ["too_many_hosts"]}, []),
        (("a",), {"even_if": ["unconfirmed"]}, ["unconfirmed"]),
    ],
)
def test_the_second_confirmation_and_how_many(
    hosts: tuple[str, ...], given: dict[str, Any], ids: list[str]
) -> None:
    found = action(hosts=hosts)._obstacles(given)

    assert [one["id"] for one in found if not one["overridden"]] == ids


def test_a_look_needs_no_confirmation() -> None:
    assert action(check=True)._obstacles({}) == []


@pytest.mark.parametrize(
    ("transport", "ids"),
    [("ssh", []), ("local", []), ("paramiko_ssh", ["connection"]), ("winrm", ["connection"])],
)
def test_a_connection_that_cannot_be_opened_anew(transport: str, ids: list[str]) -> None:
    found = action(transport)._obstacles({"confirm": "a", "even_if": ["connection"]})

    assert [one["id"] for one in found] == ids


def test_a_new_connection_shares_none_that_ssh_has_kept() -> None:
    first = action()
    second = beside(first, is_new=True)

    # Of each option ssh takes what it reads first.
    assert second._connection._options["ssh_args"] == f"{UNSHARED} -o ControlPersist=60s"
    assert second._connection._options["reconnection_retries"] == 0
    assert first._connection._options["ssh_args"] == "-o ControlPersist=60s"
    assert beside(first)._connection._options["ssh_args"] == "-o ControlPersist=60s"
