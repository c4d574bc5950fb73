#!/usr/bin/python
# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Observe what speaks for a reboot."""

from __future__ import annotations

DOCUMENTATION = r"""
module: reboot_info
short_description: Observe whether the host waits for a reboot
version_added: 0.1.0
description:
  - Looks for the flag that packages leave (C(/run/reboot-required)), for a kernel newer than the running one, for the
    running one's package replaced since the boot, and asks C(needs-restarting) where it is installed.
  - Never changes the host; check mode makes no difference.
author:
  - Upkeep's founders (@astral-core)
"""

EXAMPLES = r"""
- name: See if a reboot is pending
  astral.upkeep.reboot_info:
"""

RETURN = r"""
observations:
  description: The observation C(reboot).
  returned: always
  type: list
  elements: dict
  contains:
    subject:
      description: Always C(reboot).
      type: str
      returned: always
      sample: reboot
    data:
      description: Time of the boot, running, newer and next kernel, flag and packages with their times.
      type: dict
      returned: always
      sample: {booted_at: '2026-11-01T04:00:00+00:00', running_kernel: 6.1.0-28-amd64, newer_kernel: 6.1.0-29-amd64,
        next_kernel: 6.1.0-29-amd64, compared_by: dpkg, flag_at: null, packages: []}
    raw:
      description: The kernels and the flag.
      type: str
      returned: when something was read
    error:
      description: Why nothing could be seen.
      type: str
      returned: when nothing could be seen
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.astral.upkeep.plugins.module_utils.gather.hosts.reboot import (
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
