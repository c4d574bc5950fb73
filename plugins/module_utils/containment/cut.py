# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cut foreign connections for good: a rule alone leaves their sockets, which go on once it is gone."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any, Dict, List

from ansible_collections.astral.upkeep.plugins.module_utils.containment import conntrack
from ansible_collections.astral.upkeep.plugins.module_utils.containment.ruleset import (
    Openings,
    is_kept,
)
from ansible_collections.astral.upkeep.plugins.module_utils.containment.sockets import (
    OpenSocket,
    foreign,
    holders,
    open_sockets,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host, HostError

ROUNDS = 4
PAUSE_SECONDS = 0.1
BATCH = 40
LEFT_LIMIT = 50
NAMES = {6: "tcp", 17: "udp"}


@dataclass
class Cut:
    """What was cut. left: sockets that are still there, with their processes. entries: of conntrack; None: not seen."""

    sockets: int = 0
    left: List[Dict[str, Any]] = field(default_factory=list)
    entries: int | None = None
    warnings: List[str] = field(default_factory=list)


def cut(host: Host, plan: Openings, keep_sockets: bool) -> Cut:
    """Forget foreign connections in the kernel's table, and destroy their sockets unless they are kept as evidence."""
    done = Cut()
    try:
        done.entries = conntrack.delete_entries(lambda entry: not _goes_on(plan, entry))
    except OSError as exc:
        done.warnings.append(
            f"entries of conntrack could not be deleted: {exc.strerror or exc}; see with conntrack -L, "
            "for what this host forwards in hardware may go on"
        )
    if keep_sockets:
        done.left = shown(foreign(open_sockets(host), plan))
        return done
    gone: Dict[Any, bool] = {}
    for _round in range(ROUNDS):  # a client may come between
        there = foreign(open_sockets(host), plan)
        if not there:
            break
        gone.update((one.ends, True) for one in there)
        try:
            _destroy(host, there)
        except HostError as exc:
            done.warnings.append(f"sockets could not be destroyed: {exc}")
            break
        time.sleep(PAUSE_SECONDS)
    left = foreign(open_sockets(host), plan)
    done.sockets = len(gone.keys() - {one.ends for one in left})
    done.left = shown(left)
    if left:
        done.warnings.append(
            f"{len(left)} foreign connections are still open, and would go on after the release: end their processes, "
            "which are listed; what they send meanwhile is reset"
        )
    return done


def _goes_on(plan: Openings, entry: conntrack.Entry) -> bool:
    """Return whether an entry is of a connection that the rules let go on, whoever began it."""
    source, destination, number, source_port, port = entry
    name = NAMES.get(number, "")
    return is_kept(plan, port, source, source_port, name) or is_kept(
        plan, source_port, destination, port, name
    )


def _destroy(host: Host, sockets: List[OpenSocket]) -> None:
    """Have the kernel destroy sockets. Source: ss(8), --kill.

    Raises: HostError if there is no ss.
    """
    for at in range(0, len(sockets), BATCH):
        words: List[str] = []
        for one in sockets[at : at + BATCH]:
            ends = (_end(one.local, one.local_port), _end(one.peer, one.peer_port))
            words += ["or"] if words else []
            words += ["(", "src", ends[0], "and", "dst", ends[1], ")"]
        host.run(
            [
                "ss",
                "--kill",
                "--no-header",
                "--numeric",
                "--tcp",
                "--udp",
                "state",
                "connected",
                *words,
            ]
        )


def _end(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def shown(sockets: List[OpenSocket]) -> List[Dict[str, Any]]:
    """Return sockets for people, with the names of their processes."""
    some = sockets[:LEFT_LIMIT]
    by = holders(one.inode for one in some)
    return [
        {
            "protocol": one.protocol,
            "local": _end(one.local, one.local_port),
            "peer": _end(one.peer, one.peer_port),
            "processes": sorted(by.get(one.inode, [])),
        }
        for one in some
    ]
