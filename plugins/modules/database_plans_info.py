#!/usr/bin/python
# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Observe how databases would run their worst statements, and which indexes may help."""

from __future__ import annotations

DOCUMENTATION = r"""
module: database_plans_info
short_description: Observe how databases would run their worst statements, and which indexes may help
version_added: 0.1.0
description:
  - Reads from PostgreSQL's extension C(pg_stat_statements) which 10 statements of a database took the most time, and
    asks the server for their plans, whatever their parameters are. The extension must be in the database, in any
    schema.
  - The plans are asked as the role of O(databases.explain_as), if there is one, on its server. It needs the right to
    read the tables, and no other one, for of a statement that changes rows the search for these rows is planned.
  - No statement is run. Functions that a statement calls with constants are, as the planner does it, in a read-only
    transaction whose effects are undone.
  - Literals, numbers and comments are taken out of statements and of the conditions in their plans before they leave
    the host.
  - If the extension C(hypopg) is in the database, indexes that may help are tried in theory; none is made.
  - Never changes the host or the database; check mode makes no difference.
extends_documentation_fragment: [astral.upkeep.databases]
options:
  plan_seconds:
    description: How long the questions about one database may take, in seconds.
    type: int
    default: 30
author:
  - Upkeep's founders (@astral-core)
"""

EXAMPLES = r"""
- name: See which statements of the shop lack an index
  astral.upkeep.database_plans_info:
    databases:
      - kind: postgresql
        address: 127.0.0.1
        name: shop
        user: upkeep
        password: "{{ vault_upkeep_password }}"
        explain_as:
          user: upkeep_reader
          password: "{{ vault_reader_password }}"
"""

RETURN = r"""
observations:
  description: One observation per database.
  returned: always
  type: list
  elements: dict
  contains:
    subject:
      description: Its kind, account, address and name.
      type: str
      returned: always
      sample: postgresql upkeep@127.0.0.1:5432/shop
    data:
      description: Whether it was connected or why not, and its V(plans). V(unread) says why these could not be
        read; V(unseen) how many statements the account may not see, with the statement that lets it.
      type: dict
      returned: always
      sample: {kind: postgresql, declared: true, connected: true, version: '15.14', plans: {worst: []}}
    error:
      description: Why nothing could be seen.
      type: str
      returned: when nothing could be seen
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases.database_plans import (
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
