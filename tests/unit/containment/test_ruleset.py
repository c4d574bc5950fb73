"""The rules of an isolated host, and what is read before they are made."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.containment.errors import (
    IsolationError,
)
from ansible_collections.astral.upkeep.plugins.module_utils.containment.others import (
    without_expiring,
)
from ansible_collections.astral.upkeep.plugins.module_utils.containment.ruleset import (
    Control,
    Openings,
    as_rows,
    families,
    is_kept,
    kept_of,
    network_of,
    port_of,
    transaction,
)

CONTROL = Control(network_of("10.0.0.10", "x"), 22, "the connection of this run")
NAME_SERVER = {"to": "10.0.0.53", "port": 53, "protocol": "udp", "why": "DNS"}
DIRECTORY = {"to": "fd00::/64", "port": 636}
PLAN = Openings(
    (CONTROL,), kept_of([NAME_SERVER, DIRECTORY]), ("eth0",), ("eth0",), own=("10.0.0.7",)
)


@pytest.mark.parametrize(
    ("text", "network"),
    [
        ("10.0.0.53", "10.0.0.53/32"),
        ("10.0.0.0/24", "10.0.0.0/24"),
        ("fd00::53", "fd00::53/128"),
        ("::ffff:10.0.0.53", "10.0.0.53/32"),
        ("fe80::1%eth0", "fe80::1/128"),
        (" 10.0.0.53 ", "10.0.0.53/32"),
    ],
)
def test_what_is_an_address(text: str, network: str) -> None:
    assert str(network_of(text, "x")) == network


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("ns.example.org", "found 'ns.example.org'; expected an address or a network"),
        ("10.0.0.53 accept; policy accept", "expected an address"),
        ("10.0.0.1/24", "expected an address"),
        ("", "expected an address"),
        (None, "expected an address"),
        ("0.0.0.0/0", "which is everybody"),
        ("::/0", "which is everybody"),
    ],
)
def test_what_is_no_address(text: Any, why: str) -> None:
    with pytest.raises(IsolationError, match=f"isolation_keep, entry 1, to: .*{why}"):
        network_of(text, "isolation_keep, entry 1, to")


@pytest.mark.parametrize("value", [0, 65536, -1, "22 accept", "", None, True, 22.5])
def test_what_is_no_port(value: Any) -> None:
    with pytest.raises(IsolationError, match="expected a port, 1 to 65535"):
        port_of(value, "port")


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        ("10.0.0.53", "entry 1: found '10.0.0.53'; expected to, port, protocol, why"),
        (
            {**NAME_SERVER, "protocol": "icmp"},
            "entry 1, protocol: found 'icmp'; expected tcp or udp",
        ),
        ({**NAME_SERVER, "port": "domain"}, "entry 1, port: found 'domain'; expected a port"),
    ],
)
def test_what_is_no_service(entry: Any, why: str) -> None:
    with pytest.raises(IsolationError, match=why):
        kept_of([entry])


def rules(family: str, chain: str, plan: Openings = PLAN) -> list[str]:
    """Return the rules of a chain."""
    text = transaction(plan).partition(f"table {family} upkeep_isolation {{\n")[2]
    body = text.partition(f"\tchain {chain} {{\n")[2].partition("\t}\n")[0]
    return [line.strip() for line in body.splitlines()]


def test_who_comes_in() -> None:
    found = rules("inet", "input")

    assert found[0] == "type filter hook input priority -310; policy drop;"
    assert [one for one in found if "10.0.0" in one or "fd00" in one] == [
        "ip saddr 10.0.0.10 tcp dport 22 accept",
        "ip saddr 10.0.0.53 udp sport 53 ct state established accept",
        "ip6 saddr fd00::/64 tcp sport 636 tcp flags & (syn | ack) != syn accept",
    ]
    assert found[-1] == "counter"


def test_who_is_answered_and_asked() -> None:
    found = rules("inet", "output")

    assert found[0] == "type filter hook output priority -310; policy drop;"
    assert [one for one in found if "10.0.0" in one or "fd00" in one] == [
        "ip daddr 10.0.0.10 tcp sport 22 tcp flags & (syn | ack) != syn accept",
        "ip daddr 10.0.0.53 udp dport 53 accept",
        "ip6 daddr fd00::/64 tcp dport 636 accept",
    ]
    assert found[-2:] == ["meta l4proto tcp counter reject with tcp reset", "counter"]


@pytest.mark.parametrize("family", ["inet", "bridge"])
def test_nothing_is_forwarded(family: str) -> None:
    head = "type filter hook forward priority -310; policy drop;"
    assert rules(family, "forward") == [head, "counter"]


def test_no_rule_lets_established_connections_go_on_whosever_they_are() -> None:
    found = [one for one in transaction(PLAN).splitlines() if "ct state" in one]

    assert len(found) == 3
    assert not any("established" in one and "saddr" not in one for one in found)
    assert not any("related" in one and "icmp" not in one for one in found)


def test_a_device_is_filtered_by_addresses() -> None:
    found = rules("netdev", "ingress_1")

    assert found[0] == 'type filter hook ingress device "eth0" priority -510; policy drop;'
    assert "ip saddr 10.0.0.10 accept" in found
    assert "ip6 saddr fd00::/64 accept" in found
    assert "ip daddr 10.0.0.53 accept" in rules("netdev", "egress_1")


@pytest.mark.parametrize(
    ("hooks", "devices", "expected"),
    [
        (("inet", "bridge", "ingress", "egress"), ("eth0",), ("inet", "bridge", "netdev")),
        (("inet", "bridge", "ingress"), ("eth0",), ("inet", "bridge", "netdev")),
        (("inet", "ingress"), (), ("inet",)),
        (("inet",), ("eth0",), ("inet",)),
        # A name that could mean something to nft.
        (("inet", "ingress"), ('e"; }',), ("inet",)),
    ],
)
def test_only_what_the_kernel_has(
    hooks: tuple[str, ...], devices: tuple[str, ...], expected: tuple[str, ...]
) -> None:
    plan = Openings((CONTROL,), devices=devices, leased=devices, hooks=hooks)
    text = transaction(plan)

    assert families(plan) == expected
    heads = [line for line in text.splitlines() if line.startswith("table ")]
    assert heads == [f"table {one} upkeep_isolation {{" for one in expected]
    assert '"; }' not in text


def test_the_old_tables_go_in_the_same_transaction() -> None:
    assert transaction(PLAN).splitlines()[:2] == [
        "add table inet upkeep_isolation",
        "delete table inet upkeep_isolation",
    ]


def test_nobody_is_locked_out() -> None:
    with pytest.raises(
        IsolationError, match="no address is known from which the host is controlled"
    ):
        transaction(Openings((), kept_of([NAME_SERVER])))


@pytest.mark.parametrize(
    ("local_port", "peer", "peer_port", "protocol", "kept"),
    [
        (22, "10.0.0.10", 50000, "tcp", True),
        (22, "::ffff:10.0.0.10", 50000, "tcp", True),
        (22, "10.0.0.11", 50000, "tcp", False),
        (80, "10.0.0.10", 50000, "tcp", False),
        (50000, "10.0.0.10", 22, "tcp", False),
        (22, "10.0.0.10", 50000, "udp", False),
        (50000, "10.0.0.53", 53, "udp", True),
        (50000, "10.0.0.53", 53, "tcp", False),
        (53, "10.0.0.53", 50000, "udp", False),
        (50000, "fd00::9", 636, "tcp", True),
        (50000, "fd00:1::9", 636, "tcp", False),
        (50000, "127.0.0.2", 80, "tcp", True),
        (50000, "10.0.0.7", 80, "tcp", True),
    ],
)
def test_which_connections_go_on(
    local_port: int, peer: str, peer_port: int, protocol: str, *, kept: bool
) -> None:
    assert is_kept(PLAN, local_port, peer, peer_port, protocol) is kept


def test_what_stays_is_shown() -> None:
    assert as_rows(PLAN)[:2] == [
        {"to": "10.0.0.10", "port": 22, "protocol": "tcp", "why": "the connection of this run"},
        {"to": "10.0.0.53", "port": 53, "protocol": "udp", "why": "DNS"},
    ]


def test_devices_whose_networks_are_near_may_ask_for_a_lease_there() -> None:
    plan = Openings((CONTROL,), leased=("eth0",), near=(ipaddress.ip_network("10.0.0.0/24"),))
    asked = [one for one in rules("inet", "output", plan) if "dport 67" in one]

    assert asked == [
        'oifname "eth0" ip daddr 255.255.255.255 udp sport 68 udp dport 67 accept',
        'oifname "eth0" ip daddr 10.0.0.0/24 udp sport 68 udp dport 67 accept',
    ]


LISTED = """\
table inet f2b-table {
\tset addr-set-sshd {
\t\ttype ipv4_addr
\t\telements = { 198.51.100.7 }
\t}

\tset expiring {
\t\ttype ipv4_addr
\t\tflags timeout
\t\telements = { 198.51.100.8 timeout 5m,
\t\t\t     198.51.100.9 timeout 5m }
\t}

\tset lasting {
\t\ttype ipv4_addr
\t\telements = { 198.51.100.10 }
\t}
}
table inet upkeep_isolation {
\tchain input {
\t\tcounter
\t}
}
table ip filter {
}
"""


def test_elements_that_expire_are_not_compared_nor_are_our_tables() -> None:
    found = without_expiring(LISTED)

    assert "198.51.100.7" in found
    assert "198.51.100.10" in found
    assert "set expiring {" in found
    assert "198.51.100.8" not in found
    assert "198.51.100.9" not in found
    assert "upkeep_isolation" not in found
    assert "table ip filter {" in found
