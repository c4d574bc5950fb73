#!/usr/bin/python
# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Observe failed units."""

from __future__ import annotations

DOCUMENTATION = r"""
module: systemd_units_info
short_description: Observe units of systemd that failed or keep being restarted
version_added: 0.1.0
description:
  - Lists units that have failed, or that wait to be started again, with the reason systemd gives.
  - Returns nothing on a host that systemd did not start.
  - Never changes the host; check mode makes no difference.
author:
  - Upkeep's founders (@astral-core)
"""

EXAMPLES = r"""
- name: List failed units
  astral.upkeep.systemd_units_info:
"""

RETURN = r"""
observations:
  description: The observation C(systemd).
  returned: always
  type: list
  elements: dict
  contains:
    subject:
      description: Always C(systemd).
      type: str
      returned: always
      sample: systemd
    data:
      description: The units with state, result, exit status and time of the last change.
      type: dict
      returned: always
      sample: {count: 1, units: [{unit: nginx.service, active: failed, sub: failed, result: exit-code, exit_status: 1,
        restarts: 0}]}
    raw:
      description: What systemctl printed.
      type: str
      returned: when something was read
    error:
      description: Why nothing could be seen.
      type: str
      returned: when nothing could be seen
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.astral.upkeep.plugins.module_utils.gather.hosts.systemd_units import (
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
