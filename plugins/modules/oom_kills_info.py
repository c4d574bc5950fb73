#!/usr/bin/python
# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Observe processes killed for want of memory."""

from __future__ import annotations

DOCUMENTATION = r"""
module: oom_kills_info
short_description: Observe processes that were killed because memory ran out
version_added: 0.1.0
description:
  - Reads the kernel's count since the boot, and the lines of the last hours from the journal or, without one, from the
    kernel's ring buffer.
  - Never changes the host; check mode makes no difference.
options:
  window_hours:
    description: How far back to look, in hours.
    type: int
    default: 24
author:
  - Upkeep's founders (@astral-core)
"""

EXAMPLES = r"""
- name: List what was killed within a day
  astral.upkeep.oom_kills_info:
"""

RETURN = r"""
observations:
  description: The observation C(out of memory).
  returned: always
  type: list
  elements: dict
  contains:
    subject:
      description: Always C(out of memory).
      type: str
      returned: always
      sample: out of memory
    data:
      description: Number of kills since the boot and within the window, the last of them, and which log was read.
      type: dict
      returned: always
      sample: {window_hours: 24, uptime_seconds: 86400.0, since_boot: 1, log: journal, log_unreadable: '', in_window:
        1, kills: [{at: '2026-11-23T04:00:00+00:00', process: 812, name: node}]}
    raw:
      description: The count and the log's lines.
      type: str
      returned: when something was read
    error:
      description: Why nothing could be seen.
      type: str
      returned: when nothing could be seen
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.astral.upkeep.plugins.module_utils.gather.hosts.oom_kills import (
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
