#!/usr/bin/python
# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Observe a register of the site."""

from __future__ import annotations

DOCUMENTATION = r"""
module: registers_info
short_description: Observe a register of the site
version_added: 0.1.0
description:
  - Reads a register that people keep as a file, such as one of people or of agreements, and the copy of it that was
    accepted last. YAML and CSV are taken apart where the checks run.
  - Asked by M(astral.upkeep.observe), it is asked of the controller alone. See O(source).
  - Never changes anything; check mode makes no difference.
options:
  source:
    description:
      - By which name the register is known, C(register/<name>). It takes the host's place in results and findings.
    type: str
    required: true
  path:
    description: The register. A relative path begins in O(folder).
    type: str
    required: true
  accepted:
    description: The copy that was accepted last; O(path) with C(.accepted) behind it, if not given.
    type: str
    default: ''
  folder:
    description: Where relative paths begin. M(astral.upkeep.observe) takes the site's folder, if not given.
    type: str
    default: ''
author:
  - Upkeep's founders (@astral-core)
"""

EXAMPLES = r"""
- name: See who is in the register
  astral.upkeep.registers_info:
    source: register/people
    path: /srv/site/registers/people.yml
"""

RETURN = r"""
observations:
  description: One, of the register.
  returned: always
  type: list
  elements: dict
  contains:
    subject:
      description: The path as it was given.
      type: str
      returned: always
      sample: registers/people.yml
    data:
      description: Whether the register is there, its size, time and SHA-256; under C(accepted) the same of the copy
        that was accepted, with its text.
      type: dict
      returned: always
      sample: {path: /srv/site/registers/people.yml, there: true, bytes: 120, modified_at: '2026-11-01T04:00:00+00:00'}
    raw:
      description: The register's text.
      type: str
      returned: when the register is there
    error:
      description: Why nothing could be seen.
      type: str
      returned: when nothing could be seen
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.astral.upkeep.plugins.module_utils.gather.registers.registers import (
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
