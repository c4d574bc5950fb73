#!/usr/bin/python
# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Observe memory, swap, load and file handles."""

from __future__ import annotations

DOCUMENTATION = r"""
module: host_resources_info
short_description: Observe memory, swap, load and file handles
version_added: 0.1.0
description:
  - Reads C(/proc) and C(/sys) only; needs no privilege and no program.
  - In a container with a memory limit, memory is counted against that.
  - Never changes the host; check mode makes no difference.
author:
  - Upkeep's founders (@astral-core)
"""

EXAMPLES = r"""
- name: Look at what is left of the host's resources
  astral.upkeep.host_resources_info:
"""

RETURN = r"""
observations:
  description: Observations of C(memory), C(load), C(file handles) and, if there is any, C(swap).
  returned: always
  type: list
  elements: dict
  contains:
    subject:
      description: What was looked at.
      type: str
      returned: always
      sample: memory
    data:
      description: Sizes in bytes, loads, counts, and the shares of time in which tasks had to wait.
      type: dict
      returned: always
      sample: {total_bytes: 8589934592, available_bytes: 6442450944, limited: false, pressure: {some_avg10: 0.0,
        full_avg300: 0.0}}
    raw:
      description: What was read.
      type: str
      returned: when something was read
    error:
      description: Why nothing could be seen.
      type: str
      returned: when nothing could be seen
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.astral.upkeep.plugins.module_utils.gather.hosts.host_resources import (
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
