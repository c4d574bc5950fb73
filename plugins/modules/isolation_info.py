#!/usr/bin/python
# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Observe whether the host is isolated."""

from __future__ import annotations

DOCUMENTATION = r"""
module: isolation_info
short_description: Observe whether the host is isolated, and whether that holds
version_added: 0.1.0
description:
  - Reads what M(astral.upkeep.isolation) has written down on the host, compares its tables with those that were
    loaded, looks at its timers, and tries what is forbidden.
  - Never changes the host; check mode makes no difference. Needs root once the host is isolated.
author:
  - Upkeep's founders (@astral-core)
seealso:
  - module: astral.upkeep.isolation
"""

EXAMPLES = r"""
- name: See if the host is isolated
  astral.upkeep.isolation_info:
  become: true
"""

RETURN = r"""
observations:
  description: The observation C(isolation).
  returned: always
  type: list
  elements: dict
  contains:
    subject:
      description: Always C(isolation).
      type: str
      returned: always
      sample: isolation
    data:
      description: State, times, by whom, how each table is, what was changed in them, timers that are wrong, and what
        was tried.
      type: dict
      returned: when it could be seen
      sample: {state: confirmed, by: alice, since: '2026-11-28T01:00:30+00:00', until: '2026-11-29T01:00:35+00:00',
        tables: {inet: as loaded, bridge: as loaded}, put_back: [], changed_again: false, tight: true}
    raw:
      description: What is written down on the host.
      type: str
      returned: when it could be seen
    error:
      description: Why nothing could be seen.
      type: str
      returned: when nothing could be seen
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.astral.upkeep.plugins.module_utils.gather.incidents.isolation import (
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
