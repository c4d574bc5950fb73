#!/usr/bin/python
# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Observe the clock's synchronization."""

from __future__ import annotations

DOCUMENTATION = r"""
module: clock_info
short_description: Observe whether the host's clock is synchronized
version_added: 0.1.0
description:
  - Asks chronyd and ntpd if they run, else the kernel, which whatever else keeps the clock has to tell.
  - Never changes the host; check mode makes no difference.
author:
  - Upkeep's founders (@astral-core)
"""

EXAMPLES = r"""
- name: See if the clock is kept
  astral.upkeep.clock_info:
"""

RETURN = r"""
observations:
  description: The observations C(time) and C(clock).
  returned: always
  type: list
  elements: dict
  contains:
    subject:
      description: C(time) or C(clock).
      type: str
      returned: always
      sample: clock
    data:
      description:
        - Of C(time), C(seconds) since 1970 by the host's clock.
        - Of C(clock), who says so and if it is synchronized; offset in seconds, source and stratum as far as they are
          known.
      type: dict
      returned: always
      sample: {by: chrony, synchronized: true, source: 192.0.2.1, stratum: 3, offset_seconds: 0.000012,
        updated_seconds_ago: 31.0}
    raw:
      description: The answer.
      type: str
      returned: when something was read
    error:
      description: Why nothing could be seen.
      type: str
      returned: when nothing could be seen
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.astral.upkeep.plugins.module_utils.gather.hosts.clock import (
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
