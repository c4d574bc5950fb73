#!/usr/bin/python
# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gather how each declared set of backups was verified by restoring it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: restores_info
short_description: Gather how each declared set of backups was verified by restoring it
version_added: 0.1.0
author: Upkeep's founders (@astral-core)
description:
  - Returns for each set the newest rows of the host's restore ledger, how far the cycle of a repository is, and the
    verification that is going on.
  - Never restores anything and reads no backup; check mode makes no difference. The job C(backup_verify) writes the
    ledger.
  - A ledger that somebody but root may write is not believed.
extends_documentation_fragment: [astral.upkeep.backup_sets]
options:
  folder:
    description: Where the ledger lies on the host.
    type: path
    default: /var/lib/upkeep/restores
attributes:
  check_mode:
    description: It changes nothing.
    support: full
"""

EXAMPLES = r"""
- name: See how the backups were verified
  astral.upkeep.restores_info:
    sets:
      - name: shop database
        paths: [/backup/shop-*.dump]
        rpo_hours: 24
        verify:
          max_days: 31
          rto_minutes: 60
          assertions:
            - {name: orders of today, sql: SELECT max(placed_at) FROM orders, fresh_hours: 26}
"""

RETURN = r"""
observations:
  description: One for each set.
  returned: always
  type: list
  elements: dict
  contains:
    subject:
      description: The set's name.
      type: str
    data:
      description: Rows of the ledger, newest first, and the limits that the site declares.
      type: dict
    raw:
      description: The newest row.
      type: str
    error:
      description: Why the ledger could not be read; data is then empty.
      type: str
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.astral.upkeep.plugins.module_utils.gather.restores.restores import (
    ARGUMENTS,
    gather,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host
from ansible_collections.astral.upkeep.plugins.module_utils.host.results import to_wire


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    seen = gather(module.params, Host())
    module.exit_json(changed=False, observations=[to_wire(one) for one in seen])


if __name__ == "__main__":
    main()
