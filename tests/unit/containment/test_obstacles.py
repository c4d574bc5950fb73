"""What speaks against an isolation, and what of it is overridden."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.containment.look import (
    block_mounts,
    parse_mounts,
)
from ansible_collections.astral.upkeep.plugins.module_utils.containment.obstacles import (
    Facts,
    NetworkMount,
    as_row,
    obstacles,
    refusal,
)
from ansible_collections.astral.upkeep.plugins.module_utils.containment.ruleset import (
    Control,
    Openings,
    kept_of,
    network_of,
)

CONTROL = Control(network_of("10.0.0.10", "x"), 22)
PLAN = Openings((CONTROL,))
# As the kernel prints them for a root on NFS, a share, a disk and a path with a space.
MOUNTS = """\
21 1 0:20 / / rw,relatime shared:1 - nfs4 10.0.0.20:/roots/web1 rw,vers=4.2,hard,proto=tcp,clientaddr=10.0.0.7,addr=10.0.0.20
30 21 0:28 / /srv/my\\040share rw - cifs //files/share rw,vers=3.1.1,addr=10.0.0.21,soft
31 21 254:1 / /var rw,relatime - ext4 /dev/vda1 rw
32 21 0:30 / /run rw - tmpfs tmpfs rw
"""
NFS_ROOT = NetworkMount("/", "nfs4", "10.0.0.20", 2049)


def facts(**seen: Any) -> Facts:
    return Facts(**{"nft": "/usr/sbin/nft", **seen})


def test_mounts_of_the_network_are_seen_with_their_server() -> None:
    assert parse_mounts(MOUNTS) == [
        NFS_ROOT,
        NetworkMount("/srv/my share", "cifs", "10.0.0.21", 445),
    ]
    assert block_mounts(MOUNTS) == [("/var", "254:1")]


@pytest.mark.parametrize("text", ["x", "21 1 0:20 / / rw - nfs4", "21 1 0:20 / / rw nfs4 a b"])
def test_a_line_that_is_no_mount_is_not_passed_over(text: str) -> None:
    with pytest.raises(ValueError, match="no mount in line"):
        parse_mounts(text)


@pytest.mark.parametrize(
    ("seen", "id_", "said"),
    [
        ({"is_root": False}, "not_root", "the rules of the host are root's"),
        ({"nft": ""}, "no_nft", "nft: no such program"),
        ({"has_session": False}, "connection", "no SSH connection leads to this program"),
        (
            {"under_way": "another isolation is under way"},
            "under_way",
            "another isolation is under way",
        ),
        ({"mounts": (NFS_ROOT,)}, "network_storage", "/ is on the network: nfs4 of 10.0.0.20"),
        (
            {"mounts": (NetworkMount("/data", "iscsi"),)},
            "network_storage",
            "/data is on the network: iscsi",
        ),
        (
            {"login": "1042", "directories": ("sss",)},
            "network_login",
            "the account 1042 is not in /etc/passwd",
        ),
        ({"forwards": True, "ways": ("eth0", "eth1")}, "router", "forwards between eth0, eth1"),
        ({"running": ("qemu-system-x86",)}, "hypervisor", "qemu-system-x86 runs"),
        ({"running": ("etcd", "corosync")}, "cluster_member", "corosync, etcd runs"),
        ({"only_database": True, "running": ("postgres",)}, "only_database", "postgres runs"),
        ({"tunnel": "wg0"}, "tunnel", "the host is controlled through wg0"),
        ({"own": True}, "controller", "this host is the controller itself"),
        (
            {"unseen": (("mounted paths", "denied"),)},
            "unseen",
            "mounted paths could not be looked at: denied",
        ),
    ],
)
def test_what_speaks_against_it(seen: dict[str, Any], id_: str, said: str) -> None:
    (found,) = obstacles(facts(**seen), PLAN, [])

    assert found.id == id_
    assert said in found.said
    assert found.remedy
    assert not found.overridden
    (again,) = obstacles(facts(**seen), PLAN, [id_])
    assert again.overridden is not again.firm


@pytest.mark.parametrize(
    "seen",
    [
        {},
        {"forwards": True, "ways": ("eth0",)},  # as Docker does
        {"ways": ("eth0", "eth1")},
        {"running": ("postgres", "nginx", "dockerd", "containerd-shim")},
        {"directories": ("sss",)},
    ],
)
def test_what_does_not(seen: dict[str, Any]) -> None:
    assert obstacles(facts(**seen), PLAN, []) == []


@pytest.mark.parametrize(
    ("keep", "ids"),
    [
        ([], ["network_storage", "network_login"]),
        ([{"to": "10.0.0.20", "port": 2049}], ["network_login"]),
        ([{"to": "10.0.0.20", "port": 22}], ["network_storage", "network_login"]),
        ([{"to": "10.0.0.30", "port": 636}], ["network_storage"]),
        ([{"to": "10.0.0.0/24", "port": 2049}, {"to": "10.0.0.30", "port": 389}], []),
    ],
)
def test_what_is_kept_is_no_obstacle(keep: list[dict[str, Any]], ids: list[str]) -> None:
    seen = facts(mounts=(NFS_ROOT,), login="1042", directories=("sss",))

    assert [one.id for one in obstacles(seen, Openings((CONTROL,), kept_of(keep)), [])] == ids


def test_nobody_could_release_it() -> None:
    (found,) = obstacles(facts(has_session=False), Openings(()), ["no_control"])

    assert found.id == "no_control"
    assert not found.overridden


def test_a_refusal_says_how_to_override_it_only_if_that_is_enough() -> None:
    some = obstacles(facts(own=True, tunnel="wg0"), PLAN, [])
    firm = obstacles(facts(own=True, is_root=False), PLAN, [])

    assert refusal([as_row(one) for one in some]).endswith(
        "isolation_even_if: [tunnel, controller]"
    )
    assert "isolation_even_if" not in refusal([as_row(one) for one in firm])
