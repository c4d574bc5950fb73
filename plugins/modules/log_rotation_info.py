#!/usr/bin/python
# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gather logs and their archives against logrotate's configuration."""

from __future__ import annotations

DOCUMENTATION = r"""
module: log_rotation_info
short_description: Gather logs and their archives against logrotate's configuration
version_added: 0.1.0
author: Upkeep's founders (@astral-core)
description:
  - Returns each log that logrotate's configuration matches with its policy, its archives and what proves its last
    rotation; the configuration itself with its errors and its state file; big logs that no policy is for; what the
    declared retention folders hold past their days; and deleted files that a process still holds open.
  - logrotate's state file is read and is never taken as proof.
  - Nothing is changed; check mode makes no difference.
options:
  config:
    description: Configuration files of logrotate; C(/etc/logrotate.conf), where it is, if not given.
    type: list
    elements: path
  state:
    description: State file of logrotate; the one that the program names as its default, if not given.
    type: path
  retention:
    description: Folders in which archives have a last day.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: An absolute path that holds only logs.
        type: path
        required: true
      keep_days:
        description: Days for which an archive is kept after it was last written.
        type: int
        required: true
      patterns:
        description: Shell patterns of the archives' names.
        type: list
        elements: str
        default:
          - '*.gz'
          - '*.bz2'
          - '*.xz'
          - '*.zst'
          - '*.[0-9]'
          - '*.[0-9][0-9]'
          - '*.[0-9][0-9][0-9]'
          - '*-[12][0-9][0-9][0-9][01][0-9][0-3][0-9]*'
      keep_newest:
        description: How many archives of each log stay whatever their age.
        type: int
        default: 2
  log_folders:
    description: Where to look for big files that no policy is for.
    type: list
    elements: path
    default: [/var/log]
  unrotated_bytes:
    description: From which size on such a file is returned.
    type: int
    default: 500000000
  open_files:
    description: Whether to look at the files that processes hold open.
    type: bool
    default: true
attributes:
  check_mode:
    description: It changes nothing.
    support: full
seealso:
  - module: astral.upkeep.log_rotate
"""

EXAMPLES = r"""
- name: See how the logs are rotated
  astral.upkeep.log_rotation_info:
    retention:
      - path: /var/log/shop
        keep_days: 365
  register: logs
"""

RETURN = r"""
observations:
  description: One for each log, and each of the configuration, big logs, folders, and deleted files.
  returned: always
  type: list
  elements: dict
  contains:
    subject:
      description: The path, or what it is of.
      type: str
    data:
      description: Parsed values; C(kind) says of what.
      type: dict
    raw:
      description: The text behind it.
      type: str
    error:
      description: Why it could not be read; data is then empty.
      type: str
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.astral.upkeep.plugins.module_utils.gather.logs.log_rotation import (
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
