#!/usr/bin/python
# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Observe which statements database servers have run, and how long they took."""

from __future__ import annotations

DOCUMENTATION = r"""
module: database_statements_info
short_description: Observe which statements database servers have run, and how long they took
version_added: 0.1.0
description:
  - Reads the counters that a server keeps of its statements, those of PostgreSQL from its extension
    C(pg_stat_statements), those of MariaDB from its performance schema. The extension must be in the database that is
    declared, in any schema.
  - Of a server of MariaDB whose performance schema is off, its slow log of the last day is read, from its table or from
    the file on its host, at most 16 MB. It has only calls that took longer than C(long_query_time).
  - Of at most 100 statements, those with the most time, the most calls and the longest mean, each has its counters and
    its text. Literals, numbers and comments are taken out of the text before it leaves the host. Of other statements
    than SELECT, INSERT, UPDATE, DELETE and MERGE, the command and its object are returned.
  - Never changes the host or the database, nor its counters; check mode makes no difference.
extends_documentation_fragment: [astral.upkeep.databases]
author:
  - Upkeep's founders (@astral-core)
"""

EXAMPLES = r"""
- name: See what the shop's server is busy with
  astral.upkeep.database_statements_info:
    databases:
      - kind: postgresql
        address: 127.0.0.1
        name: shop
        user: upkeep
        password: "{{ vault_upkeep_password }}"
"""

RETURN = r"""
observations:
  description: One observation per server.
  returned: always
  type: list
  elements: dict
  contains:
    subject:
      description: Its kind and address.
      type: str
      returned: always
      sample: postgresql 127.0.0.1:5432
    data:
      description: Whether it was connected or why not, and its V(statements). V(unread) says why these could not be
        read; V(unseen) how many the account may not see, with the statement that lets it. V(slow_calls) is what was in
        the slow log.
      type: dict
      returned: always
      sample: {kind: postgresql, declared: true, connected: true, version: '15.14', statements: {calls: 0, worst: []}}
    error:
      description: Why nothing could be seen.
      type: str
      returned: when nothing could be seen
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases.database_statements import (
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
