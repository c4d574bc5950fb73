#!/usr/bin/python
# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Observe pending package updates."""

from __future__ import annotations

DOCUMENTATION = r"""
module: package_updates_info
short_description: Observe updates that the package manager would install
version_added: 0.1.0
description:
  - Lets apt-get simulate an upgrade from its lists, or dnf list the security advisories of its cache; neither takes a
    lock, downloads or writes.
  - Says how old the lists are, since an answer from old lists is worth little.
  - Never changes the host; check mode makes no difference.
author:
  - Upkeep's founders (@astral-core)
"""

EXAMPLES = r"""
- name: List pending security updates
  astral.upkeep.package_updates_info:
"""

RETURN = r"""
observations:
  description: One observation per package manager.
  returned: always
  type: list
  elements: dict
  contains:
    subject:
      description: C(apt) or C(dnf).
      type: str
      returned: always
      sample: apt
    data:
      description: Number of updates and of security updates, the first fifty of those, age of each list in seconds.
      type: dict
      returned: always
      sample: {manager: apt, lists: 3, lists_age_seconds: 3600.0, pending: 2, security: 1, security_updates:
        [{package: openssl, installed: 3.0.1-1, candidate: 3.0.1-2, security: true}]}
    raw:
      description: What the package manager printed.
      type: str
      returned: when something was read
    error:
      description: Why nothing could be seen.
      type: str
      returned: when nothing could be seen
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.astral.upkeep.plugins.module_utils.gather.hosts.package_updates import (
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
