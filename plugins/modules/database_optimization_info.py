#!/usr/bin/python
# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Observe how the job db_optimize ended."""

from __future__ import annotations

DOCUMENTATION = r"""
module: database_optimization_info
short_description: Observe how the job db_optimize ended
version_added: 0.1.0
description:
  - Reads the record that M(astral.upkeep.db_optimize) keeps on the host. No database is asked.
  - Never changes the host; check mode makes no difference. A record that somebody else may write is not believed.
author:
  - Upkeep's founders (@astral-core)
options:
  optimize_folder:
    description: Where the record is kept.
    type: path
    default: /var/lib/upkeep/optimize
attributes:
  check_mode:
    description: It changes nothing.
    support: full
seealso:
  - module: astral.upkeep.db_optimize
"""

EXAMPLES = r"""
- name: See what the job has done, and left
  astral.upkeep.database_optimization_info:
"""

RETURN = r"""
observations:
  description: One observation per database that the job has worked on.
  returned: always
  type: list
  elements: dict
  contains:
    subject:
      description: The database.
      type: str
      returned: always
      sample: postgresql /var/run/postgresql:5432/shop
    data:
      description: How the last run ended for it, and the invalid indexes that it has left.
      type: dict
      returned: always
      sample: {outcome: done, done: 7, not_done: 1, rests: []}
    error:
      description: Why nothing could be seen.
      type: str
      returned: when nothing could be seen
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases.database_optimization import (
    ARGUMENTS,
    gather,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host, HostError
from ansible_collections.astral.upkeep.plugins.module_utils.host.results import to_wire


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    try:
        seen = gather(module.params, Host())
    except HostError as exc:
        module.fail_json(msg=str(exc))
    module.exit_json(changed=False, observations=[to_wire(one) for one in seen])


if __name__ == "__main__":
    main()
