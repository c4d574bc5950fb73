#!/usr/bin/python
# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Say whether a maintenance job may change the host now."""

from __future__ import annotations

DOCUMENTATION = r"""
module: job_gate
short_description: Say whether a maintenance job may change the host now
version_added: 0.1.0
description:
  - An isolated host is left as it is, so that a job neither removes traces nor fails for want of the network. The first
    task of each job of Upkeep asks this, and ends the play for such a host.
  - Upkeep records that the job was left out there, and why. The host owes the procedure, and does it once it is
    released.
  - Never changes the host; check mode makes no difference. Only root can tell whether a host is isolated.
author:
  - Upkeep's founders (@astral-core)
seealso:
  - module: astral.upkeep.isolation
"""

EXAMPLES = r"""
- name: See whether the job may change this host
  astral.upkeep.job_gate:
  register: gate

- name: Leave an isolated host as it is
  ansible.builtin.meta: end_host
  when: not gate.open
"""

RETURN = r"""
open:
  description: Whether the job may change the host.
  returned: always
  type: bool
  sample: false
why:
  description: Why it may not; empty if it may.
  returned: always
  type: str
  sample: isolated since 2026-11-28 05:10 UTC by alice
"""

import time

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.astral.upkeep.plugins.module_utils.containment.state import isolated
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host


def main() -> None:
    module = AnsibleModule(argument_spec={}, supports_check_mode=True)
    found = isolated(Host())
    why = ""
    if found:
        since = time.strftime("%Y-%m-%d %H:%M", time.gmtime(found["since"]))
        why = f"isolated since {since} UTC by {found['by']}"
    module.exit_json(changed=False, open=not found, why=why)


if __name__ == "__main__":
    main()
