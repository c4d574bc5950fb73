# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure: what speaks against isolating a host, judged over what was looked at."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Dict, Iterable, List, Sequence, Tuple

from ansible_collections.astral.upkeep.plugins.module_utils.containment.ruleset import (
    Openings,
    network_of,
)

DIRECTORY_PORTS = (88, 389, 636, 3268, 3269)
DIRECTORIES = ("sss", "ldap", "winbind", "nis")
CLUSTER = ("corosync", "pacemakerd", "etcd", "keepalived", "k3s", "kubelet", "consul", "patroni")
HYPERVISORS = (
    "qemu-system-x86_64",
    "qemu-system-aarch64",
    "qemu-kvm",
    "qemu",
    "kvm",
    "VBoxHeadless",
    "firecracker",
    "lxc-start",
    "cloud-hypervisor",
)
DATABASES = ("postgres", "postmaster", "mariadbd", "mysqld", "mongod", "redis-server")


@dataclass(frozen=True)
class NetworkMount:
    """A mounted path whose bytes come over the network. server: its address, or empty if it is not known."""

    path: str
    kind: str
    server: str = ""
    port: int = 0


@dataclass(frozen=True)
class Facts:
    """What was looked at.

    login: the account that has logged in, if it is not one of the host's own. directories: where else accounts come
    from. ways: devices that lead elsewhere. tunnel: the device by which the host is controlled, if it is one.
    running: names of processes. own: whether the rules would be loaded where the controller itself runs.
    mistakes: what could not be looked at, each with why.
    """

    nft: str = ""
    is_root: bool = True
    has_session: bool = True
    mounts: Tuple[NetworkMount, ...] = ()
    login: str = ""
    directories: Tuple[str, ...] = ()
    forwards: bool = False
    ways: Tuple[str, ...] = ()
    tunnel: str = ""
    running: Tuple[str, ...] = ()
    own: bool = False
    only_database: bool = False
    under_way: str = ""
    unseen: Tuple[Tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Obstacle:
    """Why the host is not isolated. id: by which `even_if` names it. firm: whether nothing overrides it."""

    id: str
    said: str
    remedy: str
    firm: bool = False
    overridden: bool = False


def obstacles(facts: Facts, plan: Openings, even_if: Iterable[str]) -> List[Obstacle]:
    """Return what speaks against it, with what was overridden."""
    found = [*_impossible(facts, plan), *_harmful(facts, plan)]
    accepted = set(even_if)
    return [
        one
        if one.firm or one.id not in accepted
        else Obstacle(**{**asdict(one), "overridden": True})
        for one in found
    ]


def _impossible(facts: Facts, plan: Openings) -> List[Obstacle]:
    found = []
    if not facts.is_root:
        found.append(
            Obstacle(
                "not_root",
                "the rules of the host are root's",
                "set become: true for the play",
                True,
            )
        )
    if not facts.nft:
        found.append(
            Obstacle(
                "no_nft",
                "nft: no such program",
                "apt-get install nftables, or dnf install nftables",
                True,
            )
        )
    if not plan.controls:
        found.append(
            Obstacle(
                "no_control",
                "no SSH connection leads to this program, and isolation_controllers names no address: nobody could "
                "release the host",
                "list in isolation_controllers the addresses from which the host sees its controllers",
                True,
            )
        )
    elif not facts.has_session:
        found.append(
            Obstacle(
                "connection",
                "no SSH connection leads to this program: no new one can prove that the host is still controlled",
                "use the connection ssh for this host",
            )
        )
    if facts.under_way:
        found.append(
            Obstacle(
                "under_way",
                facts.under_way,
                "wait until it is confirmed; or release the host: upkeep incident release, or the playbook "
                "astral.upkeep.incident.release",
                True,
            )
        )
    return found


def _harmful(facts: Facts, plan: Openings) -> List[Obstacle]:
    found = []
    for mount in facts.mounts:
        if not _is_kept(plan, mount):
            server = f" of {mount.server}" if mount.server else ""
            found.append(
                Obstacle(
                    "network_storage",
                    f"{mount.path} is on the network: {mount.kind}{server}; what uses it would hang",
                    "list its server in isolation_keep, or unmount it",
                )
            )
    ports = {one.port for one in plan.kept}
    if facts.login and not ports & set(DIRECTORY_PORTS):
        found.append(
            Obstacle(
                "network_login",
                f"the account {facts.login} is not in /etc/passwd but comes from "
                f"{', '.join(facts.directories) or 'elsewhere'}, whose server would be cut: the next login may fail",
                "list the directory's server in isolation_keep, or use an account of the host",
            )
        )
    if facts.forwards and len(facts.ways) > 1:
        found.append(
            Obstacle(
                "router",
                f"the host forwards between {', '.join(facts.ways)}: all behind it would be cut off too",
                "isolate hosts behind it each by itself",
            )
        )
    for id_, names, what in (
        ("hypervisor", HYPERVISORS, "runs guests, which would all be cut off"),
        (
            "cluster_member",
            CLUSTER,
            "is a member of a cluster, which may fence it, or move its services",
        ),
    ):
        seen = _running(facts, names)
        if seen:
            found.append(
                Obstacle(
                    id_, f"the host {what}: {', '.join(seen)} runs", "take it out of service first"
                )
            )
    if facts.only_database:
        seen = _running(facts, DATABASES)
        found.append(
            Obstacle(
                "only_database",
                "isolation_only_database says that no other host has this database"
                + (f": {', '.join(seen)} runs" if seen else ""),
                "move the database first",
            )
        )
    if facts.tunnel:
        found.append(
            Obstacle(
                "tunnel",
                f"the host is controlled through {facts.tunnel}, whose own packets would be cut",
                "list the tunnel's other end in isolation_keep, and then override this",
            )
        )
    if facts.own:
        found.append(
            Obstacle(
                "controller",
                "this host is the controller itself",
                "isolate it from another controller",
            )
        )
    for what, why in facts.unseen:
        found.append(
            Obstacle("unseen", f"{what} could not be looked at: {why}", "see why, and look again")
        )
    return found


def _running(facts: Facts, names: Iterable[str]) -> List[str]:
    # The kernel keeps 15 characters of a name.
    return sorted(set(facts.running) & {one[:15] for one in names})


def _is_kept(plan: Openings, mount: NetworkMount) -> bool:
    if not mount.server:
        return False
    address = network_of(mount.server, mount.path).network_address
    return any(
        one.network.version == address.version and address in one.network and one.port == mount.port
        for one in plan.kept
    )


def as_row(one: Obstacle) -> Dict[str, Any]:
    """Return an obstacle as the module returns it."""
    return asdict(one)


def refusal(refused: Sequence[Dict[str, Any]]) -> str:
    """Return why a host is not isolated, and what overrides that."""
    lines = [f"{one['id']}: {one['said']}; {one['remedy']}" for one in refused]
    able = [one["id"] for one in refused if not one["firm"]]
    if len(able) == len(refused):
        lines.append(f"To isolate it all the same: isolation_even_if: [{', '.join(able)}]")
    return "not isolated, and nothing was changed. " + ". ".join(lines)
