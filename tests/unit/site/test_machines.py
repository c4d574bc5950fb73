"""Names of an inventory that lead to one machine."""

from __future__ import annotations

from typing import Any

import pytest

from upkeep.site.machines import machines, resolve, turns, twins

JUMP = {"ansible_ssh_common_args": "-J gate"}


@pytest.mark.parametrize(
    ("hosts", "expected"),
    [
        ({"a": {}, "b": {}}, {}),
        ({"a": {"ansible_host": "192.0.2.1"}, "b": {"ansible_host": "192.0.2.1"}}, {"b": "a"}),
        ({"192.0.2.1": {}, "b": {"ansible_ssh_host": "192.0.2.1"}}, {"b": "192.0.2.1"}),
        ({"a": {"ansible_host": "192.0.2.1"}, "b": {"ansible_host": "192.0.2.1", "ansible_port": 22}}, {"b": "a"}),
        ({"a": {"ansible_host": "192.0.2.1"}, "b": {"ansible_host": "192.0.2.1", "ansible_port": 2222}}, {}),
        ({"a": {"ansible_host": "192.0.2.1"}, "b": {"ansible_host": "192.0.2.1", **JUMP}}, {}),
        ({"a": {"ansible_host": "192.0.2.1", **JUMP}, "b": {"ansible_host": "192.0.2.1", **JUMP}}, {"b": "a"}),
        ({"a": {"ansible_host": "2001:db8::1"}, "b": {"ansible_host": "2001:DB8::1"}}, {"b": "a"}),
        ({"a": {"ip": "192.0.2.1", "ansible_host": "{{ ip }}"}, "b": {"ansible_host": "192.0.2.1"}}, {"b": "a"}),
        # What only Ansible can resolve is nobody's twin.
        ({"a": {"ansible_host": "{{ lookup('x') }}"}, "b": {"ansible_host": "{{ lookup('x') }}"}}, {}),
        ({"a": {"ansible_connection": "local"}, "b": {"ansible_connection": "local"}, "c": {}}, {"b": "a"}),
        ({"a": {"ansible_host": "192.0.2.1", "ansible_connection": "winrm"}, "b": {"ansible_host": "192.0.2.1"}}, {}),
        ({"a": {"ansible_host": "localhost"}, "b": {"ansible_host": "LOCALHOST"}}, {"b": "a"}),
        ({one: {"ansible_host": "192.0.2.9"} for one in "dcba"}, {"c": "d", "b": "d", "a": "d"}),
    ],
)  # fmt: skip
def test_who_is_whose_twin(hosts: dict[str, dict[str, Any]], expected: dict[str, str]) -> None:
    assert twins(hosts, machines(hosts)) == expected


def test_a_name_and_its_address_are_one() -> None:
    (address,) = resolve(["localhost"]).values()
    if " " not in address:  # one family only
        assert twins(["a", "localhost"], machines({"a": {"ansible_host": address}, "localhost": {}})) == {"localhost": "a"}  # fmt: skip
    assert resolve(["192.0.2.1", "2001:db8::1"]) == {}


def test_a_name_that_nobody_knows_stays_a_name() -> None:
    assert resolve(["no-such-name.invalid"]) == {}
    assert twins(["a", "b"], machines({"a": {"ansible_host": "no-such.invalid"}, "b": {"ansible_host": "no-such.invalid"}})) == {"b": "a"}  # fmt: skip


@pytest.mark.parametrize(
    ("addresses", "expected"),
    [
        ({}, []),
        ({"a": "1", "b": "2"}, [["a", "b"]]),
        ({"a": "1", "b": "1", "c": "2"}, [["a", "c"], ["b"]]),
        ({"a": "1", "b": "1", "c": "1", "d": "2", "e": "2"}, [["a", "d"], ["b", "e"], ["c"]]),
        ({"a": "1", "b": "{{ lookup('x') }}", "c": "1"}, [["a", "b"], ["c"]]),
    ],
)
def test_in_each_turn_a_machine_is_once(
    addresses: dict[str, str], expected: list[list[str]]
) -> None:
    hosts = {
        name: {"ansible_host": f"192.0.2.{end}" if end.isdigit() else end}
        for name, end in addresses.items()
    }

    assert turns(hosts, machines(hosts)) == expected
