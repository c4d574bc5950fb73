"""Names of an inventory that lead to one machine: a job on both would run there twice at the same time.

Only what the inventory says is believed, and the names of addresses: what a host says of itself (its machine-id) could
be another's, and keep that one from its maintenance.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.astral.upkeep.plugins.module_utils.host.addresses import is_address
from upkeep.site.connections import LOCAL, HostVariables, WayError
from upkeep.system import child

RESOLVE_SECONDS = 5.0
RESOLVE = """\
import json, socket, sys
from concurrent.futures import ThreadPoolExecutor

def resolve(name):
    try:
        found = sorted({one[4][0] for one in socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)})
    except (OSError, UnicodeError):
        found = []
    print(json.dumps([name, found]), flush=True)

with ThreadPoolExecutor(50) as pool:
    list(pool.map(resolve, json.load(sys.stdin)))
"""
ARGUMENTS = ("ansible_ssh_args", "ansible_ssh_common_args", "ansible_ssh_extra_args")
PORTS = ("ansible_port", "ansible_ssh_port")
SSH_PORT = "22"


@dataclass(frozen=True)
class Machine:
    """Where a name leads. through: what stands between, for behind another jump host the same address is another's."""

    kind: str
    address: str = ""
    port: str = ""
    through: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Return what people call it."""
        if self.kind in LOCAL:
            return "this machine"
        return self.address if self.port == SSH_PORT else f"{self.address} port {self.port}"


def machine_of(host: str, variables: Mapping[str, Any]) -> Machine | None:
    """Return where the inventory says that a host is; None where only Ansible can tell."""
    try:
        said = HostVariables(host, variables, {})
        kind = said.text("ansible_connection") or "ssh"
        if kind in LOCAL:
            return Machine(LOCAL[0])
        through = tuple(said.text(name) for name in ARGUMENTS)
        return Machine(kind, said.address.lower(), said.text(*PORTS) or SSH_PORT, through)
    except WayError:
        return None


def machines(
    hosts: Mapping[str, Mapping[str, Any]], stop: child.Stop | None = None
) -> dict[str, Machine]:
    """Return the machine of each host of which it is known; names of addresses are resolved, as far as they can be."""
    found = {host: machine_of(host, variables) for host, variables in hosts.items()}
    return resolved({host: one for host, one in found.items() if one is not None}, stop)


def resolved(known: Mapping[str, Machine], stop: child.Stop | None = None) -> dict[str, Machine]:
    """Return the machines by their addresses, as far as those can be found out."""
    addresses = resolve({one.address for one in known.values() if one.address}, stop)
    return {
        host: Machine(one.kind, addresses.get(one.address, one.address), one.port, one.through)
        for host, one in known.items()
    }


def resolve(names: Collection[str], stop: child.Stop | None = None) -> dict[str, str]:
    """Return all addresses of each name in one text; a name that is not resolved in time is missing."""
    asked = sorted(one for one in names if not is_address(one))
    if not asked:
        return {}
    command = [*child.python(), "-c", RESOLVE]
    given = json.dumps(asked).encode()
    try:
        done = child.run(command, seconds=RESOLVE_SECONDS, given=given, stop=stop)
    except OSError:
        return {}
    found = {}
    for line in done.output.decode("utf-8", "replace").splitlines():
        try:
            name, addresses = json.loads(line)
        except ValueError:
            continue  # the last line may be cut off
        if addresses:
            found[name] = " ".join(addresses)
    return found


def twins(hosts: Iterable[str], known: Mapping[str, Machine]) -> dict[str, str]:
    """Return the hosts that lead to the machine of an earlier host, each with that host."""
    first: dict[Machine, str] = {}
    found = {}
    for host in hosts:
        machine = known.get(host)
        if machine is not None and first.setdefault(machine, host) != host:
            found[host] = first[machine]
    return found


def turns(hosts: Iterable[str], known: Mapping[str, Machine]) -> list[list[str]]:
    """Return the hosts in groups, each with a machine once: one group after the other meets none twice at once."""
    groups: list[list[str]] = []
    times: dict[Machine, int] = {}
    for host in hosts:
        machine = known.get(host)
        number = 0 if machine is None else times.get(machine, 0)
        if machine is not None:
            times[machine] = number + 1
        while len(groups) <= number:
            groups.append([])
        groups[number].append(host)
    return groups
