#!/usr/bin/python
# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Isolate a host from the network, so that its controllers alone reach it; and release it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: isolation
short_description: Isolate a host from the network, and release it
version_added: 0.1.0
author: Upkeep's founders (@astral-core)
description:
  - Loads tables of nftables that let the host speak with its controllers and with what O(keep) lists, and with nobody
    else. Others' tables stay as they are.
  - Before the rules are loaded, a timer is armed that releases the host. Then the controller opens a new connection.
    If that succeeds, the host stays isolated for O(longest_hours). If it does not, the timer releases the host after
    O(confirm_seconds).
  - Open connections with others are cut, and do not come back after the release.
  - Proves the isolation from both sides. The task fails if forbidden traffic gets through; the host stays isolated.
  - Refuses where an isolation would do harm, and says why; O(even_if) overrides that.
  - V(released) deletes the tables, and tells what others have changed in their own meanwhile.
  - In check mode, returns what would be done.
options:
  state:
    description:
      - V(isolated) isolates the host and confirms it.
      - V(released) releases it.
      - V(planned) only looks.
      - V(confirmed) is used by the action plugin, over the new connection.
    type: str
    choices: [isolated, released, planned, confirmed]
    default: isolated
  confirm:
    description: The names of all hosts of the play, separated by commas, as a second confirmation. Nothing is isolated
      without it.
    type: str
    default: ""
  at_most:
    description: How many hosts a play may isolate.
    type: int
    default: 3
  by:
    description: Who isolates or releases the host. By default the account that runs Ansible.
    type: str
    default: ""
  why:
    description: Why, such as the number of an incident.
    type: str
    default: ""
  keep:
    description: Services that the host may go on using.
    type: list
    elements: dict
    default: []
    suboptions:
      to:
        description: Address or network. Names are not looked up.
        type: str
        required: true
      port:
        description: Port of the service.
        type: int
        required: true
      protocol:
        description: Protocol of the service.
        type: str
        choices: [tcp, udp]
        default: tcp
      why:
        description: What it is for.
        type: str
        default: ""
  controllers:
    description: Addresses or networks of all controllers, as the host sees them. That of the live connection is added.
    type: list
    elements: str
    default: []
  jump_hosts:
    description: Addresses of jump hosts, as the host sees them.
    type: list
    elements: str
    default: []
  even_if:
    description: Reasons against the isolation that are accepted.
    type: list
    elements: str
    choices: [network_storage, network_login, router, hypervisor, cluster_member, only_database, tunnel, controller,
      too_many_hosts, connection, unseen]
    default: []
  probe:
    description: What the host must not reach once it is isolated. Gateways are tried in any case.
    type: list
    elements: dict
    default: []
    suboptions:
      to:
        description: Address.
        type: str
        required: true
      port:
        description: TCP port.
        type: int
        required: true
  keep_sockets:
    description: Whether sockets of foreign connections are left open, as evidence. They may go on after the release.
    type: bool
    default: false
  confirm_seconds:
    description: How long the timer waits for the new connection, 10 to 600.
    type: int
    default: 60
  longest_hours:
    description: How long a confirmed isolation lasts, 1 to 336.
    type: int
    default: 24
  renew:
    description: Whether an isolation that is confirmed already is confirmed anew, so that O(longest_hours) begins
      again.
    type: bool
    default: false
  reboot:
    description: What a reboot does. V(isolated) loads the rules before there is a network; the host is released if
      nobody confirms within 30 minutes. It needs systemd.
    type: str
    choices: [isolated, released]
    default: isolated
  only_database:
    description: Whether no other host has what this host's database has.
    type: bool
    default: false
  ssh_port:
    description: Port of SSH on the host, if no live connection shows it.
    type: int
    default: 22
  run:
    description: Number of the run of Upkeep. Without one, nothing but the host itself records the isolation.
    type: str
    default: ""
  id:
    description: Set by the action plugin.
    type: str
    default: ""
  ports:
    description: Set by the action plugin, to the ports that the controller has reached before.
    type: list
    elements: int
    default: []
  nonce:
    description: Set by the action plugin.
    type: str
    default: ""
  controller_network:
    description: Set by the action plugin.
    type: str
    default: ""
attributes:
  check_mode:
    description: Returns what would be done, with the reasons against it, and changes nothing.
    support: full
  diff_mode:
    description: Shows the rules.
    support: full
