"""Where connections may lead: each address in each spelling, for redirects, the heartbeat and channels."""

from __future__ import annotations

import ipaddress

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.host.addresses import (
    ANY,
    HERE,
    METADATA,
    OTHERS,
    PUBLIC,
    refused,
)

CLOUD, LINK, NOBODY = (
    "a cloud's metadata address",
    "a link-local address",
    "not the address of a single machine",
)
PRIVATE = "a private address"


def spellings(address: str) -> dict[str, str]:
    """An IPv4 address, as each translator and tunnel spells it in IPv6."""
    four = ipaddress.IPv4Address(address)
    high, low = int(four) >> 16, int(four) & 0xFFFF
    first, second = f"{high:x}", f"{low:x}"
    client = int(four) ^ 0xFFFFFFFF
    inner = f"{low >> 8:x}", f"{(low & 0xFF) << 8:x}"
    return {
        "itself": address,
        "mapped": f"::ffff:{address}",
        "compatible": f"::{address}",
        "translated": f"::ffff:0:{first}:{second}",
        "NAT64": f"64:ff9b::{first}:{second}",
        "local NAT64": f"64:ff9b:1::{first}:{second}",
        "local NAT64 of a /48": f"64:ff9b:1:{first}:{inner[0]}:{inner[1]}::",
        "6to4": f"2002:{first}:{second}::1",
        "Teredo's server": f"2001:0:{first}:{second}:8000:0:f7f7:f7f7",
        "Teredo's client": f"2001:0:808:808:8000:0:{client >> 16:x}:{client & 0xFFFF:x}",
        "ISATAP": f"2606:4700::5efe:{first}:{second}",
        "ISATAP of a public one": f"2606:4700::200:5efe:{first}:{second}",
        "in brackets": f"[::ffff:{address}]",
    }


EVERYWHERE_REFUSED = [
    "169.254.169.254", "169.254.170.2", "100.100.100.200", "168.63.129.16", "192.0.0.192", "169.254.7.7",
]  # fmt: skip


@pytest.mark.parametrize("reach", [ANY, OTHERS, PUBLIC])
@pytest.mark.parametrize("form", list(spellings("1.2.3.4")))
@pytest.mark.parametrize("address", EVERYWHERE_REFUSED)
def test_metadata_and_the_link_are_refused_in_every_spelling(
    address: str, form: str, reach: str
) -> None:
    expected = LINK if address == "169.254.7.7" else CLOUD

    assert refused(spellings(address)[form], reach) == expected


@pytest.mark.parametrize("network", METADATA, ids=str)
def test_each_of_the_list_is_refused(network: ipaddress.IPv4Network) -> None:
    assert {refused(str(network[0]), reach) for reach in (ANY, OTHERS, PUBLIC)} == {CLOUD}


@pytest.mark.parametrize(
    ("address", "any_machine", "others", "public"),
    [
        ("127.0.0.1", "", HERE, HERE),
        ("127.9.9.9", "", HERE, HERE),
        ("::1", "", HERE, HERE),
        ("::ffff:127.0.0.1", "", HERE, HERE),
        ("64:ff9b::7f00:1", "", HERE, HERE),
        ("0.0.0.0", NOBODY, HERE, HERE),
        ("::", NOBODY, HERE, HERE),
        ("203.0.113.5", "", HERE, HERE),
        ("::ffff:203.0.113.5", "", HERE, HERE),
        ("10.0.0.1", "", "", PRIVATE),
        ("172.16.0.1", "", "", PRIVATE),
        ("192.168.1.1", "", "", PRIVATE),
        ("100.64.0.1", "", "", PRIVATE),
        ("198.18.0.1", "", "", PRIVATE),
        ("fd12::1", "", "", PRIVATE),
        ("2001:db8::1", "", "", PRIVATE),
        ("64:ff9b::a00:1", "", "", PRIVATE),
        ("2002:a00:1::1", "", "", PRIVATE),
        ("0.1.2.3", NOBODY, NOBODY, NOBODY),
        ("224.0.0.1", NOBODY, NOBODY, NOBODY),
        ("ff02::1", NOBODY, NOBODY, NOBODY),
        ("240.0.0.1", NOBODY, NOBODY, NOBODY),
        ("255.255.255.255", NOBODY, NOBODY, NOBODY),
        ("fe80::1", LINK, LINK, LINK),
        ("fe80::1%eth0", LINK, LINK, LINK),
        ("[fe80::1%25eth0]", LINK, LINK, LINK),
        ("8.8.8.8", "", "", ""),
        ("2606:4700::1111", "", "", ""),
        ("64:ff9b::808:808", "", "", ""),
        ("2002:808:808::1", "", "", ""),
        ("64:ff9b:1::808:808", "", "", ""),
        ("portal.example.org", "", "", ""),
        ("2852039166", "", "", ""),
        ("", "", "", ""),
    ],
)
def test_how_far_a_connection_may_lead(
    address: str, any_machine: str, others: str, public: str
) -> None:
    own = {"203.0.113.5"}
    found = [refused(address, reach, own) for reach in (ANY, OTHERS, PUBLIC)]

    assert found == [any_machine, others, public]
