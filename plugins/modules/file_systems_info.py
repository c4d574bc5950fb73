#!/usr/bin/python
# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Observe mounted file systems."""

from __future__ import annotations

DOCUMENTATION = r"""
module: file_systems_info
short_description: Observe space, inodes and health of file systems
version_added: 0.1.0
description:
  - Looks at each mounted file system that holds files, once, whatever it is mounted on besides; kernel interfaces,
    read-only images and layers of containers are left out.
  - Each is asked in a process of its own, so that a network mount that hangs costs only its own answer.
  - Never changes the host; check mode makes no difference.
options:
  mount_points:
    description: Mount points that must be mounted, and that are looked at whatever their type.
    type: list
    elements: str
    default: []
  ignore:
    description: Shell patterns of mount points to leave out.
    type: list
    elements: str
    default:
      - /etc/hostname
      - /etc/hosts
      - /etc/resolv.conf
      - /dev
      - /dev/*
      - /proc/*
      - /sys/*
      - /run/credentials/*
      - /run/user/*
      - /snap/*
      - /var/snap/*
      - /var/lib/docker/*
      - /var/lib/containers/*
      - /var/lib/containerd/*
      - /run/containerd/*
      - /var/lib/kubelet/*
author:
  - Upkeep's founders (@astral-core)
"""

EXAMPLES = r"""
- name: Look at all file systems, and see that the backup disk is there
  astral.upkeep.file_systems_info:
    mount_points: [/backup]
"""

RETURN = r"""
observations:
  description: One observation per file system.
  returned: always
  type: list
  elements: dict
  contains:
    subject:
      description: The mount point.
      type: str
      returned: always
      sample: /var
    data:
      description: Sizes in bytes, inodes, whether it is or became read-only, the file system's own count of errors.
      type: dict
      returned: always
      sample: {mounted: true, device: /dev/sda2, type: ext4, read_only: false, lost_writes: false, wanted_writable:
        true, size_bytes: 42949672960, free_bytes: 21474836480, available_bytes: 19327352832, inodes: 2621440,
        inodes_free: 2400000, errors: 0}
    raw:
      description: The kernel's line on the mount and the answer of statvfs.
      type: str
      returned: when something was read
    error:
      description: Why nothing could be seen.
      type: str
      returned: when nothing could be seen
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.astral.upkeep.plugins.module_utils.gather.hosts.file_systems import (
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