seealso:
  - module: astral.upkeep.isolation_info
"""

EXAMPLES = r"""
- name: Isolate a host, but let it ask the site's name server
  astral.upkeep.isolation:
    confirm: web1
    keep:
      - {to: 10.0.0.53, port: 53, protocol: udp, why: DNS}
  become: true

- name: Release it
  astral.upkeep.isolation:
    state: released
  become: true
"""

RETURN = r"""
isolation:
  description: How the host stands.
  returned: always
  type: dict
  contains:
    id:
      description: Names this isolation.
      type: str
    state:
      description: V(none), V(armed), V(loaded), V(confirmed) or V(released).
      type: str
    since:
      description: When the rules were loaded.
      type: str
    until:
      description: When the host is released unless that is asked for anew.
      type: str
    by:
      description: Who has isolated it.
      type: str
    tables:
      description: Each table, with its C(family) and C(state), V(as loaded), V(changed) or V(gone).
      type: list
      elements: dict
    kept:
      description: What the host may still speak with, the controllers first.
      type: list
      elements: dict
    cut:
      description: How many C(sockets) were cut, the C(entries) of conntrack that were deleted, and what is C(left).
      type: dict
    obstacles:
      description: Reasons against the isolation, each with its C(id), and whether it was C(overridden).
      type: list
      elements: dict
    snapshot:
      description: Path and SHA-256 of what was recorded before the rules; C(problem) says what is missing.
      type: dict
    proofs:
      description: What was tried from which C(side), what was C(expected) and C(found), and whether that is C(ok).
      type: list
      elements: dict
    others_changed:
      description: What others have changed in their own tables meanwhile.
      type: list
      elements: str
    reboot:
      description: What a reboot does, V(isolated) or V(released).
      type: str
    ruleset:
      description: The rules, as nft reads them.
      type: str
    warnings:
      description: What else is to be known.
      type: list
      elements: str
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.astral.upkeep.plugins.module_utils.containment.act import do
from ansible_collections.astral.upkeep.plugins.module_utils.containment.asked import OVERRIDABLE
from ansible_collections.astral.upkeep.plugins.module_utils.containment.errors import (
    IsolationError,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host, HostError

KEEP: dict[str, Any] = {
    "to": {"type": "str", "required": True},
    "port": {"type": "int", "required": True},
    "protocol": {"type": "str", "choices": ["tcp", "udp"], "default": "tcp"},
    "why": {"type": "str", "default": ""},
}
PROBE: dict[str, Any] = {
    "to": {"type": "str", "required": True},
    "port": {"type": "int", "required": True},
}
ARGUMENTS: dict[str, Any] = {
    "state": {
        "type": "str",
        "choices": ["isolated", "released", "planned", "confirmed"],
        "default": "isolated",
    },
    "confirm": {"type": "str", "default": ""},
    "at_most": {"type": "int", "default": 3},
    "by": {"type": "str", "default": ""},
    "why": {"type": "str", "default": ""},
    "keep": {"type": "list", "elements": "dict", "options": KEEP, "default": []},
    "controllers": {"type": "list", "elements": "str", "default": []},
    "jump_hosts": {"type": "list", "elements": "str", "default": []},
    "even_if": {"type": "list", "elements": "str", "choices": OVERRIDABLE, "default": []},
    "probe": {"type": "list", "elements": "dict", "options": PROBE, "default": []},
    "keep_sockets": {"type": "bool", "default": False},
    "confirm_seconds": {"type": "int", "default": 60},
    "longest_hours": {"type": "int", "default": 24},
    "renew": {"type": "bool", "default": False},
    "reboot": {"type": "str", "choices": ["isolated", "released"], "default": "isolated"},
    "only_database": {"type": "bool", "default": False},
    "ssh_port": {"type": "int", "default": 22},
    "run": {"type": "str", "default": ""},
    "id": {"type": "str", "default": ""},
    "ports": {"type": "list", "elements": "int", "default": []},
    "nonce": {"type": "str", "default": "", "no_log": True},
    "controller_network": {"type": "str", "default": ""},
}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    try:
        result = do(Host(), module.params, module.check_mode)
    except (IsolationError, HostError, ValueError, OSError) as exc:
        module.fail_json(msg=str(exc), isolation={"state": "none"})
    module.exit_json(**result)


if __name__ == "__main__":
    main()
