#!/usr/bin/python
# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Observe what is in databases, and how well it is kept."""

from __future__ import annotations

DOCUMENTATION = r"""
module: database_objects_info
short_description: Observe what is in databases, and how well it is kept
version_added: 0.1.0
description:
  - Reads the catalog and the statistics of each database, such as of its tables, indexes and sequences. No row of a
    table is read.
  - Never changes the host or the database; check mode makes no difference.
extends_documentation_fragment: [astral.upkeep.databases]
options:
  catalog_seconds:
    description: How long the questions about one database may take, in seconds.
    type: int
    default: 60
author:
  - Upkeep's founders (@astral-core)
"""

EXAMPLES = r"""
- name: See how the shop's database is kept
  astral.upkeep.database_objects_info:
    databases:
      - kind: postgresql
        address: 127.0.0.1
        name: shop
        user: upkeep
        password: "{{ vault_upkeep_password }}"
"""

RETURN = r"""
observations:
  description: One observation per database.
  returned: always
  type: list
  elements: dict
  contains:
    subject:
      description: Its kind and address.
      type: str
      returned: always
      sample: postgresql upkeep@127.0.0.1:5432/shop
    data:
      description: Whether it was connected or why not, and what was read by topic. V(unread) has topics that could not
        be read, and why; V(unseen) what the account may not see, with the statement that lets it.
      type: dict
      returned: always
      sample: {kind: postgresql, declared: true, connected: true, version: '15.14', sequences: []}
    error:
      description: Why nothing could be seen.
      type: str
      returned: when nothing could be seen
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases.database_objects import (
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
