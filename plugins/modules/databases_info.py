#!/usr/bin/python
# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Observe databases as their clients see them."""

from __future__ import annotations

DOCUMENTATION = r"""
module: databases_info
short_description: Observe whether databases let their users in and answer
version_added: 0.1.0
description:
  - Connects to each database, asks a trivial question and how many connections are in use. PostgreSQL is asked through
    psycopg or C(psql), MariaDB and MySQL through C(mariadb) or C(mysql), Redis and SQLite without anything installed.
  - All are asked side by side; none takes longer than O(timeout_seconds).
  - A database that cannot be used is an observation with C(connected) false and its own reason.
  - Never changes the host; check mode makes no difference.
extends_documentation_fragment: [astral.upkeep.databases]
author:
  - Upkeep's founders (@astral-core)
"""

EXAMPLES = r"""
- name: See that the shop's databases answer
  astral.upkeep.databases_info:
    databases:
      - kind: postgresql
        address: 127.0.0.1
        name: shop
        user: upkeep
        password: "{{ vault_upkeep_password }}"
      - kind: sqlite
        name: /srv/queue/jobs.db
"""

RETURN = r"""
observations:
  description: One observation per database.
  returned: always
  type: list
  elements: dict
  contains:
    subject:
      description: Kind, user, address and name.
      type: str
      returned: always
      sample: postgresql upkeep@127.0.0.1:5432/shop
    data:
      description: Whether it was connected or why not, its answer, times in seconds, version, connections in use and
        at most.
      type: dict
      returned: always
      sample: {kind: postgresql, declared: true, connected: true, reason: '', answer: 42, version: '15.14',
        in_recovery: false, connections: 12, max_connections: 100, reserved_connections: 3, connect_seconds: 0.004,
        query_seconds: 0.001}
    raw:
      description: The server's answer or its refusal.
      type: str
      returned: when something was read
    error:
      description: Why nothing could be seen.
      type: str
      returned: when nothing could be seen
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases.databases import (
    ARGUMENTS,
    gather,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host
from ansible_collections.astral.upkeep.plugins.module_utils.host.results import to_wire


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    seen = gather(module.params, Host())
    module.exit_json(changed=False, observations=[to_wire(observation) for observation in seen])


if __name__ == "__main__":
    main()
